//! Sockets that were open before the other hooks were attached, and their owners. Run later, these
//! programs find none, or something was missed.
//!
//! Two ways: an iterator over every open file of every process, at one moment; and, for kernels that
//! refuse it, one descriptor at a time, which user space has duplicated from its owner.

use aya_ebpf::bindings::file;
use aya_ebpf::helpers::bpf_sock_from_file;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use probe_common::{Owner, Task, Tracked, flag, kind, lost};

use crate::kernel::{Linked, Object, Ptr, Typed, Untyped, follow, offset};
use crate::maps::{BPF_NOEXIST, SOCKS, blank, count_lost};
use crate::record::{Happened, netns, now_ns};
use crate::set_state::{CLOSE, LISTEN, SYN_SENT, arg};
use crate::socket::{id_of, is_tcp};
use crate::task::{Current, own};
use crate::wanted::is_wanted;

/// `struct bpf_iter__task_file`, whose layout programs rely on.
#[repr(C)]
pub struct TaskFile {
    _meta: u64,
    task: Ptr,
    fd: u64,
    file: *mut file,
}

/// `iter/task_file`, since 5.8. The socket of a file is one whose type the verifier knows and that it
/// does not trust (6.18 and later): its fields can be read, and no helper takes it.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
pub extern "C" fn seed(ctx: *const TaskFile) -> i32 {
    // SAFETY: the kernel's context, of the layout above.
    let (task, fd, file) = unsafe { ((*ctx).task, (*ctx).fd, (*ctx).file) };
    // SAFETY: the iterator holds both. The last call of an iteration has neither.
    let task = unsafe { Typed::new(task) };
    let (Some(task), false) = (task, file.is_null()) else {
        return 0;
    };
    // SAFETY: the verifier knows the types of the file, the socket and what that points to.
    let socket = unsafe { Typed::new(bpf_sock_from_file(file).cast()) };
    let sk = socket.and_then(|socket| socket.follow(offset!(socket_sk)));
    // What is behind the common part of all sockets is read by a call each: the verifier does not know of
    // what type it is.
    if let Some(sk) = sk.filter(|sk| is_tcp(*sk)) {
        list(Untyped(sk.address()), |owner| own(owner, task, fd as u32));
    }
    0
}

/// A descriptor of the calling thread, and the process that it was duplicated from, as the words of a
/// [`Task`]. User space runs this by `BPF_PROG_TEST_RUN` (since 5.10), nothing else does.
#[raw_tracepoint]
pub fn seed_descriptor(ctx: RawTracePointContext) -> i32 {
    let fd: i64 = arg(&ctx, 0);
    let Some(current) = Current::get() else {
        return 0;
    };
    let sk = follow(
        follow(current.file(fd), offset!(private_data)),
        offset!(socket_sk),
    );
    let sk = Untyped(sk);
    if !is_tcp(sk) {
        return 0;
    }
    list(sk, |owner| {
        let word = |n| arg::<u64>(&ctx, n);
        let words = [
            word(1),
            word(2),
            word(3),
            word(4),
            word(5),
            word(6),
            word(7),
            word(8),
        ];
        // SAFETY: integers of the same size.
        owner.task = unsafe { core::mem::transmute::<[u64; 8], Task>(words) };
    });
    0
}

/// Remembers a socket that the other hooks do not know, and lists it.
#[inline(always)]
fn list(sk: Untyped, own: impl FnOnce(&mut Owner)) {
    let state: u8 = sk.get(offset!(state));
    // A client's port may not be known yet.
    let may_be_wanted = is_wanted(sk) || state == SYN_SENT;
    if matches!(state, CLOSE | LISTEN) || !may_be_wanted {
        return;
    }
    let key = sk.address() as u64;
    let id = id_of(sk);
    // The opening of one that connects is still to come, and will be seen.
    let opening = if state == SYN_SENT {
        flag::CLIENT
    } else {
        flag::BEFORE
    };
    let mut tracked = Tracked {
        conn: id.conn,
        flags: opening | flag::OWNED | id.flags,
        state,
        netns: netns(sk),
        ..blank()
    };
    own(&mut tracked.owner);
    // A socket that the other hooks have seen meanwhile keeps what they know.
    // One that does not fit into the map stays without an owner, and would be found each time.
    if SOCKS.insert(&key, &tracked, BPF_NOEXIST).is_err() {
        return;
    }
    // It may have closed between the first look and the map: then nothing else removes it.
    if sk.get::<u8>(offset!(state)) == CLOSE {
        let _ = SOCKS.remove(&key);
        return;
    }
    let happened = Happened {
        kind: kind::SEED,
        ts_ns: now_ns(),
        old_state: state,
        new_state: state,
        flags: flag::BEFORE,
    };
    if !happened.send(sk, &tracked, true) {
        let _ = SOCKS.remove(&key);
        count_lost(lost::UNLISTED);
    }
}
