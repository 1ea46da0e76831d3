//! The maps, and the counters of what did not fit into them.

use core::arch::asm;
use core::mem::replace;

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray, RingBuf};
use probe_common::{Share, Tracked, lost};

/// Records on their way to user space. Its size is set by the loader.
#[map]
pub static RING: RingBuf = RingBuf::with_byte_size(16 << 20, 0);

/// What is remembered of each socket, by its address. Its size is set by the loader.
#[map]
pub static SOCKS: HashMap<u64, Tracked> = HashMap::with_max_entries(131_072, 0);

/// 1 once all hooks are attached, which takes the loader some time. What one hook sees before another
/// can see it too would make connections without an end, and ends without a beginning.
#[map]
static WATCHING: Array<u32> = Array::with_max_entries(1, 0);

/// Whether all hooks are attached.
#[inline(always)]
pub fn is_watching() -> bool {
    WATCHING.get(0).is_some_and(|watching| *watching != 0)
}

/// What the first copy of the state machine dealt with last on this CPU.
#[map]
static DEALT_WITH: PerCpuArray<Transition> = PerCpuArray::with_max_entries(1, 0);

/// A transition of a socket.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Transition {
    /// The socket's address.
    pub sk: u64,
    /// Between which states.
    pub change: u64,
}

impl Transition {
    /// Says to the second copy, which runs next on this CPU, that this is being dealt with.
    #[inline(always)]
    pub fn deal_with(self) {
        if let Some(last) = DEALT_WITH.get_ptr_mut(0) {
            // SAFETY: the pointer is into this CPU's slot of the map.
            unsafe { last.write(self) };
        }
    }

    /// Whether the first copy has dealt with just this; of use until the last copy has asked. If it has, and
    /// something else came between, this may still say no.
    #[inline(always)]
    pub fn was_dealt_with(self, asks_last: bool) -> bool {
        let Some(last) = DEALT_WITH.get_ptr_mut(0) else {
            return false;
        };
        // SAFETY: as above.
        let last = unsafe { &mut *last };
        let sk = if asks_last {
            replace(&mut last.sk, zero())
        } else {
            last.sk
        };
        sk == self.sk && last.change == self.change
    }
}

/// Thread id of the thread of ours that looks at the files of all processes at the moment; 0 is none. It
/// holds each of them for a moment, and the kernel may close one in its name that its owner has let go
/// meanwhile. The thread says itself that it is one (see [`crate::looker`]), so that no other can.
#[map]
pub static LOOKER: Array<u32> = Array::with_max_entries(1, 0);

/// `CLOCK_MONOTONIC` as programs see it, when user space asks.
#[map]
pub static CLOCK: Array<u64> = Array::with_max_entries(1, 0);

/// What each source of records has put into the ring.
#[map]
pub static SHARES: Array<Share> = Array::with_max_entries(Share::COUNT, 0);

/// What user space has taken from the ring, of each source, in bytes.
#[map]
pub static TAKEN: Array<u64> = Array::with_max_entries(Share::COUNT, 0);

/// What was lost, by [`lost`].
#[map]
pub static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(lost::COUNT, 0);

/// A socket of which nothing is known.
#[inline(always)]
pub fn blank() -> Tracked {
    let unknown = zero();
    let words = [unknown; size_of::<Tracked>() / size_of::<u64>()];
    // SAFETY: of the same size, and of integers, zeros are valid.
    unsafe { core::mem::transmute(words) }
}

/// Zero, which the compiler does not know: of neighbours that it knows to be zero, it makes a call
/// of a function that writes byte by byte.
#[inline(always)]
pub fn zero() -> u64 {
    let zero = 0;
    // SAFETY: reads a variable.
    unsafe { core::ptr::read_volatile(&raw const zero) }
}

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

/// Rust's own atomics have no addition for this target.
///
/// # Safety
/// The pointer must be valid and aligned.
pub unsafe fn atomic_add(counter: *mut u64, by: u64) {
    // SAFETY: the caller's pointer is valid and aligned.
    unsafe { asm!("lock *(u64 *)({} + 0) += {}", in(reg) counter, in(reg) by) };
}
