//! Events for tests: any that a source could send, and single ones to start from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::sync::Arc;

use nonmax::{NonMaxU32, NonMaxU64};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::model::{
    Comm, ConnId, Endpoint, Event, EventType, Family, Figures, Origin, Peer, PeerKind, Phase,
    Process, Reason, TcpState, Timestamp, Zone, is_link_local,
};

/// A plain event: `curl` (pid 4242, in pod `shop/cart-1`) connected to 192.0.2.1:443 in 1,423 µs.
#[must_use]
pub fn event() -> Event {
    Event {
        seq: NonMaxU64::new(17),
        ts: Timestamp(1_767_323_045_123_456_789),
        origin: Arc::new(Origin {
            node: "host1".into(),
            namespace: Some("shop".into()),
            pod: Some("cart-1".into()),
            container: Some("app".into()),
        }),
        kind: Some(EventType::Connect),
        phase: Some(Phase::Open),
        state: None,
        reason: None,
        errno: None,
        process: Some(Arc::new(Process {
            pid: 4242,
            tid: NonMaxU32::new(4243),
            uid: NonMaxU32::new(0),
            gid: NonMaxU32::new(0),
            comm: Comm::from_text("curl"),
            thread: None,
        })),
        family: Family::V4,
        local: Endpoint {
            addr: Ipv4Addr::new(10, 0, 0, 3).into(),
            port: 34878,
        },
        remote: Endpoint {
            addr: Ipv4Addr::new(192, 0, 2, 1).into(),
            port: 443,
        },
        conn: ConnId(0x9f3c_0000_0000_0001),
        before: false,
        figures: Figures {
            lat_us: NonMaxU64::new(1_423),
            ..Figures::default()
        },
        netns: NonMaxU32::new(4_026_531_840),
        mntns: NonMaxU32::new(4_026_531_841),
        cgroup: NonMaxU64::new(804),
        peer: None,
        scope: None,
    }
}

/// A socket that was open before the start, otherwise as [`event`].
#[must_use]
pub fn open_socket() -> Event {
    Event {
        seq: None,
        kind: None,
        phase: None,
        state: Some(TcpState::Established),
        before: true,
        figures: Figures::default(),
        ..event()
    }
}

/// A connect to `fe80::2` on the link of an interface, otherwise as [`event`].
#[must_use]
pub fn link_local(interface: &str) -> Event {
    let end = |last, port| Endpoint {
        addr: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last).into(),
        port,
    };
    Event {
        family: Family::V6,
        local: end(1, 34878),
        remote: end(2, 443),
        scope: Zone::new(interface),
        ..event()
    }
}

/// Any event, or any socket that was open before the start.
pub fn any_event() -> impl Strategy<Value = Event> {
    let what = prop_oneof![
        4 => happened().boxed(),
        1 => select(&TcpState::ALL[..]).prop_map(|state| What { state: Some(state), ..What::default() }).boxed(),
    ];
    let who = (option::of(process()), origin(), option::of(peer()));
    let ends = (any::<bool>(), endpoints(), any::<u64>(), option::of(zone()));
    let ids = (
        option::of(nonmax32()),
        option::of(nonmax32()),
        option::of(nonmax64()),
    );
    (what, who, ends, ids, any::<i64>(), any::<bool>()).prop_map(
        |(what, (process, origin, peer), (v6, (local, remote), conn, zone), ids, ts, before)| {
            Event {
                seq: what.seq,
                ts: Timestamp(ts),
                origin: Arc::new(origin),
                kind: what.kind,
                phase: what.phase,
                state: what.state,
                reason: what.reason,
                errno: what.errno,
                process: process.map(Arc::new),
                family: if v6 || local.addr.is_ipv6() {
                    Family::V6
                } else {
                    Family::V4
                },
                local,
                remote,
                conn: ConnId(conn),
                before: before || what.state.is_some(),
                figures: what.figures,
                netns: ids.0,
                mntns: ids.1,
                cgroup: ids.2,
                peer: peer.map(Arc::new),
                scope: zone.filter(|_| is_link_local(local.addr) || is_link_local(remote.addr)),
            }
        },
    )
}

#[derive(Clone, Debug, Default)]
struct What {
    seq: Option<NonMaxU64>,
    kind: Option<EventType>,
    phase: Option<Phase>,
    state: Option<TcpState>,
    reason: Option<Reason>,
    errno: Option<NonZeroU16>,
    figures: Figures,
}

fn happened() -> impl Strategy<Value = What> {
    let kind = select(&EventType::ALL[..]);
    let reason = option::of(select(&Reason::ALL[..]));
    let errno = option::of(any::<NonZeroU16>());
    (nonmax64(), kind, any::<bool>(), reason, errno, figures()).prop_map(
        |(seq, kind, end, reason, errno, figures)| What {
            seq: Some(seq),
            kind: Some(kind),
            phase: Some(match kind {
                EventType::Close => Phase::End,
                EventType::Unknown if end => Phase::End,
                _ => Phase::Open,
            }),
            state: None,
            reason,
            errno,
            figures,
        },
    )
}

fn figures() -> impl Strategy<Value = Figures> {
    let long = || option::of(nonmax64());
    let int = || option::of(nonmax32());
    (long(), long(), long(), long(), int(), int()).prop_map(
        |(lat_us, dur_us, tx_bytes, rx_bytes, rtt_us, retrans)| Figures {
            lat_us,
            dur_us,
            tx_bytes,
            rx_bytes,
            rtt_us,
            retrans,
        },
    )
}

/// Often a small number, so that comparisons in tests go both ways.
fn nonmax64() -> impl Strategy<Value = NonMaxU64> {
    prop_oneof![0..100u64, any::<u64>()].prop_filter_map("the largest", NonMaxU64::new)
}

fn nonmax32() -> impl Strategy<Value = NonMaxU32> {
    prop_oneof![0..100u32, any::<u32>()].prop_filter_map("the largest", NonMaxU32::new)
}

fn process() -> impl Strategy<Value = Process> {
    let id = || option::of(nonmax32());
    let names = (comm(), option::of(comm()));
    (any::<u32>(), id(), id(), id(), names).prop_map(|(pid, tid, uid, gid, (comm, thread))| {
        Process {
            pid,
            tid,
            uid,
            gid,
            comm,
            thread: thread.and_then(|thread| thread.beside(comm)),
        }
    })
}

fn zone() -> impl Strategy<Value = Zone> {
    select(&["eth0", "eth1", "3"][..]).prop_filter_map("an interface", Zone::new)
}

/// A command name that a recording keeps as it is: what is not readable is U+FFFD already.
fn comm() -> impl Strategy<Value = Comm> {
    let readable = |comm: Comm| Comm::from_text(&comm.to_text());
    prop_oneof![
        select(&["curl", "nginx", "a b", "kworker/0:1", "\"q\""][..]).prop_map(Comm::from_text),
        any::<[u8; 16]>().prop_map(move |bytes| readable(Comm::from_kernel(bytes))),
    ]
}

fn name() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![
        3 => select(&["a", "cart-1", "cart-2", "shop", "kube-system", "ssh.service"][..]).prop_map(Arc::from),
        1 => ".{0,12}".prop_map(|text: String| Arc::from(text)),
    ]
}

fn origin() -> impl Strategy<Value = Origin> {
    let maybe = || option::of(name());
    (name(), maybe(), maybe(), maybe()).prop_map(|(node, namespace, pod, container)| Origin {
        node,
        namespace,
        pod,
        container,
    })
}

fn peer() -> impl Strategy<Value = Peer> {
    (select(&PeerKind::ALL[..]), option::of(name()), name()).prop_map(|(kind, namespace, name)| {
        Peer {
            kind,
            namespace,
            name,
        }
    })
}

fn endpoints() -> impl Strategy<Value = (Endpoint, Endpoint)> {
    let port = || prop_oneof![select(&[0, 80, 443][..]), any::<u16>()];
    let kind = prop_oneof![Just(Kind::V4), Just(Kind::V6), Just(Kind::LinkLocal)];
    (kind, vec(any::<u8>(), 32), port(), port()).prop_map(|(kind, bytes, sport, dport)| {
        let addr = |half: &[u8]| address(kind, half);
        let (saddr, daddr) = bytes.split_at(16);
        (
            Endpoint {
                addr: addr(saddr),
                port: sport,
            },
            Endpoint {
                addr: addr(daddr),
                port: dport,
            },
        )
    })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    V4,
    V6,
    LinkLocal,
}

/// IPv4 addresses from 10.0.0.0/14 and link-local ones from `fe80::/126`, so that tests match some.
fn address(kind: Kind, bytes: &[u8]) -> IpAddr {
    let mut octets = [0; 16];
    octets
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = *from);
    match kind {
        Kind::V4 => Ipv4Addr::new(10, octets[1] & 3, octets[2], octets[3]).into(),
        Kind::V6 => {
            octets[0] = 0x20;
            Ipv6Addr::from(octets).into()
        }
        Kind::LinkLocal => {
            let last = u16::from(octets[15] & 3);
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last).into()
        }
    }
}
