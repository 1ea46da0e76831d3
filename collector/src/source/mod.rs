//! Where events come from: each source is a stream of [`Update`]s.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio_stream::Stream;

use crate::model::Update;

pub mod cluster;
pub mod demo;
mod half_closed;
pub mod host;
mod look_up;
pub mod named;
pub mod poll;
mod queued;
pub mod replay;
mod snapshot;
pub mod watched;
mod worker;

/// What every source gives: updates as they happen, until it ends or is dropped.
pub type Updates = Pin<Box<dyn Stream<Item = Update> + Send>>;

/// Asks a source to come to its end: it sends what it still holds back, and its stream ends.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Notify>);

impl Stop {
    /// Asks, once.
    pub fn request(&self) {
        self.0.notify_one();
    }

    /// Waits until somebody asks.
    pub async fn requested(&self) {
        self.0.notified().await;
    }
}
