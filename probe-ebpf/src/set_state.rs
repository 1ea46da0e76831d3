//! `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`, since 4.16.
//!
//! Every transition of every TCP socket passes here, also those that no call makes: resets,
//! time-outs, aborts.
//!
//! The kernel skips a program that a softirq interrupts on the same CPU, and reports it nowhere. So
//! there are two copies of each: softirqs do not nest, and while the first copy is interrupted
//! the second one is not running. The second acts only on what the first has not seen.
//!
//! Since 7.1 a process may be taken off its processor in the middle of a program, for as long as others run
//! there, all of which are skipped. There is a third copy on such kernels; what all of them miss is counted
//! at the socket's next transition, or when it is destroyed.
//!
//! Some guests shield a thread of their own: the kernel runs no program on it, also not for a softirq
//! that comes on top of it, and counts nothing. A later transition of the same socket shows it, or a
//! later socket at its address.

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::{btf_tracepoint, raw_tracepoint};
use aya_ebpf::programs::{BtfTracePointContext, RawTracePointContext};
use probe_common::{Tracked, flag, kind, lost};

use crate::kernel::{Copied, Head, Object, Ptr, constant, offset, read};
use crate::maps::{BPF_NOEXIST, SOCKS, Transition, blank, count_all_lost, count_lost, is_watching};
use crate::record::{Happened, is_orphan, netns, now_ns};
use crate::share::count_unsent;
use crate::socket::{Id, Socket, again, is_of_another, tcp_sock};
use crate::task::{Current, closed_by, identify, still_holds};
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

/// The one more where [`PREEMPTIBLE`] is set.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn set_state_more(ctx: BtfTracePointContext) -> i32 {
    let change = Change::new(ctx.arg(0), ctx.arg(1), ctx.arg(2));
    change.map_or(0, |change| change.typed(Copy::Third))
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

/// Not 0 where there is a third copy. Set by the loader.
#[unsafe(no_mangle)]
static PREEMPTIBLE: u32 = 0;

/// An argument of a raw tracepoint, each of which takes 64 bits.
#[inline(always)]
pub fn arg<T: core::marker::Copy>(ctx: &impl EbpfContext, n: usize) -> T {
    // SAFETY: the context is an array of 64-bit arguments, and `n` is below their number.
    unsafe { ctx.as_ptr().cast::<u64>().add(n).cast::<T>().read() }
}

/// Which of the copies runs.
#[derive(Clone, core::marker::Copy, PartialEq)]
enum Copy {
    First,
    Second,
    Third,
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
        match copy {
            Copy::First => {
                transition.deal_with();
                false
            }
            Copy::Second => transition.was_dealt_with(constant(&raw const PREEMPTIBLE) == 0),
            Copy::Third => transition.was_dealt_with(true),
        }
    }

    #[inline(always)]
    fn run(self, sk: impl Socket, copy: Copy) -> i32 {
        let Self { old, new, .. } = self;
        let key = self.sk as u64;
        if new == SYN_SENT {
            if copy == Copy::First || !is_connecting(sk, key) {
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
            Some(tracked) if copy != Copy::First && tracked.state == new => return 0,
            Some(tracked) if is_behind(old, tracked.state) => {
                forget_stale(key, tracked);
                None
            }
            // Where another copy has dealt with a handshake, it is remembered.
            None if old == SYN_SENT && (copy == Copy::First || new == ESTABLISHED) => {
                adopt(sk, key)
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

/// Remembers a client whose call was before the start, or was seen by no program. If there is no room, it
/// was not there at the call either, and that was counted.
#[inline(always)]
fn adopt<'a>(sk: impl Socket, key: u64) -> Option<&'a mut Tracked> {
    let id = sk.id();
    let tracked = Tracked {
        conn: id.conn,
        flags: flag::CLIENT | id.flags,
        state: SYN_SENT,
        netns: netns(sk),
        ..blank()
    };
    SOCKS.insert(&key, &tracked, BPF_NOEXIST).ok()?;
    // SAFETY: the pointer is into the map, and the socket is locked.
    SOCKS
        .get_ptr_mut(&key)
        .map(|tracked| unsafe { &mut *tracked })
}

/// Whether the first copy has seen that a socket connects.
#[inline(always)]
fn is_connecting(sk: impl Object, key: u64) -> bool {
    SOCKS.get_ptr(&key).is_some_and(|tracked| {
        // SAFETY: the pointer is into the map.
        let tracked = unsafe { &*tracked };
        tracked.state == SYN_SENT && !is_of_another(sk, tracked)
    })
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
    identify(&mut tracked.owner);
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
                    (*accepted).opened_ns = now;
                    (*accepted).state = new;
                }
            }
        }
        // Never established: a handshake from before the start.
        (SYN_SENT | SYN_RECV, _) => {}
        // From before the start, and not found by the snapshot; or it did not fit into the map.
        // Another copy comes here after each CLOSE that the first has dealt with.
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
                        count_unsent(&tracked, 1);
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
fn still_queued(sk: impl Object, old: u8) -> u32 {
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
        tracked.opened_ns = now;
        return;
    }
    tracked.opened_ns = now;
    tracked.start_ns = syn_sent_ns(sk, tracked.start_ns, now);
    tracked.flags |= repair(sk);
    let happened = Happened {
        kind: kind::CONNECT,
        ts_ns: now,
        old_state: old,
        new_state: ESTABLISHED,
        flags: 0,
    };
    happened.send_event(sk, tracked);
}

/// When a client sent its SYN, if that is later than it called `connect()`: with `TCP_FASTOPEN_CONNECT`
/// the SYN leaves with the first write.
#[inline(always)]
fn syn_sent_ns(sk: impl Object, called_ns: u64, now_ns: u64) -> u64 {
    let (last_ns, first_ms) = (sk.get(offset!(last_sent)), sk.get(offset!(first_unacked)));
    if sk.get::<u32>(offset!(total_retrans)) == 0 {
        sent_once_ns(called_ns, now_ns, last_ns)
    } else {
        sent_again_ns(called_ns, now_ns, first_ms)
    }
}

/// Of a SYN that was sent at `sent_ns`. Global, as the next one, so that the verifier looks at it once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sent_once_ns(called_ns: u64, now_ns: u64, sent_ns: u64) -> u64 {
    let is_later = called_ns != 0 && sent_ns > called_ns && sent_ns <= now_ns;
    if is_later { sent_ns } else { called_ns }
}

/// Of a SYN that was first sent at `first_ms`, in the milliseconds of the same clock as far as 32 bits have
/// them. They say no more than that there was a delay.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sent_again_ns(called_ns: u64, now_ns: u64, first_ms: u32) -> u64 {
    const MS: u64 = 1_000_000;
    let age_ms = ((now_ns / MS) as u32).wrapping_sub(first_ms);
    let sent_ns = now_ns.saturating_sub(u64::from(age_ms) * MS);
    let is_later = called_ns != 0 && first_ms != 0 && sent_ns > called_ns + 10 * MS;
    if is_later { sent_ns } else { called_ns }
}

/// Byte of `struct tcp_sock` that has the bit `repair`, and the bit; the loader finds them.
#[unsafe(no_mangle)]
static REPAIR: [u32; 2] = [0; 2];

/// Whether the socket is in repair mode, as a flag.
#[inline(always)]
fn repair(sk: impl Object) -> u32 {
    let (at, mask) = (
        constant(&raw const REPAIR[0]) as usize,
        constant(&raw const REPAIR[1]),
    );
    let is_set = mask != 0 && u32::from(sk.get::<u8>(at)) & mask != 0;
    if is_set { flag::REPAIR } else { 0 }
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
/// the owner stays, if it is still there.
#[inline(always)]
fn closer(tracked: &mut Tracked) -> u32 {
    let flags = closed_by(&raw mut tracked.owner, tracked.flags);
    tracked.flags = flags & !flag::KILLED;
    flags & flag::KILLED
}

/// The socket is gone, or a connect failed.
#[inline(always)]
fn closed(sk: impl Object, key: u64, tracked: &mut Tracked, old: u8) {
    match old {
        SYN_SENT | SYN_RECV if tracked.flags & flag::CLIENT != 0 => failed(sk, tracked, old),
        _ => end(sk, tracked, old),
    }
    // Reset while it waited: `accept()` will still return it.
    if tracked.flags & flag::QUEUED != 0 && sk.get::<u32>(offset!(err)) != 0 {
        tracked.flags |= flag::ENDED;
    } else {
        let _ = SOCKS.remove(&key);
    }
}

/// A connect failed.
#[inline(always)]
fn failed(sk: impl Object, tracked: &mut Tracked, old: u8) {
    if !was_tried(sk) {
        return;
    }
    let now = now_ns();
    tracked.start_ns = syn_sent_ns(sk, tracked.start_ns, now);
    let happened = Happened {
        kind: kind::CONNECT,
        ts_ns: now,
        old_state: old,
        new_state: CLOSE,
        flags: 0,
    };
    happened.send_event(sk, tracked);
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
    // No FIN: a call of this process resets (linger 0, unread data, a new connect). A listener that
    // closes resets what waits in its queue, which is no process's connection.
    let by_call = tracked.flags & (flag::FIN_SENT | flag::QUEUED) == 0
        && matches!(old, ESTABLISHED | CLOSE_WAIT | SYN_RECV)
        && is_by_call(sk);
    if by_call {
        flags |= flag::BY_CALL | repair(sk);
        flags |= closer(tracked);
    }
    // Shut for sending first, and closed since: no transition says so.
    if tracked.flags & flag::FIN_SENT != 0 && is_orphan(sk) {
        flags |= flag::BOTH_WAYS;
    }
    let closed_by_owner = (tracked.flags | flags) & flag::BOTH_WAYS != 0;
    if !by_call && !closed_by_owner && tracked.flags & flag::OWNED != 0 {
        flags |= held(sk, tracked);
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
        count_unsent(tracked, tracked.unsaid(waits));
    }
}

/// Whether an open socket goes to CLOSE by a call of the current process. Each path in a softirq sets an
/// error first, but an error may be pending as well: an ICMP message's, which ends nothing by itself.
#[inline(always)]
fn is_by_call(sk: impl Object) -> bool {
    let err: u32 = sk.get(offset!(err));
    // `tcp_close()` shuts both ways before it looks for a reason to reset; else that comes with a FIN.
    if err == 0 || sk.get::<u8>(offset!(shutdown)) & SHUTDOWN_MASK == SHUTDOWN_MASK {
        return true;
    }
    // `tcp_write_err()` ends with the last soft error. A pending one is no soft error.
    !matches!(err, EPIPE | ECONNABORTED | ECONNRESET | ETIMEDOUT)
        && sk.get::<u32>(offset!(err_soft)) != err
}

// include/uapi/asm-generic/errno.h
const EPIPE: u32 = 32;
const ECONNABORTED: u32 = 103;
const ECONNRESET: u32 = 104;
const ETIMEDOUT: u32 = 110;

/// Looks whether the owner still has the socket, and who it is by now; the flag that says no.
#[inline(always)]
fn held(sk: impl Object, tracked: &mut Tracked) -> u32 {
    let socket: Ptr = sk.get(offset!(sk_socket));
    // What the kernel holds by itself, a subflow of MPTCP for instance, has no file.
    let file: u64 = if socket.is_null() {
        0
    } else {
        read(socket, offset!(socket_file))
    };
    if file == 0 || still_holds(&raw mut tracked.owner, file) != 0 {
        0
    } else {
        flag::UNHELD
    }
}
