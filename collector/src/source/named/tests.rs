use std::sync::Mutex;

use nonmax::NonMaxU64;

use super::*;
use crate::identity::Hierarchy;
use crate::identity::pods::{Pod, Pods};
use crate::model::{LossKind, Lost, NodeState, Origin, sample};

const ID: &str = "8f2b0d7c4a1e6f3958d7c6b5a49382716f5e4d3c2b1a09f8e7d6c5b4a3928170";
const UID: &str = "0f6a2b1c-3d4e-5f60-7182-93a4b5c6d7e8";

struct Node {
    dir: tempfile::TempDir,
    pods: Arc<Mutex<Pods>>,
    line: Line,
    now: Instant,
    /// The connection that was made last.
    conn: u64,
}

impl Node {
    fn below(root: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pods = Arc::default();
        let hierarchy = Some(Hierarchy::at(dir.path()));
        Self {
            line: Line::new(Names::new("n1".into(), hierarchy, root, Arc::clone(&pods))),
            dir,
            pods,
            now: Instant::now() + SECOND,
            conn: 0,
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

    /// A connection is made in each of these cgroups.
    fn happen(&mut self, cgroups: &[u64], after: Duration) -> Said {
        let events = cgroups.iter().map(|cgroup| {
            self.conn += 1;
            Event {
                cgroup: NonMaxU64::new(*cgroup),
                origin: sample::origin("n1"),
                ..sample::connect(self.conn, 1)
            }
        });
        let events = events.collect();
        self.say(events, after)
    }

    fn say(&mut self, events: Vec<Event>, after: Duration) -> Said {
        let lost = vec![Lost::new(LossKind::Ring, 1)];
        let node = "n1".into();
        let update = Update::Batch(Batch { node, events, lost });
        read(self.line.take(update, self.now + after))
    }

    /// What goes that has waited.
    fn again(&mut self, after: Duration) -> Said {
        read(self.line.again(false, self.now + after))
    }
}

/// The names of events as they went, how much is said to be lost, and the names of containers.
#[derive(Debug, Default, PartialEq)]
struct Said {
    events: Vec<String>,
    lost: usize,
    metas: Vec<String>,
}

impl Said {
    fn events(names: &[&str]) -> Self {
        Self {
            events: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Self::default()
        }
    }

    fn and_lost(self) -> Self {
        Self { lost: 1, ..self }
    }

    fn and_meta(mut self, name: &str) -> Self {
        self.metas.push(name.to_owned());
        self
    }
}

fn read(updates: Vec<Update>) -> Said {
    let name = |origin: &Origin| {
        let names = [&origin.namespace, &origin.pod, &origin.container];
        names.map(|name| name.as_deref().unwrap_or("-")).join("/")
    };
    let mut said = Said::default();
    for update in updates {
        match update {
            Update::Batch(batch) => {
                said.lost += batch.lost.len();
                said.events
                    .extend(batch.events.iter().map(|event| name(&event.origin)));
            }
            Update::Meta(meta) => {
                assert_eq!(meta.pod_uid.as_deref(), Some(UID));
                assert_eq!(meta.container_id.as_deref(), Some(ID));
                said.metas.push(name(&meta.origin));
            }
            other => panic!("{other:?}"),
        }
    }
    said
}

const AT_ONCE: Duration = Duration::ZERO;
const SECOND: Duration = Duration::from_secs(1);
const CART: &str = "shop/cart/app";
const NOBODY: &str = "-/-/-";
const SHORT: &str = "shop/cart/8f2b0d7c4a1e";

#[test]
fn names_are_those_of_the_pod_and_it_is_introduced_once() {
    let mut node = Node::below("/");
    let pod = node.cgroup(&format!("kubepods/pod{UID}/{ID}"));
    let unit = node.cgroup("system.slice/kubelet.service");
    node.pod(&[ID]);
    let said = node.happen(&[pod, unit, pod], AT_ONCE);
    let names = Said::events(&[CART, NOBODY, CART]).and_lost();
    assert_eq!(said, names.and_meta(CART));
    let said = node.happen(&[pod], AT_ONCE);
    assert_eq!(said, Said::events(&[CART]).and_lost());
}

#[test]
fn an_event_waits_for_its_names_and_holds_up_its_own_connection_only() {
    let mut node = Node::below("/");
    let unit = node.cgroup("system.slice/kubelet.service");
    let pod = node.cgroup(&format!("kubepods/pod{UID}/{ID}"));
    let said = node.happen(&[unit, pod, unit], AT_ONCE);
    assert_eq!(said, Said::events(&[NOBODY, NOBODY]).and_lost());
    // It is closed by another process, of which all is known.
    let close = Event {
        cgroup: NonMaxU64::new(unit),
        origin: sample::origin("n1"),
        ..sample::close(2, 2)
    };
    assert_eq!(node.say(vec![close], AT_ONCE), Said::default().and_lost());
    assert_eq!(node.line.due(), Some(node.now + AGAIN));
    node.pod(&[]);
    assert_eq!(node.again(SECOND), Said::default());
    node.pod(&[ID]);
    let names = Said::events(&[CART, NOBODY]);
    assert_eq!(node.again(SECOND), names.and_meta(CART));
    assert_eq!(node.line.due(), None);
}

#[test]
fn two_seconds_are_enough_and_the_names_follow() {
    let mut node = Node::below("/");
    let pod = node.cgroup(&format!("kubepods/pod{UID}/{ID}"));
    node.pod(&[]);
    node.happen(&[pod], AT_ONCE);
    assert_eq!(node.again(Duration::from_millis(1999)), Said::default());
    assert_eq!(node.again(PATIENCE), Said::events(&[SHORT]));
    // The next one does not wait for the same again.
    let said = node.happen(&[pod], PATIENCE);
    assert_eq!(said, Said::events(&[SHORT]).and_lost());
    assert_eq!(node.line.due(), Some(node.now + PATIENCE + SECOND));
    node.pod(&[ID]);
    let later = PATIENCE + SECOND;
    assert_eq!(node.again(later), Said::default().and_meta(CART));
    let said = node.happen(&[pod], later);
    assert_eq!(said, Said::events(&[CART]).and_lost());
    assert_eq!(node.line.due(), None);
}

#[test]
fn what_is_left_at_the_end_goes_as_it_is() {
    let mut node = Node::below("/");
    let pod = node.cgroup(&format!("kubepods/pod{UID}/{ID}"));
    node.pod(&[]);
    node.happen(&[pod], AT_ONCE);
    let ended = Update::State(NodeState {
        node: "n1".into(),
        state: SourceState::Ended,
        via: None,
    });
    let mut said = node.line.take(ended.clone(), node.now);
    assert_eq!(said.pop(), Some(ended));
    assert_eq!(read(said), Said::events(&[SHORT]));
}

#[test]
fn a_cgroup_that_is_gone_when_its_event_comes_was_seen() {
    let mut node = Node::below("/");
    node.pod(&[ID]);
    node.line.names.follow(node.now).unwrap();
    let path = format!("kubepods/pod{UID}/{ID}");
    let pod = node.cgroup(&path);
    node.line.names.catch_up(node.now);
    std::fs::remove_dir(node.dir.path().join(&path)).unwrap();
    let said = node.happen(&[pod], AT_ONCE);
    assert_eq!(said, Said::events(&[CART]).and_lost().and_meta(CART));
}

#[test]
fn the_agent_does_not_tell_of_itself() {
    let mut node = Node::below("/");
    let own = node.cgroup(&format!("kubepods/pod{UID}/{ID}"));
    node.pod(&[ID]);
    node.line.names.own = Some(UID.to_owned());
    assert_eq!(node.happen(&[own], AT_ONCE), Said::default().and_lost());
}

#[test]
fn what_is_of_another_node_is_left_to_it() {
    let mut node = Node::below("/n1");
    let ours = node.cgroup(&format!("n1/kubepods/pod{UID}/{ID}"));
    let theirs = node.cgroup("n2/kubepods/besteffort");
    let nobodys = node.cgroup("etcd");
    node.pod(&[ID]);
    let said = node.happen(&[theirs, ours, nobodys], AT_ONCE);
    assert_eq!(said, Said::events(&[CART]).and_lost().and_meta(CART));
}
