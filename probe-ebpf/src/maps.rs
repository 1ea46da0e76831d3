//! The maps, and the counters of what did not fit into them.

use core::arch::asm;

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray, RingBuf};
use probe_common::{Record, Tracked, lost};

/// Records on their way to user space. Its size is set by the loader.
#[map]
pub static RING: RingBuf = RingBuf::with_byte_size(16 << 20, 0);

/// What is remembered of each socket, by its address. Its size is set by the loader.
#[map]
pub static SOCKS: HashMap<u64, Tracked> = HashMap::with_max_entries(131_072, 0);

/// How many sockets of [`SOCKS`] have ended and may yet be accepted, ever more or less: a hint
/// that lets [`crate::destroy`] leave at once as long as it is 0.
#[map]
pub static WAITING: Array<i64> = Array::with_max_entries(1, 0);

/// What was lost, by [`lost`].
#[map]
pub static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(lost::COUNT, 0);

/// Only if there is no such entry.
pub const BPF_NOEXIST: u64 = 1;

/// Counts one loss.
pub fn count_lost(what: u32) {
    count_all_lost(what, 1);
}

/// Counts so many losses.
pub fn count_all_lost(what: u32, n: u64) {
    if let Some(counter) = LOST.get_ptr_mut(what) {
        // SAFETY: the pointer is into this CPU's slot of the map, and the verifier has seen the
        // check for null. A softirq may come between load and store and its count be lost, so
        // the addition is atomic.
        unsafe { atomic_add(counter, n) };
    }
}

/// Counts sockets that have ended and may yet be accepted.
pub fn count_waiting(by: i64) {
    if let Some(counter) = WAITING.get_ptr_mut(0) {
        // SAFETY: as above; other CPUs write to it too.
        unsafe { atomic_add(counter.cast(), by.cast_unsigned()) };
    }
}

/// Whether any socket has ended and may yet be accepted.
pub fn any_waiting() -> bool {
    WAITING.get(0).is_some_and(|n| *n != 0)
}

/// Rust's own atomics have no addition for this target.
unsafe fn atomic_add(counter: *mut u64, by: u64) {
    // SAFETY: the caller's pointer is valid and aligned.
    unsafe { asm!("lock *(u64 *)({} + 0) += {}", in(reg) counter, in(reg) by) };
}

/// Writes a record into the ring; whether it did fit. What is lost with it only the caller knows.
#[inline(always)]
#[must_use]
pub fn submit(fill: impl FnOnce(&mut Record)) -> bool {
    let Some(mut entry) = RING.reserve::<Record>(0) else {
        return false;
    };
    let slot = entry.as_mut_ptr();
    // SAFETY: the reservation is of a record's size. Its bytes are whatever was there before: all
    // zero is a valid record, and `fill` writes what is known.
    unsafe {
        slot.write(core::mem::zeroed());
        fill(&mut *slot);
    }
    entry.submit(0);
    true
}
