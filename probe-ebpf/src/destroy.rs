//! `tcp_destroy_sock(struct sock *sk)`, since 4.16: the end of sockets that ended in a queue, and of those
//! whose end no program has seen.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::macros::{raw_tracepoint, tracepoint};
use aya_ebpf::programs::{RawTracePointContext, TracePointContext};
use probe_common::{flag, kind};

use crate::kernel::{Ptr, Untyped};
use crate::maps::{SOCKS, is_watching};
use crate::record::{Happened, now_ns};
use crate::set_state::{CLOSE, arg, forget_stale};
use crate::share::count_unsent;
use crate::wanted::WANTED;

/// Says that a socket which was reset in the accept queue will never be accepted; and ends a socket that is
/// still remembered, since the kernel ran no program at its last transition.
#[raw_tracepoint(tracepoint = "tcp_destroy_sock")]
pub fn destroy_sock(ctx: RawTracePointContext) -> i32 {
    destroyed(arg(&ctx, 0));
    0
}

/// The same as `tcp:tcp_destroy_sock`, as perf has it: it is not skipped where another process was taken off
/// its processor in the middle of a program. The socket's address is behind eight common bytes.
#[tracepoint]
pub fn destroy_sock_perf(ctx: TracePointContext) -> i32 {
    const SOCKET: usize = 8;
    // SAFETY: within the tracepoint's record, of which the verifier lets every byte be read.
    destroyed(unsafe { ctx.as_ptr().cast::<u8>().add(SOCKET).cast::<Ptr>().read() });
    0
}

#[inline(always)]
fn destroyed(sk: Ptr) {
    if !is_watching() {
        return;
    }
    let key = sk as u64;
    let Some(tracked) = SOCKS.get_ptr_mut(&key) else {
        return;
    };
    // SAFETY: the pointer is into the map, and a socket that is destroyed has no other user.
    let tracked = unsafe { &*tracked };
    let (kind, flags) = if tracked.flags & flag::ENDED != 0 {
        (kind::NEVER_ACCEPTED, 0)
    } else if tracked.flags & flag::FIN_SENT != 0 && !WANTED.openings_only() {
        // All but the figures is known.
        (kind::END, flag::UNSEEN)
    } else {
        return forget_stale(key, tracked);
    };
    let happened = Happened {
        kind,
        ts_ns: now_ns(),
        old_state: tracked.state,
        new_state: CLOSE,
        flags,
    };
    let is_end = kind == kind::END;
    if !happened.send(Untyped(sk), tracked, is_end) {
        count_unsent(tracked, if is_end { tracked.unsaid(false) } else { 1 });
    }
    let _ = SOCKS.remove(&key);
}
