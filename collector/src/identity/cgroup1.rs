//! A cgroup v1 hierarchy, for containers that exist in none of v2: runtimes with the `cgroupfs` driver on
//! hosts that mount v1 controllers.

use procfs::process::Process;

use super::Hierarchy;

/// Controllers in whose hierarchies runtimes make a cgroup for each container, as the kernel names them.
const CONTROLLERS: [&str; 5] = ["pids", "memory", "cpu", "devices", "freezer"];

/// Where the kubelet puts pods, by its two drivers.
const PODS: [&str; 2] = ["kubepods", "kubepods.slice"];

/// The hierarchy whose paths are read.
#[derive(Clone, Debug)]
pub struct Cgroup1 {
    controller: &'static str,
    hierarchy: Hierarchy,
}

impl Cgroup1 {
    /// Looks through this process's mounts; `None` on a host that has only v2.
    #[must_use]
    pub fn find() -> Option<Self> {
        let mounts = Process::myself().and_then(|me| me.mountinfo()).ok()?;
        let mounts: Vec<_> = mounts
            .into_iter()
            .filter(|mount| mount.fs_type == "cgroup")
            .collect();
        CONTROLLERS.into_iter().find_map(|controller| {
            let of_controller = mounts
                .iter()
                .filter(|mount| mount.super_options.contains_key(controller));
            let hierarchy = Hierarchy::best(of_controller)?;
            Some(Self {
                controller,
                hierarchy,
            })
        })
    }

    /// The name of its controller.
    #[must_use]
    pub fn controller(&self) -> &'static str {
        self.controller
    }

    /// Whether a line of `/proc/PID/cgroup` with these controllers is about it.
    #[must_use]
    pub fn is_in(&self, controllers: &[String]) -> bool {
        controllers.iter().any(|name| name == self.controller)
    }

    /// Whether pods are in it and not in v2: then no pod can be named by its v2 cgroup.
    #[must_use]
    pub fn has_pods_alone(&self, v2: Option<&Hierarchy>) -> bool {
        let has = |hierarchy: &Hierarchy| {
            let mut pods = PODS.iter().map(|name| hierarchy.mount().join(name));
            pods.any(|directory| directory.is_dir())
        };
        has(&self.hierarchy) && !v2.is_some_and(has)
    }

    /// Its directories.
    #[must_use]
    pub fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_that_v2_has_too_are_not_alone() {
        let [v1, v2] = [(), ()].map(|()| tempfile::tempdir().unwrap());
        let cgroup1 = Cgroup1 {
            controller: "pids",
            hierarchy: Hierarchy::at(v1.path()),
        };
        let unified = Hierarchy::at(v2.path());
        assert!(!cgroup1.has_pods_alone(Some(&unified)));
        std::fs::create_dir(v1.path().join("kubepods")).unwrap();
        assert!(cgroup1.has_pods_alone(Some(&unified)) && cgroup1.has_pods_alone(None));
        std::fs::create_dir(v2.path().join("kubepods.slice")).unwrap();
        assert!(!cgroup1.has_pods_alone(Some(&unified)));
    }
}
