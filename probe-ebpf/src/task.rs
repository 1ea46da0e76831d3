//! Processes: the one that a program runs in, and the one that has a socket.

use aya_ebpf::helpers::generated::bpf_get_current_task_btf;
use probe_common::{Owner, Task, flag};

use crate::kernel::{Linked, Object, Ptr, Typed, Untyped, constant, follow, offset, read};
use crate::maps::LOOKER;

// include/linux/sched.h
const PF_EXITING: u32 = 0x4;
const PF_IO_WORKER: u32 = 0x10;
const PF_USER_WORKER: u32 = 0x4000;
const PF_KTHREAD: u32 = 0x20_0000;

/// Offset in `struct css_set` of a v1 controller's `struct cgroup_subsys_state *`; 0 where there are no
/// v1 hierarchies.
#[unsafe(no_mangle)]
static CGROUP1_STATE: u32 = 0;

/// `cgroup_subsys_state.cgroup`.
#[unsafe(no_mangle)]
static CGROUP1_CGROUP: u32 = 0;

/// The task that this program runs in. Only in the calling context is that who did it: in a
/// softirq it is a stranger.
#[derive(Clone, Copy)]
pub struct Current {
    task: Typed,
    flags: u32,
}

impl Current {
    /// There always is one; the verifier does not know that.
    #[inline(always)]
    pub fn get() -> Option<Self> {
        // SAFETY: takes no arguments, and gives the current task, as the verifier knows.
        let task = unsafe { Typed::new(bpf_get_current_task_btf().cast()) }?;
        Some(Self {
            task,
            flags: task.get(offset!(task_flags)),
        })
    }

    /// A thread of the kernel itself: a worker that acts for somebody else, or for the kernel.
    #[inline(always)]
    pub fn is_kernel(self) -> bool {
        self.flags & PF_KTHREAD != 0
    }

    /// It closes what others have let go: a worker of the kernel's, or our thread that looks at files.
    #[inline(always)]
    pub fn closes_for_another(self) -> bool {
        let looker = LOOKER.get(0).map_or(0, |looker| *looker);
        self.is_kernel() || looker != 0 && self.task.get::<u32>(offset!(task_pid)) == looker
    }

    /// The file that a descriptor of this task's stands for; null if there is none.
    #[inline(always)]
    pub fn file(self, fd: i64) -> Ptr {
        let table = self.task.follow(offset!(files));
        let Some(table) = table.and_then(|files| files.follow(offset!(fdt))) else {
            return core::ptr::null();
        };
        if fd < 0 || fd >= i64::from(table.get::<u32>(offset!(max_fds))) {
            return core::ptr::null();
        }
        follow(table.get(offset!(fd)), fd as usize * size_of::<Ptr>())
    }
}

/// Writes who the current task is, as events show it.
#[inline(always)]
pub fn identify(into: &mut Owner) {
    identify_current(into);
}

/// The same; not 0 if a signal is ending its process. Global, so that the verifier looks at it once: for each pointer
/// that it sees followed from a task, newer kernels search their whole BTF four times, which takes
/// milliseconds.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn identify_current(into: *mut Owner) -> u32 {
    let Some(current) = Current::get() else {
        return 0;
    };
    let task = current.task;
    let Some(leader) = task.follow(offset!(group_leader)) else {
        return 0;
    };
    // io_uring's threads are named by the kernel.
    let is_named = current.flags & (PF_IO_WORKER | PF_USER_WORKER) == 0;
    if !into.is_null() {
        // SAFETY: the verifier checks the pointers that callers pass.
        let into = unsafe { &mut *into };
        let named = if is_named { task } else { leader };
        describe(&mut into.task, task, leader, named);
        into.leader = leader.address() as u64;
        into.descriptor = 0;
        into.reserved = 0;
    }
    u32::from(is_killed(task))
}

/// `exit()` in one thread ends the others by a signal too, so it is the status that `wait()` will
/// see that counts.
#[inline(always)]
fn is_killed(task: impl Linked) -> bool {
    if task.get::<u32>(offset!(task_flags)) & PF_EXITING == 0 {
        return false;
    }
    let signal = task.follow(offset!(signal));
    let code: u32 = signal.map_or(0, |signal| signal.get(offset!(exit_code)));
    code & 0x7f != 0
}

/// Writes the owner of a descriptor, for those that hold sockets at the start.
#[inline(always)]
pub fn own(into: &mut Owner, task: Typed, fd: u32) {
    describe(&mut into.task, task, task, task);
    into.leader = task.address() as u64;
    into.descriptor = fd + 1;
}

/// Says of a socket that is being closed who does it: the current task, or the owner for whom it does, if
/// that one is still there. Takes and gives the flags of the socket, with [`flag::KILLED`] if a signal is
/// ending it. Global, so that the verifier looks at it once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn closed_by(owner: *mut Owner, flags: u32) -> u32 {
    let (Some(current), false) = (Current::get(), owner.is_null()) else {
        return flags;
    };
    // SAFETY: the verifier checks the pointers that callers pass.
    let owner = unsafe { &mut *owner };
    if current.closes_for_another() {
        return closed_for(owner, flags);
    }
    let mntns = owner.task.mntns;
    let is_killed = identify_current(owner) != 0;
    // A process that exits has left its namespaces already.
    if owner.task.mntns == 0 {
        owner.task.mntns = mntns;
    }
    flags | flag::OWNED | if is_killed { flag::KILLED } else { 0 }
}

/// The same where another closes for the owner. The memory of a process that is gone is read as what it is
/// by then.
#[inline(always)]
fn closed_for(owner: &Owner, flags: u32) -> u32 {
    let leader = Untyped(owner.leader as Ptr);
    if owner.leader == 0 {
        flags
    } else if leader.get::<u32>(offset!(task_tgid)) != owner.task.pid {
        flags & !flag::OWNED
    } else if is_killed(leader) {
        flags | flag::KILLED
    } else {
        flags
    }
}

/// How many descriptors of a process are looked through.
const DESCRIPTORS: usize = 512;
/// So many at a time.
const CHUNK: usize = 8;

/// Whether a process is seen to have a file; if so, says who it is by now: after exec, or in another
/// cgroup. Global, so that the verifier looks at it once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn still_holds(owner: *mut Owner, file: u64) -> u32 {
    if owner.is_null() {
        return 0;
    }
    // SAFETY: the verifier checks the pointers that callers pass.
    let owner = unsafe { &mut *owner };
    let leader = owner.leader as Ptr;
    if leader.is_null() || read::<u32>(leader, offset!(task_tgid)) != owner.task.pid {
        return 0;
    }
    let table = follow(follow(leader, offset!(files)), offset!(fdt));
    let files = follow(table, offset!(fd));
    let len = read::<u32>(table, offset!(max_fds)) as usize;
    if files.is_null() || !has(files, len, owner.descriptor as usize, file) {
        return 0;
    }
    let leader = Untyped(leader);
    describe(&mut owner.task, leader, leader, leader);
    1
}

/// Whether a file is in a table of them; first where it should be, one less than `hint`.
#[inline(always)]
fn has(files: Ptr, len: usize, hint: usize, file: u64) -> bool {
    if hint != 0 && hint <= len && read::<u64>(files, (hint - 1) * size_of::<u64>()) == file {
        return true;
    }
    let mut at = 0;
    while at < DESCRIPTORS && at < len {
        // A table has room for a multiple of 64.
        let chunk: [u64; CHUNK] = read(files, at * size_of::<u64>());
        // Without branches, of each of which the verifier would follow both ways.
        let mut found = 0;
        for entry in chunk {
            let differs = entry ^ file;
            found |= !(differs | differs.wrapping_neg());
        }
        if found >> 63 != 0 {
            return true;
        }
        at += CHUNK;
    }
    false
}

/// Writes who a thread is: of its process the name, which is that of its first thread, and its own, which is
/// that of `named`. Into its place, field by field: there is little room on the stack.
#[inline(always)]
fn describe<T: Linked>(into: &mut Task, task: T, leader: T, named: T) {
    into.pid = task.get(offset!(task_tgid));
    into.tid = task.get(offset!(task_pid));
    let cred = task.follow(offset!(task_cred));
    into.uid = cred.map_or(0, |cred| cred.get(offset!(cred_uid)));
    into.gid = cred.map_or(0, |cred| cred.get(offset!(cred_gid)));
    into.comm = comm(leader);
    into.thread = comm(named);
    into.cgroup = cgroup(task).unwrap_or(0);
    into.mntns = mntns(task).unwrap_or(0);
    into.reserved = 0;
}

#[inline(always)]
fn comm(task: impl Object) -> [u8; 16] {
    let comm = offset!(task_comm);
    let halves = [task.get::<u64>(comm), task.get::<u64>(comm + 8)];
    // SAFETY: bytes of the same size.
    unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>(halves) }
}

/// The inode number of a task's cgroup, in the v2 hierarchy; where that is the root, in a v1 hierarchy,
/// with [`Task::CGROUP1`].
#[inline(always)]
fn cgroup(task: impl Linked) -> Option<u64> {
    let set = task.follow(offset!(cgroups))?;
    let cgroup = set.follow(offset!(dfl_cgrp))?;
    let id = cgroup.follow(offset!(cgroup_kn))?.get(offset!(kn_id));
    let state = constant(&raw const CGROUP1_STATE) as usize;
    if state == 0 || cgroup.get::<u32>(offset!(cgroup_level)) != 0 {
        return Some(id);
    }
    let cgroup1 = set
        .follow(state)
        .and_then(|state| state.follow(constant(&raw const CGROUP1_CGROUP) as usize));
    let Some(cgroup1) = cgroup1.filter(|cgroup| cgroup.get::<u32>(offset!(cgroup_level)) != 0)
    else {
        return Some(id);
    };
    let id: u64 = cgroup1.follow(offset!(cgroup_kn))?.get(offset!(kn_id));
    Some(id | Task::CGROUP1)
}

/// The inode number of a task's mount namespace; none for one that has left it already.
#[inline(always)]
fn mntns(task: impl Linked) -> Option<u32> {
    let namespace = task.follow(offset!(nsproxy))?.follow(offset!(mnt_ns))?;
    Some(namespace.get(offset!(mnt_inum)))
}
