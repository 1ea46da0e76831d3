//! What can be read of this machine without changing it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use procfs::process::Process;

use crate::identity::{Hierarchy, host};
use crate::model::{Family, TcpState};
use crate::probe::btf::{self, Btf};
use crate::sock_diag::{Client, States};

/// Whether something is there and may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Readable,
    Unreadable,
    Absent,
}

impl Presence {
    fn of<T>(opened: io::Result<T>) -> Self {
        match opened {
            Ok(_) => Self::Readable,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Absent,
            Err(_) => Self::Unreadable,
        }
    }
}

/// The capabilities that matter, numbered as in `include/uapi/linux/capability.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Capability {
    SysPtrace = 19,
    SysAdmin = 21,
    Perfmon = 38,
    Bpf = 39,
}

impl Capability {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SysPtrace => "CAP_SYS_PTRACE",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::Perfmon => "CAP_PERFMON",
            Self::Bpf => "CAP_BPF",
        }
    }

    fn bit(self) -> u64 {
        1 << self as u8
    }

    #[cfg(test)]
    pub(super) fn mask(these: &[Self]) -> u64 {
        these.iter().map(|capability| capability.bit()).sum()
    }
}

/// The machine as it is.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Facts {
    /// The effective capabilities.
    pub(super) capabilities: u64,
    /// The kernel's release.
    pub(super) release: String,
    /// The kernel's own type information.
    pub(super) btf: Presence,
    /// `inet_sock_set_state`; `None` without BTF.
    pub(super) set_state: Option<bool>,
    /// `tcp_destroy_sock`; `None` without BTF.
    pub(super) destroy_sock: Option<bool>,
    /// The lockdown mode, where the kernel has lockdown.
    pub(super) lockdown: Option<String>,
    /// tracefs where the loader looks for it.
    pub(super) tracefs: Presence,
    /// Both `sys_exit_accept` and `sys_exit_accept4`; only tracefs tells.
    pub(super) sys_exit_accept: bool,
    /// Kprobes can be made; only tracefs tells.
    pub(super) kprobe_events: bool,
    /// The sysctl.
    pub(super) unprivileged_bpf_disabled: Option<u8>,
    /// Whether `inet_diag` answers, and else why not.
    pub(super) sock_diag: Result<(), String>,
    /// `/proc` shows the host's processes.
    pub(super) host_pids: bool,
    /// Where cgroup v2 is mounted.
    pub(super) cgroup2: Option<String>,
    /// v1 controllers are mounted too.
    pub(super) cgroup1: bool,
    /// A seccomp filter is in force.
    pub(super) seccomp: bool,
    /// There are signs of a container.
    pub(super) container: bool,
}

const TRACING: &str = "/sys/kernel/tracing";

/// The initial pid namespace has a fixed inode number (`PROC_PID_INIT_INO` in
/// `include/linux/proc_ns.h`).
const PID_INIT_INO: u64 = 0xEFFF_FFFC;

impl Facts {
    pub(super) fn read() -> Self {
        let tracing = Path::new(TRACING);
        let btf = btf::read_kernel().and_then(Btf::parse).ok();
        let has_tracepoint = |name| Some(btf.as_ref()?.tracepoint_arity(name).is_ok());
        let syscalls = ["sys_exit_accept", "sys_exit_accept4"];
        // Of this thread: another one may have given up what this one has.
        let this = rustix::thread::gettid().as_raw_nonzero().get();
        let this = Process::myself().and_then(|me| me.task_from_tid(this));
        let status = this.and_then(|thread| thread.status()).ok();
        Self {
            capabilities: status.as_ref().map_or(0, |status| status.capeff),
            release: host::kernel_release().to_string(),
            btf: Presence::of(File::open("/sys/kernel/btf/vmlinux")),
            set_state: has_tracepoint("inet_sock_set_state"),
            destroy_sock: has_tracepoint("tcp_destroy_sock"),
            lockdown: fs::read_to_string("/sys/kernel/security/lockdown")
                .ok()
                .and_then(|text| chosen(&text)),
            // The directory is there without the file system.
            tracefs: Presence::of(fs::read_dir(tracing.join("events"))),
            sys_exit_accept: syscalls
                .iter()
                .all(|name| tracing.join("events/syscalls").join(name).exists()),
            kprobe_events: tracing.join("kprobe_events").exists(),
            unprivileged_bpf_disabled: fs::read_to_string(
                "/proc/sys/kernel/unprivileged_bpf_disabled",
            )
            .ok()
            .and_then(|text| text.trim().parse().ok()),
            sock_diag: try_sock_diag().map_err(|error| error.to_string()),
            host_pids: fs::metadata("/proc/self/ns/pid").is_ok_and(|ns| ns.ino() == PID_INIT_INO),
            cgroup2: Hierarchy::find().map(|found| found.mount().display().to_string()),
            cgroup1: mounted("cgroup"),
            seccomp: status.is_some_and(|status| status.seccomp.is_some_and(|mode| mode != 0)),
            container: ["/.dockerenv", "/run/.containerenv"]
                .iter()
                .any(|path| Path::new(path).exists())
                || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
        }
    }

    pub(super) fn has(&self, capability: Capability) -> bool {
        self.capabilities & capability.bit() != 0
    }

    /// Major and minor of the release.
    pub(super) fn version(&self) -> Option<(u32, u32)> {
        let mut numbers = self.release.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next()?.parse().ok();
        Some((next()?, next()?))
    }

    /// A machine that lacks nothing.
    #[cfg(test)]
    pub(super) fn good() -> Self {
        Self {
            capabilities: u64::MAX,
            release: "6.12.3-1-amd64".into(),
            btf: Presence::Readable,
            set_state: Some(true),
            destroy_sock: Some(true),
            lockdown: Some("none".into()),
            tracefs: Presence::Readable,
            sys_exit_accept: true,
            kprobe_events: true,
            unprivileged_bpf_disabled: Some(2),
            sock_diag: Ok(()),
            host_pids: true,
            cgroup2: Some("/sys/fs/cgroup".into()),
            cgroup1: false,
            seccomp: false,
            container: false,
        }
    }
}

/// The word in brackets: `none [integrity] confidentiality`.
fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.into())
}

/// Asks for what is seldom there: only whether there is an answer counts.
fn try_sock_diag() -> Result<(), crate::sock_diag::Error> {
    let none = States::of(&[TcpState::NewSynRecv]);
    Client::open()?.dump(Family::V4, none).map(drop)
}

fn mounted(fs_type: &str) -> bool {
    let mounts = Process::myself().and_then(|me| me.mountinfo());
    mounts.is_ok_and(|mounts| mounts.into_iter().any(|mount| mount.fs_type == fs_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lockdown_mode_stands_in_brackets() {
        let mode = chosen("none [integrity] confidentiality\n");
        assert_eq!(mode.as_deref(), Some("integrity"));
        assert_eq!(chosen(""), None);
    }

    #[test]
    fn releases_have_a_version() {
        let version = |release: &str| {
            Facts {
                release: release.into(),
                ..Facts::good()
            }
            .version()
        };
        assert_eq!(version("6.18.44"), Some((6, 18)));
        assert_eq!(version("5.10.0-23-cloud-amd64"), Some((5, 10)));
        assert_eq!(version("5.4-rc1"), Some((5, 4)));
        assert_eq!(version("custom"), None);
    }
}
