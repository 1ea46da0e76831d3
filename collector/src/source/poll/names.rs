//! Who has the sockets, as far as that may be read.

use std::sync::Arc;
use std::time::Instant;

use super::diff::{Tracker, Who};
use crate::identity::{CgroupIndex, Hierarchy, Interfaces, owners};

/// Names the sockets of a tracker.
pub(super) struct Names {
    hierarchy: Option<Hierarchy>,
    cgroups: CgroupIndex,
    interfaces: Interfaces,
}

impl Names {
    pub(super) fn new(node: Arc<str>) -> Self {
        let hierarchy = Hierarchy::find();
        Self {
            cgroups: CgroupIndex::new(node, hierarchy.clone(), Instant::now()),
            hierarchy,
            interfaces: Interfaces::default(),
        }
    }

    /// Whose a socket is of which nothing is known.
    pub(super) fn nobody(&mut self) -> Who {
        Who {
            origin: self.cgroups.origin(None, Instant::now()),
            cgroup: None,
            process: None,
            scope: None,
        }
    }

    /// Names those that have no owner yet. A socket whose owner can't be found has the cgroup that
    /// it was made in, which the kernel tells everyone.
    pub(super) fn name(&mut self, tracker: &mut Tracker) {
        let owners = owners::find(&tracker.unasked(), self.hierarchy.as_ref());
        let now = Instant::now();
        tracker.name(|socket| {
            let scope = self.interfaces.scope_of(None, socket);
            let owner = socket.inode.and_then(|inode| owners.get(&inode.get()));
            match owner {
                Some(owner) => Who {
                    origin: self.cgroups.origin_of(&owner.workload),
                    cgroup: owner.cgroup,
                    process: Some(owner.process.clone()),
                    scope,
                },
                None => Who {
                    origin: self.cgroups.origin(socket.cgroup, now),
                    cgroup: None,
                    process: None,
                    scope,
                },
            }
        });
    }
}
