//! `k8s deploy`: the agents' objects, applied, deleted, and looked at.

mod objects;

use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt};
use thiserror::Error;
use tokio_stream::StreamExt;

pub use self::objects::{Listen, Objects, Options};
use super::watch::{Change, sentence, watch};

/// Under this name the API server keeps which fields are ours.
const MANAGER: &str = "tcpscope";
/// The name of the `DaemonSet`, and of its label.
pub const AGENT: &str = "tcpscope-agent";
/// The account whose tokens open the agents.
pub const VIEWER: &str = "tcpscope-viewer";
/// The agents' namespace, where no other is given.
pub const NAMESPACE: &str = "tcpscope";

/// What went wrong with an object.
#[derive(Debug, Error)]
pub enum DeployError {
    /// The objects can't be read or written as text.
    #[error("the agents' objects cannot be used: {0}")]
    Objects(String),
    /// The API server refuses.
    #[error("cannot {what} {kind} {name}: {why}")]
    Refused {
        /// Apply or delete.
        what: &'static str,
        /// The object's kind.
        kind: String,
        /// Its name.
        name: String,
        /// The API server's sentence.
        why: String,
    },
    /// The API server can't be asked.
    #[error("cannot ask the API server: {0}")]
    Asked(String),
    /// The agents are not ready in time.
    #[error("{ready} of {desired} agents are ready after {} s: `tcpscope k8s status` says why", .after.as_secs())]
    NotReady {
        /// How many are.
        ready: i32,
        /// How many there should be.
        desired: i32,
        /// How long that was waited for.
        after: Duration,
    },
}

/// The minor version of the API server, such as 33.
///
/// # Errors
/// If it does not say.
pub async fn server_minor(client: &Client) -> Result<u32, DeployError> {
    let version = client.apiserver_version().await;
    let version = version.map_err(|error| DeployError::Asked(sentence(&error)))?;
    // Some providers write `33+`.
    let digits = version
        .minor
        .trim_end_matches(|c: char| !c.is_ascii_digit());
    digits
        .parse()
        .map_err(|_| DeployError::Asked(format!("its version is {}", version.minor)))
}

/// Applies all objects; `said` hears of each.
///
/// # Errors
/// At the first that is refused.
pub async fn apply(
    client: &Client,
    objects: &Objects,
    mut said: impl FnMut(&str),
) -> Result<(), DeployError> {
    let how = PatchParams::apply(MANAGER).force();
    for object in objects.list() {
        let (api, kind, name) = place(client, object);
        let done = api.patch(&name, &how, &Patch::Apply(object)).await;
        done.map_err(|error| refused("apply", &kind, &name, &error))?;
        said(&format!("{kind} {name} applied"));
    }
    Ok(())
}

/// Deletes all objects, the last first; `said` hears of each that was there.
///
/// # Errors
/// At the first that is refused.
pub async fn delete(
    client: &Client,
    objects: &Objects,
    mut said: impl FnMut(&str),
) -> Result<(), DeployError> {
    for object in objects.list().iter().rev() {
        let (api, kind, name) = place(client, object);
        match api.delete(&name, &DeleteParams::default()).await {
            Ok(_) => said(&format!("{kind} {name} deleted")),
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(refused("delete", &kind, &name, &error)),
        }
    }
    Ok(())
}

/// Waits until all agents are ready.
///
/// # Errors
/// If that takes too long, or the API server can't be asked.
pub async fn wait(client: &Client, namespace: &str, within: Duration) -> Result<i32, DeployError> {
    let sets: Api<DaemonSet> = Api::namespaced(client.clone(), namespace);
    let mut changes = watch(sets, "", &format!("metadata.name={AGENT}"));
    let (mut ready, mut desired) = (0, 0);
    let all = async {
        while let Some(change) = changes.next().await {
            let set = match change {
                Change::All(mut sets) => sets.pop(),
                Change::Applied(set) => Some(set),
                Change::Deleted(_) => None,
                Change::Failed(why) => return Err(DeployError::Asked(why)),
            };
            let generation = set.as_ref().and_then(|set| set.metadata.generation);
            let Some(status) = set.and_then(|set| set.status) else {
                continue;
            };
            (ready, desired) = (status.number_ready, status.desired_number_scheduled);
            let current = status.observed_generation == generation;
            let updated = status.updated_number_scheduled.unwrap_or_default();
            if current && desired > 0 && updated >= desired && ready >= desired {
                return Ok(());
            }
        }
        Ok(())
    };
    match tokio::time::timeout(within, all).await {
        Ok(done) => done.map(|()| ready),
        Err(_) => Err(DeployError::NotReady {
            ready,
            desired,
            after: within,
        }),
    }
}

/// Where an object is to be, its kind and its name.
fn place(client: &Client, object: &DynamicObject) -> (Api<DynamicObject>, String, String) {
    let types = object.types.clone().unwrap_or_default();
    let gvk = GroupVersionKind::try_from(&types);
    let gvk = gvk.unwrap_or_else(|_| GroupVersionKind::gvk("", "v1", &types.kind));
    let resource = ApiResource::from_gvk(&gvk);
    let api = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    (api, types.kind, object.name_any())
}

fn refused(what: &'static str, kind: &str, name: &str, error: &kube::Error) -> DeployError {
    DeployError::Refused {
        what,
        kind: kind.to_owned(),
        name: name.to_owned(),
        why: sentence(error),
    }
}
