//! What a cgroup's path says of who lives in it. Pure.
//!
//! The layouts differ by runtime, by cgroup driver (systemd or cgroupfs) and by what is nested in
//! what, but every segment can be judged for itself:
//!
//! ```text
//! kubepods-burstable-pod<uid_with_underscores>.slice    a pod, systemd driver
//! kubepods/burstable/pod<uid>                           a pod, cgroupfs driver
//! cri-containerd-<id>.scope  crio-<id>.scope  <id>      a container in it
//! docker-<id>.scope  docker/<id>  libpod-<id>.scope     a container without a pod
//! nginx.service  session-3.scope                        a systemd unit
//! ```
//!
//! Nodes that are containers themselves (kind, k3d) put a whole hierarchy below their own segment:
//! the last pod counts, and what is above it does not.

/// The software that made a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// containerd, for Kubernetes or by itself (nerdctl).
    Containerd,
    /// CRI-O.
    Crio,
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// LXC, LXD, Incus.
    Lxc,
}

/// What a systemd driver writes before the id, and a cgroupfs driver in it or above it.
const RUNTIMES: [(&str, Runtime); 6] = [
    ("cri-containerd", Runtime::Containerd),
    ("nerdctl", Runtime::Containerd),
    ("crio", Runtime::Crio),
    ("docker", Runtime::Docker),
    ("libpod", Runtime::Podman),
    ("lxc", Runtime::Lxc),
];

/// LXC has names where others have ids: `lxc.payload.NAME`, or `lxc/NAME` before LXC 4.
const LXC_PAYLOAD: &str = "lxc.payload.";

/// Who lives in a cgroup. All `None` is a path that says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Workload {
    /// The container's whole id, 64 hexadecimal digits; its name for LXC.
    pub container_id: Option<Box<str>>,
    /// What made it, where the path tells.
    pub runtime: Option<Runtime>,
    /// The pod's UID with hyphens, as the API server has it. Static pods have the hash of their
    /// file here instead, 32 digits, which is the API's annotation `kubernetes.io/config.hash`.
    pub pod_uid: Option<Box<str>>,
    /// The systemd unit: within the container, if there is one, else on the host.
    pub unit: Option<Box<str>>,
}

impl Workload {
    /// Reads a path below the hierarchy's root, as `/proc/PID/cgroup` has it.
    #[must_use]
    pub fn from_cgroup_path(path: &str) -> Self {
        let mut workload = Self::default();
        let mut above = "";
        for segment in path.split('/').filter(|s| !s.is_empty()) {
            // systemd escapes names that would collide with the kernel's files.
            let segment = segment.strip_prefix('_').unwrap_or(segment);
            if let Some(pod_uid) = pod_uid(segment) {
                workload = Self {
                    pod_uid: Some(pod_uid),
                    ..Self::default()
                };
            }
            if let Some((id, runtime)) = container(segment, above) {
                // A container inside a pod's container is not one that the API server knows.
                let nested = workload.pod_uid.is_some() && workload.container_id.is_some();
                if !nested {
                    workload.container_id = Some(id.into());
                    workload.runtime = runtime;
                }
                workload.unit = None;
            } else if is_unit(segment) {
                workload.unit = Some(segment.into());
            }
            above = segment;
        }
        workload
    }

    /// The name where there is no Kubernetes to give a better one: the container's short id, else
    /// the unit.
    #[must_use]
    pub fn short_name(&self) -> Option<&str> {
        match &self.container_id {
            Some(id) if is_container_id(id) => id.get(..12),
            Some(name) => Some(name),
            None => self.unit.as_deref(),
        }
    }
}

/// The UID in `[prefix-]pod<uid>[.slice][:…]`.
fn pod_uid(segment: &str) -> Option<Box<str>> {
    // containerd with its cgroupfs driver under a kubelet with systemd's puts slice, prefix and id
    // into one segment: kubepods-pod<uid>.slice:cri-containerd:<id>.
    let slice = segment.split(':').next()?;
    let slice = slice.strip_suffix(".slice").unwrap_or(slice);
    let uid = slice
        .strip_prefix("pod")
        .or_else(|| slice.rsplit('-').next()?.strip_prefix("pod"))?;
    let hex = uid.bytes().filter(u8::is_ascii_hexdigit).count();
    let hyphens = uid.bytes().filter(|b| matches!(b, b'-' | b'_')).count();
    let is_uid = hex == 32 && matches!(hyphens, 0 | 4) && hex + hyphens == uid.len();
    is_uid.then(|| uid.replace('_', "-").into())
}

/// The id in `[runtime-]<id>[.scope]` or `…:runtime:<id>`, and the runtime's.
fn container<'a>(segment: &'a str, above: &str) -> Option<(&'a str, Option<Runtime>)> {
    if let Some(name) = segment.strip_prefix(LXC_PAYLOAD) {
        return Some((name, Some(Runtime::Lxc)));
    }
    if above == "lxc" {
        return Some((segment, Some(Runtime::Lxc)));
    }
    let scope = segment.strip_suffix(".scope").unwrap_or(segment);
    let (prefix, id) = scope
        .rsplit_once([':', '-'])
        .map_or((above, scope), |(prefix, id)| {
            (prefix.rsplit(':').next().unwrap_or(prefix), id)
        });
    // The monitor of a container bears its id too, but lives on the host.
    if !is_container_id(id) || prefix.ends_with("conmon") {
        return None;
    }
    let runtime = RUNTIMES.iter().find(|(word, _)| *word == prefix);
    Some((id, runtime.map(|(_, runtime)| *runtime)))
}

fn is_container_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Services and scopes. `init.scope` is systemd itself, where also the sockets are made that it
/// opens for others (socket activation): as a name it would mislead.
fn is_unit(segment: &str) -> bool {
    let kind = segment.rsplit_once('.').map(|(_, kind)| kind);
    matches!(kind, Some("service" | "scope")) && segment != "init.scope"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "8f2b0d7c4a1e6f3958d7c6b5a49382716f5e4d3c2b1a09f8e7d6c5b4a3928170";
    const OUTER: &str = "1111111122222222333333334444444455555555666666667777777788888888";
    const UID: &str = "0f6a2b1c-3d4e-5f60-7182-93a4b5c6d7e8";
    const UID_: &str = "0f6a2b1c_3d4e_5f60_7182_93a4b5c6d7e8";
    const HASH: &str = "d6ab7a3cdc9e8ca4d6a8bd0d4b0e9c3f";

    /// A path with `{id}`, `{outer}`, `{uid}`, `{uid_}`, `{hash}`; container, runtime, pod, unit.
    type Case = (
        &'static str,
        Option<&'static str>,
        Option<Runtime>,
        Option<&'static str>,
        Option<&'static str>,
    );

    use Runtime::{Containerd, Crio, Docker, Lxc, Podman};

    #[rustfmt::skip]
    const LAYOUTS: [Case; 36] = [
        // Kubernetes, systemd driver.
        ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid_}.slice/cri-containerd-{id}.scope", Some(ID), Some(Containerd), Some(UID), None),
        ("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{uid_}.slice/crio-{id}.scope", Some(ID), Some(Crio), Some(UID), None),
        ("/kubepods.slice/kubepods-pod{uid_}.slice/docker-{id}.scope", Some(ID), Some(Docker), Some(UID), None),
        ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{hash}.slice/cri-containerd-{id}.scope", Some(ID), Some(Containerd), Some(HASH), None),
        ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid_}.slice", None, None, Some(UID), None),
        ("/kubepods.slice/kubepods-pod{uid_}.slice/crio-{id}.scope/container", Some(ID), Some(Crio), Some(UID), None),
        ("/kubepods.slice/kubepods-pod{uid_}.slice/crio-conmon-{id}.scope", None, None, Some(UID), Some("crio-conmon-{id}.scope")),
        // systemd inside the container.
        ("/kubepods.slice/kubepods-pod{uid_}.slice/cri-containerd-{id}.scope/system.slice/nginx.service", Some(ID), Some(Containerd), Some(UID), Some("nginx.service")),
        ("/kubepods.slice/kubepods-pod{uid_}.slice/cri-containerd-{id}.scope/init.scope", Some(ID), Some(Containerd), Some(UID), None),
        // Kubernetes, cgroupfs driver.
        ("/kubepods/burstable/pod{uid}/{id}", Some(ID), None, Some(UID), None),
        ("/kubepods/besteffort/pod{uid}/{id}", Some(ID), None, Some(UID), None),
        ("/kubepods/pod{uid}/{id}", Some(ID), None, Some(UID), None),
        ("/kubepods/burstable/pod{hash}/{id}", Some(ID), None, Some(HASH), None),
        ("/kubepods/burstable/pod{uid}/crio-{id}", Some(ID), Some(Crio), Some(UID), None),
        // The kubelet with systemd's driver, containerd without.
        ("/system.slice/containerd.service/kubepods-besteffort-pod{uid_}.slice:cri-containerd:{id}", Some(ID), Some(Containerd), Some(UID), None),
        // Nodes in containers: kind, k3d; docker inside a pod; nodes in cgroups of their own.
        ("/docker/{outer}/kubelet/kubepods/burstable/pod{uid}/{id}", Some(ID), None, Some(UID), None),
        ("/system.slice/docker-{outer}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{uid_}.slice/cri-containerd-{id}.scope", Some(ID), Some(Containerd), Some(UID), None),
        ("/docker/{outer}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{uid_}.slice/cri-containerd-{id}.scope", Some(ID), Some(Containerd), Some(UID), None),
        ("/docker/{outer}/system.slice/kubelet.service", Some(OUTER), Some(Docker), None, Some("kubelet.service")),
        ("/kubepods/burstable/pod{hash}/{outer}/kubepods/besteffort/pod{uid}/{id}", Some(ID), None, Some(UID), None),
        ("/kubepods/burstable/pod{uid}/{id}/docker/{outer}", Some(ID), None, Some(UID), None),
        ("/tc-node2/kubepods/burstable/pod{uid}/{id}", Some(ID), None, Some(UID), None),
        // Containers without pods.
        ("/docker/{id}", Some(ID), Some(Docker), None, None),
        ("/system.slice/docker-{id}.scope", Some(ID), Some(Docker), None, None),
        ("/docker/{outer}/docker/{id}", Some(ID), Some(Docker), None, None),
        ("/machine.slice/libpod-{id}.scope", Some(ID), Some(Podman), None, None),
        ("/machine.slice/libpod-{id}.scope/container", Some(ID), Some(Podman), None, None),
        ("/machine.slice/machine-libpod_pod_{outer}.slice/libpod-{id}.scope", Some(ID), Some(Podman), None, None),
        ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{id}.scope/container", Some(ID), Some(Podman), None, None),
        ("/system.slice/nerdctl-{id}.scope", Some(ID), Some(Containerd), None, None),
        ("/default/{id}", Some(ID), None, None, None),
        ("/lxc.payload.web/system.slice/nginx.service", Some("web"), Some(Lxc), None, Some("nginx.service")),
        // systemd.
        ("/system.slice/nginx.service", None, None, None, Some("nginx.service")),
        ("/system.slice/system-getty.slice/getty@tty1.service", None, None, None, Some("getty@tty1.service")),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox-4242.scope", None, None, None, Some("app-gnome-firefox-4242.scope")),
        ("/user.slice/user-1000.slice/session-3.scope", None, None, None, Some("session-3.scope")),
    ];

    fn filled(text: &str) -> String {
        text.replace("{id}", ID)
            .replace("{outer}", OUTER)
            .replace("{uid}", UID)
            .replace("{uid_}", UID_)
            .replace("{hash}", HASH)
    }

    #[test]
    fn every_layout_is_read() {
        for (path, container_id, runtime, pod_uid, unit) in LAYOUTS {
            let expected = Workload {
                container_id: container_id.map(Into::into),
                runtime,
                pod_uid: pod_uid.map(Into::into),
                unit: unit.map(|unit| filled(unit).into()),
            };
            assert_eq!(
                Workload::from_cgroup_path(&filled(path)),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn paths_that_name_nobody() {
        for path in [
            "",
            "/",
            "/init.scope",
            "/user.slice",
            "/system.slice",
            "/kubepods",
            "/kubepods/podinfo",
            "/machine.slice",
            "/docker",
            "/kubepods.slice/kubepods-burstable.slice",
            "/process_api/ea6f120876cb43cffa77b6693ada9f3d",
            "/podman",
            "/lxc.monitor.web",
        ] {
            assert_eq!(
                Workload::from_cgroup_path(path),
                Workload::default(),
                "{path}"
            );
        }
    }

    #[test]
    fn short_names() {
        let name = |path: &str| {
            let workload = Workload::from_cgroup_path(&filled(path));
            workload.short_name().map(str::to_owned)
        };
        assert_eq!(name("/docker/{id}").as_deref(), Some("8f2b0d7c4a1e"));
        assert_eq!(name("/lxc/web").as_deref(), Some("web"));
        assert_eq!(
            name("/system.slice/ssh.service").as_deref(),
            Some("ssh.service")
        );
        assert_eq!(name("/").as_deref(), None);
    }

    proptest! {
        #[test]
        fn any_path_is_read(path in "[-a-f0-9_:./podcrilxslemntk]{0,200}|\\PC{0,80}") {
            let workload = Workload::from_cgroup_path(&path);
            let _ = workload.short_name();
        }
    }
}
