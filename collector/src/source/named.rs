//! Events of a source, with the names that the cluster has for what is on this node.
//!
//! ```text
//! source ─▶ cgroup id ─ CgroupIndex ─▶ pod UID, container id ─ Pods ─▶ namespace, pod, container
//! ```
//!
//! A container may be faster than the word of it. An event whose names are not known yet waits, and
//! all behind it, since a node's lines are in its order; for two seconds at the most.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::Updates;
use crate::identity::pods::{Named, Pods};
use crate::identity::{CgroupIndex, Hierarchy};
use crate::model::{Batch, Event, Origin, Update};

/// How long an event may wait for its names.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often names are looked for while something waits.
const AGAIN: Duration = Duration::from_millis(20);
/// For how long names that were waited for in vain are not waited for again.
const IN_VAIN: Duration = Duration::from_secs(10);
/// How many updates wait for a slow reader, as in the source.
const QUEUE: usize = 16;
/// Above this many cgroups their names are looked up anew.
const REMEMBERED: usize = 65_536;

/// What names are made from.
#[derive(Debug)]
pub struct Names {
    node: Arc<str>,
    /// Whether other nodes share the kernel, so that what is nobody's is not this node's.
    shared: bool,
    /// The agent's own pod, of which nothing is told: its streams would tell of themselves.
    own: Option<String>,
    cgroups: CgroupIndex,
    pods: Arc<Mutex<Pods>>,
    known: FxHashMap<u64, Place>,
}

/// Where a cgroup belongs.
#[derive(Clone, Debug)]
enum Place {
    /// On this node, under these names.
    Here(Arc<Origin>),
    /// On another node that shares the kernel, or the agent's own.
    Elsewhere,
    /// Nobody can say until then.
    InVain(Arc<Origin>, Instant),
}

/// What can be said of an event now.
#[derive(Debug, PartialEq)]
enum Verdict {
    Named,
    Elsewhere,
    NotYet,
}

impl Names {
    /// Names of what runs below `root` on this node; see [`crate::identity::node::node_root`].
    #[must_use]
    pub fn new(
        node: Arc<str>,
        hierarchy: Option<Hierarchy>,
        root: &str,
        pods: Arc<Mutex<Pods>>,
    ) -> Self {
        Self {
            cgroups: CgroupIndex::of_node(Arc::clone(&node), hierarchy, root, Instant::now()),
            node,
            shared: root != "/",
            own: None,
            pods,
            known: FxHashMap::default(),
        }
    }

    /// The same, without what the pod with this UID does.
    #[must_use]
    pub fn but_for(mut self, own: Option<String>) -> Self {
        self.own = own;
        self
    }

    /// Names an event, if that can be done. When it has waited long enough it is named as well as
    /// can be.
    fn name(&mut self, event: &mut Event, waited: bool, now: Instant) -> Verdict {
        let Some(cgroup) = event.cgroup else {
            return self.name_without_cgroup(event);
        };
        let cgroup = cgroup.get();
        let place = match self.known.get(&cgroup) {
            Some(Place::InVain(_, until)) if now >= *until => None,
            known => known.cloned(),
        };
        let place = match place {
            Some(place) => place,
            None => match self.find(cgroup, event, now) {
                Ok(place) => self.remember(cgroup, place),
                Err(_) if !waited => return Verdict::NotYet,
                Err(Some(origin)) => {
                    let place = Place::InVain(origin, now + IN_VAIN);
                    self.remember(cgroup, place)
                }
                Err(None) => Place::Elsewhere,
            },
        };
        match place {
            Place::Here(origin) | Place::InVain(origin, _) => {
                event.origin = origin;
                Verdict::Named
            }
            Place::Elsewhere => Verdict::Elsewhere,
        }
    }

    /// Where a cgroup belongs, or the best that can be said if it never becomes known.
    fn find(
        &mut self,
        cgroup: u64,
        event: &Event,
        now: Instant,
    ) -> Result<Place, Option<Arc<Origin>>> {
        let as_it_is = || Arc::clone(&event.origin);
        let Some((workload, inside)) = self.cgroups.place(cgroup, now) else {
            return Err((!self.shared).then(as_it_is));
        };
        let own = self.own.is_some() && workload.pod_uid.as_deref() == self.own.as_deref();
        if !inside || own {
            return Ok(Place::Elsewhere);
        }
        if workload.pod_uid.is_none() {
            return Ok(Place::Here(as_it_is()));
        }
        let pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(named) = pods.name(workload) else {
            return Err(Some(as_it_is()));
        };
        let whole = named.container.is_some() || workload.container_id.is_none();
        let short = workload.short_name().map(Arc::from);
        let origin = origin(&self.node, named, short);
        if whole {
            Ok(Place::Here(origin))
        } else {
            Err(Some(origin))
        }
    }

    /// A socket without an owner: the source may know the container's short id.
    fn name_without_cgroup(&self, event: &mut Event) -> Verdict {
        let pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        let short = event.origin.container.as_deref();
        let named = short.and_then(|short| pods.name_by_short_id(short));
        match named {
            Some(named) => {
                event.origin = origin(&self.node, named, None);
                Verdict::Named
            }
            None if self.shared => Verdict::Elsewhere,
            None => Verdict::Named,
        }
    }

    fn remember(&mut self, cgroup: u64, place: Place) -> Place {
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(cgroup, place.clone());
        place
    }
}

fn origin(node: &Arc<str>, named: Named, otherwise: Option<Arc<str>>) -> Arc<Origin> {
    Arc::new(Origin {
        node: Arc::clone(node),
        namespace: Some(named.namespace),
        pod: Some(named.pod),
        container: named.container.or(otherwise),
    })
}

/// Names what a source says. The stream ends with the source, after what waits.
#[must_use]
pub fn start(updates: Updates, names: Names) -> Updates {
    let (reader, stream) = mpsc::channel(QUEUE);
    tokio::spawn(run(updates, names, reader));
    Box::pin(ReceiverStream::new(stream))
}

async fn run(mut updates: Updates, names: Names, reader: mpsc::Sender<Update>) {
    let mut line = Line {
        names,
        waiting: VecDeque::new(),
    };
    let mut over = false;
    while !over {
        let update = tokio::select! {
            update = updates.next(), if line.waiting.len() < QUEUE => update,
            () = tokio::time::sleep(AGAIN), if !line.waiting.is_empty() => {
                if send(&mut line, false, &reader).await.is_err() {
                    return;
                }
                continue;
            }
        };
        over = update.is_none();
        if let Some(update) = update {
            line.waiting.push_back((Instant::now(), update));
        }
        if send(&mut line, over, &reader).await.is_err() {
            return;
        }
    }
}

async fn send(
    line: &mut Line,
    over: bool,
    reader: &mpsc::Sender<Update>,
) -> Result<(), mpsc::error::SendError<Update>> {
    while let Some(update) = line.next(over, Instant::now()) {
        reader.send(update).await?;
    }
    Ok(())
}

/// What waits, in its order.
struct Line {
    names: Names,
    waiting: VecDeque<(Instant, Update)>,
}

impl Line {
    /// The next update that can go, or as much of it as can.
    fn next(&mut self, over: bool, now: Instant) -> Option<Update> {
        let (since, first) = self.waiting.front_mut()?;
        let Update::Batch(batch) = first else {
            return self.waiting.pop_front().map(|(_, update)| update);
        };
        let waited = over || now.saturating_duration_since(*since) >= PATIENCE;
        let mut events = Vec::with_capacity(batch.events.len());
        let mut left = std::mem::take(&mut batch.events).into_iter();
        for mut event in left.by_ref() {
            match self.names.name(&mut event, waited, now) {
                Verdict::Named => events.push(event),
                Verdict::Elsewhere => {}
                Verdict::NotYet => {
                    batch.events.push(event);
                    break;
                }
            }
        }
        batch.events.extend(left);
        let node = Arc::clone(&batch.node);
        if batch.events.is_empty() {
            let lost = std::mem::take(&mut batch.lost);
            self.waiting.pop_front();
            return Some(Update::Batch(Batch { node, events, lost }));
        }
        let lost = Vec::new();
        (!events.is_empty()).then_some(Update::Batch(Batch { node, events, lost }))
    }
}

#[cfg(test)]
mod tests {
    use nonmax::NonMaxU64;

    use super::*;
    use crate::identity::pods::Pod;
    use crate::model::{LossKind, Lost, sample};

    const ID: &str = "8f2b0d7c4a1e6f3958d7c6b5a49382716f5e4d3c2b1a09f8e7d6c5b4a3928170";
    const UID: &str = "0f6a2b1c-3d4e-5f60-7182-93a4b5c6d7e8";

    struct Node {
        dir: tempfile::TempDir,
        pods: Arc<Mutex<Pods>>,
        line: Line,
        now: Instant,
    }

    impl Node {
        fn below(root: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let pods = Arc::default();
            let hierarchy = Some(Hierarchy::at(dir.path()));
            Self {
                line: Line {
                    names: Names::new("n1".into(), hierarchy, root, Arc::clone(&pods)),
                    waiting: VecDeque::new(),
                },
                dir,
                pods,
                now: Instant::now() + Duration::from_secs(1),
            }
        }

        fn cgroup(&self, path: &str) -> u64 {
            std::fs::create_dir_all(self.dir.path().join(path)).unwrap();
            Hierarchy::at(self.dir.path())
                .id_of(&format!("/{path}"))
                .unwrap()
        }

        fn pod(&self, containers: &[&str]) {
            let containers = containers.iter().map(|id| ((*id).into(), "app".into()));
            self.pods.lock().unwrap().apply(Pod {
                id: UID.into(),
                namespace: "shop".into(),
                name: "cart".into(),
                containers: containers.collect(),
                only: None,
            });
        }

        fn happen(&mut self, cgroups: &[u64]) {
            let events = cgroups.iter().zip(1..).map(|(cgroup, conn)| Event {
                cgroup: NonMaxU64::new(*cgroup),
                origin: sample::origin("n1"),
                ..sample::connect(conn, 1)
            });
            let batch = Batch {
                node: "n1".into(),
                events: events.collect(),
                lost: vec![Lost {
                    kind: LossKind::Ring,
                    n: 1,
                }],
            };
            self.line
                .waiting
                .push_back((self.now, Update::Batch(batch)));
        }

        /// The names of the events that go now, and how much is said to be lost.
        fn next(&mut self, after: Duration) -> Option<(Vec<String>, usize)> {
            let Update::Batch(batch) = self.line.next(false, self.now + after)? else {
                return None;
            };
            let name = |event: &Event| {
                let Origin {
                    namespace,
                    pod,
                    container,
                    ..
                } = &*event.origin;
                let names = [namespace, pod, container];
                names.map(|name| name.as_deref().unwrap_or("-")).join("/")
            };
            Some((batch.events.iter().map(name).collect(), batch.lost.len()))
        }
    }

    #[test]
    fn names_are_those_of_the_pod() {
        let mut node = Node::below("/");
        let pod = node.cgroup(&format!("kubepods/pod{UID}/{ID}"));
        let unit = node.cgroup("system.slice/kubelet.service");
        node.pod(&[ID]);
        node.happen(&[pod, unit, pod]);
        let names = ["shop/cart/app", "-/-/-", "shop/cart/app"].map(str::to_owned);
        assert_eq!(node.next(Duration::ZERO), Some((names.to_vec(), 1)));
    }

    #[test]
    fn an_event_waits_for_its_names_and_those_behind_it_wait_too() {
        let mut node = Node::below("/");
        let unit = node.cgroup("system.slice/kubelet.service");
        let pod = node.cgroup(&format!("kubepods/pod{UID}/{ID}"));
        node.happen(&[unit, pod, unit]);
        assert_eq!(
            node.next(Duration::ZERO),
            Some((vec!["-/-/-".to_owned()], 0))
        );
        assert_eq!(node.next(Duration::ZERO), None);
        node.pod(&[]);
        assert_eq!(node.next(Duration::from_secs(1)), None);
        node.pod(&[ID]);
        let names = vec!["shop/cart/app".to_owned(), "-/-/-".to_owned()];
        assert_eq!(node.next(Duration::from_secs(1)), Some((names, 1)));
        assert!(node.line.waiting.is_empty());
    }

    #[test]
    fn two_seconds_are_enough() {
        let mut node = Node::below("/");
        let pod = node.cgroup(&format!("kubepods/pod{UID}/{ID}"));
        node.pod(&[]);
        node.happen(&[pod]);
        assert_eq!(node.next(Duration::from_millis(1999)), None);
        let names = vec!["shop/cart/8f2b0d7c4a1e".to_owned()];
        assert_eq!(node.next(PATIENCE), Some((names.clone(), 1)));
        // The next one does not wait for the same again.
        node.happen(&[pod]);
        assert_eq!(node.next(AGAIN), Some((names, 1)));
    }

    #[test]
    fn the_agent_does_not_tell_of_itself() {
        let mut node = Node::below("/");
        let own = node.cgroup(&format!("kubepods/pod{UID}/{ID}"));
        node.pod(&[ID]);
        node.line.names.own = Some(UID.to_owned());
        node.happen(&[own]);
        assert_eq!(node.next(Duration::ZERO), Some((vec![], 1)));
    }

    #[test]
    fn what_is_of_another_node_is_left_to_it() {
        let mut node = Node::below("/n1");
        let ours = node.cgroup(&format!("n1/kubepods/pod{UID}/{ID}"));
        let theirs = node.cgroup("n2/kubepods/besteffort");
        let nobodys = node.cgroup("etcd");
        node.pod(&[ID]);
        node.happen(&[theirs, ours, nobodys]);
        let names = vec!["shop/cart/app".to_owned()];
        assert_eq!(node.next(Duration::ZERO), Some((names, 1)));
    }
}
