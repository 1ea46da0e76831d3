//! The steps of an event's way through user space.

use std::hint::black_box;

use collector::filter::Filter;
use collector::model::{Batch, Event, Limits, Store, Timestamp, Update};
use collector::wire::Encoder;

use super::load::{EVENTS, Host};

/// Events in a round.
pub const EVENTS_OF_ROUND: u64 = ROUND * EVENTS;
/// Connections in a round.
const ROUND: u64 = 2_048;
/// Rounds that differ.
const ROUNDS: u64 = 3;
/// Records that the source reads in one go: those of as many connections.
const BATCH: usize = 512;

/// What is done with the records of a round; the filter's steps do it with what is kept of all.
type Step = Box<dyn FnMut(&mut Host, &[Vec<u8>])>;

/// A step, and rounds of records to take it with.
pub struct Rounds {
    host: Host,
    all: Vec<Vec<Vec<u8>>>,
    next: usize,
    step: Step,
}

impl Rounds {
    /// `None` if there is no step of this name: `decode`, `store`, `json`, or `filter:` and an
    /// expression.
    pub fn of(step: &str) -> Option<Self> {
        let mut host = Host::new().ok()?;
        let all: Vec<Vec<Vec<u8>>> = (0..ROUNDS)
            .map(|round| {
                let connections = round * ROUND..(round + 1) * ROUND;
                connections.flat_map(|i| host.records(i)).collect()
            })
            .collect();
        let step = match step {
            "decode" => decode(),
            "store" => store(),
            "json" => json(),
            step => {
                let expression = Filter::parse(step.strip_prefix("filter:")?).ok()?;
                filter(&mut host, &all, expression)
            }
        };
        Some(Self {
            host,
            all,
            next: 0,
            step,
        })
    }

    /// Takes the step with the next round.
    pub fn play(&mut self) {
        let records = &self.all[self.next % self.all.len()];
        (self.step)(&mut self.host, records);
        self.next += 1;
    }
}

/// Hands the events of records over in batches.
fn in_batches(host: &mut Host, records: &[Vec<u8>], mut take: impl FnMut(Vec<Event>)) {
    for records in records.chunks(BATCH * 6) {
        let mut events = Vec::new();
        host.hear(records, &mut events);
        take(events);
    }
}

fn decode() -> Step {
    Box::new(|host, records| in_batches(host, records, |events| drop(black_box(events))))
}

fn batch(events: Vec<Event>) -> Update {
    Update::Batch(Batch {
        node: "host1".into(),
        events,
        lost: Vec::new(),
    })
}

fn store() -> Step {
    let mut store = Store::new(Limits::default());
    Box::new(move |host, records| {
        in_batches(host, records, |events| {
            let now = events.last().map(|event| event.ts).unwrap_or_default();
            store.apply(batch(events), now);
        });
    })
}

fn json() -> Step {
    let mut encoder = Encoder::default();
    let mut out = Vec::new();
    Box::new(move |host, records| {
        in_batches(host, records, |events| {
            out.clear();
            for event in &events {
                encoder.event(event, &mut out);
            }
            black_box(&out);
        });
    })
}

fn filter(host: &mut Host, all: &[Vec<Vec<u8>>], filter: Filter) -> Step {
    let mut store = Store::new(Limits::default());
    in_batches(host, &all[0], |events| {
        store.apply(batch(events), Timestamp(0));
    });
    let mut passing = Vec::new();
    Box::new(move |_, _| {
        passing.clear();
        filter.select(store.log(), store.log().range(), &mut passing);
        black_box(&passing);
    })
}
