//! From a socket to a record.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use probe_common::{Address, Record, Tracked, Without, flag};

use crate::kernel::{Object, Ptr, offset, read};
use crate::maps::{RING, zero};
use crate::share::{Source, count_unsent};

pub const AF_INET6: u16 = 10;
/// `enum sock_flags`: the peer's FIN was received.
const SOCK_DONE: u64 = 1 << 1;
/// `enum sock_flags`: no process has it any more.
const SOCK_DEAD: u64 = 1 << 0;

/// `CLOCK_MONOTONIC`, nanoseconds.
#[inline(always)]
pub fn now_ns() -> u64 {
    // SAFETY: takes no arguments.
    unsafe { bpf_ktime_get_ns() }
}

/// One transition of a socket, or one thing that happened to it.
pub struct Happened {
    pub kind: u8,
    pub ts_ns: u64,
    pub old_state: u8,
    pub new_state: u8,
    /// Flags beside those of the tracked socket.
    pub flags: u32,
}

impl Happened {
    /// Sends a record that is one event, or counts that as lost. It has no figures.
    #[inline(always)]
    pub fn send_event(&self, sk: impl Object, tracked: &Tracked) {
        if !self.send(sk, tracked, false) {
            count_unsent(tracked, 1);
        }
    }

    /// Sends a record with the socket's addresses, and with its figures where they are final or
    /// soon will be; whether it did fit into the ring.
    #[inline(always)]
    #[must_use]
    pub fn send(&self, sk: impl Object, tracked: &Tracked, with_figures: bool) -> bool {
        // A closure, which takes no room: a function would be a field of what `fill` is given, and the
        // kernel's type information has no such thing.
        #[expect(clippy::redundant_closure, reason = "see above")]
        self.send_if(sk, tracked, with_figures, || always())
    }

    /// The same if it still holds once its place in the ring is certain: what comes after that stands
    /// behind it.
    #[inline(always)]
    #[must_use]
    pub fn send_if(
        &self,
        sk: impl Object,
        tracked: &Tracked,
        with_figures: bool,
        holds: impl FnOnce() -> bool,
    ) -> bool {
        let source = Source::of(tracked);
        if sk.get::<u16>(offset!(family)) == AF_INET6 {
            return submit::<Record>(source, |record| {
                self.fill(sk, tracked, with_figures, source, record);
                record.task = tracked.owner.task;
                record.saddr = bytes(v6(sk, offset!(v6_saddr)));
                record.daddr = bytes(v6(sk, offset!(v6_daddr)));
                record.ifindex = sk.get(offset!(bound_device));
                record.reserved_end = 0;
                holds()
            });
        }
        submit::<Without<{ Record::V4 }>>(source, |record| {
            self.fill(sk, tracked, with_figures, source, record);
            record.task = tracked.owner.task;
            record.saddr[..4].copy_from_slice(&sk.get::<u32>(offset!(saddr)).to_ne_bytes());
            record.saddr[4..8].copy_from_slice(&sk.get::<u32>(offset!(daddr)).to_ne_bytes());
            holds()
        })
    }

    /// Sends the final figures of a socket of which an earlier record has told the rest.
    #[inline(always)]
    #[must_use]
    pub fn send_figures(&self, sk: impl Object, tracked: &Tracked) -> bool {
        let source = Source::of(tracked);
        submit::<Without<{ Record::FIGURES }>>(source, |record| {
            self.fill(sk, tracked, true, source, record);
            always()
        })
    }

    /// Writes all but the process and the addresses.
    #[inline(always)]
    fn fill(
        &self,
        sk: impl Object,
        tracked: &Tracked,
        with_figures: bool,
        source: Source,
        record: &mut Record,
    ) {
        record.ts_ns = self.ts_ns;
        record.conn = tracked.conn;
        record.start_ns = tracked.start_ns;
        record.opened_ns = tracked.opened_ns;
        record.sport = u16::from_be(sk.get(offset!(sport)));
        record.dport = u16::from_be(sk.get(offset!(dport)));
        record.family = sk.get::<u16>(offset!(family)) as u8;
        record.flags = tracked.flags | self.flags;
        record.err = sk.get::<u32>(offset!(err)) as u16;
        record.err_soft = sk.get::<u32>(offset!(err_soft)) as u16;
        record.kind = self.kind;
        record.old_state = self.old_state;
        record.new_state = self.new_state;
        record.netns = tracked.netns;
        record.inode = if record.flags & flag::UNHELD == 0 {
            0
        } else {
            inode(sk)
        };
        record.share = source.number();
        record.reserved = 0;
        if with_figures {
            figures(sk, record);
        } else {
            let none = zero();
            (record.sent, record.received) = (none, none);
            (record.unsent, record.rtt_us) = (none as u32, none as u32);
            record.retrans = none as u32;
        }
    }
}

/// Writes a record into the ring, as far as `T` reaches, if `fill` says that it holds; whether it did
/// and there was room. What is lost with it only the caller knows.
#[inline(always)]
fn submit<T: 'static>(source: Source, fill: impl FnOnce(&mut Record) -> bool) -> bool {
    let Some(share) = source.share(size_of::<T>()) else {
        return false;
    };
    let Some(mut entry) = RING.reserve::<T>(0) else {
        return false;
    };
    // SAFETY: `fill` writes every field of what was reserved, and no other; the verifier checks the
    // latter. Integers may hold what was there before.
    let holds = unsafe { fill(&mut *entry.as_mut_ptr().cast::<Record>()) };
    if holds {
        share.put(size_of::<T>());
        entry.submit(0);
    } else {
        entry.discard(0);
    }
    holds
}

/// True, which the compiler does not know: else it leaves anything at all as the result of the function
/// that fills a record, a pointer into the stack for instance, which the verifier refuses.
#[inline(always)]
fn always() -> bool {
    zero() == 0
}

/// Whether the process has closed the socket.
#[inline(always)]
pub fn is_orphan(sk: impl Object) -> bool {
    sk.get::<u64>(offset!(sk_flags)) & SOCK_DEAD != 0
}

/// The inode number of the socket's file; 0 if it has none.
#[inline(always)]
fn inode(sk: impl Object) -> u32 {
    let socket: Ptr = sk.get(offset!(sk_socket));
    if socket.is_null() {
        return 0;
    }
    read(socket, offset!(socket_inode) + offset!(i_ino))
}

/// The inode number of a socket's network namespace.
#[inline(always)]
pub fn netns(sk: impl Object) -> u32 {
    sk.through(offset!(net), offset!(net_inum))
}

#[inline(always)]
pub fn v6(sk: impl Object, at: usize) -> Address {
    [sk.get(at), sk.get(at + 8)]
}

#[inline(always)]
fn bytes(address: Address) -> [u8; 16] {
    // SAFETY: bytes of the same size.
    unsafe { core::mem::transmute::<Address, [u8; 16]>(address) }
}

#[inline(always)]
fn figures(sk: impl Object, record: &mut Record) {
    let sent: u64 = sk.get(offset!(bytes_sent));
    let again: u64 = sk.get(offset!(bytes_retrans));
    record.sent = sent.wrapping_sub(again);
    // A FIN takes a number of the sequence, and is counted as a byte.
    let fin = sk.get::<u64>(offset!(sk_flags)) & SOCK_DONE != 0;
    let received: u64 = sk.get(offset!(bytes_received));
    record.received = received.saturating_sub(u64::from(fin));
    if fin {
        record.flags |= flag::PEER_FIN;
    }
    let next: u32 = sk.get(offset!(snd_nxt));
    let written: u32 = sk.get(offset!(write_seq));
    record.unsent = written.wrapping_sub(next);
    if written != sk.get::<u32>(offset!(snd_una)) {
        record.flags |= flag::UNACKED;
    }
    record.rtt_us = sk.get::<u32>(offset!(srtt_us)) >> 3;
    record.retrans = sk.get(offset!(total_retrans));
}
