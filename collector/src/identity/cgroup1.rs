//! A cgroup v1 hierarchy, for containers that exist in none of v2: runtimes with the `cgroupfs` driver on
//! hosts that mount v1 controllers.

use procfs::process::Process;

use super::Hierarchy;

/// Controllers in whose hierarchies runtimes make a cgroup for each container, as the kernel names them.
const CONTROLLERS: [&str; 5] = ["pids", "memory", "cpu", "devices", "freezer"];

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

    /// Its directories.
    #[must_use]
    pub fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }
}
