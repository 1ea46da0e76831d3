//! Inputs that are nearly right, and what plays them: for a second, or for `TCPSCOPE_FUZZ_SECONDS`.
//!
//! Each input is made from a number of its own, the first of which is `TCPSCOPE_FUZZ_SEED`: what is
//! told of a failure repeats it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

/// An input that takes longer hangs.
const BOUND: Duration = Duration::from_secs(20);
/// No input grows beyond this, in bytes.
const LONGEST: usize = 1 << 16;
/// Numbers at the edge of what somebody may have thought of.
const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "255",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
];
/// Bytes that mean something to most.
const BYTES: &[u8] = b"\0\x7f\x80\xff\n\r\t \"'\\{}[]:,.-*~!<>=/#0";

/// Plays inputs that are made from `seeds` and from `words` until the time is over.
///
/// # Panics
/// If `check` does, or takes too long; then the input is told.
pub fn play(target: &str, seeds: Vec<Vec<u8>>, words: &'static [&'static str], check: fn(&[u8])) {
    let number = |name: &str, usual: u64| match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|e| panic!("{name}={text}: {e}")),
        Err(_) => usual,
    };
    let over = Instant::now() + Duration::from_secs(number("TCPSCOPE_FUZZ_SECONDS", 1));
    let first = number("TCPSCOPE_FUZZ_SEED", 0);
    let current = Arc::new(AtomicU64::new(first));
    let maker = Maker { seeds, words };
    let tell = |seed: u64, maker: &Maker| {
        let input = maker.input(seed);
        let text = input.escape_ascii();
        eprintln!("{target}: TCPSCOPE_FUZZ_SEED={seed} fails, with \"{text}\"");
    };

    let (done, told) = channel();
    let (inputs, at) = (maker.clone(), Arc::clone(&current));
    let player = thread::spawn(move || {
        let failed = inputs.play(&at, over, check);
        // Nobody listens any more if this took too long.
        let _ = done.send(failed);
    });
    let mut last = first;
    let failed = loop {
        match told.recv_timeout(BOUND) {
            Ok(failed) => break failed,
            Err(RecvTimeoutError::Disconnected) => panic!("{target}: nothing was played"),
            Err(RecvTimeoutError::Timeout) => {
                let now = current.load(Ordering::Relaxed);
                if now == last {
                    tell(now, &maker);
                    panic!("{target}: an input takes longer than {BOUND:?}");
                }
                last = now;
            }
        }
    };
    let count = current.load(Ordering::Relaxed) - first;
    match failed {
        Some(panic) => {
            tell(current.load(Ordering::Relaxed), &maker);
            resume_unwind(panic);
        }
        None => println!("{target}: {count} inputs from {first} on"),
    }
    assert!(player.join().is_ok() && count > 0, "{target}");
}

#[derive(Clone)]
struct Maker {
    seeds: Vec<Vec<u8>>,
    words: &'static [&'static str],
}

impl Maker {
    /// Until the time is over, or one fails: then `at` is its number.
    fn play(&self, at: &AtomicU64, over: Instant, check: fn(&[u8])) -> Option<Box<dyn Any + Send>> {
        loop {
            let input = self.input(at.load(Ordering::Relaxed));
            let checked = catch_unwind(AssertUnwindSafe(|| check(&input)));
            if let Err(panic) = checked {
                return Some(panic);
            }
            at.fetch_add(1, Ordering::Relaxed);
            if Instant::now() >= over {
                return None;
            }
        }
    }

    /// The input of that number: one of the seeds with some changes.
    fn input(&self, seed: u64) -> Vec<u8> {
        let mut rng = Rng::with_seed(seed);
        let mut input = self.seed(&mut rng).to_vec();
        // Few as a rule, or nothing would get far.
        for _ in 0..1 << rng.u32(0..5) {
            self.change(&mut input, &mut rng);
        }
        input.truncate(LONGEST);
        input
    }

    fn seed(&self, rng: &mut Rng) -> &[u8] {
        rng.choice(&self.seeds).map_or(&[], Vec::as_slice)
    }

    fn change(&self, input: &mut Vec<u8>, rng: &mut Rng) {
        let (from, to) = range(input, rng);
        match rng.u8(0..9) {
            0 => drop(input.drain(from..to)),
            1 => {
                let again = input[from..to].to_vec();
                let at = rng.usize(0..=input.len());
                input.splice(at..at, again);
            }
            2 => {
                let other = self.seed(rng);
                let (begin, end) = range(other, rng);
                input.splice(from..to, other[begin..end].iter().copied());
            }
            3 => {
                let word = rng.choice(self.words).copied().unwrap_or_default();
                input.splice(from..from, word.bytes());
            }
            4 => {
                let number = rng.choice(NUMBERS).unwrap_or_default();
                let (begin, end) = digits(input, from);
                input.splice(begin..end, number.bytes());
            }
            5 => input.insert(from, rng.choice(BYTES).copied().unwrap_or_default()),
            6 => input.insert(from, rng.u8(..)),
            _ => {
                if let Some(byte) = input.get_mut(from) {
                    *byte = match rng.u8(0..3) {
                        0 => rng.u8(..),
                        1 => rng.choice(BYTES).copied().unwrap_or_default(),
                        _ => *byte ^ (1 << rng.u8(0..8)),
                    };
                }
            }
        }
    }
}

/// A piece, short as a rule.
fn range(bytes: &[u8], rng: &mut Rng) -> (usize, usize) {
    let from = rng.usize(0..=bytes.len());
    let most = 1 << rng.u32(0..10);
    (from, bytes.len().min(from + rng.usize(0..=most)))
}

/// The first number at or after that place, or the empty piece there.
fn digits(bytes: &[u8], from: usize) -> (usize, usize) {
    let rest = &bytes[from..];
    let Some(begin) = rest.iter().position(u8::is_ascii_digit) else {
        return (from, from);
    };
    let len = rest[begin..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    (from + begin, from + begin + len)
}
