//! What user space asks of the programs, by `BPF_PROG_TEST_RUN`: the task of a program that is run so is
//! the thread that asks.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;

use crate::maps::{CLOCK, LOOKER};
use crate::record::now_ns;
use crate::set_state::arg;

/// From now on the calling thread looks at the files of others; or does so no more, if the argument is 0.
#[raw_tracepoint]
pub fn look(ctx: RawTracePointContext) -> i32 {
    let looks: u64 = arg(&ctx, 0);
    let tid = if looks == 0 {
        0
    } else {
        bpf_get_current_pid_tgid() as u32
    };
    let _ = LOOKER.set(0, &tid, 0);
    0
}

/// Tells the time as programs have it. A process in a time namespace has another.
#[raw_tracepoint]
pub fn tell_time(_: RawTracePointContext) -> i32 {
    let _ = CLOCK.set(0, &now_ns(), 0);
    0
}
