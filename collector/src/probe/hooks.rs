//! The programs and where they are attached, as tables: best first.

use std::collections::HashMap;
use std::error::Error;
use std::panic::resume_unwind;
use std::thread;

use aya::programs::{
    BtfTracePoint, FExit, Iter, KProbe, Program, RawTracePoint, RawTracePointRunOptions, TestRun,
    TracePoint,
};
use aya::{Btf, Ebpf};

use super::load::{Options, ProbeError, chain};
use crate::model::{HookKind, Lack};

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

/// For what the copies above miss where a process may be taken off its processor in the middle of one.
const PREEMPTED: [Hook; 2] = [
    (
        "set_state_more",
        Attach::BtfTracepoint("inet_sock_set_state"),
    ),
    (
        "destroy_sock_perf",
        Attach::Tracepoint("tcp", &["tcp_destroy_sock"]),
    ),
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

/// Programs that are attached to nothing: user space runs them.
pub(super) const UNACCEPTED: &str = "unaccepted";
pub(super) const SEED_DESCRIPTOR: &str = "seed_descriptor";
pub(super) const LOOK: &str = "look";
pub(super) const TELL_TIME: &str = "tell_time";

/// An optional program that the kernel refuses, and its words.
pub(super) type Refused = (&'static str, String);

/// Programs that the job can be done without, and what is not known then.
pub(super) const OPTIONAL: [(&str, Lack); 9] = [
    (SEED, Lack::OwnersAtStart),
    (UNACCEPTED, Lack::NeverAccepted),
    (DESTROY.0, Lack::NeverAccepted),
    (ACCEPT_IO_URING.0, Lack::IoUring),
    (ACCEPT_BEGAN_BEFORE.0, Lack::AcceptsUnderWay),
    (TELL_TIME, Lack::Clock),
    (LOOK, Lack::Looker),
    (PREEMPTED[0].0, Lack::Preempted),
    (PREEMPTED[1].0, Lack::Preempted),
];

/// How a kernel differs from others, as far as its hooks do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernel {
    /// A process may be taken off its processor in the middle of a program at a tracepoint.
    pub(super) preemptible: bool,
    pub(super) has_io_uring: bool,
}

/// The object's programs, by name.
type Programs<'a> = HashMap<&'a str, &'a mut Program>;

/// Loads the iterator, so that it can be run once everything else is attached.
pub(super) fn load_seed(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), ProbeError> {
    let seed: &mut Iter = typed(ebpf.program_mut(SEED), SEED)?;
    seed.load("task_file", btf).map_err(|e| ProbeError::Attach {
        program: SEED,
        why: chain(&e),
    })
}

/// Loads a program that is attached to nothing.
pub(super) fn load_run(ebpf: &mut Ebpf, name: &'static str) -> Result<(), ProbeError> {
    let program: &mut RawTracePoint = typed(ebpf.program_mut(name), name)?;
    program.load().map_err(|e| ProbeError::Attach {
        program: name,
        why: chain(&e),
    })
}

/// Runs a program that is attached to nothing, on this thread.
pub(super) fn run(ebpf: &Ebpf, name: &'static str, args: &[u64]) -> Result<(), ProbeError> {
    let Some(Program::RawTracePoint(program)) = ebpf.program(name) else {
        return Err(ProbeError::Load(format!(
            "the object has no program `{name}`"
        )));
    };
    let mut run = RawTracePointRunOptions::new();
    for (to, from) in run.args.iter_mut().zip(args) {
        *to = *from;
    }
    let done = program.test_run(run).map_err(|e| ProbeError::Attach {
        program: name,
        why: chain(&e),
    });
    done.map(drop)
}

/// The programs that see accepts, with those that make good what they miss. That the end of a socket was
/// skipped shows when there is another socket at its address.
pub(super) const SINGLE: [(&str, Option<&str>); 4] = [
    (ACCEPT[0].1.0, Some(ACCEPT_BEGAN_BEFORE.0)),
    (ACCEPT[1].1.0, Some(ACCEPT_BEGAN_BEFORE.0)),
    (ACCEPT[2].1.0, None),
    (ACCEPT_IO_URING.0, None),
];

/// What the kernel attaches kprobes by.
const KPROBES: &str = "/sys/bus/event_source/devices/kprobe/type";

/// Attaches everything, and says which hook sees accepts; optional hooks that the kernel refuses are
/// added to `refused`. The verifier takes its time for the state machine and for the accepts, so that they
/// are loaded side by side.
pub(super) fn attach_all(
    ebpf: &mut Ebpf,
    btf: &Btf,
    options: &Options,
    kernel: Kernel,
    refused: &mut Vec<Refused>,
) -> Result<HookKind, ProbeError> {
    let mut programs: Programs = ebpf.programs_mut().collect();
    let of_state = |name: &str| STATE.iter().flatten().any(|hook| hook.0 == name);
    let mut state: Programs = programs.extract_if(|name, _| of_state(name)).collect();
    thread::scope(|scope| {
        let state = scope.spawn(move || attach_state(&mut state, btf, options.raw_state));
        let accept_hook = attach_accept(
            &mut programs,
            btf,
            options.accept_hook,
            kernel.has_io_uring,
            refused,
        )?;
        if let Err(error) = attach(&mut programs, btf, DESTROY) {
            refused.push((DESTROY.0, error.to_string()));
        }
        state.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        for hook in PREEMPTED.into_iter().filter(|_| kernel.preemptible) {
            if let Err(error) = attach(&mut programs, btf, hook) {
                refused.push((hook.0, error.to_string()));
            }
        }
        Ok(accept_hook)
    })
}

fn attach_state(programs: &mut Programs, btf: &Btf, raw: bool) -> Result<(), ProbeError> {
    let [[first, second], fallback] = STATE;
    if !raw {
        match attach(programs, btf, first) {
            Ok(()) => return attach(programs, btf, second),
            Err(error) => {
                tracing::info!("the untyped copies of it will do, which cost more: {error}");
            }
        }
    }
    fallback
        .into_iter()
        .try_for_each(|hook| attach(programs, btf, hook))
}

fn attach_accept(
    programs: &mut Programs,
    btf: &Btf,
    only: Option<HookKind>,
    has_io_uring: bool,
    refused: &mut Vec<Refused>,
) -> Result<HookKind, ProbeError> {
    let mut failures = Vec::new();
    for (kind, hook) in ACCEPT {
        if only.is_some_and(|only| only != kind) {
            continue;
        }
        match attach(programs, btf, hook) {
            Ok(()) => {
                let beside = if kind == HookKind::Syscall {
                    ACCEPT_IO_URING
                } else {
                    ACCEPT_BEGAN_BEFORE
                };
                // A kernel without io_uring has no accepts through it.
                let is_there = beside.0 != ACCEPT_IO_URING.0 || has_io_uring;
                if is_there && let Err(error) = attach(programs, btf, beside) {
                    refused.push((beside.0, error.to_string()));
                }
                return Ok(kind);
            }
            Err(ProbeError::Attach { why, .. }) => failures.push(format!("{}: {why}", kind.word())),
            Err(other) => failures.push(format!("{}: {other}", kind.word())),
        }
    }
    Err(ProbeError::NoAcceptHook(failures.join("; ")))
}

fn attach(programs: &mut Programs, btf: &Btf, (name, how): Hook) -> Result<(), ProbeError> {
    let program = programs.get_mut(name).map(|program| &mut **program);
    load_and_attach(program, btf, (name, how)).map_err(|e| ProbeError::Attach {
        program: name,
        why: chain(&*e),
    })
}

fn load_and_attach(
    program: Option<&mut Program>,
    btf: &Btf,
    (name, how): Hook,
) -> Result<(), Box<dyn Error>> {
    match how {
        Attach::BtfTracepoint(tracepoint) => {
            let p: &mut BtfTracePoint = typed(program, name)?;
            p.load(tracepoint, btf)?;
            p.attach()?;
        }
        Attach::RawTracepoint(tracepoint) => {
            let p: &mut RawTracePoint = typed(program, name)?;
            p.load()?;
            p.attach(tracepoint)?;
        }
        Attach::Fexit(function) => {
            let p: &mut FExit = typed(program, name)?;
            p.load(function, btf)?;
            p.attach()?;
        }
        Attach::Kretprobe(function) => {
            // The verifier takes its time: not for what can't be attached.
            let there = std::fs::metadata(KPROBES);
            there.map_err(|e| format!("`{KPROBES}`: {e}"))?;
            let p: &mut KProbe = typed(program, name)?;
            p.load()?;
            p.attach(function, 0)?;
        }
        Attach::Tracepoint(category, names) => {
            let p: &mut TracePoint = typed(program, name)?;
            p.load()?;
            for tracepoint in names {
                p.attach(category, tracepoint)?;
            }
        }
    }
    Ok(())
}

/// A program of the object's, as what it is.
pub(super) fn typed<'a, P>(
    program: Option<&'a mut Program>,
    name: &'static str,
) -> Result<&'a mut P, ProbeError>
where
    &'a mut P: TryFrom<&'a mut Program>,
{
    program
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| ProbeError::Load(format!("the object has no program `{name}`")))
}
