//! Where a cgroup belongs, and what the cluster calls it.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::identity::pods::{Named, Pods};
use crate::identity::{Cgroup1, CgroupIndex, Hierarchy, Workload, mounts};
use crate::model::{Event, Meta, Origin};

/// How often names that were waited for in vain are looked for again, and for how long: as long as a
/// pod that is gone is remembered.
const STILL: Duration = Duration::from_secs(1);
const AT_LAST: Duration = Duration::from_secs(300);
/// How many cgroups may be without a name.
const NAMELESS: usize = 1024;
/// Above this many cgroups their names are looked up anew.
const REMEMBERED: usize = 65_536;

/// What names are made from.
#[derive(Debug)]
pub struct Names {
    node: Arc<str>,
    /// Whether other nodes share the kernel, so that what is nobody's is not this node's.
    shared: bool,
    /// The agent's own pod, of which nothing is told: its streams would tell of themselves.
    pub(super) own: Option<String>,
    cgroups: CgroupIndex,
    /// Pods are in cgroup v1 only, which names none of them.
    pub(super) are_in_v1: bool,
    pods: Arc<Mutex<Pods>>,
    known: FxHashMap<u64, Place>,
    /// The names of containers by their ids, from what is mounted in them: the API server may know
    /// neither them nor their pods yet.
    mounted: FxHashMap<Box<str>, Box<str>>,
    /// What was named, and has not been told.
    news: Vec<Meta>,
    /// Those that were waited for in vain, by when they were.
    nameless: VecDeque<(u64, Instant)>,
    look_again: Option<Instant>,
}

/// Where a cgroup belongs.
#[derive(Clone, Debug)]
enum Place {
    /// On this node, under these names.
    Here(Arc<Origin>),
    /// On another node that shares the kernel, or the agent's own.
    Elsewhere,
    /// On this node; its names were waited for in vain.
    InVain(Arc<Origin>),
}

/// What can be said of an event now.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
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
        let v1 = Cgroup1::find();
        Self {
            are_in_v1: v1.is_some_and(|v1| v1.has_pods_alone(hierarchy.as_ref())),
            cgroups: CgroupIndex::of_node(Arc::clone(&node), hierarchy, root, Instant::now()),
            node,
            shared: root != "/",
            own: None,
            pods,
            known: FxHashMap::default(),
            mounted: FxHashMap::default(),
            news: Vec::new(),
            nameless: VecDeque::new(),
            look_again: None,
        }
    }

    /// The same, without what the pod with this UID does.
    #[must_use]
    pub fn but_for(mut self, own: Option<String>) -> Self {
        self.own = own;
        self
    }

    /// Follows the cgroups of this host; [`Names::catch_up`] is for whenever there is something to
    /// read. `None` where walks have to do.
    pub(super) fn follow(&mut self, now: Instant) -> Option<OwnedFd> {
        let followed = self.cgroups.follow(now);
        followed
            .inspect_err(|error| tracing::warn!("cgroups can't be followed: {error}"))
            .ok()
    }

    pub(super) fn catch_up(&mut self, now: Instant) {
        self.cgroups.catch_up(now);
    }

    /// What was named since.
    pub(super) fn news(&mut self) -> Vec<Meta> {
        std::mem::take(&mut self.news)
    }

    /// When to look again for names that were waited for in vain.
    pub(super) fn look_again_at(&self) -> Option<Instant> {
        self.look_again
    }

    /// Names an event, if that can be done. When it has waited long enough it is named as well as
    /// can be.
    pub(super) fn name(&mut self, event: &mut Event, waited: bool, now: Instant) -> Verdict {
        let Some(cgroup) = event.cgroup else {
            return self.name_without_cgroup(event);
        };
        let cgroup = cgroup.get();
        let place = match self.known.get(&cgroup).cloned() {
            Some(place) => place,
            None => match self.find(cgroup, event, now) {
                Ok(place) => self.remember(cgroup, place),
                Err(_) if !waited => return Verdict::NotYet,
                Err(Some(origin)) => {
                    self.look_for_later(cgroup, now);
                    self.remember(cgroup, Place::InVain(origin))
                }
                Err(None) => Place::Elsewhere,
            },
        };
        match place {
            Place::Here(origin) | Place::InVain(origin) => {
                event.origin = origin;
                Verdict::Named
            }
            Place::Elsewhere => Verdict::Elsewhere,
        }
    }

    /// Where an event's cgroup belongs, or the best that can be said if it never becomes known.
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
        let workload = workload.clone();
        let pid = event.process.as_ref().map(|process| process.pid);
        let Some(named) = self.named(&workload, cgroup, pid) else {
            return Err(Some(as_it_is()));
        };
        let whole = named.container.is_some() || workload.container_id.is_none();
        let short = workload.short_name().map(Arc::from);
        let origin = origin(&self.node, named, short);
        if !whole {
            return Err(Some(origin));
        }
        self.tell(cgroup, &workload, &origin);
        Ok(Place::Here(origin))
    }

    /// Who a workload is, by the API server, or by any process in it that is still there: the one of
    /// the event, or another one of its cgroup.
    fn named(&mut self, workload: &Workload, cgroup: u64, pid: Option<u32>) -> Option<Named> {
        let name = |names: &Self| names.pods().name(workload);
        let named = name(self);
        if let (Some(uid), Some(id)) = (&workload.pod_uid, &workload.container_id)
            && named.as_ref().is_none_or(|named| named.container.is_none())
            && let Some(mounted) = self.mounted(uid, id, cgroup, pid)
        {
            self.pods().started(uid, id, &mounted);
            return name(self);
        }
        named
    }

    /// The name of a container by what is mounted in it. It is looked at even if its pod is not known
    /// yet: when that is, its processes may be gone.
    fn mounted(&mut self, uid: &str, id: &str, cgroup: u64, pid: Option<u32>) -> Option<Box<str>> {
        if let Some(name) = self.mounted.get(id) {
            return Some(name.clone());
        }
        let others = self.cgroups.processes(cgroup).into_iter();
        let mut pids = pid.into_iter().chain(others);
        let name = pids.find_map(|pid| mounts::container_of(pid, uid, id))?;
        if self.mounted.len() >= REMEMBERED {
            self.mounted.clear();
        }
        self.mounted.insert(id.into(), name.clone());
        Some(name)
    }

    fn pods(&self) -> MutexGuard<'_, Pods> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket without an owner: the source may know the container's short id.
    fn name_without_cgroup(&self, event: &mut Event) -> Verdict {
        let pods = self.pods();
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

    fn tell(&mut self, cgroup: u64, workload: &Workload, origin: &Arc<Origin>) {
        self.news.push(Meta {
            cgroup,
            origin: Arc::clone(origin),
            pod_uid: workload.pod_uid.clone(),
            container_id: workload.container_id.clone(),
        });
    }

    /// A cgroup that is gone before it was seen has no name any more; another one may get it yet.
    fn look_for_later(&mut self, cgroup: u64, now: Instant) {
        if self.cgroups.place(cgroup, now).is_some() {
            self.nameless.push_back((cgroup, now));
            self.look_again.get_or_insert(now + STILL);
        }
    }

    /// Looks for the names that were waited for in vain: what becomes known is among the news, and
    /// whatever happens there from now on is named at once.
    pub(super) fn look_again(&mut self, now: Instant) {
        for (cgroup, since) in std::mem::take(&mut self.nameless) {
            let workload = self.cgroups.place(cgroup, now);
            let workload = workload.map(|(workload, _)| workload.clone());
            let named = workload
                .as_ref()
                .and_then(|workload| self.named(workload, cgroup, None));
            match (workload, named) {
                (Some(workload), Some(named)) if named.container.is_some() => {
                    let origin = origin(&self.node, named, None);
                    self.tell(cgroup, &workload, &origin);
                    self.remember(cgroup, Place::Here(origin));
                }
                _ if now.saturating_duration_since(since) < AT_LAST
                    && self.nameless.len() < NAMELESS =>
                {
                    self.nameless.push_back((cgroup, since));
                }
                // Whatever happens there next waits for its names again.
                _ => drop(self.known.remove(&cgroup)),
            }
        }
        self.look_again = (!self.nameless.is_empty()).then_some(now + STILL);
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
