//! From a socket to a record.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use probe_common::{Record, Tracked, flag, lost};

use crate::kernel::{Ptr, follow, offset, read};
use crate::maps::{count_lost, submit};

const AF_INET6: u16 = 10;
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
    pub flags: u16,
}

impl Happened {
    /// Sends a record that is one event, or counts that as lost.
    #[inline(always)]
    pub fn send_event(&self, sk: Ptr, tracked: &Tracked) {
        if !self.send(sk, tracked, false) {
            count_lost(lost::RING);
        }
    }

    /// Sends a record with the socket's addresses, and with its figures where they are final or
    /// soon will be; whether it did fit into the ring.
    #[inline(always)]
    #[must_use]
    pub fn send(&self, sk: Ptr, tracked: &Tracked, with_figures: bool) -> bool {
        submit(|record| {
            record.ts_ns = self.ts_ns;
            record.kind = self.kind;
            record.old_state = self.old_state;
            record.new_state = self.new_state;
            record.conn = tracked.conn;
            record.start_ns = tracked.start_ns;
            record.opened_ns = tracked.opened_ns;
            record.task = tracked.task;
            record.netns = tracked.netns;
            record.flags = tracked.flags | self.flags;
            addresses(sk, record);
            if with_figures {
                figures(sk, record);
            }
        })
    }
}

/// Whether the process has closed the socket.
#[inline(always)]
pub fn is_orphan(sk: Ptr) -> bool {
    read::<u64>(sk, offset!(sk_flags)) & SOCK_DEAD != 0
}

/// The inode number of a socket's network namespace.
#[inline(always)]
pub fn netns(sk: Ptr) -> u32 {
    read(follow(sk, offset!(net)), offset!(net_inum))
}

#[inline(always)]
fn addresses(sk: Ptr, record: &mut Record) {
    record.family = read(sk, offset!(family));
    record.dport = u16::from_be(read(sk, offset!(dport)));
    // Not skc_num, which is 0 as soon as the socket is closed.
    record.sport = u16::from_be(read(sk, offset!(sport)));
    if record.family == AF_INET6 {
        record.saddr = read(sk, offset!(v6_saddr));
        record.daddr = read(sk, offset!(v6_daddr));
    } else {
        record.saddr[..4].copy_from_slice(&read::<[u8; 4]>(sk, offset!(saddr)));
        record.daddr[..4].copy_from_slice(&read::<[u8; 4]>(sk, offset!(daddr)));
    }
    record.err = read::<u32>(sk, offset!(err)) as u16;
    record.err_soft = read::<u32>(sk, offset!(err_soft)) as u16;
}

#[inline(always)]
fn figures(sk: Ptr, record: &mut Record) {
    let sent: u64 = read(sk, offset!(bytes_sent));
    let again: u64 = read(sk, offset!(bytes_retrans));
    record.sent = sent.wrapping_sub(again);
    // A FIN takes a number of the sequence, and is counted as a byte.
    let fin = read::<u64>(sk, offset!(sk_flags)) & SOCK_DONE != 0;
    let received: u64 = read(sk, offset!(bytes_received));
    record.received = received.saturating_sub(u64::from(fin));
    if fin {
        record.flags |= flag::PEER_FIN;
    }
    let next: u32 = read(sk, offset!(snd_nxt));
    let written: u32 = read(sk, offset!(write_seq));
    record.unsent = written.wrapping_sub(next);
    if written != read::<u32>(sk, offset!(snd_una)) {
        record.flags |= flag::UNACKED;
    }
    record.rtt_us = read::<u32>(sk, offset!(srtt_us)) >> 3;
    record.retrans = read(sk, offset!(total_retrans));
}
