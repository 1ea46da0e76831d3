//! What one event costs on its way through user space, a step at a time.
//!
//! `steps STEP ROUNDS` prints the nanoseconds per event of each round. All the rest is the same for
//! any number of rounds, so that the instructions of one round are the difference between runs of
//! two lengths: that is what `benches/instructions` counts.

mod load;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use collector::filter::Filter;
use collector::model::{Batch, Event, Limits, Store, Timestamp, Update};
use collector::wire::Encoder;

use load::{EVENTS, Host};

/// Connections in a round.
const ROUND: u64 = 2_048;
/// Rounds at the most.
const ROUNDS: u64 = 3;
/// Records that the source reads in one go: those of as many connections.
const BATCH: usize = 512;

/// What is done with the records of a round; the filter's steps do it with what is kept of all.
type Step = Box<dyn FnMut(&mut Host, &[Vec<u8>])>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let [_, step, rounds] = &args[..] else {
        eprintln!("usage: steps events|decode|store|json|filter:EXPRESSION ROUNDS");
        return ExitCode::FAILURE;
    };
    let (Some(mut host), Some(rounds)) = (Host::new().ok(), rounds.parse::<u64>().ok()) else {
        return ExitCode::FAILURE;
    };
    let all: Vec<Vec<Vec<u8>>> = (0..ROUNDS)
        .map(|round| {
            let connections = round * ROUND..(round + 1) * ROUND;
            connections.flat_map(|i| host.records(i)).collect()
        })
        .collect();
    let mut step: Step = match step.as_str() {
        "events" => {
            println!("{}", ROUND * EVENTS);
            return ExitCode::SUCCESS;
        }
        "decode" => decode(),
        "store" => store(),
        "json" => json(),
        step => match step.strip_prefix("filter:").map(Filter::parse) {
            Some(Ok(expression)) => filter(&mut host, &all, expression),
            _ => return ExitCode::FAILURE,
        },
    };
    for records in all
        .iter()
        .cycle()
        .take(usize::try_from(rounds).unwrap_or_default())
    {
        let start = Instant::now();
        step(&mut host, records);
        let took = start.elapsed().as_nanos();
        println!("{} ns per event", took / u128::from(ROUND * EVENTS));
    }
    ExitCode::SUCCESS
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
