//! The machine that plays: how long things may take on it, and how much load it can bear.
//!
//! No case depends on how fast it is. What must happen is waited for; where a clock is compared, the
//! window is measured around the call.

use std::sync::OnceLock;
use std::time::Duration;

/// How long anything may take that must happen, on an emulated processor that others want too. Who
/// waits so long has failed.
pub const BOUND: Duration = Duration::from_secs(120);

/// The same for `poll()`.
pub const BOUND_MS: i32 = 120_000;

/// How much the comparison of two clocks may be off, nanoseconds, when the thread that compares is
/// interrupted.
pub const WOBBLE_NS: i64 = 10_000_000;

/// Whether QEMU makes the processor: `qemu/run` says so.
fn is_emulated() -> bool {
    static EMULATED: OnceLock<bool> = OnceLock::new();
    *EMULATED.get_or_init(|| std::env::var_os("TCPSCOPE_EMULATED").is_some())
}

/// Of a load that is there to be large: all of it, or a tenth where the processor is emulated, which
/// is some thirty times slower.
pub fn load(all: u32) -> u32 {
    if is_emulated() { all.div_ceil(10) } else { all }
}

/// How far apart two programs may look at the clock for one event, nanoseconds: the second runs right
/// after the first, unless the host takes the processor from its guest in between.
pub fn between_programs_ns() -> i64 {
    if is_emulated() {
        1_000_000_000
    } else {
        WOBBLE_NS
    }
}
