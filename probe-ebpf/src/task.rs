//! Who it was.

use aya_ebpf::helpers::generated::bpf_get_current_task_btf;
use probe_common::{LOOKER, Task};

use crate::kernel::{Object, Ptr, Typed, follow, offset};

// include/linux/sched.h
const PF_EXITING: u32 = 0x4;
const PF_IO_WORKER: u32 = 0x10;
const PF_USER_WORKER: u32 = 0x4000;
const PF_KTHREAD: u32 = 0x20_0000;

/// [`LOOKER`] as the kernel has it.
const LOOKS: [u64; 2] = {
    let (name, mut comm, mut at) = (LOOKER.as_bytes(), [0; 16], 0);
    while at < name.len() {
        comm[at] = name[at];
        at += 1;
    }
    // SAFETY: bytes of the same size.
    unsafe { core::mem::transmute::<[u8; 16], [u64; 2]>(comm) }
};

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

    /// It closes what others have let go: a worker of the kernel's, or a thread that only looks.
    #[inline(always)]
    pub fn closes_for_another(self) -> bool {
        self.is_kernel() || comm(self.task) == LOOKS
    }

    /// `exit()` in one thread ends the others by a signal too, so it is the status that `wait()` will
    /// see that counts.
    #[inline(always)]
    fn is_killed(self) -> bool {
        if self.flags & PF_EXITING == 0 {
            return false;
        }
        let signal = self.task.follow(offset!(signal));
        let code: u32 = signal.map_or(0, |signal| signal.get(offset!(exit_code)));
        code & 0x7f != 0
    }

    #[inline(always)]
    fn identity(self) -> Task {
        // io_uring's threads are named by the kernel; the program's name is the group leader's.
        let named = if self.flags & (PF_IO_WORKER | PF_USER_WORKER) != 0 {
            self.task.follow(offset!(group_leader))
        } else {
            None
        };
        identity(self.task, named.unwrap_or(self.task))
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

/// Writes who the current task is, as events show it; whether a signal is ending its process.
#[inline(always)]
pub fn identify(into: &mut Task) -> bool {
    identify_current(into) != 0
}

/// The same with a number for a result. Global, so that the verifier looks at it once: for each pointer
/// that it sees followed from a task, newer kernels search their whole BTF four times, which takes
/// milliseconds.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn identify_current(into: *mut Task) -> u32 {
    let Some(current) = Current::get() else {
        return 0;
    };
    if !into.is_null() {
        // SAFETY: the verifier checks what callers pass.
        unsafe { into.write(current.identity()) };
    }
    u32::from(current.is_killed())
}

/// The identity of any task, for those that hold sockets at the start.
#[inline(always)]
pub fn identity_of(task: Typed) -> Task {
    identity(task, task)
}

#[inline(always)]
fn identity(task: Typed, named: Typed) -> Task {
    let (mut uid, mut gid) = (0, 0);
    if let Some(cred) = task.follow(offset!(task_cred)) {
        uid = cred.get(offset!(cred_uid));
        gid = cred.get(offset!(cred_gid));
    }
    Task {
        pid: task.get(offset!(task_tgid)),
        tid: task.get(offset!(task_pid)),
        uid,
        gid,
        // SAFETY: bytes of the same size.
        comm: unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>(comm(named)) },
        cgroup: cgroup(task).unwrap_or(0),
        mntns: mntns(task).unwrap_or(0),
        reserved: 0,
    }
}

#[inline(always)]
fn comm(task: Typed) -> [u64; 2] {
    let comm = offset!(task_comm);
    [task.get(comm), task.get(comm + 8)]
}

/// The inode number of a task's cgroup, in the v2 hierarchy.
#[inline(always)]
fn cgroup(task: Typed) -> Option<u64> {
    let set = task.follow(offset!(cgroups))?;
    let node = set.follow(offset!(dfl_cgrp))?.follow(offset!(cgroup_kn))?;
    Some(node.get(offset!(kn_id)))
}

/// The inode number of a task's mount namespace; none for one that has left it already.
#[inline(always)]
fn mntns(task: Typed) -> Option<u32> {
    let namespace = task.follow(offset!(nsproxy))?.follow(offset!(mnt_ns))?;
    Some(namespace.get(offset!(mnt_inum)))
}
