//! tcpscope's eBPF programs: a file per hook, around one state machine.
//!
//! ```text
//! set_state ──┐                       ┌─▶ ring ─▶ user space
//! accept_* ───┼─▶ track (map of sockets) ─▶ record
//! destroy ────┤
//! task_file ──┤
//! unaccepted ─┘
//! ```
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod accept;
mod destroy;
mod kernel;
mod looker;
mod maps;
mod record;
mod set_state;
mod share;
mod socket;
mod task;
mod task_file;
mod unaccepted;
mod wanted;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel lends some of its functions to programs of a GPL-compatible licence only; this is
/// the kernel's name for "MIT or GPL", under which the object may be distributed.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
