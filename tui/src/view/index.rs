//! Which events of the log pass the filter. Pure.
//!
//! Only what has come since the last time is looked at. When the filter changes, a million events
//! are to be looked at again: that is done a piece at a time, outwards from what is on the screen,
//! so that no key has to wait for it.

use std::collections::VecDeque;
use std::ops::Range;

use collector::model::{Event, EventId, Log};

use super::window::Rows;

/// The identities of the events that pass, in their order.
#[derive(Debug)]
pub(crate) struct EventIndex {
    passed: Passed,
    /// What has been looked at.
    seen: Range<EventId>,
    /// What is to be looked at.
    wanted: Range<EventId>,
}

#[derive(Debug)]
enum Passed {
    /// Everything that has been looked at.
    All,
    /// These.
    Some(VecDeque<EventId>),
}

impl EventIndex {
    /// An index of nothing yet, for a filter that lets everything pass or does not.
    pub(crate) fn new(everything: bool) -> Self {
        let nothing = EventId::default()..EventId::default();
        let mut index = Self {
            passed: Passed::All,
            seen: nothing.clone(),
            wanted: nothing,
        };
        index.restart(everything, EventId::default());
        index
    }

    /// Begins anew with another filter, from an event outwards.
    pub(crate) fn restart(&mut self, everything: bool, from: EventId) {
        if everything {
            self.passed = Passed::All;
            self.seen = self.wanted.clone();
        } else {
            let from = from.clamp(self.wanted.start, self.wanted.end);
            self.passed = Passed::Some(VecDeque::new());
            self.seen = from..from;
        }
    }

    /// The log has other events now: forgets those that are gone, and wants the new ones.
    pub(crate) fn follow(&mut self, kept: Range<EventId>) {
        self.wanted = kept;
        let (start, end) = (self.wanted.start, self.wanted.end);
        if let Passed::Some(ids) = &mut self.passed {
            self.seen.start = self.seen.start.max(start);
            self.seen.end = self.seen.end.max(start);
            let gone = ids.partition_point(|id| *id < start);
            ids.drain(..gone);
        } else {
            self.seen = start..end;
        }
    }

    /// Something is still to be looked at.
    pub(crate) fn is_behind(&self) -> bool {
        self.seen != self.wanted
    }

    /// Looks at up to `budget` events.
    pub(crate) fn catch_up(&mut self, log: &Log, budget: usize, passes: impl Fn(&Event) -> bool) {
        let Passed::Some(ids) = &mut self.passed else {
            return;
        };
        let passes = |id: EventId| log.get(id).is_some_and(&passes);
        let newer = self.wanted.end.since(self.seen.end);
        let older = self.seen.start.since(self.wanted.start);
        let forth = newer.min((budget / 2).max(budget.saturating_sub(older)));
        for _ in 0..forth {
            if passes(self.seen.end) {
                ids.push_back(self.seen.end);
            }
            self.seen.end = self.seen.end.plus(1);
        }
        for _ in 0..older.min(budget - forth) {
            self.seen.start = self.seen.start.minus(1);
            if passes(self.seen.start) {
                ids.push_front(self.seen.start);
            }
        }
    }
}

impl Rows for EventIndex {
    type Key = EventId;

    fn len(&self) -> usize {
        match &self.passed {
            Passed::All => self.seen.end.since(self.seen.start),
            Passed::Some(ids) => ids.len(),
        }
    }

    fn key(&self, place: usize) -> Option<EventId> {
        match &self.passed {
            Passed::All => (place < self.len()).then(|| self.seen.start.plus(place)),
            Passed::Some(ids) => ids.get(place).copied(),
        }
    }

    /// The next one after it if it is gone: whatever stands between is not in the list either.
    fn find(&self, key: EventId, _last: usize) -> usize {
        match &self.passed {
            Passed::All => key.since(self.seen.start),
            Passed::Some(ids) => ids.partition_point(|id| *id < key),
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
    fn passes(modulus: u16) -> impl Fn(&Event) -> bool {
        move |event| event.local.port.is_multiple_of(modulus)
    }

    fn finish(index: &mut EventIndex, log: &Log, modulus: u16) {
        while index.is_behind() {
            index.catch_up(log, 3, passes(modulus));
        }
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
        index.catch_up(&log, 100, |_| {
            looked.set(looked.get() + 1);
            true
        });
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
        index.catch_up(&log, 20, passes(2));
        assert_eq!(keys(&index), (490..510).step_by(2).collect::<Vec<_>>());
        assert!(index.is_behind());
        finish(&mut index, &log, 2);
        assert_eq!(index.len(), 500);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(u8),
        Filter(u16),
        Scan,
        Go(Motion),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1_u8..20).prop_map(Step::Push),
            2 => (1_u16..5).prop_map(Step::Filter),
            2 => Just(Step::Scan),
            1 => prop_oneof![Just(Motion::Up), Just(Motion::Down), Just(Motion::PageUp)].prop_map(Step::Go),
        ]
    }

    proptest! {
        /// Whatever comes, goes or is filtered: as long as the selected event is kept and passes,
        /// it is the one that is selected; and it is always on the screen.
        #[test]
        fn the_selection_is_an_event_and_not_a_line(steps in prop::collection::vec(step(), 1..60)) {
            let mut log = Log::new(KEPT);
            let mut index = EventIndex::new(false);
            let mut window = Window::new(Home::End);
            let mut modulus = 1;
            let mut port = 0;
            for step in steps {
                match step {
                    Step::Push(n) => for _ in 0..n {
                        port += 1;
                        log.push(sample::connect(port));
                    },
                    Step::Filter(m) => {
                        modulus = m;
                        index.restart(m == 1, window.wanted().unwrap_or(index.wanted.end));
                    }
                    Step::Scan => index.catch_up(&log, 4, passes(modulus)),
                    Step::Go(motion) => {
                        finish(&mut index, &log, modulus);
                        window.go(&index, HEIGHT, motion);
                    }
                }
                index.follow(log.range());
                window.settle(&index);
                let halfway = window.visible(&index, HEIGHT);
                prop_assert!(halfway.selected.is_none_or(|s| s < index.len()));

                finish(&mut index, &log, modulus);
                let brute: Vec<u64> = (log.first().0..log.end().0)
                    .filter(|id| log.get(EventId(*id)).is_some_and(passes(modulus)))
                    .collect();
                prop_assert_eq!(keys(&index), brute);

                let visible = window.visible(&index, HEIGHT);
                let selected = visible.selected.and_then(|place| index.key(place));
                if let Some(wanted) = window.wanted().filter(|id| log.get(*id).is_some_and(passes(modulus))) {
                    prop_assert_eq!(selected, Some(wanted));
                }
                if let Some(place) = visible.selected {
                    prop_assert!((visible.top..visible.top + HEIGHT).contains(&place));
                }
                prop_assert_eq!(window.follows() , window.wanted().is_none());
            }
        }
    }
}
