//! Who has how much of the ring. Without shares, one process that connects as fast as it can fills the
//! ring, and what all others do is lost with its records.
//!
//! A source may have in the ring a few times what is free: as the ring fills, the bound falls, so that
//! one source alone stops at three quarters, and who is quiet always finds room.

use aya_ebpf::bindings::BPF_RB_AVAIL_DATA;
use probe_common::{Share, Tracked, flag, lost};

use crate::kernel::constant;
use crate::maps::{RING, SHARES, TAKEN, atomic_add, count_all_lost};

/// The ring's size in bytes, set by the loader.
#[unsafe(no_mangle)]
static RING_BYTES: u32 = 0;

/// What the kernel keeps in front of each record.
const HEADER: usize = 8;

/// A user in a cgroup, as whom something is said.
#[derive(Clone, Copy)]
pub struct Source {
    uid: u32,
    cgroup: u64,
}

impl Source {
    /// The owner of a socket; where there is none, its network namespace stands for it.
    #[inline(always)]
    pub fn of(tracked: &Tracked) -> Self {
        let task = &tracked.owner.task;
        if tracked.flags & flag::OWNED == 0 {
            return Self {
                uid: 0,
                cgroup: u64::from(tracked.netns),
            };
        }
        Self {
            uid: task.uid,
            cgroup: task.cgroup,
        }
    }

    /// The number of its share.
    #[inline(always)]
    pub fn number(self) -> u16 {
        Share::number(self.uid, self.cgroup) as u16
    }

    /// Its share, if it may put a record of so many bytes into the ring.
    #[inline(always)]
    pub fn share(self, bytes: usize) -> Option<Taker> {
        let number = u32::from(self.number());
        let share = SHARES.get_ptr_mut(number)?;
        // SAFETY: the pointers are into the maps. A count that another CPU is about to raise is off by a
        // record.
        let put = unsafe { (*share).put };
        let taken = TAKEN.get(number).map_or(0, |taken| *taken);
        let held = put.wrapping_sub(taken) + (bytes + HEADER) as u64;
        let size = u64::from(constant(&raw const RING_BYTES));
        let free = size.saturating_sub(RING.query(u64::from(BPF_RB_AVAIL_DATA)));
        (held <= Share::OF_FREE * free).then_some(Taker(share))
    }
}

/// A share that a record is taken from.
pub struct Taker(*mut Share);

impl Taker {
    /// Counts a record.
    #[inline(always)]
    pub fn put(self, bytes: usize) {
        // SAFETY: the pointer is into the map; other CPUs add to it too.
        unsafe { atomic_add(&raw mut (*self.0).put, (bytes + HEADER) as u64) };
    }
}

/// Counts events that did not fit into the ring, and whose they were.
#[inline(always)]
pub fn count_unsent(tracked: &Tracked, n: u64) {
    let source = Source::of(tracked);
    if let Some(share) = SHARES.get_ptr_mut(u32::from(source.number())) {
        // SAFETY: the pointer is into the map; who was last is as good as any other.
        unsafe {
            (*share).uid = source.uid;
            (*share).cgroup = source.cgroup;
            atomic_add(&raw mut (*share).dropped, n);
        }
    }
    count_all_lost(lost::RING, n);
}
