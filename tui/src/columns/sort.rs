//! What the rows of a table are sorted by, column by column.

use std::net::IpAddr;
use std::num::NonZero;

use collector::export;
use collector::filter::Key;
use collector::model::{Comm, ConnState, Connection, Part, Process, Reason, Zone};

use super::{Column, Row};
use crate::view::Value;

/// What a row is sorted by.
pub(super) type Say = for<'a> fn(Row<'a>) -> Value<'a>;

/// Which way a column is sorted at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// Names and numbers that name something: from the beginning.
    Least,
    /// Figures: who asks for them wants to see the largest.
    Greatest,
}

use First::{Greatest, Least};

/// Each column that an event or a connection can have; of an event, it is about what the key is.
#[rustfmt::skip] // A table.
const SORTS: [(&str, First, Key, Say); 37] = [
    ("STATE", Least, Key::State, |r| state(r)),
    ("AGE", Greatest, Key::State, |r| age(r)),
    ("SEQ", Least, Key::Seq, |r| number(r.event.seq.map(|n| n.get()))),
    // As they came: the events view does not sort for this one.
    ("TIME", Least, Key::Ts, |r| number(u64::try_from(r.event.ts.0).ok())),
    ("NODE", Least, Key::Node, |r| Value::text(Some(&r.event.origin.node))),
    ("NAMESPACE", Least, Key::Namespace, |r| Value::text(r.event.origin.namespace.as_deref())),
    ("POD", Least, Key::Pod, |r| Value::text(r.event.origin.pod.as_deref())),
    ("CONTAINER", Least, Key::Container, |r| Value::text(r.event.origin.container.as_deref())),
    ("T", Least, Key::Type, |r| number(r.event.kind.map(|kind| kind as u64))),
    ("PID", Least, Key::Pid, |r| process(r, |p| Some(p.pid))),
    ("TID", Least, Key::Tid, |r| process(r, |p| p.tid.map(|n| n.get()))),
    ("COMM", Least, Key::Comm, |r| name(r.event.process.as_ref().map(|p| p.comm))),
    ("UID", Least, Key::Uid, |r| process(r, |p| p.uid.map(|n| n.get()))),
    ("GID", Least, Key::Gid, |r| process(r, |p| p.gid.map(|n| n.get()))),
    ("IP", Least, Key::Ip, |r| number(Some(r.event.ip_version()))),
    ("FAMILY", Least, Key::Family, |r| number(Some(r.event.family.number()))),
    ("SADDR", Least, Key::Saddr, |r| address(r.event.local.addr)),
    ("DADDR", Least, Key::Daddr, |r| address(r.event.remote.addr)),
    ("SPORT", Least, Key::Sport, |r| number(Some(r.event.local.port))),
    ("DPORT", Least, Key::Dport, |r| number(Some(r.event.remote.port))),
    ("CONN", Least, Key::Conn, |r| number(Some(r.event.conn.0))),
    ("PHASE", Least, Key::Phase, |r| number(r.event.phase.map(|phase| phase as u64))),
    ("REASON", Least, Key::Reason, |r| Value::text(r.event.reason.map(Reason::word))),
    ("ERRNO", Least, Key::Errno, |r| number(r.event.errno.map(NonZero::get))),
    ("LAT", Greatest, Key::LatUs, |r| number(r.event.figures.lat_us.map(|n| n.get()))),
    ("DUR", Greatest, Key::DurUs, |r| number(r.event.figures.dur_us.map(|n| n.get()))),
    ("TX", Greatest, Key::TxBytes, |r| number(r.event.figures.tx_bytes.map(|n| n.get()))),
    ("RX", Greatest, Key::RxBytes, |r| number(r.event.figures.rx_bytes.map(|n| n.get()))),
    ("RTT", Greatest, Key::RttUs, |r| number(r.event.figures.rtt_us.map(|n| n.get()))),
    ("RETR", Greatest, Key::Retrans, |r| number(r.event.figures.retrans.map(|n| n.get()))),
    ("BEFORE", Least, Key::Before, |r| number(Some(r.event.before))),
    ("NETNS", Least, Key::Netns, |r| number(r.event.netns.map(|n| n.get()))),
    ("MNTNS", Least, Key::Mntns, |r| number(r.event.mntns.map(|n| n.get()))),
    ("CGROUP", Least, Key::Cgroup, |r| number(r.event.cgroup.map(|n| n.get()))),
    ("PEER", Least, Key::Peer, |r| peer(r)),
    ("SCOPE", Least, Key::Scope, |r| Value::text(r.event.scope.as_ref().map(Zone::as_str))),
    ("THREAD", Least, Key::Thread, |r| name(r.event.process.as_ref().and_then(|p| p.thread))),
];

/// How rows are sorted by the column of that name.
pub(super) fn sort(name: &str) -> Option<(First, Part, Say)> {
    let found = SORTS.iter().find(|(known, ..)| *known == name);
    found.map(|(_, first, key, say)| (*first, key.part(), *say))
}

impl Column {
    /// What a row is sorted by.
    pub(crate) fn value<'a>(&self, row: Row<'a>) -> Value<'a> {
        self.sort.map_or(Value::Unknown, |(.., say)| say(row))
    }

    /// The part of an event that says what it is sorted by.
    pub(crate) fn part(&self) -> Part {
        self.sort.map_or(Part::What, |(_, part, _)| part)
    }

    /// It is sorted from the greatest to the least at first.
    pub(crate) fn is_figure(&self) -> bool {
        self.first() == Some(Greatest)
    }
}

fn number(n: Option<impl Into<u128>>) -> Value<'static> {
    Value::number(n)
}

fn process(row: Row<'_>, ask: impl Fn(&Process) -> Option<u32>) -> Value<'static> {
    number(row.event.process.as_deref().and_then(ask))
}

/// Its bytes, which are 16: shorter names are filled up with the least byte.
fn name(name: Option<Comm>) -> Value<'static> {
    number(name.map(|name| {
        let mut bytes = [0; 16];
        let name = name.as_bytes();
        bytes[..name.len()].copy_from_slice(name);
        u128::from_be_bytes(bytes)
    }))
}

/// IPv4 as the IPv6 addresses that it is mapped to: all of them together.
fn address(addr: IpAddr) -> Value<'static> {
    number(Some(match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().to_bits(),
        IpAddr::V6(addr) => addr.to_bits(),
    }))
}

fn peer(row: Row<'_>) -> Value<'_> {
    match (export::Column::named("PEER"), &row.event.peer) {
        (Some(column), Some(_)) => Value::Text(export::cell(column, row.event)),
        _ => Value::Unknown,
    }
}

fn state(row: Row<'_>) -> Value<'_> {
    match row.connection {
        Some(connection) => number(Some(connection.state as u64)),
        None => number(row.event.state.map(|state| state as u64)),
    }
}

/// Open ones are still growing, and all at the same pace: they stand for themselves, before what is
/// over, so that the order does not change by the passing of time.
fn age(row: Row<'_>) -> Value<'_> {
    const OPEN: u128 = 1 << 64;
    let age = |connection: &Connection| match (connection.state, connection.opened) {
        (ConnState::Open, Some(opened)) => {
            let since = u64::try_from(opened.0).unwrap_or_default();
            Some(OPEN + u128::from(u64::MAX - since))
        }
        (ConnState::Open, None) => None,
        // Over: the age does not depend on when it is asked for.
        _ => connection.age_us(connection.row.ts).map(u128::from),
    };
    number(row.connection.and_then(age))
}

/// The order of connections that no column was chosen for: open ones first, those that opened last
/// at the top; then those that ended last. To be sorted from the greatest to the least.
pub(crate) fn newest(connection: &Connection) -> Value<'static> {
    const OPEN: u128 = 1 << 64;
    Value::Number(match connection.state {
        ConnState::Open => OPEN + u128::from(connection.first.0),
        ConnState::Unsure | ConnState::Ended | ConnState::Failed => connection.last.0.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn each_column_can_be_sorted_by() {
        for column in &collector::export::COLUMNS {
            assert!(sort(column.name).is_some(), "{}", column.name);
        }
        assert!(super::super::named("AGE").is_some_and(|c| c.is_figure()));
    }

    #[test]
    fn addresses_stand_in_the_order_of_their_bits() {
        let value = |text: &str| {
            let mut event = sample::connect(1);
            event.local.addr = text.parse().unwrap();
            let row = Row {
                event: &event,
                connection: None,
            };
            match super::super::named("SADDR").map(|c| c.value(row)) {
                Some(Value::Number(n)) => n,
                other => panic!("{other:?}"),
            }
        };
        assert!(value("10.0.0.9") < value("10.0.0.10"));
        assert!(value("10.0.0.10") < value("2001:db8::1"));
        assert!(value("2001:db8::1") < value("2001:db8::2"));
    }
}
