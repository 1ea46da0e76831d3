//! Loading the programs, attaching them, and what is read from them apart from the ring.

use std::collections::BTreeMap;
use std::error::Error;
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray, RingBuf};
use aya::{Ebpf, EbpfLoader, Endianness, VerifierLogLevel};
use probe_common::{Task, Tracked, Wanted, flag, lost};

use super::btf::{self, Btf, BtfError};
use super::clock::{self, monotonic_ns};
use super::constants::Constants;
use super::drift::DriftCheck;
use super::hooks::{self, Refused};
use super::prebuilt;
use super::ring::Ring;
use super::seed::Seed;
use super::shares::{Dropped, Shares};
use super::skipped::Skipped;
use crate::model::{ConnId, Degraded, HookKind, Lack, Timestamp};

/// How the probes are loaded.
#[derive(Clone, Debug)]
pub struct Options {
    /// The ring's size in bytes: a power of two, and a multiple of the page size.
    pub buffer: u32,
    /// Only this hook for accepts, instead of the best that works.
    pub accept_hook: Option<HookKind>,
    /// The state machine by raw tracepoints, as where `tp_btf` is refused.
    pub raw_state: bool,
    /// What is open at the start is found without an iterator, as where the kernel refuses it.
    pub no_iterator: bool,
    /// How many sockets are remembered at the most.
    pub max_sockets: u32,
    /// Which connections, and what of them: what is not wanted is not seen. A filter says it
    /// (`Filter::wanted`).
    pub wanted: Wanted,
    /// The time between two comparisons of what is remembered with what the kernel lists.
    pub look_every: Duration,
    /// A connection that has waited in an accept queue for that long is told of.
    pub unaccepted_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            buffer: 16 << 20,
            accept_hook: None,
            raw_state: false,
            no_iterator: false,
            max_sockets: 262_144,
            wanted: Wanted::ALL,
            look_every: Duration::from_secs(30),
            unaccepted_after: Duration::from_secs(3),
        }
    }
}

/// Of so many sockets it is told at once that nobody accepts them.
const TOLD_AT_ONCE: usize = 1024;

/// The probes' map of sockets.
const SOCKETS: &str = "SOCKS";

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

/// The loaded programs. They are detached when this is dropped, or when the process ends in
/// whatever way.
pub struct Probes {
    ebpf: Ebpf,
    /// One word: whether the programs do anything.
    watching: Array<MapData, u32>,
    look_every: Duration,
    lost: PerCpuArray<MapData, u64>,
    lost_seen: [u64; lost::COUNT as usize],
    skipped: Skipped,
    attached: Timestamp,
    accept_hook: HookKind,
    seed: Seed,
    shares: Shares,
    refused: Vec<Refused>,
    /// How long a socket may wait to be accepted until that is told, in nanoseconds.
    unaccepted_ns: u64,
}

impl Probes {
    /// Loads and attaches everything but the iterator. When this returns, what happens is seen.
    ///
    /// # Errors
    /// If a privilege, a kernel feature or a hook is missing; the message says what to do.
    pub fn attach(options: &Options) -> Result<Self, ProbeError> {
        let vmlinux = btf::read_kernel()?;
        // The loader begins with reading all types of the kernel for itself, asked or not.
        let (btf, mut loader) = thread::scope(|scope| {
            let btf = scope.spawn(|| aya::Btf::parse(&vmlinux, Endianness::default()));
            let loader = EbpfLoader::new();
            (
                btf.join().unwrap_or_else(|panic| resume_unwind(panic)),
                loader,
            )
        });
        let btf = btf.map_err(|e| ProbeError::Load(chain(&e)))?;
        let kernel = Btf::parse(vmlinux)?;
        let constants = Constants::of(&kernel, options)?;
        let object = prebuilt::object().map_err(ProbeError::Object)?;

        // The statistics come with the verifier's error, and without all that it has looked at.
        loader
            .btf(Some(&btf))
            .verifier_log_level(VerifierLogLevel::STATS)
            .map_max_entries("RING", options.buffer)
            .map_max_entries(SOCKETS, options.max_sockets);
        constants.set(&mut loader);
        let mut ebpf = loader.load(&object).map_err(|e| explain(&e))?;
        let lost = take_map(&mut ebpf, "LOST")?;
        let shares = Shares::take(&mut ebpf)?;

        let mut refused = Vec::new();
        for program in [hooks::UNACCEPTED, hooks::LOOK, hooks::TELL_TIME] {
            if let Err(error) = hooks::load_run(&mut ebpf, program) {
                refused.push((program, error.to_string()));
            }
        }
        compare_clocks(&mut ebpf, &mut refused);
        let seed = Seed::load(&mut ebpf, &btf, options.no_iterator, &mut refused);
        let accept_hook =
            hooks::attach_all(&mut ebpf, &btf, options, constants.kernel(), &mut refused)?;
        for (program, why) in &refused {
            tracing::warn!("the kernel refuses the program `{program}`: {why}");
        }
        let mut watching: Array<MapData, u32> = take_map(&mut ebpf, "WATCHING")?;
        let attached = Timestamp::now();
        watching
            .set(0, 1, 0)
            .map_err(|e| ProbeError::Load(chain(&e)))?;
        Ok(Self {
            watching,
            look_every: options.look_every,
            lost,
            lost_seen: Default::default(),
            skipped: Skipped::of(&ebpf),
            attached,
            accept_hook,
            seed,
            shares,
            refused,
            unaccepted_ns: u64::try_from(options.unaccepted_after.as_nanos()).unwrap_or(u64::MAX),
            ebpf,
        })
    }

    /// When all was attached: nothing is seen that happened earlier.
    #[must_use]
    pub fn attached(&self) -> Timestamp {
        self.attached
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

    /// Starts to look for sockets that ended unseen.
    ///
    /// # Errors
    /// If there can be no further descriptor, or no thread.
    pub fn check_drift(&self) -> Result<DriftCheck, ProbeError> {
        let failed = |e: &dyn Error| ProbeError::Load(chain(e));
        let Some(Map::HashMap(map)) = self.ebpf.map(SOCKETS) else {
            return Err(no_map(SOCKETS));
        };
        // The thread has a way of its own to the map.
        let fd = map.fd().as_fd().try_clone_to_owned();
        let map = MapData::from_fd(fd.map_err(|e| failed(&e))?).map_err(|e| failed(&e))?;
        let sockets = HashMap::try_from(Map::HashMap(map)).map_err(|e| failed(&e))?;
        DriftCheck::start(sockets, self.look_every).map_err(|e| failed(&e))
    }

    /// The connections that the probes remember: all that were opened since they were attached,
    /// and those that [`Self::seed`] found, as far as they are not over and did fit.
    #[must_use]
    pub fn remembered(&self) -> Vec<ConnId> {
        let sockets = self.tracked().into_iter();
        sockets.map(|socket| ConnId(socket.conn)).collect()
    }

    /// From now on nothing is seen: what is in the ring and in the counters is all there will be.
    ///
    /// # Errors
    /// If the kernel refuses it.
    pub fn stop_watching(&mut self) -> Result<(), ProbeError> {
        let stopped = self.watching.set(0, 0, 0);
        stopped.map_err(|e| ProbeError::Load(chain(&e)))
    }

    /// Whose endings were not said and are not counted: the record of the FIN did not fit into
    /// the ring, and the socket was not gone when [`Self::stop_watching`] was called.
    #[must_use]
    pub fn unsaid_endings(&self) -> Vec<Dropped> {
        let mut by: BTreeMap<(u32, u64), u64> = BTreeMap::new();
        for socket in self.tracked() {
            if socket.flags & flag::FIN_LOST != 0 {
                let Task { uid, cgroup, .. } = socket.owner.task;
                *by.entry((uid, cgroup)).or_default() += 1;
            }
        }
        let by = by.into_iter();
        by.map(|((uid, cgroup), n)| Dropped { uid, cgroup, n })
            .collect()
    }

    /// Tells of the connections that have waited in an accept queue for long, as records in the ring,
    /// each of them once.
    ///
    /// # Errors
    /// If the kernel refuses to run what tells it.
    pub fn tell_unaccepted(&self) -> Result<(), ProbeError> {
        let long_ago = monotonic_ns().saturating_sub(self.unaccepted_ns);
        let waits = |socket: &Tracked| {
            socket.is_queued() && socket.told == 0 && (1..=long_ago).contains(&socket.start_ns)
        };
        let waiting: Vec<u64> = self
            .sockets()
            .filter(|(_, socket)| waits(socket))
            .map(|(address, _)| address)
            .take(TOLD_AT_ONCE)
            .collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let mut waiting = waiting.into_iter();
        waiting.try_for_each(|address| hooks::run(&self.ebpf, hooks::UNACCEPTED, &[address]))
    }

    /// The connections that wait in an accept queue, of those that the probes remember.
    #[must_use]
    pub fn queued(&self) -> Vec<ConnId> {
        let queued = self.tracked().into_iter().filter(Tracked::is_queued);
        queued.map(|socket| ConnId(socket.conn)).collect()
    }

    /// What is in the map of sockets.
    fn tracked(&self) -> Vec<Tracked> {
        self.sockets().map(|(_, socket)| socket).collect()
    }

    /// The same, with the sockets' addresses.
    fn sockets(&self) -> impl Iterator<Item = (u64, Tracked)> {
        type Sockets<'a> = HashMap<&'a MapData, u64, [u8; size_of::<Tracked>()]>;
        let sockets = self.ebpf.map(SOCKETS).map(Sockets::try_from);
        let sockets = sockets.and_then(Result::ok);
        let entries: Vec<_> = sockets
            .iter()
            .flat_map(|sockets| sockets.iter().filter_map(Result::ok))
            .collect();
        let entries = entries.into_iter();
        entries.map(|(address, bytes)| (address, Tracked::from_bytes(&bytes)))
    }

    /// Lists the sockets that processes hold now, as records in the ring, and remembers their
    /// owners. Sockets that the other hooks know already are left out.
    ///
    /// # Errors
    /// If the kernel refuses all ways to do it.
    pub fn seed(&mut self) -> Result<(), ProbeError> {
        self.seed.list(&mut self.ebpf)
    }

    /// What [`Self::seed`] has listed did not fit into the ring: the next time all is listed again.
    pub fn seed_again(&mut self) {
        self.seed.again();
    }

    /// Gives back what was taken from the ring, to those who put it there.
    pub fn shares(&mut self) -> &mut Shares {
        &mut self.shares
    }

    /// What is not known here, since the kernel refuses a program.
    #[must_use]
    pub fn degraded(&self) -> Vec<Degraded> {
        let refused = self.optional().filter(|(.., why)| why.is_some());
        let mut lacks: Vec<_> = refused.map(|(_, lack, _)| lack).collect();
        lacks.dedup();
        lacks.into_iter().map(Degraded::from).collect()
    }

    /// Each program that the job can be done without: its name, what is not known without it, and the
    /// kernel's words if it refuses it.
    pub fn optional(&self) -> impl Iterator<Item = (&'static str, Lack, Option<&str>)> {
        hooks::OPTIONAL.into_iter().map(|(program, lack)| {
            let mut refused = self.refused.iter();
            let why = refused.find(|(refused, _)| *refused == program);
            (program, lack, why.map(|(_, why)| why.as_str()))
        })
    }

    /// In which way what is open at the start is found.
    #[must_use]
    pub fn seeds_by(&self) -> &'static str {
        self.seed.way()
    }

    /// How much the probes lost since the last call, of one of the kinds of [`lost`].
    pub fn take_lost(&mut self, kind: u32) -> u64 {
        let Some(seen) = self.lost_seen.get_mut(kind as usize) else {
            return 0;
        };
        let Ok(per_cpu) = self.lost.get(&kind, 0) else {
            return 0;
        };
        let total = per_cpu.iter().sum();
        total - std::mem::replace(seen, total)
    }

    /// How many calls the kernel has skipped since the last time, of programs that have no second
    /// copy to make it good.
    pub fn take_skipped(&mut self) -> u64 {
        self.skipped.take()
    }
}

/// Finds out how far the clock of programs is from this process's.
fn compare_clocks(ebpf: &mut Ebpf, refused: &mut Vec<Refused>) {
    let Ok(told) = take_map::<Array<MapData, u64>>(ebpf, "CLOCK") else {
        return;
    };
    let mut failure = None;
    clock::compare_with_programs(|| {
        let asked = hooks::run(ebpf, hooks::TELL_TIME, &[]);
        failure = asked.as_ref().err().map(ToString::to_string);
        asked.ok()?;
        told.get(&0, 0).ok()
    });
    let is_loaded = !refused
        .iter()
        .any(|(program, _)| *program == hooks::TELL_TIME);
    refused.extend(
        failure
            .filter(|_| is_loaded)
            .map(|why| (hooks::TELL_TIME, why)),
    );
}

pub(super) fn take_map<M: TryFrom<aya::maps::Map, Error = aya::maps::MapError>>(
    ebpf: &mut Ebpf,
    name: &str,
) -> Result<M, ProbeError> {
    let map = ebpf.take_map(name);
    let map = map.ok_or_else(|| no_map(name))?;
    map.try_into()
        .map_err(|e: aya::maps::MapError| ProbeError::Load(e.to_string()))
}

fn no_map(name: &str) -> ProbeError {
    ProbeError::Load(format!("the object has no map `{name}`"))
}

/// A missing privilege shows first where the maps are created.
fn explain(error: &aya::EbpfError) -> ProbeError {
    let mut cause: Option<&dyn Error> = Some(error);
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

/// An error and its causes, in one line; of the verifier's log the line that says what it refuses.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    let Some((before, log)) = text.split_once(". Verifier output: ") else {
        return text;
    };
    // A program that is refused before it is verified has no log.
    match log.lines().rfind(|line| !is_statistics(line)) {
        Some(refused) => format!("{before}; the verifier says: {}", refused.trim()),
        None => before.to_owned(),
    }
}

/// Whether a line of the verifier's log is about its work, and not about the program.
fn is_statistics(line: &str) -> bool {
    const ABOUT_ITSELF: [&str; 5] = [
        "processed ",
        "verification time ",
        "stack depth ",
        "func ",
        ": ",
    ];
    let line = line.trim();
    line.is_empty() || ABOUT_ITSELF.iter().any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_verifier_log_the_refusal_is_told() {
        let log = "it failed. Verifier output: func 'f' arg0 has btf_id 7\naccess beyond struct sock\n\
                   verification time 5 usec\nstack depth 0\nprocessed 3 insns (limit 1000000)\n: EACCES";
        let told = chain(&ProbeError::Load(log.into()));
        assert!(
            told.ends_with("it failed; the verifier says: access beyond struct sock"),
            "{told}"
        );
        assert_eq!(chain(&std::io::Error::other("no log")), "no log");
        let empty = chain(&std::io::Error::other(
            "it failed. Verifier output: : EPERM",
        ));
        assert_eq!(empty, "it failed");
    }
}
