//! Loading the programs, attaching them, and what is read from them apart from the ring.

use std::io::Read;

use aya::maps::{MapData, PerCpuArray, RingBuf};
use aya::programs::{BtfTracePoint, FExit, Iter, KProbe, RawTracePoint, TracePoint};
use aya::{Ebpf, EbpfLoader, VerifierLogLevel};
use probe_common::{Offsets, lost};

use super::btf::{Btf, BtfError};
use super::prebuilt;
use super::ring::Ring;
use crate::model::HookKind;

/// How the probes are loaded.
#[derive(Clone, Debug)]
pub struct Options {
    /// The ring's size in bytes: a power of two, and a multiple of the page size.
    pub buffer: u32,
    /// Only this hook for accepts, instead of the best that works.
    pub accept_hook: Option<HookKind>,
    /// How many sockets are remembered at the most.
    pub max_sockets: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            buffer: 16 << 20,
            accept_hook: None,
            max_sockets: 262_144,
        }
    }
}

/// Why the probes could not be loaded.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // Each variant's message says what it is.
pub enum ProbeError {
    #[error(
        "the kernel does not let this process load probes: run it with sudo, or give it \
         CAP_BPF and CAP_PERFMON; `tcpscope poll` works without, and sees less"
    )]
    Privileges,
    #[error(transparent)]
    Btf(#[from] BtfError),
    #[error("cannot read the probes' object: {0}")]
    Object(std::io::Error),
    #[error("cannot load the probes: {0}; `tcpscope check` says what this machine lacks")]
    Load(String),
    #[error("cannot attach {program}: {why}; `tcpscope check` says what this machine lacks")]
    Attach { program: &'static str, why: String },
    #[error("no hook sees accepts here ({0}); `tcpscope check` says what this machine lacks")]
    NoAcceptHook(String),
}

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

/// Accepts that are no system calls. A kernel without io_uring has no such tracepoint.
const ACCEPT_IO_URING: Hook = (
    "accept_io_uring",
    Attach::RawTracepoint("io_uring_complete"),
);

/// The loaded programs. They are detached when this is dropped, or when the process ends in
/// whatever way.
pub struct Probes {
    ebpf: Ebpf,
    btf: aya::Btf,
    lost: PerCpuArray<MapData, u64>,
    lost_seen: [u64; lost::COUNT as usize],
    accept_hook: HookKind,
}

impl Probes {
    /// Loads and attaches everything but the iterator. When this returns, what happens is seen.
    ///
    /// # Errors
    /// If a privilege, a kernel feature or a hook is missing; the message says what to do.
    pub fn attach(options: &Options) -> Result<Self, ProbeError> {
        let kernel = Btf::of_kernel()?;
        let offsets = offsets(&kernel)?;
        let complete_arity = arity(kernel.tracepoint_arity("io_uring_complete"));
        let object = prebuilt::object().map_err(ProbeError::Object)?;

        let btf = aya::Btf::from_sys_fs().map_err(|e| ProbeError::Load(e.to_string()))?;
        let mut ebpf = EbpfLoader::new()
            .btf(Some(&btf))
            .verifier_log_level(VerifierLogLevel::DISABLE)
            .override_global("OFFSETS", &offsets[..], true)
            .override_global("COMPLETE_ARITY", &complete_arity, true)
            .map_max_entries("RING", options.buffer)
            .map_max_entries("SOCKS", options.max_sockets)
            .load(&object)
            .map_err(|e| explain(&e))?;
        let lost = take_map(&mut ebpf, "LOST")?;

        let accept_hook = attach_accept(&mut ebpf, &btf, options.accept_hook)?;
        attach(&mut ebpf, &btf, DESTROY)?;
        attach_state(&mut ebpf, &btf)?;
        Ok(Self {
            ebpf,
            btf,
            lost,
            lost_seen: Default::default(),
            accept_hook,
        })
    }

    /// The hook that sees accepts.
    #[must_use]
    pub fn accept_hook(&self) -> HookKind {
        self.accept_hook
    }

    /// The ring; once.
    ///
    /// # Errors
    /// If it was taken before, or can't be mapped.
    pub fn take_ring(&mut self) -> Result<Ring, ProbeError> {
        let map: RingBuf<MapData> = take_map(&mut self.ebpf, "RING")?;
        Ring::new(map).map_err(|e| ProbeError::Load(e.to_string()))
    }

    /// Lists the sockets that processes hold now, as records in the ring, and remembers their
    /// owners. Sockets that the other hooks know already are left out.
    ///
    /// # Errors
    /// If the kernel refuses the iterator.
    pub fn seed(&mut self) -> Result<(), ProbeError> {
        const PROGRAM: &str = "seed";
        let why = |e: String| ProbeError::Attach {
            program: PROGRAM,
            why: e,
        };
        let program: &mut Iter = program(&mut self.ebpf, PROGRAM)?;
        let run = |program: &mut Iter| -> anyhow_free::Result {
            program.load("task_file", &self.btf)?;
            let link = program.attach()?;
            let mut nothing = Vec::new();
            program
                .take_link(link)?
                .into_file()?
                .read_to_end(&mut nothing)?;
            program.unload()?;
            Ok(())
        };
        run(program).map_err(|e| why(e.to_string()))
    }

    /// What the probes lost since the last call, by the indexes of [`lost`].
    pub fn take_lost(&mut self) -> [u64; lost::COUNT as usize] {
        let mut new = [0; lost::COUNT as usize];
        for (index, (new, seen)) in (0..).zip(new.iter_mut().zip(&mut self.lost_seen)) {
            let Ok(per_cpu) = self.lost.get(&index, 0) else {
                continue;
            };
            let total = per_cpu.iter().sum();
            *new = total - std::mem::replace(seen, total);
        }
        new
    }
}

/// An error of any type, for calls that fail in several.
mod anyhow_free {
    pub(super) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;
}

fn offsets(kernel: &Btf) -> Result<Vec<u32>, ProbeError> {
    Offsets::PATHS
        .iter()
        .map(|path| Ok(kernel.offset(path)?))
        .collect()
}

/// 0 for what the kernel does not have: its hook will not attach.
fn arity(found: Result<usize, BtfError>) -> u32 {
    found
        .ok()
        .and_then(|n| n.try_into().ok())
        .unwrap_or_default()
}

fn attach_state(ebpf: &mut Ebpf, btf: &aya::Btf) -> Result<(), ProbeError> {
    let [best, fallback] = STATE;
    if let [first, second] = best
        && attach(ebpf, btf, first).is_ok()
    {
        return attach(ebpf, btf, second);
    }
    fallback
        .into_iter()
        .try_for_each(|hook| attach(ebpf, btf, hook))
}

fn attach_accept(
    ebpf: &mut Ebpf,
    btf: &aya::Btf,
    only: Option<HookKind>,
) -> Result<HookKind, ProbeError> {
    let mut failures = Vec::new();
    for (kind, hook) in ACCEPT {
        if only.is_some_and(|only| only != kind) {
            continue;
        }
        match attach(ebpf, btf, hook) {
            Ok(()) => {
                if kind == HookKind::Syscall
                    && let Err(error) = attach(ebpf, btf, ACCEPT_IO_URING)
                {
                    tracing::info!("accepts by io_uring are not seen: {error}");
                }
                return Ok(kind);
            }
            Err(ProbeError::Attach { why, .. }) => failures.push(format!("{}: {why}", kind.word())),
            Err(other) => failures.push(format!("{}: {other}", kind.word())),
        }
    }
    Err(ProbeError::NoAcceptHook(failures.join("; ")))
}

fn attach(ebpf: &mut Ebpf, btf: &aya::Btf, (name, how): Hook) -> Result<(), ProbeError> {
    let run = |ebpf: &mut Ebpf| -> anyhow_free::Result {
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

fn program<'a, P>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut P, ProbeError>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program>,
{
    ebpf.program_mut(name)
        .and_then(|p| p.try_into().ok())
        .ok_or_else(|| ProbeError::Load(format!("the object has no program `{name}`")))
}

fn take_map<M: TryFrom<aya::maps::Map, Error = aya::maps::MapError>>(
    ebpf: &mut Ebpf,
    name: &str,
) -> Result<M, ProbeError> {
    let map = ebpf.take_map(name);
    let map = map.ok_or_else(|| ProbeError::Load(format!("the object has no map `{name}`")))?;
    map.try_into()
        .map_err(|e: aya::maps::MapError| ProbeError::Load(e.to_string()))
}

/// A missing privilege shows first where the maps are created.
fn explain(error: &aya::EbpfError) -> ProbeError {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(e) = cause {
        if e.downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::raw_os_error)
            == Some(libc::EPERM)
        {
            return ProbeError::Privileges;
        }
        cause = e.source();
    }
    ProbeError::Load(chain(error))
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    text
}
