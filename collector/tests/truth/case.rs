//! One case: its actors, and how it ends.

use std::time::{Duration, Instant};

use crate::actor::Window;
use crate::machine::BOUND;
use crate::story::{self, Story};
use crate::trace::Tracer;

/// Why a case ends early.
#[derive(Debug)]
pub enum Stop {
    /// A row is wrong, or the case could not be played.
    Failed(String),
    /// Something is missing, and the tracer has said so itself.
    Lossy(String),
    /// The kernel does not have what the case is about; its reason.
    Lacking(String),
}

/// What most steps of a case return.
pub type Fallible<T> = Result<T, Stop>;

impl<E: std::error::Error> From<E> for Stop {
    #[track_caller]
    fn from(error: E) -> Self {
        let at = std::panic::Location::caller();
        Self::Failed(format!("{at}: {error}"))
    }
}

/// For what must be there, and is not.
pub fn no(what: &str) -> impl FnOnce() -> Stop {
    move || Stop::Failed(format!("there is no {what}"))
}

#[track_caller]
pub fn failed<T>(why: impl Into<String>) -> Fallible<T> {
    let at = std::panic::Location::caller();
    Err(Stop::Failed(format!("{at}: {}", why.into())))
}

pub fn lacking<T>(why: impl Into<String>) -> Fallible<T> {
    Err(Stop::Lacking(why.into()))
}

/// Asks again and again, until it is so.
#[track_caller]
pub fn until(mut so: impl FnMut() -> bool) -> Fallible<()> {
    let deadline = Instant::now() + BOUND;
    while !so() {
        if Instant::now() > deadline {
            return failed(format!("did not become true within {BOUND:?}"));
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// A case under way.
pub struct Case<'a> {
    tracer: &'a Tracer,
    /// How many events there were when it began.
    since: usize,
    /// How often it had said that it lost something.
    losses: usize,
}

impl<'a> Case<'a> {
    pub fn new(tracer: &'a Tracer) -> Self {
        let log = tracer.log();
        let (since, losses) = (log.events.len(), log.lost.len());
        drop(log);
        Self {
            tracer,
            since,
            losses,
        }
    }

    /// With all that a tracer has said since its start.
    pub fn from_start(tracer: &'a Tracer) -> Self {
        Self {
            tracer,
            since: 0,
            losses: 0,
        }
    }

    pub fn tracer(&self) -> &'a Tracer {
        self.tracer
    }

    /// These and no others are the rows of the sockets that the stories are about.
    pub fn expect(&self, stories: &[Story]) -> Fallible<()> {
        match story::check(self.tracer, self.since, stories) {
            Err(Stop::Failed(why)) => self.is_wrong(&why),
            other => other,
        }
    }

    /// What was said is not what happened. Where other processes open more connections than the
    /// tracer can read, rows are missing, and it says how many: that is no lie, and no test either.
    pub fn is_wrong<T>(&self, why: &str) -> Fallible<T> {
        /// Losses are told once a second.
        const TOLD_WITHIN: Duration = Duration::from_millis(2500);
        let lossy = self
            .tracer
            .wait_for(TOLD_WITHIN, |log| log.lost.len() > self.losses);
        if lossy {
            let lost = self.tracer.log().lost[self.losses..].to_vec();
            Err(Stop::Lossy(format!("{why}lost: {lost:?}")))
        } else {
            Err(Stop::Failed(why.to_owned()))
        }
    }
}

/// A moment that is only now.
pub fn now() -> Window {
    let now = collector::model::Timestamp::now().0;
    Window { from: now, to: now }
}
