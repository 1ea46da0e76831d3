//! Connections: those that are open, and a bounded number of those that ended.

use std::collections::VecDeque;

use super::ends::{Ends, is_other_end};
use super::journal::{Cursor, Journal};
use super::slots::Slots;
use super::{ConnId, Event, EventId, NodeIx, Phase, TcpState, Timestamp, Trouble, WorkloadIx};

/// What names a connection among all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnKey {
    /// The node that it is on.
    pub node: NodeIx,
    /// Its id there.
    pub conn: ConnId,
}

/// What is known of a connection's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConnState {
    /// Established, and not ended yet.
    Open,
    /// It was open when its node was last heard; the node has started anew and does not list it.
    Unsure,
    /// It ended.
    Ended,
    /// The connect failed.
    Failed,
}

impl ConnState {
    /// All states, in the order of a life.
    pub const ALL: [Self; 4] = [Self::Open, Self::Unsure, Self::Ended, Self::Failed];

    /// The word in JSON and in the `STATE` column of connections.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Unsure => "unsure",
            Self::Ended => "ended",
            Self::Failed => "failed",
        }
    }
}

/// One connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The opening event, or the listing of a socket that was open before the start, with the
    /// ending's phase, reason and figures once there is one. Of a connection whose opening was not seen,
    /// the ending, without its type.
    pub row: Event,
    /// What is known of its life.
    pub state: ConnState,
    /// When it opened, where that is known.
    pub opened: Option<Timestamp>,
    /// When it ended or failed.
    pub ended: Option<Timestamp>,
    /// The first event of it.
    pub first: EventId,
    /// The event of its opening or of the failed connect, if that was seen.
    pub opening: Option<EventId>,
    /// The newest event of it.
    pub last: EventId,
    /// The workload that it is counted for.
    pub workload: WorkloadIx,
    /// Set anew whenever it ceases to be open: tells a stale entry of the queue from the right one.
    stamp: u64,
}

/// A connection that has not ended, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alive {
    pub(super) workload: WorkloadIx,
    /// It is certain that it is open.
    pub(super) certain: bool,
    /// What was wrong with its state when it was listed last.
    pub(super) stuck: Option<Trouble>,
}

/// What is known of a connection before an event, and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) struct Change {
    pub(super) before: Option<Alive>,
    pub(super) after: Option<Alive>,
}

/// All connections that are known.
#[derive(Debug)]
pub struct Connections {
    slots: Slots,
    ends: Ends,
    journal: Journal,
    /// Those that are not open, in the order in which they ceased to be, for forgetting the oldest.
    over: VecDeque<(ConnKey, u64)>,
    stamps: u64,
    open: usize,
    open_limit: usize,
    over_limit: usize,
    untracked: u64,
}

impl Connections {
    pub(super) fn new(open_limit: usize, over_limit: usize) -> Self {
        Self {
            slots: Slots::default(),
            ends: Ends::default(),
            journal: Journal::default(),
            over: VecDeque::new(),
            stamps: 0,
            open: 0,
            open_limit,
            over_limit,
            untracked: 0,
        }
    }

    /// Takes in an event of a workload.
    pub(super) fn apply(
        &mut self,
        key: ConnKey,
        id: EventId,
        event: &Event,
        workload: WorkloadIx,
    ) -> Change {
        self.journal.write(key);
        if event.phase == Some(Phase::End) {
            let before = self.end(key, id, event, workload);
            return Change {
                before,
                after: None,
            };
        }
        let before = self.alive(key);
        match event.phase {
            None => self.list(key, id, event, workload),
            Some(_) => self.open(key, id, event, workload),
        }
        let after = self.alive(key);
        Change { before, after }
    }

    fn alive(&self, key: ConnKey) -> Option<Alive> {
        self.slots.get(key)?.alive()
    }

    /// A socket that was open before the start, or one whose state is news.
    fn list(&mut self, key: ConnKey, id: EventId, event: &Event, workload: WorkloadIx) {
        match self.slots.get_mut(key) {
            // Listed again after the node started anew: what was known of it still holds.
            Some(known) if known.state == ConnState::Unsure => {
                if self.open >= self.open_limit {
                    self.untracked += 1;
                    return;
                }
                known.state = ConnState::Open;
                known.adopt_listing(id, event);
                self.open += 1;
            }
            Some(known) if known.state == ConnState::Open => known.adopt_listing(id, event),
            Some(_) => {}
            None => self.insert_open(key, id, event, workload),
        }
    }

    fn open(&mut self, key: ConnKey, id: EventId, event: &Event, workload: WorkloadIx) {
        let failed = event.reason.is_some() && event.kind == Some(super::EventType::Connect);
        if failed {
            let mut row = Connection::new(id, event, workload, ConnState::Failed);
            row.ended = Some(event.ts);
            self.insert_over(key, row);
            return;
        }
        match self.slots.get_mut(key) {
            // Reset while it was queued and accepted after that: the ending came first.
            Some(known) if known.state == ConnState::Ended && known.row.kind.is_none() => {
                known.adopt_opening(id, event, workload);
            }
            Some(known) if known.state == ConnState::Open => {
                known.adopt_opening(id, event, workload);
            }
            _ => self.insert_open(key, id, event, workload),
        }
    }

    /// Says what was known of it before.
    fn end(
        &mut self,
        key: ConnKey,
        id: EventId,
        event: &Event,
        workload: WorkloadIx,
    ) -> Option<Alive> {
        match self.slots.get_mut(key) {
            Some(known) if known.state != ConnState::Failed => {
                let before = known.alive();
                let newly_named = known.row.peer.is_none() && event.peer.is_some();
                known.adopt_ending(id, event);
                if newly_named {
                    self.ends.insert(known, key);
                }
                self.stamps += 1;
                known.stamp = self.stamps;
                self.over.push_back((key, self.stamps));
                self.open -= usize::from(before.is_some_and(|alive| alive.certain));
                self.forget();
                before
            }
            _ => {
                let mut row = Connection::new(id, event, workload, ConnState::Ended);
                row.row.kind = None;
                row.ended = Some(event.ts);
                row.opened = opened_by_duration(event);
                self.insert_over(key, row);
                None
            }
        }
    }

    fn insert_open(&mut self, key: ConnKey, id: EventId, event: &Event, workload: WorkloadIx) {
        if self.open >= self.open_limit {
            self.untracked += 1;
            return;
        }
        let mut row = Connection::new(id, event, workload, ConnState::Open);
        row.opened = if event.phase.is_some() {
            Some(event.ts)
        } else {
            opened_by_duration(event)
        };
        self.insert(key, row);
        self.open += 1;
    }

    fn insert(&mut self, key: ConnKey, row: Connection) -> Option<Connection> {
        let before = self.slots.insert(key, row);
        // The socket may have tried again from another port.
        if let Some(before) = &before {
            self.ends.remove(before, key);
        }
        if let Some(row) = self.slots.get(key) {
            self.ends.insert(row, key);
        }
        before
    }

    fn remove(&mut self, key: ConnKey) -> Option<Connection> {
        let row = self.slots.remove(key)?;
        self.ends.remove(&row, key);
        Some(row)
    }

    fn insert_over(&mut self, key: ConnKey, mut row: Connection) {
        self.stamps += 1;
        row.stamp = self.stamps;
        self.over.push_back((key, row.stamp));
        if let Some(before) = self.insert(key, row) {
            self.open -= usize::from(before.state == ConnState::Open);
        }
        self.forget();
    }

    /// Drops what ended the longest time ago, down to the limit.
    fn forget(&mut self) {
        while self.over.len() > self.over_limit {
            let Some((key, stamp)) = self.over.pop_front() else {
                return;
            };
            let is_it = |c: &Connection| c.stamp == stamp && c.state != ConnState::Open;
            if self.slots.get(key).is_some_and(is_it) {
                self.remove(key);
                self.journal.write(key);
            }
        }
    }

    /// A node has started anew: what it does not list again may be over.
    ///
    /// Says whose connections are no longer counted as open.
    pub(super) fn node_restarted(&mut self, node: NodeIx) -> Vec<WorkloadIx> {
        let mut unsure = Vec::new();
        for (key, row) in self.slots.iter_mut() {
            if key.node == node && row.state == ConnState::Open {
                row.state = ConnState::Unsure;
                self.stamps += 1;
                row.stamp = self.stamps;
                self.over.push_back((key, row.stamp));
                self.journal.write(key);
                self.open -= 1;
                unsure.push(row.workload);
            }
        }
        self.forget();
        unsure
    }

    /// The connection of that name.
    #[must_use]
    pub fn get(&self, key: ConnKey) -> Option<&Connection> {
        self.slots.get(key)
    }

    /// All connections, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (ConnKey, &Connection)> {
        self.slots.iter()
    }

    /// How many places there are. A connection keeps its place for as long as it is known.
    #[must_use]
    pub fn places(&self) -> usize {
        self.slots.places()
    }

    /// The connection at a place, if there is one: for looking at all of them a few at a time.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<(ConnKey, &Connection)> {
        self.slots.at(place)
    }

    /// Where the next change will be written down.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.journal.end()
    }

    /// The names of what has come, changed or gone since, some of them more than once; `None` if
    /// that is longer ago than anybody remembers.
    #[must_use]
    pub fn changes(&self, since: Cursor) -> Option<impl Iterator<Item = ConnKey>> {
        self.journal.since(since)
    }

    /// The socket at the other end of a connection, on this node or another one, if it is known.
    #[must_use]
    pub fn other_end(&self, key: ConnKey) -> Option<ConnKey> {
        let row = self.get(key)?;
        self.ends.opposite(row).find(|other| {
            let found = self.get(*other);
            found.is_some_and(|found| is_other_end((key, row), (*other, found)))
        })
    }

    /// How many are known: open or over.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// None is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.len() == 0
    }

    /// How many are open.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.open
    }

    /// How many openings came when there was no room for more open connections.
    #[must_use]
    pub fn untracked(&self) -> u64 {
        self.untracked
    }
}

impl Connection {
    fn new(id: EventId, event: &Event, workload: WorkloadIx, state: ConnState) -> Self {
        Self {
            row: event.clone(),
            state,
            opened: None,
            ended: None,
            first: id,
            opening: event
                .phase
                .filter(|phase| *phase == Phase::Open)
                .map(|_| id),
            last: id,
            workload,
            stamp: 0,
        }
    }

    fn adopt_opening(&mut self, id: EventId, event: &Event, workload: WorkloadIx) {
        self.last = id;
        self.opening = Some(id);
        self.row.kind = event.kind;
        if self.row.state == Some(TcpState::Unaccepted) {
            self.row.state = None;
        }
        if self.state != ConnState::Ended {
            self.row.phase = event.phase;
        }
        self.row.figures.lat_us = event.figures.lat_us;
        if event.process.is_some() {
            self.row.process.clone_from(&event.process);
            self.row.origin = event.origin.clone();
            self.workload = workload;
        }
        // A socket that was open before the start may be accepted later: the earlier time holds.
        if self.opened.is_none() && !event.before {
            self.opened = Some(event.ts);
        }
    }

    fn adopt_listing(&mut self, id: EventId, event: &Event) {
        self.last = id;
        self.row.state = event.state;
    }

    fn alive(&self) -> Option<Alive> {
        matches!(self.state, ConnState::Open | ConnState::Unsure).then_some(Alive {
            workload: self.workload,
            certain: self.state == ConnState::Open,
            stuck: self.row.state.and_then(Trouble::of_state),
        })
    }

    fn adopt_ending(&mut self, id: EventId, event: &Event) {
        self.last = id;
        self.state = ConnState::Ended;
        self.ended = Some(event.ts);
        if self.opened.is_none() {
            self.opened = opened_by_duration(event);
        }
        let lat_us = self.row.figures.lat_us;
        self.row.phase = event.phase;
        self.row.state = None;
        self.row.reason = event.reason;
        self.row.errno = event.errno;
        self.row.figures = event.figures;
        self.row.figures.lat_us = lat_us;
        if self.row.process.is_none() {
            self.row.process.clone_from(&event.process);
        }
        if event.peer.is_some() {
            self.row.peer.clone_from(&event.peer);
        }
    }

    /// How long it lasted, or has lasted until `now`, or was tried, in microseconds.
    #[must_use]
    pub fn age_us(&self, now: Timestamp) -> Option<u64> {
        if self.state == ConnState::Failed {
            return self.row.figures.lat_us.map(|us| us.get());
        }
        if let (Some(_), Some(dur)) = (self.ended, self.row.figures.dur_us) {
            return Some(dur.get());
        }
        let until = self.ended.unwrap_or(now);
        let nanos = until.0.checked_sub(self.opened?.0)?;
        u64::try_from(nanos / 1_000).ok()
    }
}

/// When the connection of an ending, or of a listing, was opened.
fn opened_by_duration(event: &Event) -> Option<Timestamp> {
    let nanos = i64::try_from(event.figures.dur_us?.get())
        .ok()?
        .checked_mul(1_000)?;
    Some(Timestamp(event.ts.0.checked_sub(nanos)?))
}

#[cfg(test)]
mod tests;
