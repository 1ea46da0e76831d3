//! Where events come from: each source is a stream of [`Update`]s.

pub mod poll;

use std::pin::Pin;

use tokio_stream::Stream;

use crate::model::Update;

/// What every source gives: updates as they happen, until it ends or is dropped.
pub type Updates = Pin<Box<dyn Stream<Item = Update> + Send>>;
