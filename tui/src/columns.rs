//! The columns of the tables: one table says what each is called, how wide it is, what goes first
//! where there is no room, and what stands in its cells.

use std::borrow::Cow;

use collector::model::{ConnState, Connection, Event, Timestamp};
use jiff::tz::TimeZone;

use crate::{format, text};

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Column {
    Time,
    State,
    Age,
    Node,
    Namespace,
    Pod,
    Container,
    T,
    Pid,
    Comm,
    Ip,
    Saddr,
    Daddr,
    Sport,
    Dport,
    Reason,
    Peer,
    Lat,
    Dur,
    Tx,
    Rx,
    Rtt,
    Retr,
}

/// Where the text of a cell stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// How a column is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    pub(crate) column: Column,
    pub(crate) title: &'static str,
    /// Cells it needs to be of use.
    min: u16,
    /// Cells in which nearly everything fits.
    ample: u16,
    /// Cells in which everything fits.
    max: u16,
    pub(crate) align: Align,
}

/// The text and the look of a table's cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) event: &'a Event,
    /// In the connections view.
    pub(crate) connection: Option<&'a Connection>,
}

/// What cells need to know beside their row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    pub(crate) now: Timestamp,
    pub(crate) tz: &'a TimeZone,
}

use Align::{Left, Right};

const fn spec(column: Column, title: &'static str, widths: [u16; 3], align: Align) -> Spec {
    Spec {
        column,
        title,
        min: widths[0],
        ample: widths[1],
        max: widths[2],
        align,
    }
}

/// All columns, in the order in which they stand.
const SPECS: [Spec; 23] = [
    spec(Column::State, "STATE", [6, 6, 6], Left),
    spec(Column::Age, "AGE", [6, 6, 6], Right),
    spec(Column::Time, "TIME", [8, 12, 15], Left),
    spec(Column::Node, "NODE", [8, 12, 30], Left),
    spec(Column::Namespace, "NAMESPACE", [9, 12, 30], Left),
    spec(Column::Pod, "POD", [12, 28, 63], Left),
    spec(Column::Container, "CONTAINER", [9, 14, 40], Left),
    spec(Column::T, "T", [1, 1, 1], Left),
    spec(Column::Pid, "PID", [7, 7, 7], Right),
    spec(Column::Comm, "COMM", [8, 15, 16], Left),
    spec(Column::Ip, "IP", [2, 2, 2], Left),
    spec(Column::Saddr, "SADDR", [15, 15, 39], Left),
    spec(Column::Daddr, "DADDR", [15, 15, 39], Left),
    spec(Column::Sport, "SPORT", [5, 5, 5], Right),
    spec(Column::Dport, "DPORT", [5, 5, 5], Right),
    spec(Column::Reason, "REASON", [13, 13, 13], Left),
    spec(Column::Peer, "PEER", [10, 24, 60], Left),
    spec(Column::Lat, "LAT", [6, 6, 6], Right),
    spec(Column::Dur, "DUR", [6, 6, 6], Right),
    spec(Column::Tx, "TX", [5, 5, 5], Right),
    spec(Column::Rx, "RX", [5, 5, 5], Right),
    spec(Column::Rtt, "RTT", [6, 6, 6], Right),
    spec(Column::Retr, "RETR", [4, 4, 4], Right),
];

/// The columns of the events view.
pub(crate) const EVENTS: [Column; 21] = {
    use Column::{
        Comm, Container, Daddr, Dport, Dur, Ip, Lat, Namespace, Node, Peer, Pid, Pod, Reason, Retr,
        Rtt, Rx, Saddr, Sport, T, Time, Tx,
    };
    [
        Time, Node, Namespace, Pod, Container, T, Pid, Comm, Ip, Saddr, Daddr, Sport, Dport,
        Reason, Peer, Lat, Dur, Tx, Rx, Rtt, Retr,
    ]
};

/// The columns of the connections view.
pub(crate) const CONNECTIONS: [Column; 21] = {
    use Column::{
        Age, Comm, Container, Daddr, Dport, Ip, Lat, Namespace, Node, Peer, Pid, Pod, Reason, Retr,
        Rtt, Rx, Saddr, Sport, State, T, Tx,
    };
    [
        State, Age, Node, Namespace, Pod, Container, T, Pid, Comm, Ip, Saddr, Sport, Daddr, Dport,
        Reason, Peer, Lat, Tx, Rx, Rtt, Retr,
    ]
};

/// What goes first where the minima of the events view do not fit; the rest never goes.
pub(crate) const EVENTS_DROP: &[Column] = {
    use Column::{Container, Dur, Ip, Lat, Namespace, Node, Peer, Retr, Rtt, Rx, Saddr, Sport, Tx};
    &[
        Retr, Rtt, Rx, Tx, Dur, Lat, Peer, Ip, Container, Node, Namespace, Sport, Saddr,
    ]
};

/// The same for the connections view, where the bytes matter more than the reason.
pub(crate) const CONNECTIONS_DROP: &[Column] = {
    use Column::{
        Container, Ip, Lat, Namespace, Node, Peer, Reason, Retr, Rtt, Rx, Saddr, Sport, T, Tx,
    };
    &[
        Retr, Rtt, Lat, Peer, Ip, Container, Node, Namespace, Reason, T, Sport, Saddr, Rx, Tx,
    ]
};

/// What the columns of a view depend on, beside the width of the terminal. Never on a row.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// The columns in their order.
    columns: Vec<Column>,
    drop: &'static [Column],
    /// The source knows pods. Otherwise SADDR stands for POD, NAMESPACE and CONTAINER.
    pods: bool,
}

impl Choice {
    pub(crate) fn new(columns: &[Column], drop: &'static [Column], pods: bool) -> Self {
        let of_pods = [Column::Namespace, Column::Pod, Column::Container];
        let columns = columns.iter().copied();
        Self {
            columns: columns.filter(|c| pods || !of_pods.contains(c)).collect(),
            drop,
            pods,
        }
    }

    /// The columns that fit into `width`, with the cells of each.
    pub(crate) fn fit(&self, width: u16) -> Vec<(Spec, u16)> {
        let mut kept: Vec<Spec> = self.columns.iter().map(|c| c.spec()).collect();
        let keep = (!self.pods).then_some(Column::Saddr);
        for dropped in self.drop.iter().filter(|c| Some(**c) != keep) {
            if total(kept.iter().map(|s| s.min)) <= width {
                break;
            }
            kept.retain(|s| s.column != *dropped);
        }
        let mut left = width.saturating_sub(total(kept.iter().map(|s| s.min)));
        let mut fitted: Vec<(Spec, u16)> = kept.into_iter().map(|s| (s, s.min)).collect();
        self.grow(&mut fitted, &mut left, |s| s.ample);
        self.grow(&mut fitted, &mut left, |s| s.max);
        fitted
    }

    /// Hands out the cells that are left, to what goes last first.
    fn grow(&self, fitted: &mut [(Spec, u16)], left: &mut u16, to: impl Fn(&Spec) -> u16) {
        let rank = |c: Column| self.drop.iter().position(|d| *d == c);
        let mut order: Vec<usize> = (0..fitted.len()).collect();
        order.sort_by_key(|i| rank(fitted[*i].0.column).map_or(0, |r| self.drop.len() - r));
        for i in order {
            let (spec, width) = &mut fitted[i];
            let want = to(spec).saturating_sub(*width);
            // A time of day grows by its digits, or not at all.
            if spec.column == Column::Time && want > *left {
                continue;
            }
            let given = want.min(*left);
            *width += given;
            *left -= given;
        }
    }

    /// All columns at the width in which everything fits, however wide that is together.
    pub(crate) fn wide(&self) -> Vec<(Spec, u16)> {
        let specs = self.columns.iter().map(|c| c.spec());
        specs.map(|s| (s, s.max)).collect()
    }
}

/// The cells of columns of those widths, with one between each two.
fn total(widths: impl ExactSizeIterator<Item = u16>) -> u16 {
    let gaps = u16::try_from(widths.len().saturating_sub(1)).unwrap_or(u16::MAX);
    widths.fold(gaps, u16::saturating_add)
}

impl Column {
    fn spec(self) -> Spec {
        // Each column has a line in the table: a test counts them.
        let found = SPECS.iter().find(|s| s.column == self);
        found.copied().unwrap_or(SPECS[0])
    }

    /// The column of that title, in any case.
    pub(crate) fn named(title: &str) -> Option<Self> {
        let mut specs = SPECS.iter();
        let found = specs.find(|s| s.title.eq_ignore_ascii_case(title))?;
        Some(found.column)
    }

    /// What stands in the cell of a row, in at most `width` cells. Unknown is `-`.
    pub(crate) fn cell<'a>(self, row: Row<'a>, width: u16, at: Moment<'_>) -> Cow<'a, str> {
        let width = usize::from(width);
        let Some(text) = self.text(row, width, at) else {
            return "-".into();
        };
        match text {
            Cow::Borrowed(text) => self.cut(text, width),
            Cow::Owned(text) => self.cut(&text, width).into_owned().into(),
        }
    }

    fn cut(self, text: &str, width: usize) -> Cow<'_, str> {
        match text::clean(text) {
            Cow::Borrowed(text) if self.is_address() => text::cut_middle(text, width),
            Cow::Borrowed(text) => text::cut_end(text, width),
            Cow::Owned(text) => text::cut_end(&text, width).into_owned().into(),
        }
    }

    fn is_address(self) -> bool {
        matches!(self, Self::Saddr | Self::Daddr)
    }

    fn text<'a>(self, row: Row<'a>, width: usize, at: Moment<'_>) -> Option<Cow<'a, str>> {
        let event = row.event;
        let process = event.process.as_ref();
        let figures = &event.figures;
        let origin = &event.origin;
        let text = match self {
            Self::Time if event.kind.is_none() => "before".into(),
            Self::Time => time(event.ts, width, at.tz)?.into(),
            Self::State => state(row.connection?.state).into(),
            Self::Age => age(row.connection?, at.now)?.into(),
            Self::Node => Cow::Borrowed(&*origin.node),
            Self::Namespace => origin.namespace.as_deref()?.into(),
            Self::Pod => origin.pod.as_deref()?.into(),
            Self::Container => origin.container.as_deref()?.into(),
            Self::T => event.kind?.letter().into(),
            Self::Pid => process?.pid.to_string().into(),
            Self::Comm => process?.comm.to_text(),
            Self::Ip => event.ip_version().to_string().into(),
            Self::Saddr => event.local.addr.to_string().into(),
            Self::Daddr => event.remote.addr.to_string().into(),
            Self::Sport => event.local.port.to_string().into(),
            Self::Dport => event.remote.port.to_string().into(),
            Self::Reason => match (event.reason, event.state) {
                (Some(reason), _) => reason.word().into(),
                (None, state) => state?.name().into(),
            },
            Self::Peer => peer(event)?.into(),
            Self::Lat => format::duration(figures.lat_us?.get()).into(),
            Self::Dur => format::duration(figures.dur_us?.get()).into(),
            Self::Tx => format::bytes(figures.tx_bytes?.get()).into(),
            Self::Rx => format::bytes(figures.rx_bytes?.get()).into(),
            Self::Rtt => format::duration(u64::from(figures.rtt_us?.get())).into(),
            Self::Retr => format::count(u64::from(figures.retrans?.get())).into(),
        };
        Some(text)
    }
}

/// The time of day, as exact as the cells allow.
fn time(ts: Timestamp, width: usize, tz: &TimeZone) -> Option<String> {
    let ts = jiff::Timestamp::from_nanosecond(i128::from(ts.0)).ok()?;
    let pattern = match width {
        15.. => "%H:%M:%S%.6f",
        12..15 => "%H:%M:%S%.3f",
        _ => "%H:%M:%S",
    };
    Some(ts.to_zoned(tz.clone()).strftime(pattern).to_string())
}

/// How old an open connection is, in seconds, so that it does not flicker; how long it lasted.
fn age(connection: &Connection, now: Timestamp) -> Option<String> {
    let us = connection.age_us(now)?;
    Some(match connection.state {
        ConnState::Open | ConnState::Unsure => format::age(us),
        ConnState::Ended | ConnState::Failed => format::duration(us),
    })
}

/// The word in the `STATE` column.
pub(crate) fn state(state: ConnState) -> &'static str {
    match state {
        ConnState::Open => "open",
        ConnState::Unsure => "unsure",
        ConnState::Ended => "ended",
        ConnState::Failed => "failed",
    }
}

fn peer(event: &Event) -> Option<String> {
    let peer = event.peer.as_deref()?;
    let kind = peer.kind.word();
    Some(match &peer.namespace {
        Some(namespace) => format!("{kind}/{namespace}/{}", peer.name),
        None => format!("{kind}/{}", peer.name),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(pods: bool) -> Choice {
        Choice::new(&EVENTS, EVENTS_DROP, pods)
    }

    fn titles(choice: &Choice, width: u16) -> String {
        let fitted = choice.fit(width);
        let titles: Vec<&str> = fitted.iter().map(|(s, _)| s.title).collect();
        titles.join(" ")
    }

    #[test]
    fn each_column_has_its_line() {
        for column in EVENTS.into_iter().chain(CONNECTIONS) {
            assert_eq!(column.spec().column, column);
            assert_eq!(Column::named(column.spec().title), Some(column));
        }
        for spec in SPECS {
            assert!(spec.title.len() <= usize::from(spec.min), "{}", spec.title);
            assert!(spec.min <= spec.ample && spec.ample <= spec.max);
        }
    }

    #[test]
    fn at_80_the_columns_that_never_go_are_there() {
        assert_eq!(
            titles(&events(true), 80),
            "TIME POD T PID COMM DADDR DPORT REASON"
        );
        assert_eq!(
            titles(&events(false), 80),
            "TIME T PID COMM SADDR DADDR DPORT REASON"
        );
    }

    #[test]
    fn at_80_a_connection_has_both_ends_and_its_bytes() {
        let connections = Choice::new(&CONNECTIONS, CONNECTIONS_DROP, false);
        assert_eq!(
            titles(&connections, 80),
            "STATE AGE PID COMM SADDR DADDR DPORT TX RX"
        );
    }

    #[test]
    fn with_room_everything_is_there() {
        assert_eq!(
            titles(&events(true), 220),
            "TIME NODE NAMESPACE POD CONTAINER T PID COMM IP SADDR DADDR SPORT DPORT REASON \
             PEER LAT DUR TX RX RTT RETR"
        );
        assert_eq!(
            titles(&events(false), 200),
            "TIME NODE T PID COMM IP SADDR DADDR SPORT DPORT REASON PEER LAT DUR TX RX RTT RETR"
        );
    }

    #[test]
    fn columns_go_one_by_one_in_their_order() {
        for pods in [true, false] {
            let choice = events(pods);
            let mut gone = Vec::new();
            let mut before = choice.fit(400);
            for width in (80..400).rev() {
                let now = choice.fit(width);
                let is_there = |c: Column| now.iter().any(|(s, _)| s.column == c);
                gone.extend(
                    before
                        .iter()
                        .map(|(s, _)| s.column)
                        .filter(|c| !is_there(*c)),
                );
                before = now;
            }
            let expected = EVENTS_DROP
                .iter()
                .copied()
                .filter(|c| choice.columns.contains(c));
            let keep = (!pods).then_some(Column::Saddr);
            let expected: Vec<Column> = expected.filter(|c| Some(*c) != keep).collect();
            assert_eq!(gone, expected);
        }
    }

    proptest! {
        #[test]
        fn the_columns_fill_no_more_than_the_width(width in 80_u16..400, pods: bool) {
            let connections = Choice::new(&CONNECTIONS, CONNECTIONS_DROP, pods);
            for choice in [events(pods), connections] {
                let fitted = choice.fit(width);
                prop_assert!(total(fitted.iter().map(|(_, w)| *w)) <= width);
                prop_assert!(fitted.iter().all(|(s, w)| (s.min..=s.max).contains(w)));
            }
        }
    }
}
