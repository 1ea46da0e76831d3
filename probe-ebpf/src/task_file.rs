//! `iter/task_file`, since 5.8: every open file of every process, at one moment. Run after the other
//! hooks are attached, it finds the sockets that were open before, and their owners; run later, it
//! finds none, or something was missed.

use aya_ebpf::bindings::file;
use aya_ebpf::helpers::{bpf_get_socket_cookie, bpf_sock_from_file};
use probe_common::{Tracked, flag, kind, lost};

use crate::kernel::{Object, Ptr, Typed, offset};
use crate::maps::{BPF_NOEXIST, SOCKS, blank, count_lost};
use crate::record::{Happened, netns, now_ns};
use crate::set_state::{CLOSE, LISTEN, SYN_SENT};
use crate::socket::tcp_sock;
use crate::task::identity_of;
use crate::wanted::is_wanted;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// `struct bpf_iter__task_file`, whose layout programs rely on.
#[repr(C)]
pub struct TaskFile {
    _meta: u64,
    task: Ptr,
    fd: u64,
    file: *mut file,
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
pub extern "C" fn seed(ctx: *const TaskFile) -> i32 {
    // SAFETY: the kernel's context, of the layout above.
    let (task, file) = unsafe { ((*ctx).task, (*ctx).file) };
    // SAFETY: the iterator holds both. The last call of an iteration has neither.
    let task = unsafe { Typed::new(task) };
    let (Some(task), false) = (task, file.is_null()) else {
        return 0;
    };
    // SAFETY: the verifier knows the types of the file, the socket and what that points to.
    let socket = unsafe { Typed::new(bpf_sock_from_file(file).cast()) };
    let Some(base) = socket.and_then(|socket| socket.follow(offset!(socket_sk))) else {
        return 0;
    };
    // Other families have protocols of that number too.
    if !matches!(base.get(offset!(family)), AF_INET | AF_INET6) {
        return 0;
    }
    let Some(sk) = tcp_sock(base.address()) else {
        return 0;
    };
    let state: u8 = sk.get(offset!(state));
    // A client's port may not be known yet.
    let may_be_wanted = is_wanted(sk) || state == SYN_SENT;
    if matches!(state, CLOSE | LISTEN) || !may_be_wanted {
        return 0;
    }
    let key = sk.address() as u64;
    let mut tracked = Tracked {
        // SAFETY: a pointer that the verifier knows as a socket's.
        conn: unsafe { bpf_get_socket_cookie(sk.address().cast_mut().cast()) },
        task: identity_of(task),
        flags: flag::BEFORE | flag::OWNED,
        state,
        netns: netns(sk),
        ..blank()
    };
    // Its opening is still to come, and will be seen.
    if state == SYN_SENT {
        tracked.flags = flag::CLIENT | flag::OWNED;
    }
    // A socket that the other hooks have seen meanwhile keeps what they know.
    // One that does not fit into the map stays without an owner, and would be found each time.
    if SOCKS.insert(&key, &tracked, BPF_NOEXIST).is_err() {
        return 0;
    }
    // It may have closed between the first look and the map: then nobody else removes it.
    if sk.get::<u8>(offset!(state)) == CLOSE {
        let _ = SOCKS.remove(&key);
        return 0;
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
    0
}
