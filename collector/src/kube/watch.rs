//! What the API server says of objects of one kind, over and over.

use std::fmt::Debug;
use std::pin::Pin;

use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio_stream::{Stream, StreamExt};

/// A change.
#[derive(Clone, Debug)]
pub enum Change<K> {
    /// These are all that there are: at the start, and whenever the watch had to start anew.
    All(Vec<K>),
    /// One is there, or has changed.
    Applied(K),
    /// One is gone.
    Deleted(K),
    /// The API server can't be asked at the moment, or does not say: a sentence. It is asked again.
    Failed(String),
}

/// Changes as they happen, without an end; asks again by itself, ever less often.
pub type Changes<K> = Pin<Box<dyn Stream<Item = Change<K>> + Send>>;

/// Watches all objects of `api` that have these labels and fields. An empty selector is all.
#[must_use]
pub fn watch<K>(api: Api<K>, labels: &str, fields: &str) -> Changes<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let config = watcher::Config::default().labels(labels).fields(fields);
    let mut listed = Vec::new();
    let events = watch_objects(api, config).default_backoff();
    Box::pin(events.filter_map(move |event| {
        Some(match event {
            Ok(Event::Init) => {
                listed.clear();
                return None;
            }
            Ok(Event::InitApply(object)) => {
                listed.push(object);
                return None;
            }
            Ok(Event::InitDone) => Change::All(std::mem::take(&mut listed)),
            Ok(Event::Apply(object)) => Change::Applied(object),
            Ok(Event::Delete(object)) => Change::Deleted(object),
            Err(error) => Change::Failed(sentence(&error)),
        })
    }))
}

/// The innermost of an error is what went wrong; the rest is where.
pub(super) fn sentence(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
