//! Connections that the peer has closed and the process has not. The probes read nothing at that
//! transition; the kernel's list of sockets says which ones stay there.

use std::net::IpAddr;

use probe_common::{Record, Tracked, flag, kind};
use rustc_hash::{FxHashMap, FxHashSet};

use super::clock::monotonic_ns;
use crate::model::{ConnId, Family, TcpState};
use crate::sock_diag::Socket;

/// Those that were so at the last look.
#[derive(Debug, Default)]
pub(super) struct LeftOpen {
    /// By connection, and whether it was told.
    waiting: FxHashMap<u64, bool>,
}

impl LeftOpen {
    /// A listing of each that is remembered and was so at the look before as well: once.
    pub(super) fn look(
        &mut self,
        remembered: &[(u64, Tracked)],
        close_wait: &[Socket],
    ) -> Vec<Record> {
        let by_cookie: FxHashMap<u64, &Socket> = close_wait
            .iter()
            .map(|socket| (socket.cookie, socket))
            .collect();
        let mut seen = FxHashSet::default();
        let mut told = Vec::new();
        for (_, tracked) in remembered {
            let Some(socket) = by_cookie.get(&ConnId(tracked.conn).cookie()) else {
                continue;
            };
            // Of what waits to be accepted nothing was said yet, not even that it was opened.
            if tracked.flags & (flag::QUEUED | flag::ENDED | flag::NO_COOKIE) != 0 {
                continue;
            }
            seen.insert(tracked.conn);
            match self.waiting.get_mut(&tracked.conn) {
                None => _ = self.waiting.insert(tracked.conn, false),
                Some(true) => {}
                Some(before) => {
                    *before = true;
                    told.push(listing(tracked, socket));
                }
            }
        }
        self.waiting.retain(|conn, _| seen.contains(conn));
        told
    }
}

/// What the probes would say of it, if they found it so.
fn listing(tracked: &Tracked, socket: &Socket) -> Record {
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    let bytes = |addr| address(addr, socket.family);
    Record {
        kind: kind::SEED,
        ts_ns: monotonic_ns(),
        conn: tracked.conn,
        opened_ns: tracked.opened_ns,
        flags: tracked.flags,
        old_state: TcpState::CloseWait as u8,
        new_state: TcpState::CloseWait as u8,
        netns: tracked.netns,
        task: tracked.owner.task,
        family: match socket.family {
            Family::V4 => AF_INET,
            Family::V6 => AF_INET6,
        },
        sport: socket.local.port,
        dport: socket.remote.port,
        saddr: bytes(socket.local.addr),
        daddr: bytes(socket.remote.addr),
        ifindex: socket.interface,
        ..Record::default()
    }
}

/// An address as a socket of that family has it.
fn address(addr: IpAddr, family: Family) -> [u8; 16] {
    match (addr, family) {
        (IpAddr::V4(addr), Family::V4) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&addr.octets());
            bytes
        }
        (IpAddr::V4(addr), Family::V6) => addr.to_ipv6_mapped().octets(),
        (IpAddr::V6(addr), _) => addr.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Endpoint;

    fn remembered(conn: u64, flags: u32) -> (u64, Tracked) {
        let tracked = Tracked {
            conn,
            flags,
            ..Tracked::default()
        };
        (conn << 8, tracked)
    }

    fn socket(cookie: u64) -> Socket {
        let end = |port| Endpoint {
            addr: [127, 0, 0, 1].into(),
            port,
        };
        Socket {
            family: Family::V6,
            state: TcpState::CloseWait,
            local: end(80),
            remote: end(40_000),
            interface: 0,
            cookie,
            inode: None,
            uid: 0,
            shutdown: None,
            cgroup: None,
            counters: None,
        }
    }

    fn told(records: &[Record]) -> Vec<u64> {
        records.iter().map(|record| record.conn).collect()
    }

    #[test]
    fn what_is_so_at_two_looks_is_told_once() {
        let mut left = LeftOpen::default();
        let map = [
            remembered(1, 0),
            remembered(2, 0),
            remembered(3, flag::QUEUED),
        ];
        let all = [socket(1), socket(2), socket(3)];
        assert!(left.look(&map, &all[..1]).is_empty());
        assert_eq!(told(&left.look(&map, &all)), [1]);
        assert_eq!(told(&left.look(&map, &all)), [2]);
        assert!(left.look(&map, &all).is_empty());
        assert!(left.look(&map, &[]).is_empty() && left.waiting.is_empty());
    }

    #[test]
    fn a_listing_has_the_ends_as_the_kernel_has_them() {
        let (_, tracked) = remembered(1, 0);
        let record = listing(&tracked, &socket(1));
        assert_eq!(
            (record.family, record.sport, record.dport),
            (10, 80, 40_000)
        );
        assert_eq!(record.saddr[10..], [0xff, 0xff, 127, 0, 0, 1]);
    }
}
