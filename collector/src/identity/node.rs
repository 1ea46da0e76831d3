//! Which part of the cgroup hierarchy is this node's.
//!
//! On a machine that is a node, all of it is. Nodes that are containers (kind, k3d), or that share
//! a machine in another way, share its kernel too, and the probes see the events of all of them.
//! What tells them apart is the hierarchy: all that a node runs is below one cgroup, and the
//! kubelet makes `kubepods` in there.

use super::{Hierarchy, Workload};

/// How many cgroups are looked at for the own pod.
const MOST: usize = 65_536;

/// The cgroup below which the node of this pod has all that it runs: `/`, but for nodes that share
/// a kernel. `None` if the pod is not found.
#[must_use]
pub fn node_root(hierarchy: &Hierarchy, pod_uid: &str) -> Option<String> {
    let mut root = None;
    hierarchy.walk(MOST, |_, path| {
        if root.is_none() {
            let workload = Workload::from_cgroup_path(path);
            if workload.pod_uid.as_deref() == Some(pod_uid) {
                root = above_pods(path).map(str::to_owned);
            }
        }
    });
    root
}

/// The part of a pod's path that is above the last `kubepods`, without what a kubelet is told to
/// put between (kind's `--cgroup-root=/kubelet`), and without the service of a runtime that keeps
/// its containers below itself.
fn above_pods(path: &str) -> Option<&str> {
    let mut at = 0;
    let mut root = None;
    for segment in path.split_inclusive('/') {
        if segment.contains("kubepods") && !within_kubepods(&path[..at]) {
            root = Some(&path[..at]);
        }
        at += segment.len();
    }
    let mut root = root?.trim_end_matches('/');
    while let Some((above, last)) = root.rsplit_once('/') {
        let is_between = matches!(last, "kubelet" | "kubelet.slice" | "system.slice")
            || last.ends_with(".service");
        if !is_between {
            break;
        }
        root = above;
    }
    Some(if root.is_empty() { "/" } else { root })
}

/// Whether the directory above is one of the `kubepods` of the same kubelet, as with systemd's
/// `kubepods.slice/kubepods-burstable.slice`.
fn within_kubepods(above: &str) -> bool {
    let last = above.trim_end_matches('/').rsplit('/').next();
    last.is_some_and(|last| last.contains("kubepods"))
}

/// Whether a path is at or below a root.
pub(super) fn is_below(path: &str, root: &str) -> bool {
    let root = root.trim_end_matches('/');
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0f6a2b1c-3d4e-5f60-7182-93a4b5c6d7e8";

    #[test]
    fn the_root_is_above_the_last_kubepods() {
        for (path, root) in [
            ("/kubepods/besteffort/podX/1", Some("/")),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podX.slice/c.scope",
                Some("/"),
            ),
            (
                "/system.slice/containerd.service/kubepods-besteffort-podX.slice:cri-containerd:1",
                Some("/"),
            ),
            ("/tc-node1/kubepods/burstable/podX/1", Some("/tc-node1")),
            ("/docker/abc/kubelet/kubepods/podX/1", Some("/docker/abc")),
            (
                "/docker/abc/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podX.slice/1",
                Some("/docker/abc"),
            ),
            (
                "/system.slice/docker-abc.scope/kubelet.slice/kubelet-kubepods.slice/x",
                Some("/system.slice/docker-abc.scope"),
            ),
            // A node in a pod of another cluster.
            (
                "/kubepods/burstable/podY/abc/kubepods/besteffort/podX/1",
                Some("/kubepods/burstable/podY/abc"),
            ),
            ("/system.slice/nginx.service", None),
        ] {
            assert_eq!(above_pods(path), root, "{path}");
        }
    }

    #[test]
    fn below_is_a_matter_of_whole_segments() {
        assert!(is_below("/a/b", "/a") && is_below("/a", "/a") && is_below("/a", "/"));
        assert!(!is_below("/ab", "/a") && !is_below("/", "/a"));
    }

    #[test]
    fn the_own_pod_is_found_by_its_uid() {
        let dir = tempfile::tempdir().unwrap();
        for node in [
            "n1/kubepods/pod1f6a2b1c-3d4e-5f60-7182-93a4b5c6d7e8/x",
            &format!("n2/kubepods/pod{UID}/y"),
        ] {
            std::fs::create_dir_all(dir.path().join(node)).unwrap();
        }
        let hierarchy = Hierarchy::at(dir.path());
        assert_eq!(node_root(&hierarchy, UID).as_deref(), Some("/n2"));
        assert_eq!(node_root(&hierarchy, "another"), None);
    }
}
