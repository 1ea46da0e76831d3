//! `k8s deploy`: the agents' objects, applied, deleted, and looked at.

mod objects;

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Event;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams,
};
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt};
use thiserror::Error;
use tokio::time::{Instant, interval_at, sleep, sleep_until};
use tokio_stream::StreamExt;

pub use self::objects::{Listen, Objects, Options};
use super::discover;
use super::watch::{Change, sentence, watch};

/// Under this name the API server keeps which fields are ours.
const MANAGER: &str = "tcpscope";
/// The label that says who made an object.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const NAMESPACE_KIND: &str = "Namespace";
/// How often it is looked whether what was deleted is gone.
const AGAIN: Duration = Duration::from_millis(500);
/// How often it is asked what keeps agents from being ready.
const TROUBLES: Duration = Duration::from_secs(3);
/// The name of the `DaemonSet`, and of its label.
pub const AGENT: &str = "tcpscope-agent";
/// The account whose tokens open the agents.
pub const VIEWER: &str = "tcpscope-viewer";
/// The cluster role that lets one name other ends.
pub const NAMES: &str = "tcpscope-names";
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
    /// An object is not gone in time.
    #[error("{kind} {name} is still there after {} s: `kubectl describe` says what holds it", .within.as_secs())]
    StillThere {
        /// The object's kind.
        kind: String,
        /// Its name.
        name: String,
        /// How long that was waited for.
        within: Duration,
    },
    /// The agents are not ready in time.
    #[error("{ready} of {desired} agents are ready after {} s: {why}", .after.as_secs())]
    NotReady {
        /// How many are.
        ready: i32,
        /// How many there should be.
        desired: i32,
        /// How long that was waited for.
        after: Duration,
        /// What keeps the first of the others.
        why: String,
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

/// Applies all objects; `said` hears of each. A namespace that was there before is not taken over.
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
        let wrong = |error| refused("apply", &kind, &name, &error);
        let mut object = Cow::Borrowed(object);
        if kind == NAMESPACE_KIND {
            let there = api.get_opt(&name).await.map_err(wrong)?;
            if there.is_some_and(|there| !is_ours(&there)) {
                object.to_mut().labels_mut().remove(MANAGED_BY);
            }
        }
        api.patch(&name, &how, &Patch::Apply(&*object))
            .await
            .map_err(wrong)?;
        said(&format!("{kind} {name} applied"));
    }
    Ok(())
}

/// Deletes all objects, the last first, and waits until they are gone; `said` hears of each that
/// was there. A namespace that was there before `apply` stays, without what that put into it.
///
/// # Errors
/// At the first that is refused, or if one of them is still there after `within`.
pub async fn delete(
    client: &Client,
    objects: &Objects,
    within: Duration,
    mut said: impl FnMut(&str),
) -> Result<(), DeployError> {
    let mut going = Vec::new();
    for object in objects.list().iter().rev() {
        let (api, kind, name) = place(client, object);
        let wrong = |error| refused("delete", &kind, &name, &error);
        if kind == NAMESPACE_KIND {
            match api.get_opt(&name).await.map_err(wrong)? {
                Some(there) if !is_ours(&there) => {
                    let bare = DynamicObject {
                        metadata: ObjectMeta {
                            name: Some(name.clone()),
                            ..ObjectMeta::default()
                        },
                        data: serde_json::Value::Null,
                        types: object.types.clone(),
                    };
                    let how = PatchParams::apply(MANAGER).force();
                    let stripped = api.patch(&name, &how, &Patch::Apply(&bare)).await;
                    stripped.map_err(wrong)?;
                    said(&format!("{kind} {name} was there before: it stays"));
                    continue;
                }
                _ => {}
            }
        }
        // Its pods, which go before it, are a part of it.
        match api.delete(&name, &DeleteParams::foreground()).await {
            Ok(_) => {
                said(&format!("{kind} {name} deleted"));
                going.push((api, kind, name));
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(wrong(error)),
        }
    }
    if !going.is_empty() {
        said("waiting until all of them are gone");
    }
    let until = Instant::now() + within;
    for (api, kind, name) in going {
        let wrong = |error| refused("delete", &kind, &name, &error);
        while api.get_metadata_opt(&name).await.map_err(wrong)?.is_some() {
            if Instant::now() >= until {
                return Err(DeployError::StillThere { kind, name, within });
            }
            sleep(AGAIN).await;
        }
    }
    Ok(())
}

/// Whether `apply` made it, and nobody else.
fn is_ours(namespace: &DynamicObject) -> bool {
    let by = namespace.labels().get(MANAGED_BY);
    by.is_some_and(|by| by == MANAGER)
}

/// Waits until all agents are ready; `said` hears how many are, and what keeps the others.
///
/// # Errors
/// If that takes too long, or the API server can't be asked.
pub async fn wait(
    client: &Client,
    namespace: &str,
    within: Duration,
    mut said: impl FnMut(&str),
) -> Result<i32, DeployError> {
    let sets: Api<DaemonSet> = Api::namespaced(client.clone(), namespace);
    let mut changes = watch(sets, "", &format!("metadata.name={AGENT}"));
    let until = Instant::now() + within;
    let mut troubles = interval_at(Instant::now() + TROUBLES, TROUBLES);
    let mut told = HashSet::new();
    let (mut ready, mut desired) = (0, 0);
    loop {
        let change = tokio::select! {
            () = sleep_until(until) => {
                let why = troubles_of(client, namespace).await;
                let why = why.into_iter().next().unwrap_or_else(|| "nobody says why".to_owned());
                return Err(DeployError::NotReady { ready, desired, after: within, why });
            }
            _ = troubles.tick() => {
                for trouble in troubles_of(client, namespace).await {
                    if told.insert(trouble.clone()) {
                        said(&trouble);
                    }
                }
                continue;
            }
            change = changes.next() => change,
        };
        let set = match change {
            None | Some(Change::Deleted(_)) => None,
            Some(Change::All(mut sets)) => sets.pop(),
            Some(Change::Applied(set)) => Some(set),
            Some(Change::Failed(why)) => return Err(DeployError::Asked(why)),
        };
        let generation = set.as_ref().and_then(|set| set.metadata.generation);
        let Some(status) = set.and_then(|set| set.status) else {
            continue;
        };
        let before = (ready, desired);
        (ready, desired) = (status.number_ready, status.desired_number_scheduled);
        let current = status.observed_generation == generation;
        let updated = status.updated_number_scheduled.unwrap_or_default();
        if current && desired > 0 && updated >= desired && ready >= desired {
            return Ok(ready);
        }
        if (ready, desired) != before {
            said(&format!("{ready} of {desired} agents are ready"));
        }
    }
}

/// What keeps agents from running, one sentence each: of their pods, or where there are none, of
/// their set. As far as the API server says.
async fn troubles_of(client: &Client, namespace: &str) -> Vec<String> {
    let agents = discover::list(client, namespace).await.unwrap_or_default();
    if !agents.is_empty() {
        let down = agents
            .into_iter()
            .filter_map(|agent| Some((agent.down?, agent.node)));
        return down.map(|(why, node)| format!("{node}: {why}")).collect();
    }
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let of_set = format!("involvedObject.name={AGENT},involvedObject.kind=DaemonSet,type=Warning");
    let events = events.list(&ListParams::default().fields(&of_set)).await;
    let events = events.map_or(Vec::new(), |events| events.items);
    let last = events.into_iter().rev().find_map(|event| event.message);
    last.into_iter().collect()
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
