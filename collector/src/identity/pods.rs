//! The pods of one node, by what their cgroups say of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::Workload;

/// How long a pod that is gone keeps its name: its last events come late, and are asked about.
const GONE_FOR: Duration = Duration::from_secs(300);

/// A pod, as far as events are named by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// What its cgroup is named after: its UID, or for a static pod the hash of its file.
    pub id: Box<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its containers that have been started, by id.
    pub containers: Vec<(Box<str>, Arc<str>)>,
    /// The name of its container, if it can only ever have one.
    pub only: Option<Arc<str>>,
}

impl Pod {
    fn container(&self, id: &str) -> Option<&Arc<str>> {
        let started = self.containers.iter().find(|(known, _)| **known == *id);
        started.map(|(_, name)| name).or(self.only.as_ref())
    }
}

/// Who a workload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// The pod.
    pub pod: Arc<str>,
    /// The container; `None` if it is not known yet.
    pub container: Option<Arc<str>>,
}

/// All pods that are known. The clock is an argument.
#[derive(Debug, Default)]
pub struct Pods {
    by_id: FxHashMap<Box<str>, Entry>,
}

#[derive(Debug)]
struct Entry {
    pod: Pod,
    gone: Option<Instant>,
}

impl Pods {
    /// A pod is there, or has changed.
    pub fn apply(&mut self, pod: Pod) {
        let id = pod.id.clone();
        let mut entry = Entry { pod, gone: None };
        // A container that was started again has a new id; the old one's last events may come yet.
        if let Some(before) = self.by_id.remove(&id) {
            for (id, name) in before.pod.containers {
                if entry.pod.containers.iter().all(|(known, _)| *known != id) {
                    entry.pod.containers.push((id, name));
                }
            }
            entry.pod.containers.truncate(CONTAINERS);
        }
        self.by_id.insert(id, entry);
    }

    /// A pod's container is known by another way, before the API server has it.
    pub fn started(&mut self, id: &str, container_id: &str, name: &str) {
        if let Some(Entry { pod, .. }) = self.by_id.get_mut(id)
            && pod.container(container_id).is_none()
            && pod.containers.len() < CONTAINERS
        {
            pod.containers.push((container_id.into(), name.into()));
        }
    }

    /// A pod is gone; it is remembered for a while.
    pub fn delete(&mut self, id: &str, now: Instant) {
        if let Some(entry) = self.by_id.get_mut(id) {
            entry.gone.get_or_insert(now);
        }
        self.forget(now);
    }

    /// All pods that are there: the others are gone.
    pub fn replace(&mut self, pods: Vec<Pod>, now: Instant) {
        for entry in self.by_id.values_mut() {
            entry.gone.get_or_insert(now);
        }
        for pod in pods {
            self.apply(pod);
        }
        self.forget(now);
    }

    fn forget(&mut self, now: Instant) {
        let recent = |gone: Instant| now.saturating_duration_since(gone) < GONE_FOR;
        self.by_id.retain(|_, entry| entry.gone.is_none_or(recent));
    }

    /// Who a workload is; `None` if it is of no pod that is known.
    #[must_use]
    pub fn name(&self, workload: &Workload) -> Option<Named> {
        let pod = &self.by_id.get(workload.pod_uid.as_deref()?)?.pod;
        let container = workload.container_id.as_deref();
        Some(pod.named(container.and_then(|id| pod.container(id))))
    }

    /// Who the container is whose id begins so.
    #[must_use]
    pub fn name_by_short_id(&self, short: &str) -> Option<Named> {
        self.by_id.values().find_map(|Entry { pod, .. }| {
            let mut containers = pod.containers.iter();
            let (_, name) = containers.find(|(id, _)| id.starts_with(short))?;
            Some(pod.named(Some(name)))
        })
    }
}

/// How many containers of one pod are remembered, those that were started again among them.
const CONTAINERS: usize = 64;

impl Pod {
    fn named(&self, container: Option<&Arc<str>>) -> Named {
        Named {
            namespace: Arc::clone(&self.namespace),
            pod: Arc::clone(&self.name),
            container: container.cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(id: &str, containers: &[(&str, &str)]) -> Pod {
        Pod {
            id: id.into(),
            namespace: "shop".into(),
            name: format!("pod-{id}").into(),
            containers: containers
                .iter()
                .map(|(id, name)| ((*id).into(), (*name).into()))
                .collect(),
            only: None,
        }
    }

    fn workload(pod: &str, container: &str) -> Workload {
        Workload {
            pod_uid: Some(pod.into()),
            container_id: Some(container.into()),
            ..Workload::default()
        }
    }

    fn container(pods: &Pods, pod: &str, container: &str) -> Option<Arc<str>> {
        pods.name(&workload(pod, container))?.container
    }

    #[test]
    fn a_container_is_named_by_its_id() {
        let mut pods = Pods::default();
        assert_eq!(pods.name(&workload("a", "1")), None);
        pods.apply(pod("a", &[("1", "app"), ("2", "sidecar")]));
        assert_eq!(container(&pods, "a", "2").as_deref(), Some("sidecar"));
        let named = pods.name(&workload("a", "3")).unwrap();
        assert_eq!((&*named.pod, named.container), ("pod-a", None));
        assert_eq!(
            pods.name_by_short_id("2").unwrap().container.as_deref(),
            Some("sidecar")
        );
        assert_eq!(pods.name_by_short_id("9"), None);
    }

    #[test]
    fn what_was_found_out_otherwise_stays_known() {
        let mut pods = Pods::default();
        pods.started("a", "1", "app");
        assert_eq!(container(&pods, "a", "1"), None);
        pods.apply(pod("a", &[]));
        pods.started("a", "1", "app");
        pods.started("a", "1", "other");
        assert_eq!(container(&pods, "a", "1").as_deref(), Some("app"));
        pods.apply(pod("a", &[("2", "sidecar")]));
        assert_eq!(container(&pods, "a", "1").as_deref(), Some("app"));
    }

    #[test]
    fn the_only_container_needs_no_id() {
        let mut pods = Pods::default();
        pods.apply(Pod {
            only: Some("app".into()),
            ..pod("a", &[])
        });
        assert_eq!(
            container(&pods, "a", "not started yet").as_deref(),
            Some("app")
        );
    }

    #[test]
    fn what_was_started_again_keeps_its_old_name_too() {
        let mut pods = Pods::default();
        pods.apply(pod("a", &[("1", "app")]));
        pods.apply(pod("a", &[("2", "app")]));
        assert_eq!(container(&pods, "a", "1").as_deref(), Some("app"));
        assert_eq!(container(&pods, "a", "2").as_deref(), Some("app"));
    }

    #[test]
    fn the_dead_keep_their_names_for_five_minutes() {
        let now = Instant::now();
        let mut pods = Pods::default();
        pods.apply(pod("a", &[("1", "app")]));
        pods.apply(pod("b", &[("2", "app")]));
        pods.delete("a", now);
        pods.delete("b", now + Duration::from_secs(299));
        assert!(container(&pods, "a", "1").is_some());
        pods.replace(vec![pod("c", &[])], now + Duration::from_secs(300));
        assert!(container(&pods, "a", "1").is_none());
        assert!(container(&pods, "b", "2").is_some());
        pods.replace(vec![], now + Duration::from_secs(599));
        assert!(container(&pods, "b", "2").is_none());
    }
}
