//! `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`, since 4.16.
//!
//! Every transition of every TCP socket passes here, also those that no call makes: resets,
//! time-outs, aborts.
//!
//! The kernel skips a program that a softirq interrupts on the same CPU, and tells nobody. So
//! there are two copies of each: softirqs do not nest, and while the first copy is interrupted
//! the second one is not running. The second acts only on what the first has not seen.
//!
//! Some guests shield a thread of their own: the kernel runs no program on it, also not for a softirq
//! that comes on top of it, and counts nothing. A later transition of the same socket shows it, or a
//! later socket at its address.

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::{btf_tracepoint, raw_tracepoint};
use aya_ebpf::programs::{BtfTracePointContext, RawTracePointContext};
use probe_common::{Tracked, flag, kind, lost};

use crate::kernel::{Copied, Head, Object, Ptr, offset};
use crate::maps::{
    BPF_NOEXIST, SOCKS, Transition, blank, count_all_lost, count_lost, count_waiting, is_watching,
};
use crate::record::{Happened, is_orphan, netns, now_ns};
use crate::socket::{Id, Socket, again, tcp_sock};
use crate::task::{Current, identify};
use crate::wanted::{WANTED, is_wanted};

const IPPROTO_TCP: u16 = 6;
/// `sk_shutdown`: closed for receiving and for sending.
const SHUTDOWN_MASK: u8 = 3;

// include/net/tcp_states.h
pub const ESTABLISHED: u8 = 1;
pub const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;
const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
pub const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;
pub const LISTEN: u8 = 10;
const CLOSING: u8 = 11;

#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn set_state(ctx: BtfTracePointContext) -> i32 {
    let change = Change::new(ctx.arg(0), ctx.arg(1), ctx.arg(2));
    change.map_or(0, |change| change.typed(Copy::First))
}

#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn set_state_again(ctx: BtfTracePointContext) -> i32 {
    let change = Change::new(ctx.arg(0), ctx.arg(1), ctx.arg(2));
    change.map_or(0, |change| change.typed(Copy::Second))
}

#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn raw_set_state(ctx: RawTracePointContext) -> i32 {
    let change = Change::new(arg(&ctx, 0), arg(&ctx, 1), arg(&ctx, 2));
    change.map_or(0, |change| change.untyped(Copy::First))
}

#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn raw_set_state_again(ctx: RawTracePointContext) -> i32 {
    let change = Change::new(arg(&ctx, 0), arg(&ctx, 1), arg(&ctx, 2));
    change.map_or(0, |change| change.untyped(Copy::Second))
}

/// An argument of a raw tracepoint, each of which takes 64 bits.
#[inline(always)]
pub fn arg<T: core::marker::Copy>(ctx: &impl EbpfContext, n: usize) -> T {
    // SAFETY: the context is an array of 64-bit arguments, and `n` is below their number.
    unsafe { ctx.as_ptr().cast::<u64>().add(n).cast::<T>().read() }
}

/// Which of the two copies runs.
#[derive(Clone, core::marker::Copy, PartialEq)]
enum Copy {
    First,
    Second,
}

/// States between which nothing is said, by one of them.
#[inline(always)]
pub fn class(state: u8) -> u8 {
    match state {
        ESTABLISHED | CLOSE_WAIT => ESTABLISHED,
        FIN_WAIT1 | FIN_WAIT2 | CLOSING | LAST_ACK => FIN_WAIT1,
        other => other,
    }
}

/// Whether a socket that leaves this state has not been in the one that is remembered: no state is
/// entered twice, so that this is a new socket at the address of one whose end was missed.
#[inline(always)]
fn is_behind(old: u8, remembered: u8) -> bool {
    match class(old) {
        SYN_RECV => remembered != SYN_RECV,
        ESTABLISHED => class(remembered) == FIN_WAIT1,
        _ => false,
    }
}

/// A transition of a socket.
#[derive(Clone, core::marker::Copy)]
struct Change {
    sk: Ptr,
    old: u8,
    new: u8,
}

impl Change {
    /// `None` if there is nothing to say: before all hooks are attached, of listeners, of children of
    /// listeners that have no handshake yet, and where one state is as good as the other.
    /// `tcp_close()` after `shutdown()` sets `FIN_WAIT1` and the like once more, too: the FIN is
    /// another call's.
    #[inline(always)]
    fn new(sk: Ptr, old: i32, new: i32) -> Option<Self> {
        let (old, new) = (old as u8, new as u8);
        let says_nothing = old == LISTEN || new == LISTEN || class(old) == class(new);
        (!says_nothing && is_watching()).then_some(Self { sk, old, new })
    }

    #[inline(always)]
    fn typed(self, copy: Copy) -> i32 {
        if self.is_taken(copy) {
            return 0;
        }
        match tcp_sock(self.sk) {
            Some(sk) => self.run(sk, copy),
            None => 0,
        }
    }

    #[inline(always)]
    fn untyped(self, copy: Copy) -> i32 {
        if self.is_taken(copy) {
            return 0;
        }
        let head = Head::of(self.sk);
        let sk = Copied(self.sk, &head);
        if sk.get::<u16>(offset!(protocol)) != IPPROTO_TCP {
            return 0;
        }
        self.run(sk, copy)
    }

    /// Whether the other copy deals with it. That this one does it says, before all else.
    #[inline(always)]
    fn is_taken(self, copy: Copy) -> bool {
        let transition = Transition {
            sk: self.sk as u64,
            change: u64::from(self.old) << 8 | u64::from(self.new),
        };
        if copy == Copy::Second {
            return transition.was_dealt_with();
        }
        transition.deal_with();
        false
    }

    #[inline(always)]
    fn run(self, sk: impl Socket, copy: Copy) -> i32 {
        let Self { old, new, .. } = self;
        let key = self.sk as u64;
        if new == SYN_SENT {
            if copy == Copy::First {
                connecting(sk, key);
            }
            return 0;
        }
        if !is_wanted(sk) {
            // Only now that is known of a client.
            if old == SYN_SENT {
                let _ = SOCKS.remove(&key);
            }
            return 0;
        }
        // SAFETY: the pointer is into the map; the socket is locked by whoever changes its state, so
        // that nobody else writes to its entry.
        let tracked = SOCKS
            .get_ptr_mut(&key)
            .map(|tracked| unsafe { &mut *tracked });
        let tracked = match tracked {
            Some(tracked) if copy == Copy::Second && tracked.state == new => return 0,
            Some(tracked) if is_behind(old, tracked.state) => {
                forget_stale(key, tracked);
                None
            }
            tracked => tracked,
        };
        let Some(tracked) = tracked else {
            unknown(sk, key, old, new, copy);
            return 0;
        };
        if class(tracked.state) != class(old) {
            missed(tracked, old);
        }
        tracked.state = new;
        match (old, new) {
            (SYN_SENT | SYN_RECV, ESTABLISHED) => established(sk, tracked, old),
            (_, FIN_WAIT1 | LAST_ACK) => fin(sk, tracked, old, new),
            (_, CLOSE) => closed(sk, key, tracked, old),
            _ => {}
        }
        0
    }
}

/// The kernel has run no program for an earlier transition. Who caused it, and when, is not known
/// any more: what it would have said is lost.
#[inline(always)]
fn missed(tracked: &mut Tracked, old: u8) {
    if tracked.state == SYN_SENT && tracked.flags & flag::CLIENT != 0 {
        count_lost(lost::MISSED);
    }
    let closed = |state| matches!(state, FIN_WAIT1 | FIN_WAIT2 | CLOSING | LAST_ACK);
    if closed(old) && !closed(tracked.state) {
        tracked.flags |= flag::FIN_SENT | flag::BOTH_WAYS;
        count_lost(lost::MISSED);
    }
}

/// CLOSE -> SYN_SENT: in the process that called `connect()`, or for which the kernel does.
#[inline(always)]
fn connecting(sk: impl Socket, key: u64) {
    let Some(current) = Current::get() else {
        return;
    };
    let now = now_ns();
    let known: u64 = sk.get(offset!(cookie));
    let owner = if current.is_kernel() {
        flag::KERNEL
    } else {
        flag::OWNED
    };
    let id = if known == 0 {
        sk.id()
    } else {
        Id {
            conn: again(known, now),
            flags: 0,
        }
    };
    let mut tracked = Tracked {
        conn: id.conn,
        start_ns: now,
        flags: flag::CLIENT | owner | id.flags,
        state: SYN_SENT,
        netns: netns(sk),
        ..blank()
    };
    identify(&mut tracked.task);
    if SOCKS.insert(&key, &tracked, BPF_NOEXIST).is_ok() {
        return;
    }
    if let Some(earlier) = SOCKS.get_ptr(&key) {
        // SAFETY: the pointer is into the map.
        forget_stale(key, unsafe { &*earlier });
    }
    if SOCKS.insert(&key, &tracked, 0).is_err() {
        count_lost(lost::MAP);
    }
}

/// Another socket is at this address now: the end of the earlier one was missed.
#[inline(always)]
pub fn forget_stale(key: u64, earlier: &Tracked) {
    count_all_lost(lost::MISSED, earlier.unsaid(false));
    if earlier.flags & flag::ENDED != 0 {
        count_waiting(-1);
    }
    let _ = SOCKS.remove(&key);
}

/// A transition of a socket that is not in the map.
#[inline(always)]
fn unknown(sk: impl Socket, key: u64, old: u8, new: u8, copy: Copy) {
    match (old, new) {
        // The child of a listener: now it waits for `accept()`.
        (SYN_RECV, ESTABLISHED) => {
            let now = now_ns();
            let id = sk.id();
            let tracked = Tracked {
                conn: id.conn,
                start_ns: now,
                opened_ns: now,
                flags: flag::QUEUED | id.flags,
                state: new,
                netns: netns(sk),
                ..blank()
            };
            // If it does not fit, nothing is lost yet: that it is accepted will be seen.
            let refused = SOCKS.insert(&key, &tracked, BPF_NOEXIST).is_err();
            // On another CPU it was accepted just now.
            if let (true, Some(accepted)) = (refused, SOCKS.get_ptr_mut(&key)) {
                // SAFETY: the pointer is into the map, and its other writer has done its part.
                unsafe {
                    (*accepted).start_ns = now;
                    (*accepted).state = new;
                }
            }
        }
        // Never established, and not ours: a connect or a handshake from before the start.
        (SYN_SENT | SYN_RECV, _) => {}
        // From before the start, and not found by the snapshot; or it did not fit into the map.
        // The second copy comes here after each CLOSE that the first has dealt with.
        _ if copy == Copy::First => {
            let id = sk.id();
            let mut tracked = Tracked {
                conn: id.conn,
                flags: flag::BEFORE | still_queued(sk, old) | id.flags,
                state: new,
                netns: netns(sk),
                ..blank()
            };
            match new {
                FIN_WAIT1 | LAST_ACK => {
                    fin(sk, &mut tracked, old, new);
                    let forgotten = SOCKS.insert(&key, &tracked, 0).is_err();
                    // Then its END will not know either.
                    if forgotten && tracked.flags & flag::FIN_LOST != 0 {
                        count_lost(lost::RING);
                    }
                }
                CLOSE => {
                    if !matches!(old, ESTABLISHED | CLOSE_WAIT) {
                        tracked.flags |= flag::FIN_SENT;
                    }
                    end(sk, &mut tracked, old);
                }
                // Whoever closes it will be seen all the same.
                _ => {
                    let _ = SOCKS.insert(&key, &tracked, 0);
                }
            }
        }
        _ => {}
    }
}

/// Whether a socket that is not remembered waits in an accept queue.
#[inline(always)]
fn still_queued(sk: impl Object, old: u8) -> u16 {
    let open = matches!(old, ESTABLISHED | CLOSE_WAIT);
    if open && sk.get::<Ptr>(offset!(sk_socket)).is_null() {
        flag::QUEUED
    } else {
        0
    }
}

/// A handshake is complete. A client's is an event now; a server's is one when it is accepted.
#[inline(always)]
fn established(sk: impl Object, tracked: &mut Tracked, old: u8) {
    let now = now_ns();
    if tracked.flags & flag::CLIENT == 0 {
        // Accepted before the handshake was complete (TCP Fast Open), or the entry of an earlier
        // socket at this address.
        tracked.start_ns = now;
        return;
    }
    tracked.opened_ns = now;
    let happened = Happened {
        kind: kind::CONNECT,
        ts_ns: now,
        old_state: old,
        new_state: ESTABLISHED,
        flags: 0,
    };
    happened.send_event(sk, tracked);
}

/// The FIN is about to be sent by a call of the current process.
#[inline(always)]
fn fin(sk: impl Object, tracked: &mut Tracked, old: u8, new: u8) {
    if WANTED.openings_only() {
        // As if it had been said.
        tracked.flags |= flag::FIN_SENT | flag::BOTH_WAYS;
        return;
    }
    let both = sk.get::<u8>(offset!(shutdown)) & SHUTDOWN_MASK == SHUTDOWN_MASK;
    let mut flags = if both { flag::BOTH_WAYS } else { 0 };
    flags |= closer(tracked);
    tracked.flags |= flag::FIN_SENT | flags;
    let happened = Happened {
        kind: kind::FIN,
        ts_ns: now_ns(),
        old_state: old,
        new_state: new,
        flags: 0,
    };
    if !happened.send(sk, tracked, true) {
        tracked.start_ns = happened.ts_ns;
        tracked.flags |= flag::FIN_LOST;
    }
}

/// Makes the current task the one that an ending is credited to, unless it closes for another: then
/// the owner stays.
#[inline(always)]
fn closer(tracked: &mut Tracked) -> u16 {
    let Some(current) = Current::get() else {
        return 0;
    };
    if current.closes_for_another() {
        return 0;
    }
    let mntns = tracked.task.mntns;
    let is_killed = identify(&mut tracked.task);
    // A process that exits has left its namespaces already.
    if tracked.task.mntns == 0 {
        tracked.task.mntns = mntns;
    }
    tracked.flags |= flag::OWNED;
    if is_killed { flag::KILLED } else { 0 }
}

/// The socket is gone, or a connect failed.
#[inline(always)]
fn closed(sk: impl Object, key: u64, tracked: &mut Tracked, old: u8) {
    match old {
        SYN_SENT | SYN_RECV if tracked.flags & flag::CLIENT != 0 => {
            if was_tried(sk) {
                let happened = Happened {
                    kind: kind::CONNECT,
                    ts_ns: now_ns(),
                    old_state: old,
                    new_state: CLOSE,
                    flags: 0,
                };
                happened.send_event(sk, tracked);
            }
        }
        _ => end(sk, tracked, old),
    }
    // Reset while it waited: `accept()` will still return it.
    if tracked.flags & flag::QUEUED != 0 && sk.get::<u32>(offset!(err)) != 0 {
        tracked.flags |= flag::ENDED;
        count_waiting(1);
    } else {
        let _ = SOCKS.remove(&key);
    }
}

/// Whether a failed connect has sent a SYN. `connect()` enters SYN_SENT before it looks for a local
/// port, and fails with `EADDRNOTAVAIL` if there is none: that is no event, as when there is no
/// route. Whatever fails later sets an error, or leaves the SYN in flight.
#[inline(always)]
fn was_tried(sk: impl Object) -> bool {
    sk.get::<u32>(offset!(packets_out)) != 0
        || sk.get::<u32>(offset!(err)) != 0
        || sk.get::<u32>(offset!(err_soft)) != 0
}

#[inline(always)]
fn end(sk: impl Object, tracked: &mut Tracked, old: u8) {
    if WANTED.openings_only() {
        return;
    }
    let mut flags = 0;
    // No FIN and no error: a call of this process resets (linger 0, unread data, a new connect).
    // Every path in a softirq sets an error first. A listener that closes resets what waits in its
    // queue: that is nobody's connection.
    let by_call = tracked.flags & (flag::FIN_SENT | flag::QUEUED) == 0
        && matches!(old, ESTABLISHED | CLOSE_WAIT | SYN_RECV)
        && sk.get::<u32>(offset!(err)) == 0;
    if by_call {
        flags |= closer(tracked);
    }
    // Shut for sending first, and closed since: no transition says so.
    if tracked.flags & flag::FIN_SENT != 0 && is_orphan(sk) {
        flags |= flag::BOTH_WAYS;
    }
    let happened = Happened {
        kind: kind::END,
        ts_ns: now_ns(),
        old_state: old,
        new_state: CLOSE,
        flags,
    };
    // After a FIN that was said, all but the figures is known, unless it was somebody else who ended
    // it.
    let after_fin = tracked.flags & (flag::FIN_SENT | flag::FIN_LOST) == flag::FIN_SENT
        && ((tracked.flags | flags) & flag::BOTH_WAYS != 0 || sk.get::<u32>(offset!(err)) == 0);
    let said = if after_fin {
        happened.send_figures(sk, tracked)
    } else {
        happened.send(sk, tracked, true)
    };
    if !said {
        // What was reset while it waited has its opening said when it is accepted, or gone.
        let waits = tracked.flags & flag::QUEUED != 0 && sk.get::<u32>(offset!(err)) != 0;
        count_all_lost(lost::RING, tracked.unsaid(waits));
    }
}
