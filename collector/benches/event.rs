//! What one event costs on its way through user space, a step at a time: from the bytes in the ring
//! to an event, to the model, to a line of JSON, and past a filter.

#![allow(missing_docs, reason = "the macros of criterion have none")]

#[path = "../examples/steps/load.rs"]
mod load;
#[path = "../examples/steps/step.rs"]
mod step;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use step::{EVENTS_OF_ROUND, Rounds};

/// A name, and the step.
const STEPS: [(&str, &str); 6] = [
    ("bytes to event", "decode"),
    ("bytes to event to model", "store"),
    ("bytes to event to JSON", "json"),
    ("filter by port and command", "filter:port:8080 comm:client"),
    (
        "filter by address and latency",
        "filter:!dst:10.1.0.0/27 lat>30us",
    ),
    ("filter by text", "filter:server"),
];

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("event");
    group
        .throughput(Throughput::Elements(EVENTS_OF_ROUND))
        .sample_size(20)
        .measurement_time(Duration::from_secs(3));
    for (name, step) in STEPS {
        if let Some(mut rounds) = Rounds::of(step) {
            group.bench_function(name, |b| b.iter(|| rounds.play()));
        }
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
