//! The table of what is needed, and how each fact is judged. Pure.

use super::facts::{Capability, Facts, Presence};
use super::{Check, Status};

/// Judges all facts, in the order of the table.
pub(super) fn judge(facts: &Facts) -> Vec<Check> {
    TABLE.iter().map(|row| row.judge(facts)).collect()
}

/// One line of the table: what is looked at and how it is judged.
struct Row {
    name: &'static str,
    needed_for: &'static str,
    required: bool,
    judge: fn(&Facts) -> Status,
    mend: &'static str,
}

impl Row {
    fn judge(&self, facts: &Facts) -> Check {
        let status = (self.judge)(facts);
        let ails = matches!(status, Status::Degraded(_) | Status::Missing(_));
        Check {
            name: self.name,
            needed_for: self.needed_for,
            required: self.required,
            mend: ails.then_some(self.mend),
            status,
        }
    }
}

pub(super) const PRIVILEGES: &str = "privileges";
pub(super) const TRACEFS: &str = "tracefs";

const TABLE: [Row; 15] = [
    Row {
        name: PRIVILEGES,
        needed_for: "loading the probes",
        required: true,
        judge: privileges,
        mend: "run it with sudo, or `sudo setcap \
               cap_bpf,cap_perfmon,cap_dac_read_search,cap_sys_ptrace+ep` its file",
    },
    Row {
        name: "kernel",
        needed_for: "the ring buffer (5.8), the current task (5.11), functions verified once (5.12)",
        required: true,
        judge: kernel,
        mend: "boot 5.12 or later, or use `tcpscope poll`",
    },
    Row {
        name: "kernel BTF",
        needed_for: "finding the fields of this kernel's structures",
        required: true,
        judge: |facts| presence(facts.btf, "/sys/kernel/btf/vmlinux"),
        mend: "boot a kernel with CONFIG_DEBUG_INFO_BTF=y; distributions' kernels have it",
    },
    Row {
        name: "state tracepoint",
        needed_for: "seeing connects and endings",
        required: true,
        judge: |facts| tracepoint(facts.set_state, "sock:inet_sock_set_state"),
        mend: "boot a kernel with CONFIG_TRACEPOINTS=y, 4.16 or later",
    },
    Row {
        name: "destroy tracepoint",
        needed_for: "connections that nobody accepts",
        required: true,
        judge: |facts| tracepoint(facts.destroy_sock, "tcp:tcp_destroy_sock"),
        mend: "boot a kernel with CONFIG_TRACEPOINTS=y, 4.16 or later",
    },
    Row {
        name: "lockdown",
        needed_for: "reading the kernel's structures",
        required: true,
        judge: lockdown,
        mend: "boot with lockdown=integrity or without lockdown",
    },
    Row {
        name: TRACEFS,
        needed_for: "seeing accepts where fexit and kretprobe are refused",
        required: false,
        judge: |facts| presence(facts.tracefs, "/sys/kernel/tracing"),
        mend: "`sudo mount -t tracefs tracefs /sys/kernel/tracing`; reading it takes root or \
               CAP_DAC_READ_SEARCH",
    },
    Row {
        name: "syscall tracepoints",
        needed_for: "seeing accepts where fexit and kretprobe are refused",
        required: false,
        judge: syscalls,
        mend: "boot a kernel with CONFIG_FTRACE_SYSCALLS=y",
    },
    Row {
        name: "kprobes",
        needed_for: "seeing accepts where fexit is refused",
        required: false,
        judge: kprobes,
        mend: "boot a kernel with CONFIG_KPROBE_EVENTS=y, if no other hook works",
    },
    Row {
        name: "socket diagnosis",
        needed_for: "sockets in accept queues at the start, and `tcpscope poll`",
        required: false,
        judge: sock_diag,
        mend: "sudo modprobe tcp_diag",
    },
    Row {
        name: "other processes",
        needed_for: "owners and namespaces of sockets that others have open",
        required: false,
        judge: other_processes,
        mend: "run it with sudo; a container also needs hostPID",
    },
    Row {
        name: "other namespaces",
        needed_for: "sockets in accept queues of containers, at the start",
        required: false,
        judge: other_namespaces,
        mend: "run it with sudo, or add CAP_SYS_ADMIN",
    },
    Row {
        name: "cgroup v2",
        needed_for: "names of containers, pods and units",
        required: false,
        judge: cgroup,
        mend: "sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified",
    },
    Row {
        name: "unprivileged BPF",
        needed_for: "nothing; it is often thought to be",
        required: false,
        judge: unprivileged_bpf,
        mend: "",
    },
    Row {
        name: "sandbox",
        needed_for: "nothing; it explains refusals",
        required: false,
        judge: sandbox,
        mend: "",
    },
];

fn privileges(facts: &Facts) -> Status {
    let has = |capability| facts.has(capability);
    let lacks: Vec<_> = [Capability::Bpf, Capability::Perfmon]
        .into_iter()
        .filter(|capability| !has(*capability))
        .map(Capability::name)
        .collect();
    if has(Capability::SysAdmin) {
        Status::Ok("CAP_SYS_ADMIN".into())
    } else if lacks.is_empty() {
        Status::Ok("CAP_BPF and CAP_PERFMON".into())
    } else {
        Status::Missing(format!("no {}", lacks.join(", no ")))
    }
}

fn kernel(facts: &Facts) -> Status {
    let release = facts.release.clone();
    match facts.version() {
        Some(version) if version < (5, 12) => Status::Missing(release),
        Some(_) => Status::Ok(release),
        None => Status::Unknown(release),
    }
}

fn presence(presence: Presence, path: &str) -> Status {
    match presence {
        Presence::Readable => Status::Ok(path.into()),
        Presence::Unreadable => Status::Missing(format!("{path} may not be read")),
        Presence::Absent => Status::Missing(format!("{path} is not there")),
    }
}

fn tracepoint(found: Option<bool>, name: &str) -> Status {
    match found {
        Some(true) => Status::Ok(name.into()),
        Some(false) => Status::Missing(format!("no {name}")),
        None => Status::Unknown(format!("{name}: only BTF tells")),
    }
}

fn lockdown(facts: &Facts) -> Status {
    match facts.lockdown.as_deref() {
        None | Some("none") => Status::Ok("none".into()),
        Some("confidentiality") => Status::Missing("confidentiality".into()),
        Some(mode) => Status::Ok(mode.into()),
    }
}

fn syscalls(facts: &Facts) -> Status {
    match (facts.tracefs, facts.sys_exit_accept) {
        (Presence::Readable, true) => Status::Ok("syscalls:sys_exit_accept, accept4".into()),
        (Presence::Readable, false) => Status::Missing("no syscalls:sys_exit_accept4".into()),
        _ => Status::Unknown("only tracefs tells".into()),
    }
}

fn kprobes(facts: &Facts) -> Status {
    match (facts.tracefs, facts.kprobe_events) {
        (Presence::Readable, true) => Status::Ok("kprobe_events".into()),
        (Presence::Readable, false) => Status::Degraded("this kernel has none".into()),
        _ => Status::Unknown("only tracefs tells".into()),
    }
}

fn sock_diag(facts: &Facts) -> Status {
    match &facts.sock_diag {
        Ok(()) => Status::Ok("inet_diag answers".into()),
        Err(error) => Status::Missing(error.clone()),
    }
}

fn other_processes(facts: &Facts) -> Status {
    if !facts.host_pids {
        Status::Degraded("not in the host's pid namespace".into())
    } else if facts.has(Capability::SysPtrace) {
        Status::Ok("CAP_SYS_PTRACE".into())
    } else {
        Status::Degraded("no CAP_SYS_PTRACE: only the own user's".into())
    }
}

fn other_namespaces(facts: &Facts) -> Status {
    if facts.has(Capability::SysAdmin) {
        Status::Ok("CAP_SYS_ADMIN".into())
    } else {
        Status::Degraded("no CAP_SYS_ADMIN: only the own network namespace".into())
    }
}

fn cgroup(facts: &Facts) -> Status {
    match &facts.cgroup2 {
        Some(mount) if facts.cgroup1 => Status::Ok(format!(
            "{mount}; what a runtime starts in v1 only is named by that"
        )),
        Some(mount) => Status::Ok(mount.clone()),
        None => Status::Degraded("not mounted: short-lived processes may stay unnamed".into()),
    }
}

fn unprivileged_bpf(facts: &Facts) -> Status {
    match facts.unprivileged_bpf_disabled {
        Some(0) => Status::Note("on, which allows no tracing: it changes nothing here".into()),
        Some(_) => Status::Note("off, as it should be".into()),
        None => Status::Note("no such sysctl".into()),
    }
}

fn sandbox(facts: &Facts) -> Status {
    let mut signs = Vec::new();
    if facts.seccomp {
        signs.push("a seccomp filter");
    }
    if facts.container {
        signs.push("a container");
    }
    if signs.is_empty() {
        Status::Note("none seen".into())
    } else {
        Status::Note(format!("in {}", signs.join(" and ")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Requirements;
    use super::*;

    fn judged(facts: &Facts) -> Requirements {
        Requirements {
            checks: judge(facts),
        }
    }

    fn check<'a>(requirements: &'a Requirements, name: &str) -> &'a Check {
        let mut checks = requirements.checks.iter();
        checks.find(|check| check.name == name).unwrap()
    }

    #[test]
    fn a_good_machine_has_nothing_to_mend() {
        let good = judged(&Facts::good());
        assert!(good.main_job_possible());
        for check in &good.checks {
            assert!(matches!(check.status.word(), "ok" | "note"), "{check:?}");
            assert_eq!(check.mend, None);
        }
    }

    #[test]
    fn what_is_required_stops_and_says_how_to_mend_it() {
        type Spoil = fn(&mut Facts);
        let spoiled: [(&str, Spoil); 6] = [
            ("privileges", |f| {
                f.capabilities = Capability::mask(&[Capability::Bpf]);
            }),
            ("kernel", |f| f.release = "5.10.0-23-cloud-amd64".into()),
            ("kernel BTF", |f| f.btf = Presence::Absent),
            ("state tracepoint", |f| f.set_state = Some(false)),
            ("destroy tracepoint", |f| f.destroy_sock = Some(false)),
            ("lockdown", |f| f.lockdown = Some("confidentiality".into())),
        ];
        for (name, spoil) in spoiled {
            let mut facts = Facts::good();
            spoil(&mut facts);
            let requirements = judged(&facts);
            assert!(!requirements.main_job_possible(), "{name}");
            let check = check(&requirements, name);
            assert_eq!(check.status.word(), "missing", "{name}");
            assert!(check.mend.is_some(), "{name}");
        }
    }

    #[test]
    fn what_is_not_required_does_not_stop() {
        let facts = Facts {
            tracefs: Presence::Absent,
            sock_diag: Err("no".into()),
            cgroup2: None,
            host_pids: false,
            capabilities: Capability::mask(&[Capability::Bpf, Capability::Perfmon]),
            ..Facts::good()
        };
        let requirements = judged(&facts);
        assert!(requirements.main_job_possible());
        assert_eq!(check(&requirements, "kprobes").status.word(), "unknown");
        assert_eq!(check(&requirements, "cgroup v2").status.word(), "degraded");
    }
}
