//! A TCP socket, and the id of its connection: its cookie, as far as there is one.

use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use aya_ebpf::helpers::{bpf_get_socket_cookie, bpf_skc_to_tcp_sock};
use probe_common::{Tracked, flag};

use crate::kernel::{Copied, Object, Ptr, Typed, offset};
use crate::record::now_ns;

/// A connection's id, and [`flag::NO_COOKIE`] if it is none of the kernel's.
pub struct Id {
    pub conn: u64,
    pub flags: u32,
}

/// A socket that may or may not have a type that the verifier knows.
pub trait Socket: Object {
    /// The id of its connection.
    fn id(self) -> Id;
}

/// The socket's cookie, made now if nobody has asked for it: what `sock_diag` shows too.
impl Socket for Typed {
    #[inline(always)]
    fn id(self) -> Id {
        Id {
            // SAFETY: a pointer that the verifier knows as a socket's.
            conn: unsafe { bpf_get_socket_cookie(self.address().cast_mut().cast()) },
            flags: 0,
        }
    }
}

/// Without the type information the helper can't be called.
impl Socket for Copied<'_> {
    #[inline(always)]
    fn id(self) -> Id {
        id_of(self)
    }
}

/// The cookie of a socket if somebody has asked for it, else a number that no cookie reaches: the time,
/// and below it the processor that had that time.
#[inline(always)]
pub fn id_of(sk: impl Object) -> Id {
    match sk.get(offset!(cookie)) {
        0 => Id {
            conn: now_ns() << 8 | processor() | 1 << 63,
            flags: flag::NO_COOKIE,
        },
        conn => Id { conn, flags: 0 },
    }
}

const SOCK_STREAM: u16 = 1;
const IPPROTO_TCP: u16 = 6;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Whether a socket of any kind is one of TCP. Other families have protocols of that number too, and raw
/// sockets may have it.
#[inline(always)]
pub fn is_tcp(sk: impl Object) -> bool {
    matches!(sk.get(offset!(family)), AF_INET | AF_INET6)
        && sk.get::<u16>(offset!(sk_type)) == SOCK_STREAM
        && sk.get::<u16>(offset!(protocol)) == IPPROTO_TCP
}

/// Whether the remembered socket was another, whose end was missed, and whose address this one has now. An
/// id is the socket's cookie, in the lower bits.
#[inline(always)]
pub fn is_of_another(sk: impl Object, tracked: &Tracked) -> bool {
    let has_cookie = tracked.flags & flag::NO_COOKIE == 0;
    has_cookie && (sk.get::<u64>(offset!(cookie)) ^ tracked.conn) << TIME_BITS != 0
}

/// The number of this processor, as far as one byte has it.
#[inline(always)]
fn processor() -> u64 {
    // SAFETY: takes no arguments.
    u64::from(unsafe { bpf_get_smp_processor_id() }) & 0xff
}

/// A socket as one of TCP, if it is one; its type must be known to the verifier.
#[inline(always)]
pub fn tcp_sock(sk: Ptr) -> Option<Typed> {
    // SAFETY: the helper takes no other pointers, and gives one of a known type.
    unsafe { Typed::new(bpf_skc_to_tcp_sock(sk.cast_mut().cast()).cast()) }
}

/// How many bits of an id, the upper ones, a cookie leaves free: cookies count up from 1, and some
/// down from the greatest number.
pub const TIME_BITS: u32 = 16;

/// A socket that connects again keeps its cookie; its connections must not share an id: the time is
/// in the upper bits.
#[inline(always)]
pub fn again(cookie: u64, now_ns: u64) -> u64 {
    cookie << TIME_BITS >> TIME_BITS | (now_ns >> 10) << (u64::BITS - TIME_BITS)
}
