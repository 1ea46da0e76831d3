//! Which events of the log pass the filter, and in which order they stand. Pure.
//!
//! Only what has come since the last time is looked at. When the filter or the order changes, a
//! million events are to be looked at again: that is done a piece at a time, outwards from what is
//! on the screen, so that no key has to wait for it.

use std::collections::VecDeque;
use std::ops::Range;

use collector::model::{Cursor, Event, EventId, Log, Part, Timestamp};

use super::rank::Value;
use super::sorted::{Sorted, may_move};
use super::window::Rows;

/// The identities of the events that pass, in the order in which they stand.
#[derive(Debug)]
pub(crate) struct EventIndex {
    passed: Passed,
    /// What has been looked at.
    seen: Range<EventId>,
    /// What is to be looked at.
    wanted: Range<EventId>,
    order: Order,
    /// When the events that pass were last judged again, and up to which change of a connection.
    sifted: Option<(Timestamp, Cursor)>,
}

#[derive(Debug)]
enum Passed {
    /// Everything that has been looked at.
    All,
    /// These.
    Some(VecDeque<EventId>),
}

/// How the events that pass are ordered.
#[derive(Debug)]
enum Order {
    /// As they came.
    Came,
    /// The newest first.
    Reversed,
    /// By a column.
    By {
        sorted: Box<Sorted<EventId>>,
        /// Of what was looked at, what is in it.
        taken: Range<EventId>,
        /// What is older was dropped from it.
        first: EventId,
        /// What is to be shown next.
        next: Next,
    },
}

/// What there will be when rows have moved.
#[derive(Clone, Copy, Debug, Default)]
struct Next {
    /// What is older is not in it.
    first: EventId,
    /// All that was wanted when it began is.
    whole: bool,
}

impl EventIndex {
    /// An index of nothing yet, for a filter that lets everything pass or does not.
    pub(crate) fn new(everything: bool) -> Self {
        let nothing = EventId::default()..EventId::default();
        let mut index = Self {
            passed: Passed::All,
            seen: nothing.clone(),
            wanted: nothing,
            order: Order::Came,
            sifted: None,
        };
        index.restart(everything, EventId::default());
        index
    }

    /// Begins anew with another filter, from an event outwards.
    pub(crate) fn restart(&mut self, everything: bool, from: EventId) {
        let from = from.clamp(self.wanted.start, self.wanted.end);
        if everything {
            self.passed = Passed::All;
            self.seen = self.wanted.clone();
        } else {
            self.passed = Passed::Some(VecDeque::new());
            self.seen = from..from;
        }
        if let Order::By { sorted, taken, .. } = &mut self.order {
            **sorted = Sorted::new(sorted.is_inverted());
            *taken = from..from;
        }
    }

    /// Orders the events as they came, or the newest first.
    pub(crate) fn chronological(&mut self, reversed: bool) {
        self.order = if reversed {
            Order::Reversed
        } else {
            Order::Came
        };
    }

    /// Orders the events by a column, from an event outwards.
    pub(crate) fn sort(&mut self, inverted: bool, from: EventId) {
        let from = from.clamp(self.wanted.start, self.wanted.end);
        self.order = Order::By {
            sorted: Box::new(Sorted::new(inverted)),
            taken: from..from,
            first: self.wanted.start,
            next: Next::default(),
        };
    }

    /// Turns the order around.
    pub(crate) fn invert(&mut self) {
        match &mut self.order {
            Order::Came => self.order = Order::Reversed,
            Order::Reversed => self.order = Order::Came,
            Order::By { sorted, .. } => sorted.invert(),
        }
    }

    /// The log has other events now: forgets those that are gone, and wants the new ones.
    pub(crate) fn follow(&mut self, kept: Range<EventId>) {
        self.wanted = kept;
        let (start, end) = (self.wanted.start, self.wanted.end);
        if let Passed::Some(ids) = &mut self.passed {
            forget(&mut self.seen, start);
            let gone = ids.partition_point(|id| *id < start);
            ids.drain(..gone);
        } else {
            self.seen = start..end;
        }
        if let Order::By { taken, .. } = &mut self.order {
            forget(taken, start);
        }
    }

    /// How many events pass, in whatever order.
    pub(crate) fn passing(&self) -> usize {
        match &self.passed {
            Passed::All => self.seen.end.since(self.seen.start),
            Passed::Some(ids) => ids.len(),
        }
    }

    /// Something is still to be looked at.
    pub(crate) fn is_behind(&self) -> bool {
        let untaken = match &self.order {
            Order::By { sorted, taken, .. } => {
                *taken != self.seen || sorted.is_filling() || sorted.is_merging()
            }
            Order::Came | Order::Reversed => false,
        };
        self.seen != self.wanted || untaken
    }

    /// It is in the order of a column.
    pub(crate) fn is_sorted(&self) -> bool {
        matches!(self.order, Order::By { .. })
    }

    /// Something has come or gone that is not shown, because rows do not move yet.
    pub(crate) fn is_held(&self) -> bool {
        match &self.order {
            Order::By { sorted, first, .. } => sorted.is_behind() || *first != self.wanted.start,
            Order::Came | Order::Reversed => false,
        }
    }

    /// Looks at up to `budget` events, and takes the values to sort by from as many.
    ///
    /// `select` appends those of a range that pass; `value` is what a part of an event says.
    pub(crate) fn catch_up(
        &mut self,
        log: &Log,
        budget: usize,
        select: impl Fn(Range<EventId>, &mut Vec<EventId>),
        part: Part,
        value: impl Fn(&Event) -> Value<'_>,
    ) {
        if let Passed::Some(ids) = &mut self.passed {
            let (forth, back) = outwards(&self.seen, &self.wanted, budget);
            let seen = self.seen.start.minus(back)..self.seen.end.plus(forth);
            let mut passing = Vec::new();
            select(self.seen.end..seen.end, &mut passing);
            ids.extend(passing.drain(..));
            select(seen.start..self.seen.start, &mut passing);
            passing.into_iter().rev().for_each(|id| ids.push_front(id));
            self.seen = seen;
        }
        let Order::By { sorted, taken, .. } = &mut self.order else {
            return;
        };
        let (forth, back) = outwards(taken, &self.seen, budget);
        let grown = taken.start.minus(back)..taken.end.plus(forth);
        for new in [grown.start..taken.start, taken.end..grown.end] {
            sorted.add_ranked(|ranking, rows| {
                let mut add = |ids: &mut dyn Iterator<Item = EventId>| {
                    let rank = |event: &Event| ranking.rank(&value(event));
                    log.each(ids, part, rank, |id, rank| rows.push(id, rank));
                };
                match &self.passed {
                    Passed::All => add(&mut (new.start.0..new.end.0).map(EventId)),
                    Passed::Some(ids) => {
                        let at = |id: EventId| ids.partition_point(|known| *known < id);
                        add(&mut ids.range(at(new.start)..at(new.end)).copied());
                    }
                }
            });
        }
        *taken = grown;
    }

    /// The events that pass were judged after the last change.
    pub(crate) fn is_sifted(&self, changes: Cursor) -> bool {
        self.sifted.is_some_and(|(_, known)| known == changes)
    }

    /// Drops events that passed and are not to stay after a change of a connection, if rows may
    /// move. Says whether any did.
    pub(crate) fn sift(
        &mut self,
        changes: Cursor,
        now: Timestamp,
        moved: Timestamp,
        stays: impl Fn(EventId) -> bool,
    ) -> bool {
        let last = self.sifted.map(|(at, _)| at);
        if self.is_sifted(changes) || !may_move(last, now, moved) {
            return false;
        }
        self.sifted = Some((now, changes));
        let Passed::Some(ids) = &mut self.passed else {
            return false;
        };
        let before = ids.len();
        ids.retain(|id| stays(*id));
        if let Order::By { sorted, .. } = &mut self.order {
            sorted.retain(stays);
        }
        self.passing() < before
    }

    /// Goes on making a list of up to `budget` rows more, if sorted rows may move: `moved` is when
    /// somebody last moved about in them. Says whether any moved.
    pub(crate) fn arrange(&mut self, budget: usize, now: Timestamp, moved: Timestamp) -> bool {
        let start = self.wanted.start;
        let all = self.seen == self.wanted;
        let held = self.is_held();
        let Order::By {
            sorted,
            taken,
            first,
            next,
        } = &mut self.order
        else {
            return false;
        };
        let whole = all && *taken == self.seen;
        let due = if sorted.is_filling() {
            // What there was at the beginning shows as it multiplies: the first rows at once.
            whole || sorted.has_outgrown() || sorted.is_merging()
        } else {
            held && sorted.is_due(now, moved)
        };
        if !due {
            sorted.hold(|id| id >= start);
            return false;
        }
        if !sorted.is_merging() {
            *next = Next {
                first: start,
                whole,
            };
        }
        if !sorted.merge(budget, |id, _| id >= next.first) {
            return false;
        }
        *first = next.first;
        if next.whole {
            sorted.filled(now);
        }
        if sorted.is_full() {
            **sorted = Sorted::new(sorted.is_inverted());
            *taken = taken.end..taken.end;
        }
        true
    }
}

/// What is gone was looked at.
fn forget(seen: &mut Range<EventId>, start: EventId) {
    seen.start = seen.start.max(start);
    seen.end = seen.end.max(start);
}

/// How far to go on at the end of what was seen and before its start, together up to `budget`.
fn outwards(seen: &Range<EventId>, wanted: &Range<EventId>, budget: usize) -> (usize, usize) {
    let newer = wanted.end.since(seen.end);
    let older = seen.start.since(wanted.start);
    let forth = newer.min((budget / 2).max(budget.saturating_sub(older)));
    (forth, older.min(budget - forth))
}

impl Rows for EventIndex {
    type Key = EventId;

    fn len(&self) -> usize {
        match &self.order {
            Order::By { sorted, .. } => sorted.len(),
            Order::Came | Order::Reversed => self.passing(),
        }
    }

    fn key(&self, place: usize) -> Option<EventId> {
        if let Order::By { sorted, .. } = &self.order {
            return sorted.key(place);
        }
        if place >= self.len() {
            return None;
        }
        let place = match self.order {
            Order::Reversed => self.len() - 1 - place,
            _ => place,
        };
        match &self.passed {
            Passed::All => Some(self.seen.start.plus(place)),
            Passed::Some(ids) => ids.get(place).copied(),
        }
    }

    /// In order of time, the next one after it if it is gone: whatever stands between is not in the
    /// list either.
    fn find(&self, key: EventId, last: usize) -> usize {
        if let Order::By { sorted, .. } = &self.order {
            return sorted.find(key, last).unwrap_or(last);
        }
        let place = match &self.passed {
            Passed::All => key.since(self.seen.start),
            Passed::Some(ids) => ids.partition_point(|id| *id < key),
        };
        match self.order {
            Order::Reversed => self.len().saturating_sub(place + 1),
            _ => place,
        }
    }
}

#[cfg(test)]
mod tests;
