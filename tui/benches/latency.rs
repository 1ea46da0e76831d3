//! How long a key takes to its frame, with 1,000,000 events kept and 50,000 arriving each second.
//!
//! The loop of the screen is played in its own order (keys before data before what was put off), on
//! a clock that the measured times move: what a key waits for is what it would wait for. The times
//! are those that this thread has a processor for, so that it matters less what else runs there.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tcpscope::desk::{Desk, traffic};

const KEPT: u64 = 1_000_000;
const PER_SECOND: u64 = 50_000;
/// Events in a batch: one each 5 ms.
const BATCH: u64 = 250;
const SECONDS: u64 = 20;
/// Between two keys: somebody who holds one down.
const KEY: Duration = Duration::from_millis(33);
/// Kinds of steps that are told of: those with the longest ones.
const TOLD: usize = 8;
const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 30);

/// What somebody does, over and over: moves, filters, sorts, looks around.
const KEYS: &str = "kkkkkGkkkk/port:443\nkkk\x1bllliijjjG2jjjlljjj33jj\njj\x1b4j5jj1kkGi6jG1";

fn main() {
    // `cargo test --benches` only wants to know whether it runs.
    let test = std::env::args().any(|arg| arg == "--test");
    let (kept, seconds) = if test { (10_000, 1) } else { (KEPT, SECONDS) };
    let mut desk = Desk::new(200, 50, usize::try_from(kept).unwrap_or(usize::MAX));
    let before = resident();
    let mut sent = 0;
    while sent < kept + kept / 2 {
        desk.apply(traffic(sent, 1_000));
        sent += 1_000;
    }
    while desk.catch_up() {}
    if let (Some(before), Some(after)) = (before, resident()) {
        println!(
            "{} bytes of memory per event kept, all else included",
            (after - before) / kept
        );
    }

    let end = Duration::from_secs(seconds);
    let gap = Duration::from_nanos(1_000_000_000 * BATCH / PER_SECOND);
    let (mut clock, mut next_key, mut next_batch) = (Duration::ZERO, KEY, gap);
    let (mut second, mut last_frame) = (Duration::from_secs(1), Duration::ZERO);
    let mut keys = KEYS.chars().cycle();
    let mut stale = false;
    let mut latencies: Vec<(Duration, char)> = Vec::new();
    let mut longest: BTreeMap<String, Duration> = BTreeMap::new();
    let mut busy = Duration::ZERO;
    while clock < end {
        let batch = (clock >= next_batch).then(|| traffic(sent, BATCH));
        let start = spent();
        let what;
        if clock >= next_key {
            let Some(key) = keys.next() else { break };
            desk.press(&key.to_string());
            desk.draw();
            let waited = clock.saturating_sub(next_key);
            latencies.push((waited + spent().saturating_sub(start), key));
            next_key += KEY;
            (stale, last_frame) = (false, clock);
            what = format!("key {key:?}");
        } else if stale && clock >= last_frame + FRAME {
            desk.draw();
            (stale, last_frame) = (false, clock);
            what = "frame".to_owned();
        } else if let Some(batch) = batch {
            stale |= desk.apply(batch);
            sent += BATCH;
            next_batch += gap;
            what = "batch".to_owned();
        } else if clock >= second {
            desk.tick();
            second += Duration::from_secs(1);
            what = "tick".to_owned();
        } else if desk.catch_up() {
            stale = true;
            what = "catch up".to_owned();
        } else {
            let next = next_key.min(next_batch).min(second);
            desk.wait(nanos(next.saturating_sub(clock)));
            clock = next;
            continue;
        }
        let took = spent().saturating_sub(start);
        busy += took;
        let known = longest.entry(what).or_default();
        *known = took.max(*known);
        desk.wait(nanos(took));
        clock += took;
    }
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    println!(
        "{} keys, {PER_SECOND} events a second, {kept} kept",
        latencies.len()
    );
    for percent in [50, 90, 99, 100] {
        let (took, key) = at(percent);
        println!("p{percent}: {took:?} from key to frame ({key:?})");
    }
    let mut longest: Vec<_> = longest.into_iter().collect();
    longest.sort_unstable_by_key(|(_, took)| std::cmp::Reverse(*took));
    for (what, took) in longest.iter().take(TOLD) {
        println!("longest step of its kind: {took:?} ({what})");
    }
    println!(
        "busy: {} percent of a core",
        busy.as_millis() * 100 / clock.as_millis().max(1)
    );
}

/// How long this thread has had a processor.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(time.tv_nsec.unsigned_abs())
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Bytes of memory that this process has.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1_024)
}
