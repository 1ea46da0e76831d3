//! Who it was.

use aya_ebpf::helpers::{
    bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid,
    bpf_get_current_task, bpf_get_current_uid_gid,
};
use probe_common::Task;

use crate::kernel::{Ptr, follow, offset, read};

// include/linux/sched.h
const PF_EXITING: u32 = 0x4;
const PF_IO_WORKER: u32 = 0x10;
const PF_USER_WORKER: u32 = 0x4000;
const PF_KTHREAD: u32 = 0x20_0000;

/// The task that this program runs in. Only in the calling context is that who did it: in a
/// softirq it is a stranger.
pub struct Current {
    task: Ptr,
    flags: u32,
}

impl Current {
    #[inline(always)]
    pub fn get() -> Self {
        // SAFETY: takes no arguments, and gives the current task's address.
        let task = unsafe { bpf_get_current_task() } as Ptr;
        Self {
            task,
            flags: read(task, offset!(task_flags)),
        }
    }

    /// A thread of the kernel itself: a worker that acts for somebody else, or for the kernel.
    #[inline(always)]
    pub fn is_kernel(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }

    /// Whether a signal is ending the process. `exit()` in one thread ends the others by a signal
    /// too, so it is the status that `wait()` will see that counts.
    #[inline(always)]
    pub fn is_killed(&self) -> bool {
        if self.flags & PF_EXITING == 0 {
            return false;
        }
        let code: u32 = read(follow(self.task, offset!(signal)), offset!(exit_code));
        code & 0x7f != 0
    }

    /// Its identity, as events show it.
    #[inline(always)]
    pub fn identity(&self) -> Task {
        let ids = bpf_get_current_pid_tgid();
        let users = bpf_get_current_uid_gid();
        Task {
            pid: (ids >> 32) as u32,
            tid: ids as u32,
            uid: users as u32,
            gid: (users >> 32) as u32,
            comm: self.comm(),
            // SAFETY: takes no arguments.
            cgroup: unsafe { bpf_get_current_cgroup_id() },
            mntns: mntns(self.task),
            reserved: 0,
        }
    }

    #[inline(always)]
    fn comm(&self) -> [u8; 16] {
        // io_uring's threads are named by the kernel; the program's name is the group leader's.
        if self.flags & (PF_IO_WORKER | PF_USER_WORKER) != 0 {
            return read(follow(self.task, offset!(group_leader)), offset!(task_comm));
        }
        bpf_get_current_comm().unwrap_or_default()
    }

    /// The file that a descriptor of this task's stands for; null if there is none.
    #[inline(always)]
    pub fn file(&self, fd: i64) -> Ptr {
        let fdt = follow(follow(self.task, offset!(files)), offset!(fdt));
        let max: u32 = read(fdt, offset!(max_fds));
        if fd < 0 || fd >= i64::from(max) {
            return core::ptr::null();
        }
        let table = follow(fdt, offset!(fd));
        follow(table, fd as usize * size_of::<Ptr>())
    }
}

/// The identity of any task, for those that hold sockets at the start.
#[inline(always)]
pub fn identity_of(task: Ptr) -> Task {
    let cred = follow(task, offset!(task_cred));
    let cgroup = follow(follow(task, offset!(cgroups)), offset!(dfl_cgrp));
    Task {
        pid: read(task, offset!(task_tgid)),
        tid: read(task, offset!(task_pid)),
        uid: read(cred, offset!(cred_uid)),
        gid: read(cred, offset!(cred_gid)),
        comm: read(task, offset!(task_comm)),
        cgroup: read(follow(cgroup, offset!(cgroup_kn)), offset!(kn_id)),
        mntns: mntns(task),
        reserved: 0,
    }
}

/// The inode number of a task's mount namespace; 0 for one that has left it already.
#[inline(always)]
fn mntns(task: Ptr) -> u32 {
    read(
        follow(follow(task, offset!(nsproxy)), offset!(mnt_ns)),
        offset!(mnt_inum),
    )
}
