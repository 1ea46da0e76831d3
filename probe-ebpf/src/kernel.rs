//! Reading the kernel's memory at offsets that user space took from the kernel's BTF.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use core::mem::{MaybeUninit, zeroed};
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

/// An object of the kernel's. What is read of it are integers and pointers, for which zeros are
/// valid; and zeros is what is read where there is no memory.
pub trait Object: Copy {
    /// Its address.
    fn address(self) -> Ptr;

    /// The value at an offset.
    fn get<T: Copy>(self, offset: usize) -> T;

    /// The value at an offset of the object that a field points to.
    #[inline(always)]
    fn through<T: Copy>(self, pointer: usize, offset: usize) -> T {
        read(self.get(pointer), offset)
    }
}

/// An object whose type the verifier knows: a read is an instruction, not a call. The verifier
/// lets it read whole fields only, or parts of one.
#[derive(Clone, Copy)]
pub struct Typed(Ptr);

impl Typed {
    /// `None` for null, which the verifier wants to see checked.
    ///
    /// # Safety
    /// The verifier must know the type of what the pointer points to.
    #[inline(always)]
    pub unsafe fn new(pointer: Ptr) -> Option<Self> {
        (!pointer.is_null()).then_some(Self(pointer))
    }
}

/// An object whose pointers lead to others of its kind.
pub trait Linked: Object {
    /// The object that a field points to.
    fn follow(self, offset: usize) -> Option<Self>;
}

impl Linked for Typed {
    #[inline(always)]
    fn follow(self, offset: usize) -> Option<Self> {
        // SAFETY: the verifier knows the field's type.
        unsafe { Self::new(self.get(offset)) }
    }
}

impl Object for Typed {
    #[inline(always)]
    fn address(self) -> Ptr {
        self.0
    }

    #[inline(always)]
    fn get<T: Copy>(self, offset: usize) -> T {
        // SAFETY: the verifier checks that there is such a field, and the kernel makes zeros of a
        // read that fails. Volatile, so that no two reads become one that spans two fields.
        unsafe { self.0.wrapping_add(offset).cast::<T>().read_volatile() }
    }

    #[inline(always)]
    fn through<T: Copy>(self, pointer: usize, offset: usize) -> T {
        // SAFETY: as in `read`.
        let zeros = || unsafe { zeroed() };
        self.follow(pointer)
            .map_or_else(zeros, |object| object.get(offset))
    }
}

/// Anything at all at an address: each read is a call that checks.
#[derive(Clone, Copy)]
pub struct Untyped(pub Ptr);

impl Object for Untyped {
    #[inline(always)]
    fn address(self) -> Ptr {
        self.0
    }

    #[inline(always)]
    fn get<T: Copy>(self, offset: usize) -> T {
        read(self.0, offset)
    }
}

impl Linked for Untyped {
    #[inline(always)]
    fn follow(self, offset: usize) -> Option<Self> {
        let pointer: Ptr = self.get(offset);
        (!pointer.is_null()).then_some(Self(pointer))
    }
}

/// How much of a socket [`Copied`] takes at once: its addresses, family, state and namespace.
const HEAD: usize = 96;

/// The beginning of an object, read by one call. Later changes of it are not seen.
pub struct Head(MaybeUninit<[u64; HEAD / 8]>);

impl Head {
    #[inline(always)]
    pub fn of(object: Ptr) -> Self {
        Self(MaybeUninit::new(read(object, 0)))
    }
}

/// An object at any address, with a copy of its beginning.
#[derive(Clone, Copy)]
pub struct Copied<'a>(pub Ptr, pub &'a Head);

impl Object for Copied<'_> {
    #[inline(always)]
    fn address(self) -> Ptr {
        self.0
    }

    /// The verifier knows the offset, and removes the way that is not taken.
    #[inline(always)]
    fn get<T: Copy>(self, offset: usize) -> T {
        if offset <= HEAD - size_of::<T>() {
            let head = self.1.0.as_ptr().cast::<u8>();
            // SAFETY: within the copy. Volatile, so that it stays on the stack as it is.
            unsafe { head.wrapping_add(offset).cast::<T>().read_volatile() }
        } else {
            read(self.0, offset)
        }
    }
}

/// Reads a value of the kernel's at an offset; zeros where the memory can't be read.
#[inline(always)]
pub fn read<T: Copy>(base: Ptr, offset: usize) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    let from = base.wrapping_add(offset);
    // SAFETY: the helper checks the address, and writes zeros where it can't read; all types that are
    // read here are integers and pointers, for which zeros are valid. Its result is left alone: the
    // verifier would follow both ways from each read.
    unsafe {
        bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            from.cast(),
        );
        value.assume_init()
    }
}

/// Follows a pointer of the kernel's.
#[inline(always)]
pub fn follow(base: Ptr, offset: usize) -> Ptr {
    read(base, offset)
}
