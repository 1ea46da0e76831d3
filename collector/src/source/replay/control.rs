//! How a recording is played, to be changed while it is.

use std::sync::Arc;

use tokio::sync::watch;

use super::Speed;

/// How a recording is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playing {
    /// How fast.
    pub speed: Speed,
    /// It waits until this is no longer so. What was open at the start is shown all the same.
    pub held: bool,
}

impl Playing {
    /// At that speed, and not held.
    #[must_use]
    pub fn at(speed: Speed) -> Self {
        Self { speed, held: false }
    }
}

/// Changes how a recording is played.
#[derive(Clone, Debug)]
pub struct Control(Arc<watch::Sender<Playing>>);

impl Control {
    /// For a recording that begins in this way.
    #[must_use]
    pub fn new(playing: Playing) -> Self {
        Self(Arc::new(watch::Sender::new(playing)))
    }

    /// From now on it is played in this way.
    pub fn set(&self, playing: Playing) {
        self.0.send_replace(playing);
    }

    pub(super) fn listen(&self) -> watch::Receiver<Playing> {
        self.0.subscribe()
    }
}
