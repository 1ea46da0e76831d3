//! What an event consists of, where it is kept by columns.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::sync::Arc;

use nonmax::{NonMaxU32, NonMaxU64};

use crate::model::{ConnId, Endpoint, Event, Family, Figures, Origin, Timestamp};

/// A part of an event that is kept apart from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// [`Event::origin`].
    Origin,
    /// [`Event::process`].
    Process,
    /// [`Event::peer`].
    Peer,
    /// [`Event::scope`].
    Scope,
    /// The address of [`Event::local`].
    Local,
    /// The address of [`Event::remote`].
    Remote,
    /// Type, phase, state, reason, family, and whether it was before the start.
    What,
    /// A number.
    Number(Number),
}

/// A number that an event has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "they are named as the keys of the JSON")]
pub enum Number {
    Seq,
    Ts,
    Conn,
    Sport,
    Dport,
    Errno,
    LatUs,
    DurUs,
    TxBytes,
    RxBytes,
    RttUs,
    Retrans,
    Netns,
    Mntns,
    Cgroup,
}

impl Number {
    pub(crate) const ALL: [Self; 15] = [
        Self::Seq,
        Self::Ts,
        Self::Conn,
        Self::Sport,
        Self::Dport,
        Self::Errno,
        Self::LatUs,
        Self::DurUs,
        Self::TxBytes,
        Self::RxBytes,
        Self::RttUs,
        Self::Retrans,
        Self::Netns,
        Self::Mntns,
        Self::Cgroup,
    ];

    /// How far a number of this kind is above the one that it is kept as, which is never negative.
    pub(crate) fn offset(self) -> i128 {
        match self {
            Self::Ts => i128::from(i64::MIN),
            _ => 0,
        }
    }

    /// As it is kept, of an event.
    #[inline]
    pub(crate) fn of(self, event: &Event) -> Option<u64> {
        let figures = &event.figures;
        let long = |n: Option<NonMaxU64>| n.map(|n| n.get());
        let int = |n: Option<NonMaxU32>| n.map(|n| n.get().into());
        match self {
            Self::Seq => long(event.seq),
            Self::Ts => Some(event.ts.0.cast_unsigned() ^ SIGN),
            Self::Conn => Some(event.conn.0),
            Self::Sport => Some(event.local.port.into()),
            Self::Dport => Some(event.remote.port.into()),
            Self::Errno => event.errno.map(|n| n.get().into()),
            Self::LatUs => long(figures.lat_us),
            Self::DurUs => long(figures.dur_us),
            Self::TxBytes => long(figures.tx_bytes),
            Self::RxBytes => long(figures.rx_bytes),
            Self::RttUs => int(figures.rtt_us),
            Self::Retrans => int(figures.retrans),
            Self::Netns => int(event.netns),
            Self::Mntns => int(event.mntns),
            Self::Cgroup => long(event.cgroup),
        }
    }

    /// Puts a number that was kept into an event.
    pub(crate) fn put(self, number: Option<u64>, event: &mut Event) {
        let figures = &mut event.figures;
        let long = || number.and_then(NonMaxU64::new);
        let int = || number.and_then(|n| NonMaxU32::new(u32::try_from(n).ok()?));
        let short = || number.and_then(|n| u16::try_from(n).ok());
        match self {
            Self::Seq => event.seq = long(),
            Self::Ts => event.ts = Timestamp((number.unwrap_or(SIGN) ^ SIGN).cast_signed()),
            Self::Conn => event.conn = ConnId(number.unwrap_or_default()),
            Self::Sport => event.local.port = short().unwrap_or_default(),
            Self::Dport => event.remote.port = short().unwrap_or_default(),
            Self::Errno => event.errno = short().and_then(NonZeroU16::new),
            Self::LatUs => figures.lat_us = long(),
            Self::DurUs => figures.dur_us = long(),
            Self::TxBytes => figures.tx_bytes = long(),
            Self::RxBytes => figures.rx_bytes = long(),
            Self::RttUs => figures.rtt_us = int(),
            Self::Retrans => figures.retrans = int(),
            Self::Netns => event.netns = int(),
            Self::Mntns => event.mntns = int(),
            Self::Cgroup => event.cgroup = long(),
        }
    }
}

/// Turned over, times have the order of unsigned numbers.
const SIGN: u64 = 1 << 63;

/// An event of which nothing but its origin is known.
pub(crate) fn blank(origin: Arc<Origin>) -> Event {
    let nowhere = Endpoint {
        addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        port: 0,
    };
    Event {
        seq: None,
        ts: Timestamp::default(),
        origin,
        kind: None,
        phase: None,
        state: None,
        reason: None,
        errno: None,
        process: None,
        family: Family::V4,
        local: nowhere,
        remote: nowhere,
        conn: ConnId::default(),
        before: false,
        figures: Figures::default(),
        netns: None,
        mntns: None,
        cgroup: None,
        peer: None,
        scope: None,
    }
}
