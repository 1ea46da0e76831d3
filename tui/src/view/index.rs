//! Which events of the log pass the filter, and in which order they stand. Pure.
//!
//! Only what has come since the last time is looked at. When the filter or the order changes, a
//! million events are to be looked at again: that is done a piece at a time, outwards from what is
//! on the screen, so that no key has to wait for it.

use std::collections::VecDeque;
use std::ops::Range;

use collector::model::{Event, EventId, Log, Timestamp};

use super::rank::Value;
use super::sorted::Sorted;
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
        sorted: Sorted<EventId>,
        /// Of what was looked at, what is in it.
        taken: Range<EventId>,
        /// What is older was dropped from it.
        first: EventId,
    },
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
            *sorted = Sorted::new(sorted.is_inverted());
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
            sorted: Sorted::new(inverted),
            taken: from..from,
            first: self.wanted.start,
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
            Order::By { sorted, taken, .. } => *taken != self.seen || sorted.is_filling(),
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
    pub(crate) fn catch_up<'a>(
        &mut self,
        log: &'a Log,
        budget: usize,
        passes: impl Fn(EventId, &Event) -> bool,
        value: impl Fn(&'a Event) -> Value<'a>,
    ) {
        if let Passed::Some(ids) = &mut self.passed {
            let passes = |id: EventId| log.get(id).is_some_and(|event| passes(id, event));
            let (forth, back) = outwards(&self.seen, &self.wanted, budget);
            for _ in 0..forth {
                if passes(self.seen.end) {
                    ids.push_back(self.seen.end);
                }
                self.seen.end = self.seen.end.plus(1);
            }
            for _ in 0..back {
                self.seen.start = self.seen.start.minus(1);
                if passes(self.seen.start) {
                    ids.push_front(self.seen.start);
                }
            }
        }
        let Order::By { sorted, taken, .. } = &mut self.order else {
            return;
        };
        let (forth, back) = outwards(taken, &self.seen, budget);
        let grown = taken.start.minus(back)..taken.end.plus(forth);
        for new in [grown.start..taken.start, taken.end..grown.end] {
            let valued = |id: EventId| log.get(id).map(|event| (id, value(event)));
            match &self.passed {
                Passed::All => sorted.add((new.start.0..new.end.0).map(EventId).filter_map(valued)),
                Passed::Some(ids) => {
                    let at = |id: EventId| ids.partition_point(|known| *known < id);
                    let ids = ids.range(at(new.start)..at(new.end));
                    sorted.add(ids.copied().filter_map(valued));
                }
            }
        }
        *taken = grown;
    }

    /// Lets sorted rows move, if they may: `moved` is when somebody last moved about in them.
    /// Says whether any did.
    pub(crate) fn arrange(&mut self, now: Timestamp, moved: Timestamp) -> bool {
        let all = self.seen == self.wanted;
        let held = self.is_held();
        let Order::By {
            sorted,
            taken,
            first,
        } = &mut self.order
        else {
            return false;
        };
        let all = all && *taken == self.seen;
        let due = if sorted.is_filling() {
            // What there was at the beginning shows as it doubles: at once, and as cheap as once.
            all || sorted.has_doubled()
        } else {
            held && sorted.is_due(now, moved)
        };
        if due {
            let start = self.wanted.start;
            sorted.merge(|id| id >= start);
            *first = start;
            if all {
                sorted.filled(now);
            }
            if sorted.is_full() {
                *sorted = Sorted::new(sorted.is_inverted());
                *taken = taken.end..taken.end;
            }
        }
        due
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
mod tests {
    use proptest::prelude::*;

    use super::super::window::{Home, Motion, Window};
    use super::*;
    use crate::sample;

    const HEIGHT: usize = 5;
    const KEPT: usize = 40;

    /// A filter by the local port, which tests set to whatever they like.
    fn passes(modulus: u16) -> impl Fn(EventId, &Event) -> bool {
        move |_, event| event.local.port.is_multiple_of(modulus)
    }

    fn finish(index: &mut EventIndex, log: &Log, modulus: u16) {
        while index.is_behind() {
            index.catch_up(log, 3, passes(modulus), port);
        }
    }

    fn port(event: &Event) -> Value<'_> {
        Value::number(Some(event.local.port))
    }

    fn keys(index: &EventIndex) -> Vec<u64> {
        (0..index.len())
            .map_while(|i| index.key(i))
            .map(|id| id.0)
            .collect()
    }

    #[test]
    fn only_new_events_are_looked_at() {
        let mut log = Log::new(KEPT);
        let mut index = EventIndex::new(false);
        for port in 0..6 {
            log.push(sample::connect(port));
        }
        index.follow(log.range());
        finish(&mut index, &log, 2);
        log.push(sample::connect(8));
        index.follow(log.range());
        let looked = std::cell::Cell::new(0);
        let passes = |_: EventId, _: &Event| {
            looked.set(looked.get() + 1);
            true
        };
        index.catch_up(&log, 100, passes, port);
        assert_eq!(looked.get(), 1);
        assert_eq!(keys(&index), [0, 2, 4, 6]);
    }

    #[test]
    fn a_change_of_filter_begins_at_what_is_on_the_screen() {
        let mut log = Log::new(1_000);
        for port in 0..1_000 {
            log.push(sample::connect(port));
        }
        let mut index = EventIndex::new(true);
        index.follow(log.range());
        index.restart(false, EventId(500));
        index.catch_up(&log, 20, passes(2), port);
        assert_eq!(keys(&index), (490..510).step_by(2).collect::<Vec<_>>());
        assert!(index.is_behind());
        finish(&mut index, &log, 2);
        assert_eq!(index.len(), 500);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push(u8),
        Filter(u16),
        Scan,
        Go(Motion),
        Sort(bool),
        Invert,
        Came(bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1_u8..20).prop_map(Step::Push),
            2 => (1_u16..5).prop_map(Step::Filter),
            2 => Just(Step::Scan),
            1 => prop_oneof![Just(Motion::Up), Just(Motion::Down), Just(Motion::PageUp)].prop_map(Step::Go),
            1 => any::<bool>().prop_map(Step::Sort),
            1 => Just(Step::Invert),
            1 => any::<bool>().prop_map(Step::Came),
        ]
    }

    /// An order that has nothing to do with time, with ties.
    fn key(event: &Event) -> u32 {
        u32::from(event.local.port) * 7_919 % 32
    }

    /// The rows of a log and how somebody looks at them.
    struct Desk {
        log: Log,
        index: EventIndex,
        window: Window<EventId>,
        modulus: u16,
        now: Timestamp,
    }

    impl Desk {
        fn take(&mut self, step: Step) {
            let from = self.window.wanted().unwrap_or(self.index.wanted.end);
            match step {
                Step::Push(n) => {
                    for _ in 0..n {
                        let port = u16::try_from(self.log.end().0).unwrap();
                        self.log.push(sample::connect(port));
                    }
                }
                Step::Filter(modulus) => {
                    self.modulus = modulus;
                    self.index.restart(modulus == 1, from);
                }
                Step::Scan => self.look(4),
                Step::Go(motion) => {
                    self.finish();
                    self.window.go(&self.index, HEIGHT, motion);
                }
                Step::Sort(inverted) => self.index.sort(inverted, from),
                Step::Invert => self.index.invert(),
                Step::Came(reversed) => self.index.chronological(reversed),
            }
            self.index.follow(self.log.range());
            self.arrange();
        }

        fn look(&mut self, budget: usize) {
            let value = |event: &Event| Value::number(Some(key(event)));
            let passes = passes(self.modulus);
            self.index.catch_up(&self.log, budget, passes, value);
        }

        fn arrange(&mut self) {
            self.now.0 += 2_000_000_000;
            self.index.arrange(self.now, Timestamp(0));
            self.window.settle(&self.index);
        }

        fn finish(&mut self) {
            while self.index.is_behind() {
                self.look(3);
                self.arrange();
            }
            self.arrange();
        }

        /// What a look at all events says.
        fn brute(&self) -> Vec<u64> {
            let ids = (self.log.first().0..self.log.end().0).map(EventId);
            let get = |id: EventId| self.log.get(id);
            let passes = passes(self.modulus);
            let passes = |id: &EventId| get(*id).is_some_and(|event| passes(*id, event));
            let mut ids: Vec<EventId> = ids.filter(passes).collect();
            match &self.index.order {
                Order::Came => {}
                Order::Reversed => ids.reverse(),
                Order::By { sorted, .. } => {
                    ids.sort_by_key(|id| (get(*id).map(key), *id));
                    if sorted.is_inverted() {
                        ids.reverse();
                    }
                }
            }
            ids.into_iter().map(|id| id.0).collect()
        }
    }

    proptest! {
        /// Whatever comes, goes, is filtered or sorted: as long as the selected event is kept and
        /// passes, it is the one that is selected; and it is always on the screen.
        #[test]
        fn the_selection_is_an_event_and_not_a_line(steps in prop::collection::vec(step(), 1..60)) {
            let mut desk = Desk {
                log: Log::new(KEPT),
                index: EventIndex::new(false),
                window: Window::new(Home::End),
                modulus: 1,
                now: Timestamp(0),
            };
            for step in steps {
                desk.take(step);
                let halfway = desk.window.visible(&desk.index, HEIGHT);
                prop_assert!(halfway.selected.is_none_or(|s| s < desk.index.len()));

                desk.finish();
                prop_assert_eq!(keys(&desk.index), desk.brute());

                let visible = desk.window.visible(&desk.index, HEIGHT);
                let selected = visible.selected.and_then(|place| desk.index.key(place));
                let passes = passes(desk.modulus);
                let passes = |id: &EventId| desk.log.get(*id).is_some_and(|e| passes(*id, e));
                if let Some(wanted) = desk.window.wanted().filter(passes) {
                    prop_assert_eq!(selected, Some(wanted));
                }
                if let Some(place) = visible.selected {
                    prop_assert!((visible.top..visible.top + HEIGHT).contains(&place));
                }
                prop_assert_eq!(desk.window.follows(), desk.window.wanted().is_none());
            }
        }
    }
}
