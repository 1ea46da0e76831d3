//! Who got a connection out of a listener: three hooks, of which the loader attaches one.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::generated::bpf_get_func_ret;
use aya_ebpf::macros::{fexit, kretprobe, raw_tracepoint, tracepoint};
use aya_ebpf::programs::{FExitContext, RawTracePointContext, RetProbeContext, TracePointContext};
use probe_common::{RingOffsets, Tracked, flag, kind, ring_files};

use crate::kernel::{Copied, Head, Object, Ptr, constant, follow, offset, read};
use crate::maps::{BPF_NOEXIST, SOCKS, blank, is_watching};
use crate::record::{Happened, netns, now_ns};
use crate::set_state::{CLOSE, arg, forget_stale};
use crate::socket::{Socket, is_of_another};
use crate::task::{Current, identify};
use crate::wanted::is_wanted;

const IPPROTO_TCP: u16 = 6;
const IPPROTO_MPTCP: u16 = 262;
const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;

/// How many arguments `io_uring_complete` has on this kernel.
#[unsafe(no_mangle)]
static COMPLETE_ARITY: u32 = 0;

/// `struct sock *inet_csk_accept(struct sock *sk, int flags, int *err, bool kern)` up to 6.9,
/// `(struct sock *sk, struct proto_accept_arg *arg)` since. The result comes after the arguments,
/// and the helper knows how many there are. It is there since 5.17; before, this does not load.
#[fexit(function = "inet_csk_accept")]
pub fn accept_fexit(ctx: FExitContext) -> i32 {
    let mut sk = 0_u64;
    // SAFETY: the context is the program's own, and the helper writes eight bytes.
    if unsafe { bpf_get_func_ret(ctx.as_ptr(), (&raw mut sk).cast()) } != 0 {
        return 0;
    }
    accepted(sk as Ptr, Certainty::Sure, 0)
}

/// The same function, on kernels without fexit.
#[kretprobe]
pub fn accept_kretprobe(ctx: RetProbeContext) -> i32 {
    accepted(ctx.ret::<Ptr>(), Certainty::Sure, 0)
}

/// `sys_exit_accept` and `sys_exit_accept4`: the result is a descriptor, and the socket is found
/// through the table of the process. Compatibility (32-bit) calls do not pass here.
#[tracepoint]
pub fn accept_syscall(ctx: TracePointContext) -> i32 {
    returned(&ctx, Certainty::Sure)
}

/// The same beside one of the hooks above: they do not see a call return that began before they were
/// attached, and a thread may wait in `accept()` for days.
#[tracepoint]
pub fn accept_began_before(ctx: TracePointContext) -> i32 {
    returned(&ctx, Certainty::IfItWaits)
}

#[inline(always)]
fn returned(ctx: &TracePointContext, certainty: Certainty) -> i32 {
    /// Where the result is in a system call's exit: behind the common fields and the call's number.
    const RET: usize = 16;
    // SAFETY: within the tracepoint's record, of which the verifier lets every byte be read.
    let ret: i64 = unsafe { ctx.as_ptr().cast::<u8>().add(RET).cast::<i64>().read() };
    if ret < 0 {
        return 0;
    }
    of_descriptor(ret, certainty)
}

/// `io_uring_complete(ctx, req, user_data, res, cflags, extra1, extra2)` up to 6.11,
/// `(ctx, req, struct io_uring_cqe *cqe)` since.
#[raw_tracepoint(tracepoint = "io_uring_complete")]
pub fn accept_io_uring(ctx: RawTracePointContext) -> i32 {
    let arity = constant(&raw const COMPLETE_ARITY);
    let res: i32 = if arity == 3 {
        /// `struct io_uring_cqe { __u64 user_data; __s32 res; __u32 flags; }`, which is ABI.
        const RES: usize = 8;
        read(arg::<Ptr>(&ctx, 2), RES)
    } else {
        arg(&ctx, 3)
    };
    if res < 0 {
        return 0;
    }
    let (ring, request): (Ptr, Ptr) = (arg(&ctx, 0), arg(&ctx, 1));
    let layout = constant(&raw const RING_OFFSETS.layout);
    let descriptor = i64::from(res);
    if request.is_null() || layout == ring_files::UNKNOWN {
        // A request that answers many times is not shown, and neither is what it was for. It need
        // not be: what stands for a socket that is known to wait can only be an accept's result.
        of_descriptor(descriptor, Certainty::IfItWaits);
        if layout != ring_files::UNKNOWN {
            let file = ring_file(ring, layout, res.cast_unsigned());
            of_file(file, Certainty::IfItWaits, 0);
        }
        return 0;
    }
    if read::<u8>(request, ring_offset!(opcode)) != IORING_OP_ACCEPT {
        return 0;
    }
    // The request begins with its command's data.
    let slot = match read::<u32>(request, ring_offset!(file_slot)) {
        0 => return of_descriptor(descriptor, Certainty::Sure),
        IORING_FILE_INDEX_ALLOC => res.cast_unsigned(),
        slot => slot - 1,
    };
    of_file(ring_file(ring, layout, slot), Certainty::Sure, 0)
}

// include/uapi/linux/io_uring.h
const IORING_OP_ACCEPT: u8 = 13;
const IORING_FILE_INDEX_ALLOC: u32 = u32::MAX;

/// Where `io_uring` keeps what an accept through it needs.
#[unsafe(no_mangle)]
static RING_OFFSETS: RingOffsets = RingOffsets::ZERO;

macro_rules! ring_offset {
    ($field:ident) => {
        constant(&raw const RING_OFFSETS.$field) as usize
    };
}
use ring_offset;

/// The file in a slot of a ring's own table; anything at all if there is no such slot.
#[inline(always)]
fn ring_file(ring: Ptr, layout: u32, slot: u32) -> Ptr {
    /// Flags in the lowest bits of an address.
    const FLAGS: usize = 7;
    let entry = slot as usize * size_of::<Ptr>();
    let word: usize = if layout == ring_files::NODES {
        let node = follow(follow(ring, ring_offset!(files)), entry);
        read(node, ring_offset!(file_ptr))
    } else {
        read(follow(ring, ring_offset!(files)), entry)
    };
    (word & !FLAGS) as Ptr
}

/// `mptcp_sock.first`: the subflow that it began with. 0 if the kernel has no MPTCP.
#[unsafe(no_mangle)]
static MPTCP_FIRST: u32 = 0;

/// The TCP socket of a file; null if it is a file of another kind.
#[inline(always)]
fn socket_of(file: Ptr) -> Ptr {
    let mode: u16 = read(follow(file, offset!(f_inode)), offset!(i_mode));
    if file.is_null() || mode & S_IFMT != S_IFSOCK {
        return core::ptr::null();
    }
    let sk = any_socket_of(file);
    let first = constant(&raw const MPTCP_FIRST) as usize;
    if first != 0 && read::<u16>(sk, offset!(protocol)) == IPPROTO_MPTCP {
        return follow(sk, first);
    }
    sk
}

/// The socket of a file that is known to be one.
#[inline(always)]
fn any_socket_of(file: Ptr) -> Ptr {
    follow(follow(file, offset!(private_data)), offset!(socket_sk))
}

/// Whether a socket is known to be the result of an accept.
#[derive(Clone, Copy, PartialEq)]
enum Certainty {
    Sure,
    /// Only if it is one that nobody has accepted yet.
    IfItWaits,
}

/// The current process has got this descriptor.
#[inline(always)]
fn of_descriptor(fd: i64, certainty: Certainty) -> i32 {
    let descriptor = fd as u32 + 1;
    Current::get().map_or(0, |current| {
        of_file(current.file(fd), certainty, descriptor)
    })
}

/// A process has got this file, as the descriptor one less than this; 0 is none.
#[inline(always)]
fn of_file(file: Ptr, certainty: Certainty, descriptor: u32) -> i32 {
    // What is remembered is a TCP socket, and needs no further look.
    if got(any_socket_of(file) as u64, Certainty::IfItWaits, descriptor) {
        return 0;
    }
    accepted(socket_of(file), certainty, descriptor)
}

/// A process has got this socket.
#[inline(always)]
fn accepted(sk: Ptr, certainty: Certainty, descriptor: u32) -> i32 {
    got(sk as u64, certainty, descriptor);
    0
}

/// A process has got the socket at this address; whether it is remembered.
#[inline(always)]
fn got(key: u64, certainty: Certainty, descriptor: u32) -> bool {
    got_socket(key, certainty == Certainty::Sure, descriptor) != 0
}

/// Global, and so with numbers for arguments and result: the verifier looks at it once, however many
/// calls lead to it, and it has a frame of the stack for itself.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn got_socket(key: u64, is_sure: bool, descriptor: u32) -> u32 {
    u32::from(is_watching() && is_remembered(key, is_sure, descriptor))
}

#[inline(always)]
fn is_remembered(key: u64, is_sure: bool, descriptor: u32) -> bool {
    let sk = key as Ptr;
    let tracked = SOCKS.get_ptr_mut(&key);
    let is_tcp = || !sk.is_null() && read::<u16>(sk, offset!(protocol)) == IPPROTO_TCP;
    if tracked.is_none() && !(is_sure && is_tcp()) {
        return false;
    }
    let head = Head::of(sk);
    let socket = Copied(sk, &head);
    if !is_wanted(socket) {
        return true;
    }
    let state: u8 = socket.get(offset!(state));
    let happened = Happened {
        kind: kind::ACCEPT,
        ts_ns: now_ns(),
        old_state: state,
        new_state: state,
        flags: 0,
    };
    // SAFETY: the pointers are into the map. A transition on another CPU may write to other fields.
    let remembered = match tracked.map(|tracked| unsafe { &mut *tracked }) {
        Some(tracked) if is_of_another(socket, tracked) => {
            if !is_sure {
                return false;
            }
            forget_stale(key, tracked);
            None
        }
        tracked => tracked,
    };
    let remembered = remembered.or_else(|| {
        let tracked = unknown(socket, &happened, descriptor)?;
        // SAFETY: as above.
        Some(unsafe { &mut *tracked })
    });
    if let Some(tracked) = remembered {
        known(socket, tracked, &happened, descriptor);
    }
    true
}

/// It was in the queue at the start, or did not fit, or it is not established yet: a child is queued
/// before its handshake is complete, a moment before, or with TCP Fast Open long before. Or it has
/// been established just now on another CPU, and is remembered by now.
#[inline(always)]
fn unknown(sk: impl Socket, happened: &Happened, descriptor: u32) -> Option<*mut Tracked> {
    let id = sk.id();
    let mut tracked = Tracked {
        conn: id.conn,
        flags: flag::OWNED | id.flags,
        state: happened.old_state,
        netns: netns(sk),
        ..blank()
    };
    identify(&mut tracked.owner);
    tracked.owner.descriptor = descriptor;
    // If it has ended already, nothing more will be seen of it. If it does not fit into the
    // map, nothing is lost either: its ending will be seen.
    let key = sk.address() as u64;
    if tracked.state != CLOSE && SOCKS.insert(&key, &tracked, BPF_NOEXIST).is_err() {
        let established = SOCKS.get_ptr_mut(&key);
        if established.is_some() {
            return established;
        }
    }
    happened.send_event(sk, &tracked);
    None
}

/// It is remembered. If it does not wait, it was seen before, or only looks like what was returned.
#[inline(always)]
fn known(sk: impl Object, tracked: &mut Tracked, happened: &Happened, descriptor: u32) {
    if tracked.flags & flag::QUEUED == 0 {
        // Another hook has seen it come, before it had a descriptor.
        if tracked.owner.descriptor == 0 {
            tracked.owner.descriptor = descriptor;
        }
        return;
    }
    // Its opening is this, also if it was in the queue at the start.
    tracked.flags = tracked.flags & !(flag::QUEUED | flag::BEFORE) | flag::OWNED;
    identify(&mut tracked.owner);
    tracked.owner.descriptor = descriptor;
    happened.send_event(sk, tracked);
    if happened.old_state == CLOSE && tracked.flags & flag::ENDED != 0 {
        let _ = SOCKS.remove(&(sk.address() as u64));
    }
}
