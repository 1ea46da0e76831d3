//! Reading the kernel's memory at offsets that user space took from the kernel's BTF.

use aya_ebpf::helpers::bpf_probe_read_kernel;
use core::ptr;
use probe_common::Offsets;

/// Set by the loader before the programs are verified, so that each offset is a constant.
#[unsafe(no_mangle)]
pub static OFFSETS: Offsets = Offsets::ZERO;

/// A pointer into the kernel's memory; its target may be anything.
pub type Ptr = *const u8;

/// One of the kernel's offsets, a constant to the verifier.
macro_rules! offset {
    ($field:ident) => {
        $crate::kernel::constant(&raw const $crate::kernel::OFFSETS.$field) as usize
    };
}
pub(crate) use offset;

/// Reads one of the loader's constants; volatile, since the compiler sees only zeros.
#[inline(always)]
pub fn constant(at: *const u32) -> u32 {
    // SAFETY: points into one of the statics that the loader sets, which nothing writes to later.
    unsafe { ptr::read_volatile(at) }
}

/// Reads a value of the kernel's at an offset; zeros where the memory can't be read.
#[inline(always)]
pub fn read<T: Copy>(base: Ptr, offset: usize) -> T {
    // SAFETY: the helper checks the address, and all types that are read here are integers and
    // pointers, for which zeros are valid.
    unsafe {
        bpf_probe_read_kernel(base.wrapping_add(offset).cast()).unwrap_or(core::mem::zeroed())
    }
}

/// Follows a pointer of the kernel's.
#[inline(always)]
pub fn follow(base: Ptr, offset: usize) -> Ptr {
    read(base, offset)
}
