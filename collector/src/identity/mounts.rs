//! What a process's mounts say of its container.
//!
//! The API server has a container's id only once the kubelet has looked at it, a second or two after
//! its start. But the kubelet mounts a file for last words into each container (Kubernetes' API,
//! `terminationMessagePath`), and on the host that is `…/pods/<uid>/containers/<name>/<random>`.

use procfs::process::Process;

/// The name of the container that a process is in, if it is still there, in the container with that
/// id, and that is one of the pod with that UID.
#[must_use]
pub fn container_of(pid: u32, pod_uid: &str, container_id: &str) -> Option<Box<str>> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    // Another process may have this pid by now.
    let cgroups = process.cgroups().ok()?;
    let inside = |path: &str| path.contains(container_id);
    if !cgroups.into_iter().any(|cgroup| inside(&cgroup.pathname)) {
        return None;
    }
    let mounts = process.mountinfo().ok()?;
    let name = mounts.iter().find_map(|mount| name(&mount.root, pod_uid));
    name.map(Into::into)
}

/// The container's name in what is mounted, seen from the root of its file system.
fn name<'a>(mounted: &'a str, pod_uid: &str) -> Option<&'a str> {
    let (_, pod) = mounted.split_once("pods/")?;
    let inside = pod.strip_prefix(pod_uid)?.strip_prefix("/containers/")?;
    let (name, file) = inside.split_once('/')?;
    (!name.is_empty() && !file.contains('/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0f6a2b1c-3d4e-5f60-7182-93a4b5c6d7e8";

    #[test]
    fn the_file_for_last_words_names_the_container() {
        for (mounted, expected) in [
            (
                "/var/lib/kubelet/pods/{uid}/containers/app/3f1c0a9b",
                Some("app"),
            ),
            // The kubelet's directory may be a file system of its own.
            ("/pods/{uid}/containers/app/3f1c0a9b", Some("app")),
            ("/var/lib/kubelet/pods/{uid}/etc-hosts", None),
            (
                "/var/lib/kubelet/pods/{uid}/volumes/x/containers/app/y",
                None,
            ),
            ("/var/lib/kubelet/pods/{uid}/containers/app", None),
            (
                "/var/lib/kubelet/pods/another/containers/app/3f1c0a9b",
                None,
            ),
            ("/", None),
        ] {
            let mounted = mounted.replace("{uid}", UID);
            assert_eq!(name(&mounted, UID), expected, "{mounted}");
        }
    }

    #[test]
    fn who_is_in_another_cgroup_or_gone_has_no_name() {
        assert_eq!(container_of(std::process::id(), UID, "8f2b0d7c4a1e"), None);
        assert_eq!(container_of(u32::MAX, UID, ""), None);
    }
}
