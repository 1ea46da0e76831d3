//! From the probes' records to events: what each one means, and when it may be said.
//!
//! Most records say all there is to say. An ending by a process is known when its FIN is sent, and
//! its bytes are final when the socket is gone: it is held back until then, or for a second.
//! Pure: the clocks are arguments.

mod reason;
mod row;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::sync::Arc;

use nonmax::NonMaxU64;
use probe_common::{Record, flag, kind};
use rustc_hash::{FxHashMap, FxHashSet};

pub use self::row::cgroup_id;
use self::row::{elapsed_us, endpoints, event, family, figures, is_sane};
use super::clock::Clock;
use crate::model::{
    ConnId, Endpoint, Event, EventType, Family, Figures, Origin, Phase, Processes, TcpState,
    Timestamp, Zone,
};

/// How long an ending is held back for its final figures.
const HOLD_NS: u64 = 1_000_000_000;
/// How many endings are held back at the most; beyond, the oldest go out as they are.
const HELD_MAX: usize = 262_144;
/// Of so many connections it is told that nobody accepts them, at one time.
const UNACCEPTED_MAX: usize = 65_536;

/// Names the workload of a cgroup (0 is none), and interfaces.
pub trait Origins {
    /// The node and the workload that a cgroup belongs to.
    fn origin(&mut self, cgroup: u64) -> Arc<Origin>;

    /// The interface of a socket between two ends, one of which may be link-local.
    fn scope(
        &mut self,
        _ends: [Endpoint; 2],
        _netns: Option<u32>,
        _ifindex: u32,
        _pid: Option<u32>,
    ) -> Option<Zone> {
        None
    }
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
    /// What was told to wait in an accept queue, by connection, until it is accepted or ends.
    unaccepted: FxHashMap<u64, Event>,
    /// Sockets listed by the snapshot.
    listed: u64,
    /// Records that made no sense.
    malformed: u64,
    /// What was open when the hooks were attached, if that was listed.
    open_at_start: Option<FxHashSet<u64>>,
    /// Openings that nothing will say any more.
    unopened: u64,
    /// Openings that no program has seen, of connections that have ended.
    missed: u64,
    /// Endings whose owner is to be looked for.
    unheld: Vec<Unheld>,
    processes: Processes,
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
    /// Understands one record's bytes; gives its time, in the kernel's monotonic nanoseconds.
    pub fn bytes(&mut self, bytes: &[u8], out: &mut Output<'_>) -> Option<u64> {
        let Some(record) = Record::from_bytes(bytes).filter(is_sane) else {
            self.malformed += 1;
            return None;
        };
        self.record(record, out);
        Some(record.ts_ns)
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

    /// These and no others were open when the hooks were attached. Until this is told, whatever has
    /// no opening is taken for one of them.
    pub fn started_with(&mut self, open: impl IntoIterator<Item = ConnId>) {
        self.open_at_start = Some(open.into_iter().map(|conn| conn.0).collect());
    }

    /// How many openings were missed since the last call, of connections that did not fit into the
    /// probes' map and that nobody accepted.
    pub fn take_unopened(&mut self) -> u64 {
        std::mem::take(&mut self.unopened)
    }

    /// How many connections have ended since the last call whose opening was not said, and that were not
    /// open at the start.
    pub fn take_missed(&mut self) -> u64 {
        std::mem::take(&mut self.missed)
    }

    /// Connections of [`Self::half_closed`] that are gone, although nothing said so: their last
    /// records were lost, and with them who ended them.
    pub fn gone(&mut self, conns: impl IntoIterator<Item = ConnId>) {
        for conn in conns {
            self.held.remove(&conn.0);
        }
    }

    /// How many records made no sense since the last call.
    pub fn take_malformed(&mut self) -> u64 {
        std::mem::take(&mut self.malformed)
    }

    /// Says that a connection waits to be accepted, and has done so for long: `listing` is its row.
    pub fn tell_unaccepted(&mut self, mut listing: Event, out: &mut Output<'_>) {
        if self.unaccepted.len() < UNACCEPTED_MAX {
            listing.before &= self.was_open(listing.conn.0);
            listing.state = Some(TcpState::Unaccepted);
            self.unaccepted.insert(listing.conn.0, listing.clone());
            out.events.push(listing);
        }
    }

    /// The connections that wait to be accepted, as far as is told.
    #[must_use]
    pub fn unaccepted(&self) -> Vec<ConnId> {
        self.unaccepted.keys().copied().map(ConnId).collect()
    }

    /// Connections of [`Self::unaccepted`] that do not wait any more, although nothing said so: that
    /// is taken back, and nothing is said of what they are now.
    pub fn waits_no_more(
        &mut self,
        conns: impl IntoIterator<Item = ConnId>,
        now_ns: u64,
        out: &mut Output<'_>,
    ) {
        for conn in conns {
            if let Some(listing) = self.unaccepted.remove(&conn.0) {
                out.events.push(Event {
                    ts: out.clock.wall(now_ns),
                    state: None,
                    figures: Figures::default(),
                    ..listing
                });
            }
        }
    }

    fn record(&mut self, record: Record, out: &mut Output<'_>) {
        if record.kind != kind::UNACCEPTED && !self.unaccepted.is_empty() {
            self.unaccepted.remove(&record.conn);
        }
        match record.kind {
            kind::CONNECT => self.connect(&record, out),
            kind::ACCEPT => {
                self.reset_in_queue.remove(&record.conn);
                let lat = elapsed_us(record.start_ns, record.ts_ns);
                let mut event = self.event(&record, EventType::Accept, Phase::Open, out);
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
                self.listed += 1;
                self.list(&record, out);
            }
            kind::UNACCEPTED => self.waits(&record, out),
            _ => self.malformed += 1,
        }
    }

    /// It waits to be accepted.
    fn waits(&mut self, record: &Record, out: &mut Output<'_>) {
        let mut row = self.event(record, EventType::Unknown, Phase::Open, out);
        (row.kind, row.phase) = (None, None);
        row.figures.dur_us = elapsed_us(record.start_ns, record.ts_ns);
        if record.task.cgroup != 0 {
            row.origin = out.origins.origin(record.task.cgroup);
            row.cgroup = NonMaxU64::new(record.task.cgroup);
        }
        self.tell_unaccepted(row, out);
    }

    /// Says in which state a socket is.
    pub fn list(&mut self, record: &Record, out: &mut Output<'_>) {
        let mut row = self.event(record, EventType::Unknown, Phase::Open, out);
        (row.kind, row.phase) = (None, None);
        row.before &= self.was_open(record.conn);
        row.state = TcpState::from_kernel(record.old_state);
        out.events.push(row);
    }

    fn connect(&mut self, record: &Record, out: &mut Output<'_>) {
        let by_kernel = record.flags & flag::KERNEL != 0;
        let kind = if by_kernel {
            EventType::Unknown
        } else {
            EventType::Connect
        };
        let mut event = self.event(record, kind, Phase::Open, out);
        // What is restored in repair mode has had no handshake.
        if record.flags & flag::REPAIR == 0 {
            event.figures.lat_us = elapsed_us(record.start_ns, record.ts_ns);
        }
        if TcpState::from_kernel(record.new_state) == Some(TcpState::Close) {
            let errno = if record.err == 0 {
                record.err_soft
            } else {
                record.err
            };
            event.errno = NonZeroU16::new(errno);
            event.reason = reason::of_failed_connect(errno);
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
        if record.flags & flag::FIN_LOST != 0 {
            self.fin(fin_of(record), out);
        }
        if record.flags & (flag::FIN_SENT | flag::FIN_LOST) != 0 {
            return self.end_after_fin(record, out);
        }
        let queued = record.flags & flag::QUEUED != 0;
        if !reason::is_open(record.old_state) && record.flags & flag::OWNED == 0 {
            // Its FIN was before the start, and as no process has it, so was its ending.
            return;
        }
        if queued && record.err == 0 {
            self.accept_unseen(record, out);
        } else if queued && self.reset_in_queue.len() < HELD_MAX {
            self.reset_in_queue.insert(record.conn, *record);
        }
        let by_call = record.flags & flag::BY_CALL != 0;
        let by_no_call = queued || record.err != 0 || record.flags & flag::UNSEEN != 0;
        let mut event = if by_no_call && !by_call {
            self.ending_by_no_call(record, out)
        } else {
            self.ending_by_call(record, out)
        };
        event.figures = figures(record, 0, record.ts_ns);
        self.send(event, out);
    }

    fn end_after_fin(&mut self, record: &Record, out: &mut Output<'_>) {
        // Else the ending went out when its second was over.
        let Some(fin) = self.held.remove(&record.conn) else {
            return;
        };
        let half_closed = (fin.flags | record.flags) & flag::BOTH_WAYS == 0;
        let (mut event, end_ns) = if half_closed && record.err != 0 {
            // Closed one way by us, and then both by somebody else.
            (self.ending_by_no_call(record, out), record.ts_ns)
        } else {
            (self.ending_by_call(&fin, out), fin.ts_ns)
        };
        event.figures = figures(record, 0, end_ns);
        self.send(event, out);
    }

    /// The opening of a connection that nobody accepted, which is certain only after its end; or
    /// that somebody had accepted by a call that no hook sees.
    fn accept_unseen(&mut self, record: &Record, out: &mut Output<'_>) {
        if record.start_ns == 0 {
            self.unopened += u64::from(!self.was_open(record.conn));
            return;
        }
        let opening = Record {
            ts_ns: record.start_ns,
            ..*record
        };
        let event = self.event(&opening, EventType::Unknown, Phase::Open, out);
        self.send(event, out);
    }

    /// Sends a held ending with the figures of its FIN: what is queued then counts as sent.
    fn release(&mut self, conn: u64, out: &mut Output<'_>) {
        let Some(fin) = self.held.remove(&conn) else {
            return;
        };
        let mut event = self.ending_by_call(&fin, out);
        event.figures = figures(&fin, fin.unsent, fin.ts_ns);
        self.send(event, out);
    }

    fn event(
        &mut self,
        record: &Record,
        kind: EventType,
        phase: Phase,
        out: &mut Output<'_>,
    ) -> Event {
        event(record, kind, phase, &mut self.processes, out)
    }

    /// An ending by a call: of a process, or of the kernel itself, which is nobody.
    fn ending_by_call(&mut self, record: &Record, out: &mut Output<'_>) -> Event {
        // Whose call it was, not who has the socket by now.
        let record = &Record {
            flags: record.flags & !flag::UNHELD,
            ..*record
        };
        let kind = if record.flags & flag::OWNED == 0 {
            EventType::Unknown
        } else {
            EventType::Close
        };
        let mut event = self.event(record, kind, Phase::End, out);
        event.reason = reason::of_call(record);
        event
    }

    /// An ending that no call of a process made.
    fn ending_by_no_call(&mut self, record: &Record, out: &mut Output<'_>) -> Event {
        let mut event = self.event(record, EventType::Unknown, Phase::End, out);
        event.errno = NonZeroU16::new(record.err);
        event.reason = reason::of_no_call(record);
        if record.flags & flag::UNHELD != 0 && record.inode != 0 {
            self.unheld.push(Unheld {
                conn: event.conn,
                inode: record.inode,
                ts: event.ts,
            });
        }
        event
    }

    fn send(&mut self, mut event: Event, out: &mut Output<'_>) {
        self.seq += 1;
        event.seq = NonMaxU64::new(self.seq);
        let unopened = event.before && event.phase == Some(Phase::End);
        event.before &= self.was_open(event.conn.0);
        // Neither its opening nor that it was open at the start was said.
        self.missed += u64::from(unopened && !event.before);
        if let Some(open) = &mut self.open_at_start {
            open.remove(&event.conn.0);
        }
        out.events.push(event);
    }

    /// Endings since the last call whose owner was not seen to hold the socket then, and that have none in
    /// the events.
    pub fn take_unheld(&mut self) -> Vec<Unheld> {
        std::mem::take(&mut self.unheld)
    }

    /// Whether a connection whose opening was not seen was open when the hooks were attached.
    fn was_open(&self, conn: u64) -> bool {
        let open = self.open_at_start.as_ref();
        open.is_none_or(|open| open.contains(&conn))
    }
}

/// An ending that no call made, of a socket that its owner has passed on, or lets another process have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unheld {
    /// The connection.
    pub conn: ConnId,
    /// The inode number of the socket's file.
    pub inode: u32,
    /// When it ended.
    pub ts: Timestamp,
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

/// What the record of the FIN would have said, had it fit into the ring.
fn fin_of(end: &Record) -> Record {
    // Only from CLOSE_WAIT does a FIN lead there.
    let peer_closed = TcpState::from_kernel(end.old_state) == Some(TcpState::LastAck);
    let old_state = if peer_closed {
        TcpState::CloseWait
    } else {
        TcpState::Established
    };
    Record {
        kind: kind::FIN,
        ts_ns: end.start_ns,
        start_ns: end.opened_ns,
        old_state: old_state as u8,
        ..*end
    }
}
