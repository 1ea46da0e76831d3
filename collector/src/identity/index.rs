//! Cgroup id to origin, for the hot path: one hash lookup per event.
//!
//! The hierarchy is walked at the start, and again when an id comes that is not known. A walk
//! costs milliseconds, so unknown ids share it: at most one per [`WALK_GAP`], longer where walks
//! take long, and an id that a walk did not find is not looked for again for [`MISSING_FOR`]. Where
//! containers come and go all the time, cgroups are followed as they are made, and a walk is what is
//! left when they can't be.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::births::Births;
use super::node::is_below;
use super::{Hierarchy, Origins, Workload};
use crate::model::Origin;

/// The least time between two walks.
const WALK_GAP: Duration = Duration::from_millis(50);
/// Walks may take a twentieth of the time.
const WALK_SHARE: u32 = 20;
/// How long an id that was not found is taken as not there.
const MISSING_FOR: Duration = Duration::from_secs(1);
/// How long a cgroup that is gone keeps its name: events of its last moments come late, and pods
/// are asked about after their end.
const GONE_FOR: Duration = Duration::from_secs(300);
/// How many cgroups are known at most, alive and gone each. A node with 500 pods has some 5,000.
const MOST: usize = 65_536;

/// Names cgroups of one node.
#[derive(Debug)]
pub struct CgroupIndex {
    hierarchy: Option<Hierarchy>,
    /// What is of this node.
    root: String,
    origins: Origins,
    known: FxHashMap<u64, Known>,
    missing: FxHashMap<u64, Instant>,
    births: Option<Births>,
    next_walk: Instant,
    walks: u64,
}

#[derive(Debug)]
struct Known {
    workload: Workload,
    /// Of a container, where it is.
    path: Option<Box<str>>,
    /// Whether it is below the node's root.
    inside: bool,
    origin: Arc<Origin>,
    /// The walk that saw it last.
    walk: u64,
    /// When it was first seen to be gone.
    gone: Option<Instant>,
}

impl CgroupIndex {
    /// Walks the hierarchy for the first time. Without one ([`Hierarchy::find`] found none), every
    /// origin is the bare node.
    #[must_use]
    pub fn new(node: Arc<str>, hierarchy: Option<Hierarchy>, now: Instant) -> Self {
        Self::of_node(node, hierarchy, "/", now)
    }

    /// The same for a node that has only what is below `root`; see [`super::node::node_root`].
    #[must_use]
    pub fn of_node(node: Arc<str>, hierarchy: Option<Hierarchy>, root: &str, now: Instant) -> Self {
        let mut index = Self {
            hierarchy,
            root: root.to_owned(),
            origins: Origins::new(node),
            known: FxHashMap::default(),
            missing: FxHashMap::default(),
            births: None,
            next_walk: now,
            walks: 0,
        };
        index.walk(now);
        index
    }

    /// From now on cgroups are known as soon as they are made, if [`CgroupIndex::catch_up`] is called
    /// whenever what this returns is readable.
    ///
    /// # Errors
    /// If they can't be followed; then walks have to do.
    pub fn follow(&mut self, now: Instant) -> std::io::Result<OwnedFd> {
        let births = Births::new()?;
        let readable = births.as_fd().try_clone_to_owned()?;
        self.births = Some(births);
        self.walk(now);
        Ok(readable)
    }

    /// Takes in which cgroups were made and removed since.
    pub fn catch_up(&mut self, now: Instant) {
        let Some(births) = &mut self.births else {
            return;
        };
        let news = births.news();
        if news.overran {
            return self.walk(now);
        }
        for path in &news.made {
            self.walk_from(path);
        }
        for id in &news.gone {
            if let Some(known) = self.known.get_mut(id) {
                known.gone = Some(now);
            }
        }
        if !news.gone.is_empty() {
            self.forget_gone(now);
        }
    }

    /// The origin of what happens in this cgroup; of the bare node when the cgroup is unknown.
    pub fn origin(&mut self, cgroup: Option<u64>, now: Instant) -> Arc<Origin> {
        match cgroup.and_then(|id| self.look_up(id, now)) {
            Some(known) => Arc::clone(&known.origin),
            None => self.origins.nameless(),
        }
    }

    /// What the path of this cgroup says, for those who can name it better.
    pub fn workload(&mut self, cgroup: u64, now: Instant) -> Option<&Workload> {
        self.look_up(cgroup, now).map(|known| &known.workload)
    }

    /// What the path of this cgroup says, and whether it is of this node.
    pub fn place(&mut self, cgroup: u64, now: Instant) -> Option<(&Workload, bool)> {
        let known = self.look_up(cgroup, now)?;
        Some((&known.workload, known.inside))
    }

    /// Some of the processes that are in the cgroup of a container now.
    #[must_use]
    pub fn processes(&self, cgroup: u64) -> Vec<u32> {
        /// Each of them says the same, and one may be gone before it is asked.
        const MOST: usize = 8;
        let path = self.known.get(&cgroup).and_then(|k| k.path.as_deref());
        let found = self.hierarchy.as_ref().zip(path);
        found.map_or_else(Vec::new, |(hierarchy, path)| {
            hierarchy.processes(path, MOST)
        })
    }

    /// The origin of a workload that was found in another way, as on hosts with cgroup v1 only.
    pub fn origin_of(&mut self, workload: &Workload) -> Arc<Origin> {
        self.origins.of(workload)
    }

    fn look_up(&mut self, id: u64, now: Instant) -> Option<&Known> {
        if !self.known.contains_key(&id) {
            self.catch_up(now);
        }
        if !self.known.contains_key(&id) && !self.is_missing(id, now) && now >= self.next_walk {
            self.walk(now);
            if !self.known.contains_key(&id) {
                self.note_missing(id, now);
            }
        }
        self.known.get(&id)
    }

    fn is_missing(&self, id: u64, now: Instant) -> bool {
        self.missing.get(&id).is_some_and(|until| now < *until)
    }

    fn note_missing(&mut self, id: u64, now: Instant) {
        self.missing.retain(|_, until| now < *until);
        if self.missing.len() < MOST {
            self.missing.insert(id, now + MISSING_FOR);
        }
    }

    fn walk(&mut self, now: Instant) {
        let began = Instant::now();
        self.walks += 1;
        self.walk_from("/");
        for known in self.known.values_mut() {
            if known.walk != self.walks {
                known.gone.get_or_insert(now);
            }
        }
        self.forget_gone(now);
        self.next_walk = now + WALK_GAP.max(began.elapsed() * WALK_SHARE);
    }

    /// Takes in a cgroup and what is below it.
    fn walk_from(&mut self, path: &str) {
        let Some(hierarchy) = &self.hierarchy else {
            return;
        };
        let (walk, known, origins) = (self.walks, &mut self.known, &mut self.origins);
        let (root, births) = (&self.root, &mut self.births);
        hierarchy.walk_from(path, MOST, |id, path| {
            let known = known.entry(id).or_insert_with(|| {
                let workload = Workload::from_cgroup_path(path);
                Known {
                    origin: origins.of(&workload),
                    inside: is_below(path, root),
                    path: workload.container_id.as_ref().map(|_| path.into()),
                    workload,
                    walk,
                    gone: None,
                }
            });
            known.walk = walk;
            known.gone = None;
            if let Some(births) = births
                && let Err(error) = births.follow(&hierarchy.directory(path), id, path)
            {
                tracing::debug!("{path} is not followed: {error}");
            }
        });
    }

    fn forget_gone(&mut self, now: Instant) {
        let mut gone = 0;
        self.known.retain(|_, known| {
            let Some(since) = known.gone else {
                return true;
            };
            gone += 1;
            now.saturating_duration_since(since) < GONE_FOR && gone <= MOST
        });
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    struct Host {
        dir: tempfile::TempDir,
        index: CgroupIndex,
        start: Instant,
    }

    impl Host {
        fn with(cgroups: &[&str]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            for cgroup in cgroups {
                make(dir.path(), cgroup);
            }
            let start = Instant::now();
            let hierarchy = Some(Hierarchy::at(dir.path()));
            Self {
                index: CgroupIndex::new("host1".into(), hierarchy, start),
                dir,
                start,
            }
        }

        fn name(&mut self, id: u64, after: Duration) -> Option<Arc<str>> {
            let origin = self.index.origin(Some(id), self.start + after);
            assert_eq!(&*origin.node, "host1");
            origin.container.clone()
        }
    }

    fn make(root: &Path, cgroup: &str) -> u64 {
        fs::create_dir_all(root.join(cgroup)).unwrap();
        Hierarchy::at(root).id_of(&format!("/{cgroup}")).unwrap()
    }

    const NGINX: &str = "system.slice/nginx.service";
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_there_at_the_start_is_named() {
        let mut host = Host::with(&[NGINX]);
        let id = make(host.dir.path(), NGINX);
        assert_eq!(
            host.name(id, Duration::ZERO).as_deref(),
            Some("nginx.service")
        );
        let shared = host.index.origin(Some(id), host.start);
        assert!(Arc::ptr_eq(
            &shared,
            &host.index.origin(Some(id), host.start)
        ));
        assert_eq!(host.index.origin(None, host.start).container, None);
    }

    #[test]
    fn a_new_cgroup_is_found_by_a_walk_but_not_by_one_for_each_event() {
        let mut host = Host::with(&[]);
        let id = make(host.dir.path(), NGINX);
        // The walk at the start was just now.
        assert_eq!(host.name(id, Duration::ZERO), None);
        assert_eq!(host.index.walks, 1);
        assert_eq!(host.name(id, SECOND).as_deref(), Some("nginx.service"));
        assert_eq!(host.index.walks, 2);
    }

    #[test]
    fn an_id_that_is_not_there_costs_one_walk_a_second() {
        let mut host = Host::with(&[]);
        for millisecond in 0..3000 {
            let after = SECOND * 10 + Duration::from_millis(millisecond);
            assert_eq!(host.name(u64::MAX, after), None);
        }
        assert_eq!(host.index.walks, 4);
    }

    #[test]
    fn a_cgroup_that_is_gone_keeps_its_name_for_five_minutes() {
        let mut host = Host::with(&[NGINX]);
        let id = make(host.dir.path(), NGINX);
        fs::remove_dir(host.dir.path().join(NGINX)).unwrap();
        host.name(u64::MAX, SECOND * 10);
        assert_eq!(host.name(id, SECOND * 10).as_deref(), Some("nginx.service"));
        host.name(u64::MAX, SECOND * 300);
        assert_eq!(
            host.name(id, SECOND * 300).as_deref(),
            Some("nginx.service")
        );
        host.name(u64::MAX, SECOND * 310);
        assert_eq!(host.name(id, SECOND * 310), None);
    }

    #[test]
    fn what_is_followed_needs_no_walk() {
        let mut host = Host::with(&["kubepods"]);
        let readable = host.index.follow(host.start).unwrap();
        let walks = host.index.walks;
        let is_readable = || {
            let mut fds = [rustix::event::PollFd::new(
                &readable,
                rustix::event::PollFlags::IN,
            )];
            rustix::event::poll(&mut fds, Some(&rustix::time::Timespec::default())).unwrap() == 1
        };
        assert!(!is_readable());
        let id = make(host.dir.path(), NGINX);
        assert!(is_readable());
        host.index.catch_up(host.start);
        assert!(!is_readable());
        // It is gone before anybody asks, and forgotten when its time has come.
        fs::remove_dir(host.dir.path().join(NGINX)).unwrap();
        let name = |host: &mut Host, after| host.name(id, after);
        assert_eq!(
            name(&mut host, Duration::ZERO).as_deref(),
            Some("nginx.service")
        );
        host.index.catch_up(host.start);
        make(host.dir.path(), "kubepods/pod");
        fs::remove_dir(host.dir.path().join("kubepods/pod")).unwrap();
        assert_eq!(
            name(&mut host, SECOND * 299).as_deref(),
            Some("nginx.service")
        );
        assert_eq!(host.index.walks, walks);
    }

    #[test]
    fn a_container_has_processes() {
        let container = format!("kubepods/pod/{}", "8f".repeat(32));
        let host = Host::with(&[&container, NGINX]);
        let id = make(host.dir.path(), &container);
        assert!(host.index.processes(id).is_empty());
        for cgroup in [&container, NGINX] {
            let procs = host.dir.path().join(cgroup).join("cgroup.procs");
            fs::write(procs, "0\n12\n34\n").unwrap();
        }
        assert_eq!(host.index.processes(id), [12, 34]);
        let unit = make(host.dir.path(), NGINX);
        assert!(host.index.processes(unit).is_empty());
    }

    #[test]
    fn without_a_hierarchy_there_are_no_names() {
        let now = Instant::now();
        let mut index = CgroupIndex::new("host1".into(), None, now);
        assert_eq!(index.origin(Some(1), now + SECOND).container, None);
        assert_eq!(index.workload(1, now), None);
    }
}
