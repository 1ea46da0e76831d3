//! A socket that waits in an accept queue, told of when user space asks: it runs this by
//! `BPF_PROG_TEST_RUN`, with the socket's address as the argument. Nothing else does.

use core::ptr::read_volatile;

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use probe_common::{Tracked, flag, kind};

use crate::kernel::{Object, Ptr, Untyped, constant, follow, offset, read};
use crate::maps::SOCKS;
use crate::record::{Happened, now_ns};
use crate::set_state::{ESTABLISHED, arg, class};

/// `struct sock.sk_cgrp_data`, whose first field is a `struct cgroup *`; 0 if the kernel has no such
/// thing.
#[unsafe(no_mangle)]
static SOCK_CGROUP: u32 = 0;

/// Says that it waits, if it still does and that was not said.
#[raw_tracepoint]
pub fn unaccepted(ctx: RawTracePointContext) -> i32 {
    let key: u64 = arg(&ctx, 0);
    let Some(tracked) = SOCKS.get_ptr_mut(&key) else {
        return 0;
    };
    // SAFETY: the pointer is into the map.
    let mut known = unsafe { read_volatile(tracked) };
    // The memory of a socket is a socket's for as long as this runs, which holds RCU.
    let sk = Untyped(key as Ptr);
    if !waits(&known) || !sk.get::<Ptr>(offset!(sk_socket)).is_null() {
        return 0;
    }
    let conn = known.conn;
    known.owner.task.cgroup = cgroup(sk);
    let state: u8 = sk.get(offset!(state));
    let happened = Happened {
        kind: kind::UNACCEPTED,
        ts_ns: now_ns(),
        old_state: state,
        new_state: state,
        flags: 0,
    };
    // Whoever accepts it or ends it says so here first, and then in the ring.
    let still_waits = || {
        SOCKS.get_ptr(&key).is_some_and(|tracked| {
            // SAFETY: as above.
            let known = unsafe { read_volatile(tracked) };
            known.conn == conn && waits(&known)
        })
    };
    if happened.send_if(sk, &known, false, still_waits) {
        // SAFETY: as above, and nobody else writes to this byte.
        unsafe { (*tracked).told = 1 };
    }
    0
}

/// Whether a socket is open, waits in an accept queue, and was not told of.
#[inline(always)]
fn waits(tracked: &Tracked) -> bool {
    tracked.flags & (flag::QUEUED | flag::ENDED) == flag::QUEUED
        && class(tracked.state) == ESTABLISHED
        && tracked.told == 0
}

/// The inode number of the cgroup that a socket was made in, in the v2 hierarchy.
#[inline(always)]
fn cgroup(sk: impl Object) -> u64 {
    match constant(&raw const SOCK_CGROUP) as usize {
        0 => 0,
        at => read(follow(sk.get(at), offset!(cgroup_kn)), offset!(kn_id)),
    }
}
