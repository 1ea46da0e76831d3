//! `tcp_destroy_sock(struct sock *sk)`, since 4.16: the end of sockets that ended in a queue.

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use probe_common::{flag, kind};

use crate::kernel::{Ptr, Untyped};
use crate::maps::{SOCKS, any_waiting, count_waiting};
use crate::record::{Happened, now_ns};
use crate::set_state::{CLOSE, arg};

/// Says that a socket which was reset in the accept queue will never be accepted.
#[raw_tracepoint(tracepoint = "tcp_destroy_sock")]
pub fn destroy_sock(ctx: RawTracePointContext) -> i32 {
    if !any_waiting() {
        return 0;
    }
    let sk: Ptr = arg(&ctx, 0);
    let key = sk as u64;
    let Some(tracked) = SOCKS.get_ptr_mut(&key) else {
        return 0;
    };
    // SAFETY: the pointer is into the map, and a socket that is destroyed has no other user.
    let tracked = unsafe { &*tracked };
    if tracked.flags & flag::ENDED != 0 {
        let happened = Happened {
            kind: kind::NEVER_ACCEPTED,
            ts_ns: now_ns(),
            old_state: CLOSE,
            new_state: CLOSE,
            flags: 0,
        };
        happened.send_event(Untyped(sk), tracked);
        let _ = SOCKS.remove(&key);
        count_waiting(-1);
    }
    0
}
