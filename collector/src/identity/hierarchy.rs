//! The cgroup v2 hierarchy as a directory: `/sys/fs/cgroup`, or `/sys/fs/cgroup/unified` where v1
//! controllers are mounted beside it, or wherever an agent's host mount is.
//!
//! A cgroup's id, as `bpf_get_current_cgroup_id` and `INET_DIAG_CGROUP_ID` have it, is the inode
//! number of its directory.

use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use procfs::process::{MountInfo, Process};

/// Where the v2 hierarchy is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// The part of the hierarchy that the mount shows, seen from this process's cgroup namespace.
    root: String,
    mount: PathBuf,
}

impl Hierarchy {
    /// Looks through this process's mounts; `None` on a host that has only v1.
    #[must_use]
    pub fn find() -> Option<Self> {
        let mounts = Process::myself().and_then(|me| me.mountinfo()).ok()?;
        Self::best(mounts.iter().filter(|mount| mount.fs_type == "cgroup2"))
    }

    /// Of several mounts of one hierarchy the one that shows most.
    pub(super) fn best<'a>(mounts: impl Iterator<Item = &'a MountInfo>) -> Option<Self> {
        best(mounts.map(|mount| Self {
            root: mount.root.clone(),
            mount: mount.mount_point.clone(),
        }))
    }

    /// The hierarchy whose root is this directory.
    #[must_use]
    pub fn at(mount: impl Into<PathBuf>) -> Self {
        Self {
            root: "/".into(),
            mount: mount.into(),
        }
    }

    /// The directory it is mounted on.
    #[must_use]
    pub fn mount(&self) -> &Path {
        &self.mount
    }

    /// The id of the cgroup at `path`, which is one from `/proc/PID/cgroup`.
    #[must_use]
    pub fn id_of(&self, path: &str) -> Option<u64> {
        let below = Path::new(path).strip_prefix(&self.root).ok()?;
        let outside = below.components().any(|c| c == Component::ParentDir);
        let directory = self.mount.join(below);
        (!outside)
            .then(|| fs::metadata(directory).ok())?
            .map(|m| m.ino())
    }

    /// The directory of a cgroup that a walk came by.
    pub(super) fn directory(&self, path: &str) -> PathBuf {
        self.mount.join(path.trim_start_matches('/'))
    }

    /// Some of the processes that are in a cgroup, `limit` at most; none if it is gone.
    #[must_use]
    pub(super) fn processes(&self, path: &str, limit: usize) -> Vec<u32> {
        let text = fs::read_to_string(self.directory(path).join("cgroup.procs"));
        let text = text.unwrap_or_default();
        let pids = text.lines().filter_map(|pid| pid.parse().ok());
        // Those of other pid namespaces are 0.
        pids.filter(|pid| *pid != 0).take(limit).collect()
    }

    /// Calls `each` with the id and the path of every cgroup, at most `limit` of them. What
    /// vanishes meanwhile is left out.
    pub(super) fn walk(&self, limit: usize, each: impl FnMut(u64, &str)) {
        self.walk_from("/", limit, each);
    }

    /// The same for one cgroup and what is below it. A cgroup is told of before it is looked into:
    /// what is made in it after that is for those who follow it by then.
    pub(super) fn walk_from(&self, path: &str, limit: usize, mut each: impl FnMut(u64, &str)) {
        let directory = self.directory(path);
        let Ok(top) = fs::metadata(&directory) else {
            return;
        };
        each(top.ino(), path);
        let mut seen = 1;
        let mut below = vec![(directory, path.trim_end_matches('/').to_owned())];
        while let Some((directory, path)) = below.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let Some(metadata) = directory_metadata(&entry) else {
                    continue;
                };
                let path = format!("{path}/{}", entry.file_name().to_string_lossy());
                each(metadata.ino(), &path);
                seen += 1;
                if seen >= limit {
                    return;
                }
                // A directory has two links and one more per child. Most cgroups have none, and
                // reading one means reading the names of its sixty control files.
                if entry.metadata().is_ok_and(|now| now.nlink() != 2) {
                    below.push((entry.path(), path));
                }
            }
        }
    }
}

fn directory_metadata(entry: &DirEntry) -> Option<fs::Metadata> {
    let is_directory = entry.file_type().ok()?.is_dir();
    is_directory.then(|| entry.metadata().ok())?
}

/// Of several mounts the one that shows most. In a container's own cgroup namespace that is a mount
/// of the host's hierarchy, whose root is above the namespace's (`/../..`).
fn best(mounts: impl Iterator<Item = Hierarchy>) -> Option<Hierarchy> {
    let depth = |mount: &Hierarchy| {
        let components = Path::new(&mount.root).components();
        let ups = components
            .clone()
            .filter(|c| *c == Component::ParentDir)
            .count();
        let downs = components
            .filter(|c| matches!(c, Component::Normal(_)))
            .count();
        (std::cmp::Reverse(ups), downs)
    };
    mounts.min_by_key(depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(root: &str, mount: &str) -> Hierarchy {
        Hierarchy {
            root: root.into(),
            mount: mount.into(),
        }
    }

    #[test]
    fn the_mount_that_shows_most_is_taken() {
        let own = mount("/", "/sys/fs/cgroup");
        let part = mount("/kubepods", "/mnt");
        let host = mount("/../../..", "/host/sys/fs/cgroup");
        let chosen = |mounts: &[&Hierarchy]| best(mounts.iter().map(|m| (*m).clone()));
        assert_eq!(chosen(&[&part, &own]), Some(own.clone()));
        assert_eq!(chosen(&[&own, &host]), Some(host));
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn every_directory_is_walked_and_its_id_is_its_inode() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("system.slice/nginx.service")).unwrap();
        fs::create_dir_all(dir.path().join("docker/abc/inner")).unwrap();
        fs::write(dir.path().join("docker/cgroup.procs"), "1").unwrap();
        let hierarchy = Hierarchy::at(dir.path());
        let mut paths = Vec::new();
        hierarchy.walk(100, |id, path| {
            assert_eq!(hierarchy.id_of(path), Some(id), "{path}");
            paths.push(path.to_owned());
        });
        paths.sort();
        let expected = [
            "/",
            "/docker",
            "/docker/abc",
            "/docker/abc/inner",
            "/system.slice",
            "/system.slice/nginx.service",
        ];
        assert_eq!(paths, expected);

        let mut count = 0;
        hierarchy.walk(3, |_, _| count += 1);
        assert_eq!(count, 3);
    }

    #[test]
    fn a_path_outside_the_mount_has_no_id() {
        let dir = tempfile::tempdir().unwrap();
        let hierarchy = Hierarchy {
            root: "/../..".into(),
            mount: dir.path().into(),
        };
        assert!(hierarchy.id_of("/../..").is_some());
        assert_eq!(hierarchy.id_of("/../../.."), None);
        assert_eq!(hierarchy.id_of("/"), None);
        assert_eq!(Hierarchy::at(dir.path()).id_of("/../x"), None);
    }
}
