//! Which process has a socket: `/proc/PID/fd` names the inodes of what it has open.
//!
//! Needs no privileges for the own processes, `CAP_SYS_PTRACE` for those of others: what can't be
//! read is left out, as is what vanishes meanwhile. Inodes of sockets are unique on the host, in
//! whatever network namespace they are.

use std::collections::HashSet;
use std::fs;
use std::hash::BuildHasher;
use std::path::Path;

use nonmax::NonMaxU32;
use rustc_hash::FxHashMap;

use super::{Hierarchy, Workload};
use crate::model::{Comm, Process};

/// A process that has a socket open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The process. Which of its threads uses the socket can't be told: `tid` is `None`.
    pub process: Process,
    /// Its cgroup's id in the v2 hierarchy.
    pub cgroup: Option<u64>,
    /// What its cgroup's path says, of whichever hierarchy says most.
    pub workload: Workload,
    /// When it began, in the kernel's ticks since its start.
    pub began: u64,
}

/// Finds the owners of the sockets with these inodes, in one pass over `/proc`.
///
/// Where several processes have the same socket, after a fork, it is the oldest of them: the one
/// that the others have it from.
#[must_use]
pub fn find(
    inodes: &HashSet<u32, impl BuildHasher>,
    hierarchy: Option<&Hierarchy>,
) -> FxHashMap<u32, Owner> {
    let mut owners: FxHashMap<u32, Owner> = FxHashMap::default();
    if inodes.is_empty() {
        return FxHashMap::default();
    }
    for pid in pids() {
        let held = held(pid, inodes);
        if held.is_empty() {
            continue;
        }
        let Some(owner) = describe(pid, hierarchy) else {
            continue;
        };
        for inode in held {
            let older = owners.get(&inode);
            if older.is_none_or(|other| owner.began < other.began) {
                owners.insert(inode, owner.clone());
            }
        }
    }
    owners
}

/// The processes that there are.
pub(crate) fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Those of the inodes that the process has open.
fn held(pid: i32, inodes: &HashSet<u32, impl BuildHasher>) -> Vec<u32> {
    sockets(pid)
        .map(|(_, inode)| inode)
        .filter(|inode| inodes.contains(inode))
        .collect()
}

/// The sockets that a process has open, by descriptor, with their inodes. Reads links only: this runs over
/// every descriptor on the host.
pub(crate) fn sockets(pid: i32) -> impl Iterator<Item = (i32, u32)> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"));
    let descriptors = descriptors.into_iter().flatten().flatten();
    descriptors.filter_map(|entry| {
        let inode = inode_of_link(&fs::read_link(entry.path()).ok()?)?;
        Some((entry.file_name().to_str()?.parse().ok()?, inode))
    })
}

/// The number in `socket:[12345]`.
fn inode_of_link(link: &Path) -> Option<u32> {
    let number = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
    number.parse().ok()
}

fn describe(pid: i32, hierarchy: Option<&Hierarchy>) -> Option<Owner> {
    // Holds the directory open: a process that gets the same number later is not mistaken for it.
    let process = procfs::process::Process::new(pid).ok()?;
    let status = process.status().ok()?;
    let began = process.stat().ok()?.starttime;
    let (cgroup, workload) = cgroup(&process, hierarchy);
    let owner = Owner {
        process: Process {
            pid: u32::try_from(pid).ok()?,
            tid: None,
            uid: NonMaxU32::new(status.ruid),
            gid: NonMaxU32::new(status.rgid),
            comm: comm(pid)?,
            thread: None,
        },
        cgroup,
        workload,
        began,
    };
    // What was read by number was of the same process if that is still there now.
    process.is_alive().then_some(owner)
}

/// A process's name, read as bytes: it need not be UTF-8.
pub(crate) fn comm(pid: i32) -> Option<Comm> {
    let text = fs::read(format!("/proc/{pid}/comm")).ok()?;
    let name = text.strip_suffix(b"\n").unwrap_or(&text);
    let mut bytes = [0; 16];
    for (byte, from) in bytes.iter_mut().zip(name) {
        *byte = *from;
    }
    Some(Comm::from_kernel(bytes))
}

fn cgroup(
    process: &procfs::process::Process,
    hierarchy: Option<&Hierarchy>,
) -> (Option<u64>, Workload) {
    let Ok(cgroups) = process.cgroups() else {
        return (None, Workload::default());
    };
    let mut id = None;
    let mut workload = Workload::default();
    for cgroup in cgroups {
        // The v2 hierarchy has number 0. It says nothing where a runtime makes v1 paths only.
        let is_v2 = cgroup.hierarchy == 0;
        if is_v2 {
            id = hierarchy.and_then(|hierarchy| hierarchy.id_of(&cgroup.pathname));
        }
        let says = Workload::from_cgroup_path(&cgroup.pathname);
        if knowledge(&says, is_v2) > knowledge(&workload, false) {
            workload = says;
        }
    }
    (id, workload)
}

/// A container is more than a unit, and of equals v2's word counts.
fn knowledge(workload: &Workload, is_v2: bool) -> (bool, bool, bool, bool) {
    let container = workload.container_id.is_some();
    let (pod, unit) = (workload.pod_uid.is_some(), workload.unit.is_some());
    (container, pod, unit, is_v2 && (container || pod || unit))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_link_names_its_socket() {
        assert_eq!(inode_of_link(Path::new("socket:[12345]")), Some(12345));
        assert_eq!(inode_of_link(Path::new("pipe:[12345]")), None);
        assert_eq!(inode_of_link(Path::new("/dev/null")), None);
    }

    #[test]
    fn the_own_sockets_are_this_processs() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
        let inode = inode_of_link(&link).unwrap();
        let owners = find(&HashSet::from([inode, u32::MAX]), None);
        let owner = &owners[&inode];
        assert_eq!(owner.process.pid, std::process::id());
        assert_eq!(
            owner.process.uid,
            NonMaxU32::new(rustix::process::getuid().as_raw())
        );
        assert_eq!(
            owner.process.gid,
            NonMaxU32::new(rustix::process::getgid().as_raw())
        );
        assert!(!owner.process.comm.as_bytes().is_empty());
        assert_eq!(owners.len(), 1);
    }

    #[test]
    fn a_container_says_more_than_a_unit_and_a_unit_more_than_nothing() {
        let id = "8f2b0d7c4a1e6f3958d7c6b5a49382716f5e4d3c2b1a09f8e7d6c5b4a3928170";
        let [none, unit, container] = ["/", "/system.slice/a.service", &format!("/docker/{id}")]
            .map(Workload::from_cgroup_path);
        assert!(knowledge(&container, false) > knowledge(&unit, true));
        assert!(knowledge(&unit, true) > knowledge(&unit, false));
        assert!(knowledge(&unit, false) > knowledge(&none, true));
    }
}
