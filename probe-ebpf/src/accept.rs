//! Who got a connection out of a listener: three hooks, of which the loader attaches one.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::generated::bpf_get_func_ret;
use aya_ebpf::macros::{fexit, kretprobe, raw_tracepoint, tracepoint};
use aya_ebpf::programs::{FExitContext, RawTracePointContext, RetProbeContext, TracePointContext};
use probe_common::{Tracked, flag, kind, lost};

use crate::kernel::{Ptr, constant, follow, offset, read};
use crate::maps::{SOCKS, count_lost, count_waiting};
use crate::record::{Happened, netns, now_ns};
use crate::set_state::{CLOSE, arg};
use crate::task::Current;

const IPPROTO_TCP: u16 = 6;
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
    accepted(sk as Ptr)
}

/// The same function, on kernels without fexit.
#[kretprobe]
pub fn accept_kretprobe(ctx: RetProbeContext) -> i32 {
    accepted(ctx.ret::<Ptr>())
}

/// `sys_exit_accept` and `sys_exit_accept4`: the result is a descriptor, and the socket is found
/// through the table of the process. Compatibility (32-bit) calls do not pass here.
#[tracepoint]
pub fn accept_syscall(ctx: TracePointContext) -> i32 {
    /// Behind the common fields and the call's number.
    const RET: usize = 16;
    // SAFETY: within the tracepoint's record.
    let ret = unsafe { ctx.read_at::<i64>(RET) }.unwrap_or(-1);
    by_descriptor(ret)
}

/// `io_uring_complete(ctx, req, user_data, res, cflags, extra1, extra2)` up to 6.11,
/// `(ctx, req, struct io_uring_cqe *cqe)` since.
///
/// A request that answers many times has no request here, so that the opcode can't be asked for.
/// It need not be: a descriptor of a socket that waits for `accept()` can only be the result of one.
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
    by_descriptor(i64::from(res))
}

#[inline(always)]
fn by_descriptor(fd: i64) -> i32 {
    if fd < 0 {
        return 0;
    }
    let file = Current::get().file(fd);
    let mode: u16 = read(follow(file, offset!(f_inode)), offset!(i_mode));
    if file.is_null() || mode & S_IFMT != S_IFSOCK {
        return 0;
    }
    let socket = follow(file, offset!(private_data));
    accepted(follow(socket, offset!(socket_sk)))
}

/// A process has got this socket.
#[inline(always)]
fn accepted(sk: Ptr) -> i32 {
    if sk.is_null() || read::<u16>(sk, offset!(protocol)) != IPPROTO_TCP {
        return 0;
    }
    let key = sk as u64;
    let now = now_ns();
    let current = Current::get();
    let state: u8 = read(sk, offset!(state));
    let happened = Happened {
        kind: kind::ACCEPT,
        ts_ns: now,
        old_state: state,
        new_state: state,
        flags: 0,
    };
    let Some(tracked) = SOCKS.get_ptr_mut(&key) else {
        // It was in the queue at the start, or has not finished its handshake (TCP Fast Open).
        let tracked = Tracked {
            conn: read(sk, offset!(cookie)),
            opened_ns: now,
            task: current.identity(),
            flags: flag::OWNED,
            state,
            netns: netns(sk),
            ..Tracked::default()
        };
        if SOCKS.insert(&key, &tracked, 0).is_err() {
            count_lost(lost::MAP);
        }
        happened.send(sk, &tracked, false);
        return 0;
    };
    // SAFETY: the pointer is into the map. A transition on another CPU may write to other fields.
    let tracked = unsafe { &mut *tracked };
    // Not one that waits: a completion whose result only looks like its descriptor.
    if tracked.flags & flag::QUEUED == 0 {
        return 0;
    }
    tracked.flags = tracked.flags & !flag::QUEUED | flag::OWNED;
    tracked.opened_ns = now;
    tracked.task = current.identity();
    happened.send(sk, tracked, false);
    if state == CLOSE && tracked.flags & flag::ENDED != 0 {
        let _ = SOCKS.remove(&key);
        count_waiting(-1);
    }
    0
}
