//! The tracer that is on trial, and all it has said so far.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use collector::model::{Event, Hello, HookKind, LossKind, Lost, SourceState, Timestamp, Update};
use collector::probe;
use collector::source::{Stop, host};
use tokio_stream::StreamExt;

use crate::machine::BOUND;

/// Forces one of the hooks for accepts.
const ACCEPT_HOOK: &str = "TCPSCOPE_ACCEPT_HOOK";
/// Has the state machine attached as on kernels where the better way does not work.
const RAW_STATE: &str = "TCPSCOPE_RAW_STATE";

/// Has what was open at the start found without an iterator.
const NO_ITERATOR: &str = "TCPSCOPE_NO_ITERATOR";

/// The hook for accepts that is forced, if there is one.
///
/// # Errors
/// If there is no such hook.
pub fn forced_accept_hook() -> Result<Option<HookKind>, String> {
    let Ok(word) = std::env::var(ACCEPT_HOOK) else {
        return Ok(None);
    };
    let mut all = HookKind::ALL.into_iter();
    let found = all.find(|kind| kind.word() == word);
    found.map(Some).ok_or(format!("{ACCEPT_HOOK} is {word:?}"))
}

pub fn is_raw_state_forced() -> bool {
    std::env::var_os(RAW_STATE).is_some()
}

/// The same options, with what is forced.
///
/// # Errors
/// As [`forced_accept_hook`].
pub fn forced(probe: &probe::Options) -> Result<probe::Options, String> {
    Ok(probe::Options {
        accept_hook: forced_accept_hook()?,
        raw_state: is_raw_state_forced(),
        no_iterator: std::env::var_os(NO_ITERATOR).is_some(),
        ..probe.clone()
    })
}

/// Everything that one tracer has said.
#[derive(Default)]
pub struct Log {
    pub events: Vec<Event>,
    pub lost: Vec<Lost>,
    pub hello: Option<Hello>,
    over: Option<String>,
    /// What no stream of a tracer's may contain.
    wrong: Vec<String>,
    seq: u64,
    /// Network namespaces that somebody counts the events of, so that a hundred thousand need not
    /// be counted again for each batch: since when, and how many.
    counted: HashMap<u32, (Timestamp, usize)>,
}

impl Log {
    /// Counts the events of a namespace from now on. Its number may have been another's before,
    /// which has gone, and of which something may still be said.
    pub fn count_from_now(&mut self, netns: u32) -> Timestamp {
        let now = Timestamp::now();
        self.counted.insert(netns, (now, 0));
        now
    }

    /// How many events there are of a namespace that is counted.
    pub fn count(&self, netns: u32) -> usize {
        self.counted.get(&netns).map_or(0, |(_, n)| *n)
    }

    fn take(&mut self, update: Update) {
        match update {
            Update::Hello(hello) => self.hello = Some(hello),
            Update::State(node) => match node.state {
                SourceState::Lost(why) => self.over = Some(why),
                SourceState::Ended => self.over = Some("ended".into()),
                SourceState::Connecting | SourceState::Live => {}
            },
            Update::Meta(_) | Update::Note(_) => {}
            Update::Batch(batch) => {
                for event in &batch.events {
                    let Some(seq) = event.seq else { continue };
                    if let Some((since, n)) =
                        event.netns.and_then(|n| self.counted.get_mut(&n.get()))
                        && event.ts >= *since
                    {
                        *n += 1;
                    }
                    self.seq += 1;
                    if seq.get() != self.seq {
                        self.wrong
                            .push(format!("seq {seq} instead of {}", self.seq));
                        self.seq = seq.get();
                    }
                }
                self.events.extend(batch.events);
                self.lost.extend(batch.lost);
            }
        }
    }
}

impl Log {
    /// How much was lost so far, of one kind.
    pub fn lost_by(&self, kind: LossKind) -> u64 {
        let of_kind = self.lost.iter().filter(|lost| lost.kind == kind);
        of_kind.map(|lost| lost.n).sum()
    }
}

/// A running tracer.
pub struct Tracer {
    shared: Arc<(Mutex<Log>, Condvar)>,
    stop: Stop,
    reader: Option<JoinHandle<()>>,
}

impl Tracer {
    /// Starts one, and waits until its hooks are attached.
    ///
    /// # Errors
    /// Why it can't trace here, in its own words.
    pub fn start() -> Result<Self, String> {
        Self::start_with(&probe::Options::default())
    }

    /// Starts one whose probes are loaded so, but for the hooks that are forced.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(probe: &probe::Options) -> Result<Self, String> {
        let options = host::Options {
            probe: forced(probe)?,
            node: "truth".into(),
            seed: true,
        };
        let stop = Stop::default();
        let mut updates = host::start(options, stop.clone());
        let shared = Arc::new((Mutex::new(Log::default()), Condvar::new()));
        let log = shared.clone();
        let reader = std::thread::Builder::new()
            .name("reader".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                let Ok(runtime) = runtime else { return };
                runtime.block_on(async {
                    while let Some(update) = updates.next().await {
                        lock(&log.0).take(update);
                        log.1.notify_all();
                    }
                });
            })
            .map_err(|e| e.to_string())?;
        let tracer = Self {
            shared,
            stop,
            reader: Some(reader),
        };
        let started = |log: &Log| log.hello.is_some() || log.over.is_some();
        tracer.wait_for(BOUND, started);
        let log = tracer.log();
        match (&log.hello, &log.over) {
            (Some(_), None) => {}
            (_, Some(why)) => return Err(why.clone()),
            (None, None) => return Err(format!("no word of it within {BOUND:?}")),
        }
        drop(log);
        Ok(tracer)
    }

    /// The one that all cases of this process share.
    pub fn shared() -> Result<&'static Self, String> {
        static TRACER: OnceLock<Result<Tracer, String>> = OnceLock::new();
        TRACER
            .get_or_init(Self::start)
            .as_ref()
            .map_err(Clone::clone)
    }

    pub fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.shared.0)
    }

    /// Waits until something is true of what it has said; whether it became so in time.
    pub fn wait_for(&self, bound: Duration, condition: impl Fn(&Log) -> bool) -> bool {
        let deadline = Instant::now() + bound;
        let mut log = self.log();
        loop {
            if condition(&log) {
                return true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return false;
            };
            log = self
                .shared
                .1
                .wait_timeout(log, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Asks it to come to its end, and waits: what it held back is in the log then.
    pub fn finish(&self) {
        self.stop.request();
        self.wait_for(BOUND, |log| log.over.is_some());
    }

    /// It has come to its end.
    pub fn is_over(&self) -> bool {
        self.log().over.is_some()
    }

    /// What can be said without knowing what happened.
    pub fn contradictions(&self) -> Vec<String> {
        self.log().wrong.clone()
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.finish();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
