//! The agent's own node: which pods are on it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{self, ContainerStatus};
use kube::{Api, Client};
use tokio::time::timeout;
use tokio_stream::StreamExt;

use super::watch::{Change, watch};
use crate::identity::pods::{Pod, Pods};

/// How long the first answer may take. Without it events have no names of pods, but there are some.
const FIRST_WITHIN: Duration = Duration::from_secs(5);

/// Under this annotation a static pod has the name of its cgroup.
const STATIC: &str = "kubernetes.io/config.hash";

/// Follows the pods of a node, for as long as the runtime runs. Returns when the first list is
/// there, or could not be had for a while.
pub async fn follow(client: Client, node: &str) -> Arc<Mutex<Pods>> {
    let pods: Arc<Mutex<Pods>> = Arc::default();
    let mut changes = watch::<v1::Pod>(Api::all(client), "", &format!("spec.nodeName={node}"));
    let first = async {
        while let Some(change) = changes.next().await {
            let whole = matches!(change, Change::All(_));
            take(&pods, change);
            if whole {
                return;
            }
        }
    };
    if timeout(FIRST_WITHIN, first).await.is_err() {
        tracing::warn!("the pods of {node} are not known yet");
    }
    let followed = Arc::clone(&pods);
    tokio::spawn(async move {
        while let Some(change) = changes.next().await {
            take(&followed, change);
        }
    });
    pods
}

fn take(pods: &Mutex<Pods>, change: Change<v1::Pod>) {
    let now = Instant::now();
    let mut pods = pods.lock().unwrap_or_else(PoisonError::into_inner);
    match change {
        Change::All(all) => pods.replace(all.iter().filter_map(read).collect(), now),
        Change::Applied(pod) => {
            if let Some(pod) = read(&pod) {
                pods.apply(pod);
            }
        }
        Change::Deleted(pod) => {
            if let Some(pod) = read(&pod) {
                pods.delete(&pod.id, now);
            }
        }
        Change::Failed(why) => tracing::warn!("the pods of this node are not known: {why}"),
    }
}

/// What of a pod names events.
fn read(pod: &v1::Pod) -> Option<Pod> {
    let metadata = &pod.metadata;
    let annotations = metadata.annotations.as_ref();
    let hash = annotations.and_then(|annotations| annotations.get(STATIC));
    let spec = pod.spec.as_ref()?;
    let init = spec.init_containers.iter().flatten().count();
    let ephemeral = spec.ephemeral_containers.iter().flatten().count();
    let only = match spec.containers.as_slice() {
        [only] if init + ephemeral == 0 => Some(only.name.as_str().into()),
        _ => None,
    };
    let status = pod.status.iter();
    let statuses = status.flat_map(|status| {
        let init = status.init_container_statuses.iter().flatten();
        let ephemeral = status.ephemeral_container_statuses.iter().flatten();
        let main = status.container_statuses.iter().flatten();
        main.chain(init).chain(ephemeral)
    });
    Some(Pod {
        id: hash.or(metadata.uid.as_ref())?.as_str().into(),
        namespace: metadata.namespace.as_deref()?.into(),
        name: metadata.name.as_deref()?.into(),
        containers: statuses.flat_map(ids).collect(),
        only,
    })
}

/// The ids of a container: the one that runs, and the one before. `containerd://8f2b…`.
fn ids(status: &ContainerStatus) -> impl Iterator<Item = (Box<str>, Arc<str>)> {
    let name: Arc<str> = status.name.as_str().into();
    let last = status.last_state.as_ref();
    let last = last.and_then(|state| state.terminated.as_ref()?.container_id.as_ref());
    let ids = status.container_id.iter().chain(last);
    ids.filter_map(move |id| {
        let (_, id) = id.split_once("://")?;
        (!id.is_empty()).then(|| (id.into(), Arc::clone(&name)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(json: serde_json::Value) -> v1::Pod {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_pod_is_known_by_its_uid_and_its_containers_by_their_ids() {
        let read = read(&pod(serde_json::json!({
            "metadata": {"uid": "u1", "namespace": "shop", "name": "cart"},
            "spec": {"containers": [{"name": "app"}, {"name": "proxy"}], "initContainers": [{"name": "init"}]},
            "status": {
                "containerStatuses": [
                    {"name": "app", "containerID": "containerd://2", "image": "", "imageID": "", "ready": true, "restartCount": 1,
                     "lastState": {"terminated": {"exitCode": 1, "containerID": "containerd://1"}}},
                    {"name": "proxy", "image": "", "imageID": "", "ready": false, "restartCount": 0},
                ],
                "initContainerStatuses": [
                    {"name": "init", "containerID": "containerd://0", "image": "", "imageID": "", "ready": true, "restartCount": 0},
                ],
            },
        })))
        .unwrap();
        assert_eq!((&*read.id, &*read.name, read.only), ("u1", "cart", None));
        let ids: Vec<(&str, &str)> = read
            .containers
            .iter()
            .map(|(id, name)| (&**id, &**name))
            .collect();
        assert_eq!(ids, [("2", "app"), ("1", "app"), ("0", "init")]);
    }

    #[test]
    fn a_static_pod_is_known_by_the_hash_of_its_file() {
        let read = read(&pod(serde_json::json!({
            "metadata": {"uid": "u1", "namespace": "kube-system", "name": "etcd",
                         "annotations": {"kubernetes.io/config.hash": "h1"}},
            "spec": {"containers": [{"name": "etcd"}]},
        })))
        .unwrap();
        assert_eq!((&*read.id, read.only.as_deref()), ("h1", Some("etcd")));
    }
}
