//! What the parts of a frame cost, with 10,000, 100,000 and 1,000,000 events kept.

#![allow(missing_docs, reason = "the macros of criterion have none")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tcpscope::desk::{Desk, traffic};

const KEPT: [u64; 3] = [10_000, 100_000, 1_000_000];

/// A screen with so many events, and as many evicted.
fn full(kept: u64) -> Desk {
    let mut desk = Desk::new(200, 50, usize::try_from(kept).unwrap_or(usize::MAX));
    for from in (0..2 * kept).step_by(1_000) {
        desk.apply(traffic(from, 1_000));
    }
    while desk.catch_up() {}
    desk
}

fn settled(desk: &mut Desk) {
    while desk.catch_up() {}
}

fn benches(c: &mut Criterion) {
    for kept in KEPT {
        let mut desk = full(kept);
        let mut group = c.benchmark_group(format!("{kept}"));
        group
            .sample_size(10)
            .measurement_time(Duration::from_secs(2));

        let mut from = 2 * kept;
        group.bench_function("apply 1000 events", |b| {
            let next = || {
                from += 1_000;
                traffic(from, 1_000)
            };
            b.iter_batched(next, |update| desk.apply(update), BatchSize::SmallInput);
        });
        group.bench_function("frame", |b| b.iter(|| desk.draw()));
        group.bench_function("move and frame", |b| {
            b.iter(|| {
                desk.press("k");
                desk.draw();
            });
        });
        desk.press("G");
        for filter in ["dst:10.2.1.0/24 lat>1ms", "pod:app-7*", "server"] {
            // From the last key on: a filter applies while it is typed.
            let (typed, last) = filter.split_at(filter.len() - 1);
            group.bench_function(format!("filter {filter}, until all are looked at"), |b| {
                b.iter_custom(|n| {
                    let once = || {
                        desk.press("/");
                        desk.press(typed);
                        settled(&mut desk);
                        let start = Instant::now();
                        desk.press(last);
                        settled(&mut desk);
                        let took = start.elapsed();
                        black_box(desk.rows());
                        desk.press("\x1b\x1b");
                        settled(&mut desk);
                        took
                    };
                    std::iter::repeat_with(once)
                        .take(usize::try_from(n).unwrap_or(1))
                        .sum()
                });
            });
        }
        group.bench_function("sort by PID, until all are sorted", |b| {
            b.iter(|| {
                desk.press("wlllllll");
                settled(&mut desk);
                desk.press("Gw");
            });
        });
        desk.press("2l");
        settled(&mut desk);
        group.bench_function("connections, until all are sorted, twice", |b| {
            b.iter(|| {
                for key in ["l", "h"] {
                    desk.press(key);
                    settled(&mut desk);
                }
            });
        });
        group.bench_function("connections: a second's changes and a frame", |b| {
            let next = || {
                from += 50_000;
                (0..50)
                    .map(|i| traffic(from + i * 1_000, 1_000))
                    .collect::<Vec<_>>()
            };
            let mut take = |updates: Vec<_>| {
                for update in updates {
                    desk.apply(update);
                }
                desk.wait(2_000_000_000);
                desk.tick();
                settled(&mut desk);
                desk.draw();
            };
            b.iter_batched(next, &mut take, BatchSize::LargeInput);
        });
        for (key, name) in [("3", "pods"), ("5", "problems")] {
            desk.press(key);
            group.bench_function(format!("{name}: made anew, and a frame"), |b| {
                b.iter(|| {
                    desk.wait(2_000_000_000);
                    desk.tick();
                    desk.draw();
                });
            });
        }
        desk.press("1");
        group.finish();
    }
}

criterion_group!(all, benches);
criterion_main!(all);
