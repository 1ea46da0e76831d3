//! The names that this host has for what the probes say by number.

use std::sync::Arc;
use std::time::Instant;

use probe_common::Task;

use crate::identity::{Cgroup1, CgroupIndex, Hierarchy, Interfaces};
use crate::model::{Dropper, Endpoint, LossKind, Lost, Origin, Zone};
use crate::probe::{Dropped, Origins, cgroup_id};

/// Workloads by their cgroup, and interfaces by their number.
pub(super) struct Names {
    pub(super) hierarchy: Option<Hierarchy>,
    index: CgroupIndex,
    /// Of what is in the root of the v2 hierarchy.
    index1: Option<CgroupIndex>,
    pub(super) interfaces: Interfaces,
    /// When the ring was last read.
    pub(super) now: Instant,
}

impl Names {
    pub(super) fn new(node: &Arc<str>) -> Self {
        let now = Instant::now();
        let index = |hierarchy| CgroupIndex::new(Arc::clone(node), hierarchy, now);
        let hierarchy = Hierarchy::find();
        Self {
            index: index(hierarchy.clone()),
            index1: Cgroup1::find().map(|found| index(Some(found.hierarchy().clone()))),
            hierarchy,
            interfaces: Interfaces::default(),
            now,
        }
    }

    /// The origin of a cgroup, as the probes say it.
    pub(super) fn of(&mut self, cgroup: Option<u64>) -> Arc<Origin> {
        match (cgroup, &mut self.index1) {
            (Some(id), Some(index1)) if id & Task::CGROUP1 != 0 => {
                index1.origin(Some(id & !Task::CGROUP1), self.now)
            }
            _ => self.index.origin(cgroup, self.now),
        }
    }
}

impl Origins for Names {
    fn origin(&mut self, cgroup: u64) -> Arc<Origin> {
        self.of((cgroup != 0).then_some(cgroup))
    }

    fn scope(
        &mut self,
        ends: [Endpoint; 2],
        netns: Option<u32>,
        ifindex: u32,
        pid: Option<u32>,
    ) -> Option<Zone> {
        self.interfaces.scope(ends, netns, ifindex, pid)
    }
}

/// Whose events did not fit into the ring.
pub(super) fn dropped_by(dropped: Vec<Dropped>, origins: &mut Names) -> Vec<Lost> {
    let lost = dropped.into_iter().map(|dropped| {
        let by = Dropper {
            uid: dropped.uid,
            cgroup: cgroup_id(dropped.cgroup),
            origin: origins.origin(dropped.cgroup),
        };
        Lost {
            by: Some(Arc::new(by)),
            ..Lost::new(LossKind::Ring, dropped.n)
        }
    });
    lost.collect()
}
