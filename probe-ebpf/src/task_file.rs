//! `iter/task_file`, since 5.8: every open file of every process, at one moment. Run after the other
//! hooks are attached, it finds the sockets that were open before, and their owners; run later, it
//! finds none, or something was missed.

use aya_ebpf::bindings::file;
use aya_ebpf::helpers::{bpf_get_socket_cookie, bpf_sock_from_file};
use probe_common::{Tracked, flag, kind, lost};

use crate::kernel::{Ptr, offset, read};
use crate::maps::{BPF_NOEXIST, SOCKS, count_lost};
use crate::record::{Happened, netns, now_ns};
use crate::set_state::{CLOSE, LISTEN};
use crate::task::identity_of;

const IPPROTO_TCP: u16 = 6;
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
    // The last call of an iteration has neither.
    if task.is_null() || file.is_null() {
        return 0;
    }
    // SAFETY: a file that the iterator holds.
    let socket = unsafe { bpf_sock_from_file(file) } as Ptr;
    if socket.is_null() {
        return 0;
    }
    // SAFETY: read through the verifier's type, so that the result has one too.
    let sk: Ptr = unsafe { socket.add(offset!(socket_sk)).cast::<Ptr>().read_volatile() };
    if sk.is_null() {
        return 0;
    }
    let family: u16 = read(sk, offset!(family));
    if !matches!(family, AF_INET | AF_INET6) || read::<u16>(sk, offset!(protocol)) != IPPROTO_TCP {
        return 0;
    }
    let state: u8 = read(sk, offset!(state));
    if matches!(state, CLOSE | LISTEN) {
        return 0;
    }
    let key = sk as u64;
    let mut tracked = Tracked {
        // SAFETY: a pointer that the verifier knows as a socket's.
        conn: unsafe { bpf_get_socket_cookie(sk.cast_mut().cast()) },
        task: identity_of(task),
        flags: flag::BEFORE | flag::OWNED,
        state,
        netns: netns(sk),
        ..Tracked::default()
    };
    // Its opening is still to come, and will be seen.
    if state == crate::set_state::SYN_SENT {
        tracked.flags = flag::CLIENT | flag::OWNED;
    }
    // A socket that the other hooks have seen meanwhile keeps what they know.
    // One that does not fit into the map stays without an owner, and would be found each time.
    if SOCKS.insert(&key, &tracked, BPF_NOEXIST).is_err() {
        return 0;
    }
    // It may have closed between the first look and the map: then nobody else removes it.
    if read::<u8>(sk, offset!(state)) == CLOSE {
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
