//! The columns of the tables on the screen: how wide each is, and what goes first where there is no
//! room. What stands in their cells is what the text outputs say.

mod lists;
mod sort;

use std::borrow::Cow;

use collector::export::{self, UnknownColumn};
use collector::model::{ConnState, Connection, Event, Part, Timestamp};
use jiff::tz::TimeZone;

pub(crate) use collector::export::Align;
pub(crate) use lists::{At, Item, ListColumn, Look, whom};
pub(crate) use sort::newest;
use sort::{First, Say, sort};

use crate::action::Tab;
use crate::{format, text};

/// What a column is, beyond its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The time of day; grows by its digits.
    Time,
    /// Whether a connection is open.
    State,
    /// How long a connection has lasted.
    Age,
    /// The letter of an event's type.
    Type,
    /// The reason, or the state of a socket that is listed.
    Reason,
    /// Cut in the middle: the network, the namespace or the deployment stands in front, and what
    /// tells hosts or pods apart at the end.
    Ends,
    Plain,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) align: Align,
    /// Cells it needs to be of use.
    min: u16,
    /// Cells in which nearly everything fits.
    ample: u16,
    /// Cells in which everything fits.
    max: u16,
    /// What says the text; the screen's own columns have none.
    text: Option<&'static export::Column>,
    sort: Option<(First, Part, Say)>,
    /// Of the views that are lists of sums.
    list: Option<&'static ListColumn>,
}

/// The columns that the screen lays out in its own way. Others have one width.
#[rustfmt::skip] // A table.
const LAYOUT: [(&str, Kind, [u16; 3]); 23] = [
    ("STATE", Kind::State, [6, 6, 6]),
    ("AGE", Kind::Age, [6, 6, 6]),
    ("TIME", Kind::Time, [8, 12, 15]),
    ("NODE", Kind::Plain, [8, 12, 30]),
    ("NAMESPACE", Kind::Plain, [9, 12, 30]),
    ("POD", Kind::Ends, [12, 28, 63]),
    ("CONTAINER", Kind::Plain, [9, 14, 40]),
    ("T", Kind::Type, [1, 1, 1]),
    ("PID", Kind::Plain, [7, 7, 7]),
    ("COMM", Kind::Plain, [8, 15, 16]),
    ("IP", Kind::Plain, [2, 2, 2]),
    ("SADDR", Kind::Ends, [15, 15, 39]),
    ("DADDR", Kind::Ends, [15, 15, 39]),
    ("SPORT", Kind::Plain, [5, 5, 5]),
    ("DPORT", Kind::Plain, [5, 5, 5]),
    ("REASON", Kind::Reason, [13, 13, 13]),
    ("PEER", Kind::Ends, [10, 24, 60]),
    ("LAT", Kind::Plain, [6, 6, 6]),
    ("DUR", Kind::Plain, [6, 6, 6]),
    ("TX", Kind::Plain, [7, 7, 7]),
    ("RX", Kind::Plain, [7, 7, 7]),
    ("RTT", Kind::Plain, [6, 6, 6]),
    ("RETR", Kind::Plain, [4, 5, 5]),
];

/// The columns of the events view.
const EVENTS: [&str; 21] = [
    "TIME",
    "NODE",
    "NAMESPACE",
    "POD",
    "CONTAINER",
    "T",
    "PID",
    "COMM",
    "IP",
    "SADDR",
    "DADDR",
    "SPORT",
    "DPORT",
    "REASON",
    "PEER",
    "LAT",
    "DUR",
    "TX",
    "RX",
    "RTT",
    "RETR",
];

/// The columns of the connections view.
const CONNECTIONS: [&str; 21] = [
    "STATE",
    "AGE",
    "NODE",
    "NAMESPACE",
    "POD",
    "CONTAINER",
    "T",
    "PID",
    "COMM",
    "IP",
    "SADDR",
    "SPORT",
    "DADDR",
    "DPORT",
    "REASON",
    "PEER",
    "LAT",
    "TX",
    "RX",
    "RTT",
    "RETR",
];

/// What goes first where the minima of the events view do not fit; the rest never goes.
const EVENTS_DROP: &[&str] = &[
    "RETR",
    "RTT",
    "RX",
    "TX",
    "DUR",
    "LAT",
    "PEER",
    "IP",
    "CONTAINER",
    "NODE",
    "NAMESPACE",
    "SPORT",
    "SADDR",
];

/// The same for the connections view, where it matters who it is, why it is over, and how much was
/// sent.
const CONNECTIONS_DROP: &[&str] = &[
    "RETR",
    "RTT",
    "LAT",
    "PEER",
    "IP",
    "CONTAINER",
    "NODE",
    "NAMESPACE",
    "T",
    "SPORT",
    "SADDR",
    "RX",
    "PID",
    "TX",
];

/// What grows first where there is room to spare; then the others, what goes last before what goes
/// first.
const GROW: [&str; 4] = ["TIME", "COMM", "POD", "DADDR"];

/// What POD, NAMESPACE and CONTAINER are called; where there are no pods, SADDR stands for them.
const OF_PODS: [&str; 3] = ["NAMESPACE", "POD", "CONTAINER"];

/// What a cell is about.
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

/// The columns of a view. With the width of the terminal, they are all that the layout depends on:
/// never a row.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// In the order in which they stand.
    columns: Vec<Column>,
    /// What goes first.
    drop: Vec<&'static str>,
}

impl Choice {
    /// The columns of the events view: those that were asked for, if any were.
    ///
    /// # Errors
    /// If one of them is not there.
    pub(crate) fn events<S: AsRef<str>>(names: &[S], pods: bool) -> Result<Self, UnknownColumn> {
        if names.is_empty() {
            let mut choice = Self::usual(&EVENTS, EVENTS_DROP, pods);
            // Where there are no pods, it stands for them.
            choice.drop.retain(|name| pods || *name != "SADDR");
            return Ok(choice);
        }
        Self::chosen(names, EVENTS_DROP)
    }

    /// The columns of a view: those that were asked for, if any were.
    ///
    /// # Errors
    /// If one of them is not there.
    pub(crate) fn of<S: AsRef<str>>(
        tab: Tab,
        names: &[S],
        pods: bool,
    ) -> Result<Self, UnknownColumn> {
        match tab {
            Tab::Events => Self::events(names, pods),
            Tab::Connections if names.is_empty() => Ok(Self::connections(pods)),
            Tab::Connections => Self::chosen(names, CONNECTIONS_DROP),
            list => Self::list(list, pods || !names.is_empty()).picked(names),
        }
    }

    fn chosen<S: AsRef<str>>(names: &[S], drop: &[&'static str]) -> Result<Self, UnknownColumn> {
        let columns = names.iter().map(|name| {
            let name = name.as_ref();
            named(name).ok_or_else(|| UnknownColumn {
                name: name.to_owned(),
            })
        });
        Ok(Self {
            columns: columns.collect::<Result<_, _>>()?,
            drop: drop.to_vec(),
        })
    }

    /// The columns of the connections view.
    pub(crate) fn connections(pods: bool) -> Self {
        Self::usual(&CONNECTIONS, CONNECTIONS_DROP, pods)
    }

    fn usual(names: &[&str], drop: &[&'static str], pods: bool) -> Self {
        let names = names.iter().filter(|name| pods || !OF_PODS.contains(name));
        Self {
            columns: names.filter_map(|name| named(name)).collect(),
            drop: drop.to_vec(),
        }
    }

    /// The columns that fit into `width`, with the cells of each.
    pub(crate) fn fit(&self, width: u16) -> Vec<(Column, u16)> {
        let mut kept = self.columns.clone();
        for dropped in &self.drop {
            if total(kept.iter().map(|c| c.min)) <= width {
                break;
            }
            kept.retain(|c| c.name != *dropped);
        }
        let mut left = width.saturating_sub(total(kept.iter().map(|c| c.min)));
        let mut fitted: Vec<(Column, u16)> = kept.into_iter().map(|c| (c, c.min)).collect();
        self.grow(&mut fitted, &mut left, |c| c.ample);
        self.grow(&mut fitted, &mut left, |c| c.max);
        fitted
    }

    /// Hands out the cells that are left.
    fn grow(&self, fitted: &mut [(Column, u16)], left: &mut u16, to: impl Fn(&Column) -> u16) {
        let rank = |name: &str| {
            let first = GROW.iter().position(|g| *g == name);
            let dropped = self.drop.iter().rev().position(|d| *d == name);
            first.unwrap_or(GROW.len() + dropped.map_or(0, |rank| rank + 1))
        };
        let mut order: Vec<usize> = (0..fitted.len()).collect();
        order.sort_by_key(|i| rank(fitted[*i].0.name));
        for i in order {
            let (column, width) = &mut fitted[i];
            let want = to(column).saturating_sub(*width);
            if column.kind == Kind::Time && want > *left {
                continue;
            }
            let given = want.min(*left);
            *width += given;
            *left -= given;
        }
    }

    /// The names of the columns, in their order.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|column| column.name).collect()
    }

    /// All columns at the width in which everything fits, however wide that is together.
    pub(crate) fn wide(&self) -> Vec<(Column, u16)> {
        self.columns.iter().map(|c| (*c, c.max)).collect()
    }
}

/// The names of all columns.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let own = LAYOUT.iter().map(|(name, ..)| *name);
    let others = export::COLUMNS.iter().map(|column| column.name);
    own.chain(others.filter(|name| LAYOUT.iter().all(|(known, ..)| known != name)))
}

/// A column where it stands on the screen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    pub(crate) column: Column,
    pub(crate) x: u16,
    pub(crate) width: u16,
}

/// Where columns stand in that many cells: those that fit, or, in the wide layout, those from
/// column `wide` on.
pub(crate) fn placed(choice: &Choice, wide: Option<usize>, width: u16) -> Vec<Placed> {
    let columns = match wide {
        None => choice.fit(width),
        Some(first) => {
            let mut columns = choice.wide();
            columns.split_off(first.min(columns.len()))
        }
    };
    let mut x = 0;
    let mut placed = Vec::with_capacity(columns.len());
    for (column, cells) in columns {
        let room = width.saturating_sub(x);
        // At the right end of the wide layout: a column that is cut to nothing tells nothing.
        if room < cells && !column.is_of_use_in(room) {
            break;
        }
        let cells = cells.min(room);
        placed.push(Placed {
            column,
            x,
            width: cells,
        });
        x += cells + 1;
    }
    placed
}

/// The cells of columns of those widths, with one between each two.
fn total(widths: impl ExactSizeIterator<Item = u16>) -> u16 {
    let gaps = u16::try_from(widths.len().saturating_sub(1)).unwrap_or(u16::MAX);
    widths.fold(gaps, u16::saturating_add)
}

/// The column of that name, in any case.
fn named(name: &str) -> Option<Column> {
    let text = export::Column::named(name);
    let name = text.map_or(name, |column| column.name);
    let mut own = LAYOUT.iter();
    if let Some((name, kind, [min, ample, max])) = own.find(|l| l.0.eq_ignore_ascii_case(name)) {
        return Some(Column {
            name,
            kind: *kind,
            align: text.map_or(Align::Right, |column| column.align),
            min: *min,
            ample: *ample,
            max: *max,
            text,
            sort: sort(name),
            list: None,
        });
    }
    let text = text?;
    let width = u16::try_from(text.width).unwrap_or(u16::MAX);
    Some(Column {
        name: text.name,
        kind: Kind::Plain,
        align: text.align,
        min: width,
        ample: width,
        max: width,
        text: Some(text),
        sort: sort(text.name),
        list: None,
    })
}

impl Column {
    /// The column of that name, in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        named(name)
    }

    /// Its minimum fits.
    fn is_of_use_in(&self, cells: u16) -> bool {
        cells >= self.min
    }

    /// What stands in the cell of a row, in at most `width` cells. Unknown is `-`.
    pub(crate) fn cell<'a>(&self, row: Row<'a>, width: u16, at: Moment<'_>) -> Cow<'a, str> {
        let width = usize::from(width);
        match self.said(row, width, at) {
            Cow::Borrowed(said) => self.fitting(said, width),
            Cow::Owned(said) => self.fitting(&said, width).into_owned().into(),
        }
    }

    fn fitting<'a>(&self, said: &'a str, width: usize) -> Cow<'a, str> {
        let cut = match self.kind {
            Kind::Ends => text::cut_middle,
            _ => text::cut_end,
        };
        match text::clean(said) {
            Cow::Borrowed(said) => cut(said, width),
            Cow::Owned(said) => cut(&said, width).into_owned().into(),
        }
    }

    fn said<'a>(&self, row: Row<'a>, width: usize, at: Moment<'_>) -> Cow<'a, str> {
        let event = row.event;
        let own: Option<Cow<str>> = match self.kind {
            // What is listed later has its time.
            Kind::Time if event.kind.is_none() && event.before => Some("before".into()),
            Kind::Time => time(event.ts, width, at.tz).map(Cow::from),
            Kind::State => row.connection.map(|c| c.state.word().into()),
            Kind::Age => row.connection.and_then(|c| age(c, at.now)).map(Cow::from),
            Kind::Reason if event.reason.is_none() => event.state.map(|s| s.name().into()),
            Kind::Type | Kind::Reason | Kind::Ends | Kind::Plain => {
                self.text.map(|text| export::cell(text, event))
            }
        };
        own.unwrap_or("-".into())
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

/// The time of day, to the second.
pub(crate) fn time_of_day(ts: Timestamp, tz: &TimeZone) -> String {
    time(ts, 0, tz).unwrap_or_default()
}

/// How old an open connection is, in whole seconds; how long one lasted that is over.
fn age(connection: &Connection, now: Timestamp) -> Option<String> {
    let us = connection.age_us(now)?;
    Some(match connection.state {
        ConnState::Open | ConnState::Unsure => format::age(us),
        ConnState::Ended | ConnState::Failed => collector::format::duration(us),
    })
}

#[cfg(test)]
mod tests;
