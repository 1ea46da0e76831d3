//! Listing what processes hold open, for the probes: by an iterator over all files, or one descriptor
//! after the other where the kernel refuses that.

use std::error::Error;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::resume_unwind;
use std::thread;

use aya::programs::Iter;
use aya::{Btf, Ebpf};
use probe_common::Task;
use procfs::process::Process;
use rustc_hash::FxHashSet;
use rustix::net::{AddressFamily, ipproto, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::hooks::{self, Refused, typed};
use super::load::{ProbeError, chain};
use crate::identity::{Cgroup1, Hierarchy, owners, process};

/// How what is open is found.
pub(super) enum Seed {
    Iterator,
    Descriptors(Descriptors),
    /// In no way, for these reasons.
    Refused(String),
}

impl Seed {
    /// Loads what the first way needs that the kernel grants.
    pub(super) fn load(
        ebpf: &mut Ebpf,
        btf: &Btf,
        no_iterator: bool,
        refused: &mut Vec<Refused>,
    ) -> Self {
        let iterator = if no_iterator {
            Err("another way is asked for".to_owned())
        } else {
            hooks::load_seed(ebpf, btf).map_err(|e| e.to_string())
        };
        let Err(why) = iterator else {
            return Self::Iterator;
        };
        tracing::info!("no iterator: {why}; descriptors are looked at one after the other");
        match hooks::load_run(ebpf, hooks::SEED_DESCRIPTOR) {
            Ok(()) => Self::Descriptors(Descriptors::default()),
            Err(error) => {
                refused.push((hooks::SEED, why.clone()));
                Self::Refused(format!("{why}; {error}"))
            }
        }
    }

    /// How it is done, in a few words.
    pub(super) fn way(&self) -> &'static str {
        match self {
            Self::Iterator => "by an iterator over open files",
            Self::Descriptors(_) => "one descriptor after the other",
            Self::Refused(_) => "not at all",
        }
    }

    /// Lists the sockets that processes hold now. The thread that looks is known to the programs: the
    /// kernel may have it close what an owner has let go meanwhile.
    pub(super) fn list(&mut self, ebpf: &mut Ebpf) -> Result<(), ProbeError> {
        let listed = thread::scope(|scope| {
            let looker = thread::Builder::new().name("seed".into());
            let looker = looker.spawn_scoped(scope, || {
                hooks::run(ebpf, hooks::LOOK, &[1]).map_err(|e| e.to_string())?;
                let listed = match self {
                    Self::Iterator => iterate(ebpf).map_err(|e| chain(&*e)),
                    Self::Descriptors(descriptors) => descriptors.list(ebpf),
                    Self::Refused(why) => Err(why.clone()),
                };
                hooks::run(ebpf, hooks::LOOK, &[0]).map_err(|e| e.to_string())?;
                listed
            });
            let looker = looker.map_err(|e| e.to_string())?;
            looker.join().unwrap_or_else(|panic| resume_unwind(panic))
        });
        listed.map_err(|why| ProbeError::Attach {
            program: hooks::SEED,
            why,
        })
    }
}

/// Runs the iterator to its end.
fn iterate(ebpf: &mut Ebpf) -> Result<(), Box<dyn Error>> {
    let program: &mut Iter = typed(ebpf.program_mut(hooks::SEED), hooks::SEED)?;
    let link = program.attach()?;
    let mut file = program.take_link(link)?.into_file()?;
    // The program writes into the ring, and nothing here.
    std::io::copy(&mut file, &mut std::io::sink())?;
    Ok(())
}

/// Descriptors of all processes, each duplicated for a moment (`pidfd_getfd`, since 5.6, with
/// `CAP_SYS_PTRACE`): the program finds the socket by the duplicate.
#[derive(Default)]
pub(super) struct Descriptors {
    /// Inodes of sockets that were looked at: what is new later is looked at then.
    known: FxHashSet<u32>,
}

impl Descriptors {
    fn list(&mut self, ebpf: &Ebpf) -> Result<(), String> {
        let hierarchy = Hierarchy::find();
        let cgroup1 = Cgroup1::find();
        let known = std::mem::take(&mut self.known);
        let mut failure = None;
        for pid in owners::pids() {
            let mut opened = None;
            for (fd, inode) in owners::sockets(pid) {
                if !self.known.insert(inode) || known.contains(&inode) {
                    continue;
                }
                let opened = opened.get_or_insert_with(|| {
                    let pidfd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
                    Some((pidfd, describe(pid, hierarchy.as_ref(), cgroup1.as_ref())?))
                });
                // What is gone by now has ended while the other hooks saw it.
                let Some((pidfd, task)) = opened else { break };
                match pidfd_getfd(&*pidfd, fd, PidfdGetfdFlags::empty()) {
                    Ok(duplicate) if is_tcp(&duplicate) => {
                        let descriptor = u64::try_from(duplicate.as_raw_fd()).unwrap_or_default();
                        let mut args = vec![descriptor];
                        args.extend(task.words());
                        hooks::run(ebpf, hooks::SEED_DESCRIPTOR, &args)
                            .map_err(|e| e.to_string())?;
                    }
                    Err(rustix::io::Errno::PERM) => failure = Some(format!("pidfd_getfd of {pid}")),
                    Ok(_) | Err(_) => {}
                }
            }
        }
        failure.map_or(Ok(()), |what| {
            Err(format!("{what} is not permitted; it needs CAP_SYS_PTRACE"))
        })
    }

    /// All are looked at again next time, since what was listed did not fit into the ring.
    fn forget(&mut self) {
        self.known.clear();
    }
}

impl Seed {
    /// What was listed did not fit into the ring, and is listed again.
    pub(super) fn again(&mut self) {
        if let Self::Descriptors(descriptors) = self {
            descriptors.forget();
        }
    }
}

/// Whether it is a TCP socket; if so it has a cookie from now on, by which it is known.
fn is_tcp(socket: &OwnedFd) -> bool {
    let is_inet = sockopt::socket_domain(socket)
        .is_ok_and(|family| matches!(family, AddressFamily::INET | AddressFamily::INET6));
    let protocol = sockopt::socket_protocol(socket);
    is_inet && protocol == Ok(Some(ipproto::TCP)) && sockopt::socket_cookie(socket).is_ok()
}

/// A process as the programs describe it.
fn describe(pid: i32, hierarchy: Option<&Hierarchy>, cgroup1: Option<&Cgroup1>) -> Option<Task> {
    let process = Process::new(pid).ok()?;
    let status = process.status().ok()?;
    let comm = *owners::comm(pid)?.as_kernel();
    let number = u32::try_from(pid).ok()?;
    Some(Task {
        pid: number,
        tid: number,
        uid: status.ruid,
        gid: status.rgid,
        comm,
        thread: comm,
        cgroup: cgroup(&process, hierarchy, cgroup1).unwrap_or_default(),
        mntns: process::mntns(number).unwrap_or_default(),
        reserved: 0,
    })
}

/// The cgroup of a process, with [`Task::CGROUP1`] where only a v1 hierarchy tells.
fn cgroup(
    process: &Process,
    hierarchy: Option<&Hierarchy>,
    cgroup1: Option<&Cgroup1>,
) -> Option<u64> {
    let all = process.cgroups().ok()?;
    let mut v2 = None;
    let mut v1 = None;
    for cgroup in all {
        if cgroup.hierarchy == 0 {
            v2 =
                hierarchy.and_then(|found| Some((found.id_of(&cgroup.pathname)?, cgroup.pathname)));
        } else if let Some(found) = cgroup1.filter(|found| found.is_in(&cgroup.controllers)) {
            v1 = (cgroup.pathname != "/")
                .then(|| found.hierarchy().id_of(&cgroup.pathname))
                .flatten();
        }
    }
    match (v2, v1) {
        (Some((id, path)), _) if path != "/" => Some(id),
        (_, Some(id)) => Some(id | Task::CGROUP1),
        (v2, None) => v2.map(|(id, _)| id),
    }
}
