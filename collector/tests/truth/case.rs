//! One case: its actors, and how it ends.

use std::time::{Duration, Instant};

use crate::actor::Window;
use crate::story::{self, Story};
use crate::trace::Tracer;

/// Why a case ends early.
#[derive(Debug)]
pub enum Stop {
    /// A row is wrong, or the case could not be played.
    Failed(String),
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
pub fn until(bound: Duration, mut so: impl FnMut() -> bool) -> Fallible<()> {
    let deadline = Instant::now() + bound;
    while !so() {
        if Instant::now() > deadline {
            return failed(format!("did not become true within {bound:?}"));
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
}

impl<'a> Case<'a> {
    pub fn new(tracer: &'a Tracer) -> Self {
        let since = tracer.log().events.len();
        Self { tracer, since }
    }

    /// With all that a tracer has said since its start.
    pub fn from_start(tracer: &'a Tracer) -> Self {
        Self { tracer, since: 0 }
    }

    pub fn tracer(&self) -> &'a Tracer {
        self.tracer
    }

    /// These and no others are the rows of the sockets that the stories are about.
    pub fn expect(&self, stories: &[Story]) -> Fallible<()> {
        story::check(self.tracer, self.since, stories)
    }
}

/// A moment that is only now.
pub fn now() -> Window {
    let now = collector::model::Timestamp::now().0;
    Window { from: now, to: now }
}
