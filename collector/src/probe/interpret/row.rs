//! A record's fields as an event's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nonmax::{NonMaxU32, NonMaxU64};
use probe_common::{Record, Task, flag};

use super::Output;
use crate::model::{
    Comm, ConnId, Endpoint, Event, EventType, Family, Figures, Phase, Process, Processes, TcpState,
};

/// Whether every field that selects something has a value that is known.
pub(super) fn is_sane(record: &Record) -> bool {
    family(record).is_some()
        && TcpState::from_kernel(record.old_state).is_some()
        && TcpState::from_kernel(record.new_state).is_some()
}

pub(super) fn family(record: &Record) -> Option<Family> {
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    match record.family {
        AF_INET => Some(Family::V4),
        AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

/// What all events have.
pub(super) fn event(
    record: &Record,
    kind: EventType,
    phase: Phase,
    processes: &mut Processes,
    out: &mut Output<'_>,
) -> Event {
    let task = &record.task;
    // One that does not hold the socket any more is a stranger to what happens to it.
    let owned = record.flags & (flag::OWNED | flag::UNHELD) == flag::OWNED;
    let family = family(record).unwrap_or(Family::V4);
    let (local, remote) = endpoints(record, family);
    Event {
        seq: None,
        ts: out.clock.wall(record.ts_ns),
        origin: out.origins.origin(if owned { task.cgroup } else { 0 }),
        kind: Some(kind),
        phase: Some(phase),
        state: None,
        reason: None,
        errno: None,
        process: owned.then(|| {
            processes.get(Process {
                pid: task.pid,
                tid: NonMaxU32::new(task.tid),
                uid: NonMaxU32::new(task.uid),
                gid: NonMaxU32::new(task.gid),
                comm: Comm::from_kernel(task.comm),
                thread: Comm::from_kernel(task.thread).beside(Comm::from_kernel(task.comm)),
            })
        }),
        family,
        local,
        remote,
        conn: ConnId(record.conn),
        before: record.flags & flag::BEFORE != 0,
        figures: Figures::default(),
        netns: known_u32(record.netns),
        mntns: known_u32(if owned { task.mntns } else { 0 }),
        cgroup: owned
            .then(|| cgroup_id(task.cgroup))
            .flatten()
            .and_then(NonMaxU64::new),
        peer: None,
        scope: known(record.ifindex).and_then(|ifindex| {
            let pid = owned.then_some(task.pid);
            let ends = [local, remote];
            out.origins.scope(ends, known(record.netns), ifindex, pid)
        }),
    }
}

/// The id in the v2 hierarchy, whose root has the number 1, of a cgroup as the probes say it.
#[must_use]
pub fn cgroup_id(cgroup: u64) -> Option<u64> {
    const ROOT: u64 = 1;
    match cgroup {
        0 => None,
        id if id & Task::CGROUP1 != 0 => Some(ROOT),
        id => Some(id),
    }
}

pub(super) fn endpoints(record: &Record, family: Family) -> (Endpoint, Endpoint) {
    let endpoint = |bytes, port| Endpoint {
        addr: address(family, bytes),
        port,
    };
    (
        endpoint(record.saddr, record.sport),
        endpoint(record.daddr, record.dport),
    )
}

/// What the socket has counted, with `unsent` bytes more; its lifetime is up to `end_ns`.
pub(super) fn figures(record: &Record, unsent: u32, end_ns: u64) -> Figures {
    Figures {
        lat_us: None,
        dur_us: elapsed_us(record.opened_ns, end_ns),
        tx_bytes: NonMaxU64::new(record.sent.saturating_add(unsent.into())),
        rx_bytes: NonMaxU64::new(record.received),
        rtt_us: known_u32(record.rtt_us),
        retrans: NonMaxU32::new(record.retrans),
    }
}

/// Microseconds between two of the kernel's times; `None` if the first is not known.
pub(super) fn elapsed_us(from_ns: u64, to_ns: u64) -> Option<NonMaxU64> {
    if from_ns == 0 {
        return None;
    }
    NonMaxU64::new(to_ns.saturating_sub(from_ns) / 1000)
}

fn known(value: u32) -> Option<u32> {
    (value != 0).then_some(value)
}

/// 0 is what a field of the kernel's reads as when it could not be read, or was never measured.
fn known_u32(value: u32) -> Option<NonMaxU32> {
    if value == 0 {
        None
    } else {
        NonMaxU32::new(value)
    }
}

fn address(family: Family, bytes: [u8; 16]) -> IpAddr {
    match family {
        Family::V4 => {
            let [a, b, c, d, ..] = bytes;
            Ipv4Addr::new(a, b, c, d).into()
        }
        Family::V6 => Ipv6Addr::from(bytes).to_canonical(),
    }
}
