//! `tcp_destroy_sock(struct sock *sk)`, since 4.16: the end of sockets that ended in a queue, and of those
//! whose end no program has seen.

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use probe_common::{Tracked, flag, kind};

use crate::kernel::{Ptr, Untyped};
use crate::maps::{SOCKS, is_watching};
use crate::record::{Happened, now_ns};
use crate::set_state::{CLOSE, SYN_SENT, arg, forget_stale};
use crate::share::count_unsent;
use crate::wanted::WANTED;

/// Says that a socket which was reset in the accept queue will never be accepted; and that a socket has
/// ended which is still remembered, since the kernel ran no program at its last transition.
#[raw_tracepoint(tracepoint = "tcp_destroy_sock")]
pub fn destroy_sock(ctx: RawTracePointContext) -> i32 {
    if !is_watching() {
        return 0;
    }
    let sk: Ptr = arg(&ctx, 0);
    let key = sk as u64;
    let Some(tracked) = SOCKS.get_ptr_mut(&key) else {
        return 0;
    };
    // SAFETY: the pointer is into the map, and a socket that is destroyed has no other user.
    let tracked = unsafe { &*tracked };
    if tracked.flags & flag::ENDED == 0 {
        unseen(Untyped(sk), key, tracked);
    } else {
        let happened = Happened {
            kind: kind::NEVER_ACCEPTED,
            ts_ns: now_ns(),
            old_state: CLOSE,
            new_state: CLOSE,
            flags: 0,
        };
        happened.send_event(Untyped(sk), tracked);
        let _ = SOCKS.remove(&key);
    }
    0
}

/// A socket that is gone, and whose end no program has seen. Who ended it, and why, is not known any more.
#[inline(always)]
fn unseen(sk: Untyped, key: u64, tracked: &Tracked) {
    if tracked.state == SYN_SENT {
        return forget_stale(key, tracked);
    }
    let mut known = *tracked;
    if known.flags & flag::FIN_SENT == 0 {
        known.flags &= !flag::OWNED;
    }
    let happened = Happened {
        kind: kind::END,
        ts_ns: now_ns(),
        old_state: tracked.state,
        new_state: CLOSE,
        flags: flag::UNSEEN,
    };
    let is_said = WANTED.openings_only() || happened.send(sk, &known, true);
    if !is_said {
        count_unsent(tracked, tracked.unsaid(false));
    }
    let _ = SOCKS.remove(&key);
}
