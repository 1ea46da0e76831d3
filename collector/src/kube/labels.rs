//! `-l`: which pods have some labels.

use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt};
use rustc_hash::FxHashSet;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;

use super::watch::{Change, watch};
use crate::model::Origin;

/// Above this many, those that were seen with the labels and are gone are forgotten.
const MOST: usize = 65_536;

/// Namespaces and names of pods.
type Names = FxHashSet<(Arc<str>, Arc<str>)>;

/// The pods that have, or had while this lived, some labels.
#[derive(Debug)]
pub struct Labelled {
    pods: Arc<Mutex<Names>>,
    _watch: JoinSet<()>,
}

impl Labelled {
    /// Follows the pods that `selector` selects. Returns when the first list is there.
    ///
    /// # Errors
    /// A sentence, if there is none: the selector is not one, or pods may not be listed.
    pub async fn follow(client: Client, selector: &str) -> Result<Self, String> {
        let mut changes = watch::<Pod>(Api::all(client), selector, "");
        let pods: Arc<Mutex<Names>> = Arc::default();
        match changes.next().await {
            Some(Change::All(all)) => add(&pods, &all),
            Some(Change::Failed(why)) => return Err(format!("--selector {selector}: {why}")),
            _ => {}
        }
        let followed = Arc::clone(&pods);
        let mut watch = JoinSet::new();
        watch.spawn(async move {
            while let Some(change) = changes.next().await {
                match change {
                    Change::All(all) => add(&followed, &all),
                    Change::Applied(one) => add(&followed, &[one]),
                    // Its last events are yet to come.
                    Change::Deleted(_) => {}
                    Change::Failed(why) => tracing::warn!("labels of pods: {why}"),
                }
            }
        });
        Ok(Self {
            pods,
            _watch: watch,
        })
    }

    /// Whether that is one of these pods.
    #[must_use]
    pub fn has(&self, origin: &Origin) -> bool {
        let (Some(namespace), Some(pod)) = (&origin.namespace, &origin.pod) else {
            return false;
        };
        let pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        pods.contains(&(Arc::clone(namespace), Arc::clone(pod)))
    }
}

fn add(pods: &Mutex<Names>, all: &[Pod]) {
    let mut pods = pods.lock().unwrap_or_else(PoisonError::into_inner);
    if pods.len() > MOST {
        pods.clear();
    }
    let names = all.iter().filter_map(|pod| {
        let namespace = pod.namespace()?;
        Some((namespace.into(), pod.name_any().into()))
    });
    pods.extend(names);
}
