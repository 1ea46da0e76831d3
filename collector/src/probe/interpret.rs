//! From the probes' records to events: what each one means, and when it may be said.
//!
//! Most records say all there is to say. An ending by a process is known when its FIN is sent, and
//! its bytes are final when the socket is gone: it is held back until then, or for a second.
//! Pure: the clocks are arguments.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::sync::Arc;

use nonmax::{NonMaxU32, NonMaxU64};
use probe_common::{Record, flag, kind};
use rustc_hash::FxHashMap;

use super::clock::Clock;
use crate::model::{
    Comm, ConnId, Endpoint, Event, EventType, Family, Figures, Origin, Phase, Process, Reason,
    TcpState,
};

/// How long an ending is held back for its final figures.
const HOLD_NS: u64 = 1_000_000_000;
/// How many endings are held back at the most; beyond, the oldest go out as they are.
const HELD_MAX: usize = 262_144;

/// Names the workload of a cgroup (0 is none).
pub trait Origins {
    /// The node and the workload that a cgroup belongs to.
    fn origin(&mut self, cgroup: u64) -> Arc<Origin>;
}

/// Understands records.
#[derive(Default)]
pub struct Interpreter {
    seq: u64,
    /// FINs whose sockets still exist, by connection.
    held: FxHashMap<u64, Record>,
    /// Those of [`Self::held`] that go out after a second, in the order of their time.
    due: VecDeque<(u64, u64)>,
    /// Sockets that were reset in an accept queue, by connection, until they are accepted or never
    /// will be: when a listener closes, the kernel first forgets where they were connected to.
    reset_in_queue: FxHashMap<u64, Record>,
    /// Sockets listed by the snapshot.
    listed: u64,
    /// Records that made no sense.
    malformed: u64,
}

/// Where events go, and what they need on the way.
pub struct Output<'a> {
    /// Takes the events.
    pub events: &'a mut Vec<Event>,
    /// Names workloads.
    pub origins: &'a mut dyn Origins,
    /// Gives wall-clock times.
    pub clock: Clock,
}

impl Interpreter {
    /// Understands one record's bytes.
    pub fn bytes(&mut self, bytes: &[u8], out: &mut Output<'_>) {
        match Record::from_bytes(bytes) {
            Some(record) if is_sane(&record) => self.record(record, out),
            _ => self.malformed += 1,
        }
    }

    /// Sends what has been held back for its time, `now_ns` being the kernel's monotonic time.
    pub fn expire(&mut self, now_ns: u64, out: &mut Output<'_>) {
        while let Some((due_ns, conn)) = self.due.front().copied() {
            if due_ns > now_ns && self.held.len() <= HELD_MAX {
                break;
            }
            self.due.pop_front();
            // Unless its END has come.
            self.release(conn, out);
        }
    }

    /// Sends all endings that are held back, with the figures that there are. Sockets that are
    /// closed one way only have not ended.
    pub fn finish(&mut self, out: &mut Output<'_>) {
        self.expire(u64::MAX, out);
        self.held.clear();
    }

    /// When [`Self::expire`] has something to do next, in the kernel's monotonic nanoseconds.
    #[must_use]
    pub fn next_due_ns(&self) -> Option<u64> {
        self.due.front().map(|(due_ns, _)| *due_ns)
    }

    /// The connections that a process has shut for sending only, as far as is known.
    #[must_use]
    pub fn half_closed(&self) -> Vec<HalfClosed> {
        let half = |fin: &&Record| fin.flags & flag::BOTH_WAYS == 0;
        self.held
            .values()
            .filter(half)
            .map(HalfClosed::of)
            .collect()
    }

    /// A connection of [`Self::half_closed`] was found to be closed both ways by now, with these
    /// figures so far.
    pub fn closed_both_ways(&mut self, conn: ConnId, so_far: &Figures, now_ns: u64) {
        let Some(fin) = self.held.get_mut(&conn.0) else {
            return;
        };
        fin.flags |= flag::BOTH_WAYS;
        if let (Some(tx), Some(rx)) = (so_far.tx_bytes, so_far.rx_bytes) {
            let newly_sent = tx.get().saturating_sub(fin.sent);
            let newly_sent = u32::try_from(newly_sent).unwrap_or(u32::MAX);
            fin.unsent = fin.unsent.saturating_sub(newly_sent);
            (fin.sent, fin.received) = (tx.get(), rx.get());
        }
        fin.retrans = so_far.retrans.map_or(fin.retrans, |n| n.get());
        self.due.push_back((now_ns + HOLD_NS, conn.0));
    }

    /// How many sockets the snapshot has listed since the last call. Later than at the start, they
    /// are ones whose opening was missed.
    pub fn take_listed(&mut self) -> u64 {
        std::mem::take(&mut self.listed)
    }

    /// How many records made no sense since the last call.
    pub fn take_malformed(&mut self) -> u64 {
        std::mem::take(&mut self.malformed)
    }

    fn record(&mut self, record: Record, out: &mut Output<'_>) {
        match record.kind {
            kind::CONNECT => self.connect(&record, out),
            kind::ACCEPT => {
                self.reset_in_queue.remove(&record.conn);
                let lat = elapsed_us(record.start_ns, record.ts_ns);
                let mut event = event(&record, EventType::Accept, Phase::Open, out);
                event.figures.lat_us = lat;
                self.send(event, out);
            }
            kind::FIN => self.fin(record, out),
            kind::END => self.end(&record, out),
            kind::NEVER_ACCEPTED => {
                let reset = self.reset_in_queue.remove(&record.conn);
                self.accept_unseen(&reset.unwrap_or(record), out);
            }
            kind::SEED => {
                let mut row = event(&record, EventType::Unknown, Phase::Open, out);
                (row.kind, row.phase) = (None, None);
                row.state = TcpState::from_kernel(record.old_state);
                self.listed += 1;
                out.events.push(row);
            }
            _ => self.malformed += 1,
        }
    }

    fn connect(&mut self, record: &Record, out: &mut Output<'_>) {
        let by_kernel = record.flags & flag::KERNEL != 0;
        let kind = if by_kernel {
            EventType::Unknown
        } else {
            EventType::Connect
        };
        let mut event = event(record, kind, Phase::Open, out);
        event.figures.lat_us = elapsed_us(record.start_ns, record.ts_ns);
        if TcpState::from_kernel(record.new_state) == Some(TcpState::Close) {
            let errno = if record.err == 0 {
                record.err_soft
            } else {
                record.err
            };
            event.errno = NonZeroU16::new(errno);
            event.reason = failed_connect(errno);
        }
        self.send(event, out);
    }

    fn fin(&mut self, record: Record, out: &mut Output<'_>) {
        // What is closed in order had been accepted.
        if record.flags & flag::QUEUED != 0 {
            self.accept_unseen(&record, out);
        }
        if record.flags & flag::BOTH_WAYS != 0 {
            self.due.push_back((record.ts_ns + HOLD_NS, record.conn));
        }
        self.held.insert(record.conn, record);
        if self.held.len() > HELD_MAX {
            self.expire(0, out);
        }
    }

    /// The socket is gone, and its figures are final.
    fn end(&mut self, record: &Record, out: &mut Output<'_>) {
        if record.flags & flag::FIN_SENT != 0 {
            // Else the ending went out when its second was over.
            let Some(fin) = self.held.remove(&record.conn) else {
                return;
            };
            let half_closed = (fin.flags | record.flags) & flag::BOTH_WAYS == 0;
            let mut event = if half_closed && record.err != 0 {
                // Closed one way by us, and then both by somebody else.
                ending_unknown(record, out)
            } else {
                ending_by_process(&fin, out)
            };
            let ts_ns = if event.kind == Some(EventType::Close) {
                fin.ts_ns
            } else {
                record.ts_ns
            };
            event.figures = figures(record, 0, ts_ns);
            self.send(event, out);
            return;
        }
        if !is_open(record.old_state) {
            // Its FIN was before the start, and so was its ending, unless a process still has it:
            // then it was closed one way only.
            if record.flags & flag::OWNED == 0 {
                return;
            }
            let mut event = if record.err == 0 {
                ending_by_process(record, out)
            } else {
                ending_unknown(record, out)
            };
            event.figures = figures(record, 0, record.ts_ns);
            self.send(event, out);
            return;
        }
        let queued = record.flags & flag::QUEUED != 0;
        if queued && record.err == 0 {
            self.accept_unseen(record, out);
        } else if queued && self.reset_in_queue.len() < HELD_MAX {
            self.reset_in_queue.insert(record.conn, *record);
        }
        let mut event = if queued || record.err != 0 {
            ending_unknown(record, out)
        } else {
            ending_by_process(record, out)
        };
        event.figures = figures(record, 0, record.ts_ns);
        self.send(event, out);
    }

    /// The opening of a connection that nobody accepted, which is certain only after its end; or
    /// that somebody had accepted by a call that no hook sees.
    fn accept_unseen(&mut self, record: &Record, out: &mut Output<'_>) {
        if record.start_ns == 0 {
            return;
        }
        let opening = Record {
            ts_ns: record.start_ns,
            ..*record
        };
        let event = event(&opening, EventType::Unknown, Phase::Open, out);
        self.send(event, out);
    }

    /// Sends a held ending with the figures of its FIN: what is queued then counts as sent.
    fn release(&mut self, conn: u64, out: &mut Output<'_>) {
        let Some(fin) = self.held.remove(&conn) else {
            return;
        };
        let mut event = ending_by_process(&fin, out);
        event.figures = figures(&fin, fin.unsent, fin.ts_ns);
        self.send(event, out);
    }

    fn send(&mut self, mut event: Event, out: &mut Output<'_>) {
        self.seq += 1;
        event.seq = NonMaxU64::new(self.seq);
        out.events.push(event);
    }
}

/// A connection that a process has shut for sending only.
#[derive(Clone, Copy, Debug)]
pub struct HalfClosed {
    /// Its id.
    pub conn: ConnId,
    /// The socket's network namespace, its inode number.
    pub netns: u32,
    /// The socket's own family.
    pub family: Family,
    /// Its own end.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
}

impl HalfClosed {
    fn of(record: &Record) -> Self {
        let family = family(record).unwrap_or(Family::V4);
        let (local, remote) = endpoints(record, family);
        Self {
            conn: ConnId(record.conn),
            netns: record.netns,
            family,
            local,
            remote,
        }
    }
}

/// Whether a connection in this state has sent no FIN yet.
fn is_open(state: u8) -> bool {
    matches!(
        TcpState::from_kernel(state),
        Some(TcpState::Established | TcpState::CloseWait | TcpState::SynRecv)
    )
}

/// Whether every field that selects something has a value that is known.
fn is_sane(record: &Record) -> bool {
    family(record).is_some()
        && TcpState::from_kernel(record.old_state).is_some()
        && TcpState::from_kernel(record.new_state).is_some()
}

fn family(record: &Record) -> Option<Family> {
    const AF_INET: u16 = 2;
    const AF_INET6: u16 = 10;
    match record.family {
        AF_INET => Some(Family::V4),
        AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

/// An ending by a call of a process.
fn ending_by_process(record: &Record, out: &mut Output<'_>) -> Event {
    let mut event = event(record, EventType::Close, Phase::End, out);
    let peer_closed = TcpState::from_kernel(record.old_state) == Some(TcpState::CloseWait);
    event.reason = Some(if record.flags & flag::KILLED != 0 {
        Reason::Killed
    } else if record.kind == kind::END && is_open(record.old_state) {
        // Straight from an open state to CLOSE: the call sent a reset instead of a FIN.
        Reason::ResetSent
    } else if peer_closed {
        Reason::FinRemote
    } else {
        Reason::FinLocal
    });
    event
}

/// An ending that no call of a process made.
fn ending_unknown(record: &Record, out: &mut Output<'_>) -> Event {
    let mut event = event(record, EventType::Unknown, Phase::End, out);
    event.errno = NonZeroU16::new(record.err);
    event.reason = match i32::from(record.err) {
        // Its listener was closed.
        0 if record.flags & flag::QUEUED != 0 => Some(Reason::ResetSent),
        libc::ECONNRESET | libc::EPIPE => Some(Reason::ResetByPeer),
        libc::ETIMEDOUT if record.flags & flag::UNACKED != 0 => Some(Reason::Timeout),
        libc::ETIMEDOUT => Some(Reason::Keepalive),
        libc::ECONNABORTED => Some(Reason::Aborted),
        errno if is_unreachable(errno) => Some(Reason::Unreachable),
        _ => None,
    };
    event
}

fn failed_connect(errno: u16) -> Option<Reason> {
    match i32::from(errno) {
        libc::ECONNREFUSED => Some(Reason::Refused),
        libc::ETIMEDOUT => Some(Reason::Timeout),
        0 | libc::ECONNABORTED => Some(Reason::Aborted),
        errno if is_unreachable(errno) => Some(Reason::Unreachable),
        _ => None,
    }
}

/// What ICMP errors become, in `icmp_err_convert` and its IPv6 sister.
fn is_unreachable(errno: i32) -> bool {
    matches!(
        errno,
        libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::ENOPROTOOPT
            | libc::EACCES
            | libc::EPROTO
            | libc::EOPNOTSUPP
            | libc::ENONET
    )
}

/// What all events have.
fn event(record: &Record, kind: EventType, phase: Phase, out: &mut Output<'_>) -> Event {
    let task = &record.task;
    let owned = record.flags & flag::OWNED != 0;
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
        process: owned.then(|| Process {
            pid: task.pid,
            tid: NonMaxU32::new(task.tid),
            uid: NonMaxU32::new(task.uid),
            gid: NonMaxU32::new(task.gid),
            comm: Comm::from_kernel(task.comm),
        }),
        family,
        local,
        remote,
        conn: ConnId(record.conn),
        before: record.flags & flag::BEFORE != 0,
        figures: Figures::default(),
        netns: known_u32(record.netns),
        mntns: known_u32(if owned { task.mntns } else { 0 }),
        cgroup: if owned && task.cgroup != 0 {
            NonMaxU64::new(task.cgroup)
        } else {
            None
        },
        peer: None,
    }
}

fn endpoints(record: &Record, family: Family) -> (Endpoint, Endpoint) {
    let endpoint = |bytes, port| Endpoint {
        addr: address(family, bytes),
        port,
    };
    (
        endpoint(record.saddr, record.sport),
        endpoint(record.daddr, record.dport),
    )
}

fn figures(record: &Record, unsent: u32, end_ns: u64) -> Figures {
    Figures {
        lat_us: None,
        dur_us: elapsed_us(record.opened_ns, end_ns),
        tx_bytes: NonMaxU64::new(record.sent.saturating_add(unsent.into())),
        rx_bytes: NonMaxU64::new(record.received),
        rtt_us: known_u32(record.rtt_us),
        retrans: NonMaxU32::new(record.retrans),
    }
}

/// 0 is what a field of the kernel's reads as when it could not be read, or was never measured.
fn known_u32(value: u32) -> Option<NonMaxU32> {
    if value == 0 {
        None
    } else {
        NonMaxU32::new(value)
    }
}

fn elapsed_us(from_ns: u64, to_ns: u64) -> Option<NonMaxU64> {
    if from_ns == 0 {
        return None;
    }
    NonMaxU64::new(to_ns.saturating_sub(from_ns) / 1000)
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

#[cfg(test)]
mod tests;
