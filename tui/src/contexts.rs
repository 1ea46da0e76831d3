//! From one cluster of the kubeconfig to another, while the screen is up.

use std::fmt;

use collector::kube::access::{self, Access};
use collector::source::{Stop, Updates};

use crate::cli::{Cluster, Format, Source, View};
use crate::sources;

/// What it takes to watch another cluster as this one is watched.
#[derive(Clone, Debug)]
pub(crate) struct Contexts {
    cluster: Cluster,
    /// As it was asked for, before the context had its say.
    view: View,
}

/// Another cluster, which nobody has listened to yet.
pub(crate) struct Switched {
    /// What it is called in the header.
    pub(crate) source: String,
    /// The namespace to begin with, if it is the context's that counts.
    pub(crate) namespace: Option<String>,
    pub(crate) updates: Updates,
    pub(crate) stop: Stop,
}

impl fmt::Debug for Switched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Switched to {}", self.source)
    }
}

impl Contexts {
    /// For a source that is a cluster.
    pub(crate) fn of(source: &Source, view: &View) -> Option<Self> {
        let Source::Cluster(cluster) = source else {
            return None;
        };
        Some(Self {
            cluster: (**cluster).clone(),
            view: view.clone(),
        })
    }

    /// The contexts there are.
    pub(crate) fn names(&self) -> Vec<String> {
        access::contexts(&self.cluster.access.options()).0
    }

    /// Opens the cluster of a context. Its credential plugin must do without asking.
    ///
    /// # Errors
    /// If there is no such context, or nothing in it that can be used.
    pub(crate) async fn open(mut self, name: String) -> anyhow::Result<Switched> {
        let options = access::Options {
            context: Some(name.clone()),
            mute: true,
            ..self.cluster.access.options()
        };
        let access = Access::open(&options).await?;
        self.view.default_namespace(&access.namespace);
        let stop = Stop::default();
        let updates = sources::watch(&self.cluster, &access, &self.view, Format::Tui, &stop)?;
        Ok(Switched {
            source: format!("cluster {name}"),
            namespace: self.view.context_namespace,
            updates,
            stop,
        })
    }
}
