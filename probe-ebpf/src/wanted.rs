//! What is not wanted is left at once, where user space asks for a part only.

use probe_common::{Address, Wanted};

use crate::kernel::{Object, offset};
use crate::record::{AF_INET6, v6};

/// Set by the loader before the programs are verified, so that what is not asked for is no code.
#[unsafe(no_mangle)]
pub static WANTED: Wanted = Wanted::ALL;

/// Whether a socket whose ports are known is one of a connection that is wanted. A client's own port
/// is not known before its handshake.
#[inline(always)]
pub fn is_wanted(sk: impl Object) -> bool {
    let ports = || [offset!(sport), offset!(dport)].map(|at| u16::from_be(sk.get(at)));
    WANTED.takes(ports, || addresses(sk))
}

#[inline(always)]
fn addresses(sk: impl Object) -> [Address; 2] {
    if sk.get::<u16>(offset!(family)) == AF_INET6 {
        return [v6(sk, offset!(v6_saddr)), v6(sk, offset!(v6_daddr))];
    }
    [
        mapped(sk.get(offset!(saddr))),
        mapped(sk.get(offset!(daddr))),
    ]
}

/// `::ffff:a.b.c.d`, of the four bytes as they are in memory.
#[inline(always)]
fn mapped(v4: u32) -> Address {
    [0, u64::from(v4) << 32 | 0xffff_0000]
}
