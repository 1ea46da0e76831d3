//! Which events pass, in which order, and what is selected among them.

use collector::model::Number;
use proptest::prelude::*;

use super::*;
use crate::sample;
use crate::view::window::{Home, Motion, Window};

const HEIGHT: usize = 5;
const KEPT: usize = 40;

const PORT: Part = Part::Number(Number::Sport);

/// A filter by the local port, which tests set to whatever they like.
fn passes(event: &Event, modulus: u16) -> bool {
    event.local.port.is_multiple_of(modulus)
}

fn select(log: &Log, modulus: u16) -> impl Fn(Range<EventId>, &mut Vec<EventId>) {
    move |ids, out| {
        let ids = (ids.start.0..ids.end.0).map(EventId);
        out.extend(ids.filter(|id| log.get(*id).is_some_and(|e| passes(&e, modulus))));
    }
}

fn finish(index: &mut EventIndex, log: &Log, modulus: u16) {
    while index.is_behind() {
        index.catch_up(log, 3, select(log, modulus), PORT, port);
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
    let all = |ids: Range<EventId>, out: &mut Vec<EventId>| {
        looked.set(looked.get() + ids.end.since(ids.start));
        out.extend((ids.start.0..ids.end.0).map(EventId));
    };
    index.catch_up(&log, 100, all, PORT, port);
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
    index.catch_up(&log, 20, select(&log, 2), PORT, port);
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
    /// Somebody moves: rows hold still.
    Hold,
    Go(Motion),
    Sort(bool),
    Invert,
    Came(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u8..20).prop_map(Step::Push),
        2 => (1_u16..5).prop_map(Step::Filter),
        3 => Just(Step::Scan),
        1 => Just(Step::Hold),
        1 => prop_oneof![Just(Motion::Up), Just(Motion::Down), Just(Motion::PageUp)].prop_map(Step::Go),
        1 => any::<bool>().prop_map(Step::Sort),
        1 => Just(Step::Invert),
        1 => any::<bool>().prop_map(Step::Came),
    ]
}

/// An order that has nothing to do with time, with ties.
fn key(port: u64) -> u64 {
    port * 7_919 % 32
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
            Step::Hold => {
                self.index.arrange(4, self.now, self.now);
            }
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
        let select = select(&self.log, self.modulus);
        self.index
            .catch_up(&self.log, budget, select, PORT, |event| {
                Value::number(Some(key(event.local.port.into())))
            });
    }

    fn arrange(&mut self) {
        self.now.0 += 2_000_000_000;
        self.index.arrange(4, self.now, Timestamp(0));
        self.window.settle(&self.index);
    }

    fn finish(&mut self) {
        while self.index.is_behind() {
            self.look(3);
            self.arrange();
        }
        // What came while the last list was made.
        self.arrange();
        while self.index.is_behind() {
            self.arrange();
        }
    }

    /// Whether the events are in their order, though not all of them may be there. The port of each
    /// is its number.
    fn is_in_order(&self) -> bool {
        let mut keys = keys(&self.index);
        let inverted = match &self.index.order {
            Order::Came => false,
            Order::Reversed => true,
            Order::By { sorted, .. } => sorted.is_inverted(),
        };
        if inverted {
            keys.reverse();
        }
        let by_time = !self.index.is_sorted();
        let order = |id: &u64| (if by_time { 0 } else { key(*id) }, *id);
        keys.is_sorted_by(|a, b| order(a) < order(b))
    }

    /// What a look at all events says.
    fn brute(&self) -> Vec<u64> {
        let ids = (self.log.first().0..self.log.end().0).map(EventId);
        let get = |id: EventId| self.log.get(id);
        let passes = |id: &EventId| get(*id).is_some_and(|event| passes(&event, self.modulus));
        let mut ids: Vec<EventId> = ids.filter(passes).collect();
        match &self.index.order {
            Order::Came => {}
            Order::Reversed => ids.reverse(),
            Order::By { sorted, .. } => {
                ids.sort_by_key(|id| (key(id.0), *id));
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
            prop_assert!(desk.is_in_order(), "{:?} after {:?}", keys(&desk.index), step);
            let halfway = desk.window.visible(&desk.index, HEIGHT);
            prop_assert!(halfway.selected.is_none_or(|s| s < desk.index.len()));

            desk.finish();
            prop_assert_eq!(keys(&desk.index), desk.brute());

            let visible = desk.window.visible(&desk.index, HEIGHT);
            let selected = visible.selected.and_then(|place| desk.index.key(place));
            let passes = |id: &EventId| desk.log.get(*id).is_some_and(|e| passes(&e, desk.modulus));
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
