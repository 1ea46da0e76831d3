//! The programs and where they are attached, as tables: best first.

use std::error::Error;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};

use aya::programs::{BtfTracePoint, FExit, Iter, KProbe, RawTracePoint, TracePoint};
use aya::{Btf, Ebpf};

use super::load::{ProbeError, chain};
use crate::model::HookKind;

/// How a program is attached.
#[derive(Clone, Copy)]
enum Attach {
    BtfTracepoint(&'static str),
    RawTracepoint(&'static str),
    Fexit(&'static str),
    Kretprobe(&'static str),
    Tracepoint(&'static str, &'static [&'static str]),
}

/// One program and its hook.
type Hook = (&'static str, Attach);

/// The state machine, best first. The copies must be attached in this order.
const STATE: [[Hook; 2]; 2] = [
    [
        ("set_state", Attach::BtfTracepoint("inet_sock_set_state")),
        (
            "set_state_again",
            Attach::BtfTracepoint("inet_sock_set_state"),
        ),
    ],
    [
        (
            "raw_set_state",
            Attach::RawTracepoint("inet_sock_set_state"),
        ),
        (
            "raw_set_state_again",
            Attach::RawTracepoint("inet_sock_set_state"),
        ),
    ],
];

/// The end of sockets that ended in an accept queue.
const DESTROY: Hook = ("destroy_sock", Attach::RawTracepoint("tcp_destroy_sock"));

/// Accepts, best first: the first that loads and attaches is it.
const ACCEPT: [(HookKind, Hook); 3] = [
    (
        HookKind::Fexit,
        ("accept_fexit", Attach::Fexit("inet_csk_accept")),
    ),
    (
        HookKind::Kretprobe,
        ("accept_kretprobe", Attach::Kretprobe("inet_csk_accept")),
    ),
    (
        HookKind::Syscall,
        (
            "accept_syscall",
            Attach::Tracepoint("syscalls", &["sys_exit_accept", "sys_exit_accept4"]),
        ),
    ),
];

/// Accepts that were under way before one of the first two was attached.
const ACCEPT_BEGAN_BEFORE: Hook = (
    "accept_began_before",
    Attach::Tracepoint("syscalls", &["sys_exit_accept", "sys_exit_accept4"]),
);

/// Accepts that are no system calls. A kernel without io_uring has no such tracepoint.
const ACCEPT_IO_URING: Hook = (
    "accept_io_uring",
    Attach::RawTracepoint("io_uring_complete"),
);

/// The iterator over what is open at the start.
pub(super) const SEED: &str = "seed";

/// Loads the iterator, so that it can be run once everything else is attached.
pub(super) fn load_seed(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), ProbeError> {
    let seed: &mut Iter = program(ebpf, SEED)?;
    seed.load("task_file", btf).map_err(|e| ProbeError::Attach {
        program: SEED,
        why: chain(&e),
    })
}

/// Opens what the kernel says of the programs that see accepts, and have no second copy:
/// `/proc/self/fdinfo/FD`. That the end of a socket was skipped shows when there is another socket
/// at its address: hardly one in a thousand of them had anything to say.
pub(super) fn open_fdinfo(ebpf: &Ebpf) -> Vec<File> {
    let singles = ACCEPT.map(|(_, (name, _))| name);
    let singles = singles
        .into_iter()
        .chain([ACCEPT_IO_URING.0, ACCEPT_BEGAN_BEFORE.0]);
    singles
        .filter_map(|name| {
            let fd = ebpf.program(name)?.fd().ok()?.as_fd().as_raw_fd();
            File::open(format!("/proc/self/fdinfo/{fd}")).ok()
        })
        .collect()
}

/// What the kernel attaches kprobes by.
const KPROBES: &str = "/sys/bus/event_source/devices/kprobe/type";

/// Attaches everything, the state machine last, and says which hook sees accepts.
pub(super) fn attach_all(
    ebpf: &mut Ebpf,
    btf: &Btf,
    only: Option<HookKind>,
) -> Result<HookKind, ProbeError> {
    let accept_hook = attach_accept(ebpf, btf, only)?;
    attach(ebpf, btf, DESTROY)?;
    attach_state(ebpf, btf)?;
    Ok(accept_hook)
}

fn attach_state(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), ProbeError> {
    let [[first, second], fallback] = STATE;
    match attach(ebpf, btf, first) {
        Ok(()) => attach(ebpf, btf, second),
        Err(error) => {
            tracing::info!("the untyped copies of it will do, which cost more: {error}");
            fallback
                .into_iter()
                .try_for_each(|hook| attach(ebpf, btf, hook))
        }
    }
}

fn attach_accept(
    ebpf: &mut Ebpf,
    btf: &Btf,
    only: Option<HookKind>,
) -> Result<HookKind, ProbeError> {
    let mut failures = Vec::new();
    for (kind, hook) in ACCEPT {
        if only.is_some_and(|only| only != kind) {
            continue;
        }
        match attach(ebpf, btf, hook) {
            Ok(()) => {
                let (what, beside) = if kind == HookKind::Syscall {
                    ("by io_uring", ACCEPT_IO_URING)
                } else {
                    ("that have begun already", ACCEPT_BEGAN_BEFORE)
                };
                if let Err(error) = attach(ebpf, btf, beside) {
                    tracing::info!("accepts {what} are not seen: {error}");
                }
                return Ok(kind);
            }
            Err(ProbeError::Attach { why, .. }) => failures.push(format!("{}: {why}", kind.word())),
            Err(other) => failures.push(format!("{}: {other}", kind.word())),
        }
    }
    Err(ProbeError::NoAcceptHook(failures.join("; ")))
}

fn attach(ebpf: &mut Ebpf, btf: &Btf, (name, how): Hook) -> Result<(), ProbeError> {
    let run = |ebpf: &mut Ebpf| -> Result<(), Box<dyn Error>> {
        match how {
            Attach::BtfTracepoint(tracepoint) => {
                let p: &mut BtfTracePoint = program(ebpf, name)?;
                p.load(tracepoint, btf)?;
                p.attach()?;
            }
            Attach::RawTracepoint(tracepoint) => {
                let p: &mut RawTracePoint = program(ebpf, name)?;
                p.load()?;
                p.attach(tracepoint)?;
            }
            Attach::Fexit(function) => {
                let p: &mut FExit = program(ebpf, name)?;
                p.load(function, btf)?;
                p.attach()?;
            }
            Attach::Kretprobe(function) => {
                // The verifier takes its time: not for what can't be attached.
                let there = std::fs::metadata(KPROBES);
                there.map_err(|e| format!("`{KPROBES}`: {e}"))?;
                let p: &mut KProbe = program(ebpf, name)?;
                p.load()?;
                p.attach(function, 0)?;
            }
            Attach::Tracepoint(category, names) => {
                let p: &mut TracePoint = program(ebpf, name)?;
                p.load()?;
                for tracepoint in names {
                    p.attach(category, tracepoint)?;
                }
            }
        }
        Ok(())
    };
    run(ebpf).map_err(|e| ProbeError::Attach {
        program: name,
        why: chain(&*e),
    })
}

/// A program of the object's, as what it is.
pub(super) fn program<'a, P>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut P, ProbeError>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program>,
{
    ebpf.program_mut(name)
        .and_then(|p| p.try_into().ok())
        .ok_or_else(|| ProbeError::Load(format!("the object has no program `{name}`")))
}
