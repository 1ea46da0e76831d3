//! Events for tests.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use collector::model::{
    Batch, Comm, ConnId, Endpoint, Event, EventType, Family, Figures, Origin, Phase, Process,
    Reason, TcpState, Timestamp, Update,
};

/// 2026-01-02T03:04:05.123456Z.
pub(crate) const NOW: Timestamp = Timestamp(1_767_323_045_123_456_000);

/// A successful connect from that port, which also names the connection.
pub(crate) fn connect(port: u16) -> Event {
    Event {
        seq: None,
        ts: NOW,
        origin: Arc::new(Origin {
            node: "host1".into(),
            ..Origin::default()
        }),
        kind: Some(EventType::Connect),
        phase: Some(Phase::Open),
        state: None,
        reason: None,
        errno: None,
        process: Some(Arc::new(Process {
            pid: 16_266,
            tid: None,
            uid: None,
            gid: None,
            comm: Comm::from_text("wget"),
            thread: None,
        })),
        family: Family::V4,
        local: Endpoint {
            addr: IpAddr::V4(Ipv4Addr::new(172, 17, 0, 3)),
            port,
        },
        remote: Endpoint {
            addr: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 97)),
            port: 443,
        },
        conn: ConnId(u64::from(port)),
        before: false,
        figures: Figures::default(),
        netns: None,
        mntns: None,
        cgroup: None,
        peer: None,
        scope: None,
    }
}

/// Its ending, by this side.
pub(crate) fn close(port: u16) -> Event {
    Event {
        kind: Some(EventType::Close),
        phase: Some(Phase::End),
        reason: Some(Reason::FinLocal),
        ..connect(port)
    }
}

/// A socket that was open before the start.
pub(crate) fn listed(port: u16) -> Event {
    Event {
        kind: None,
        phase: None,
        state: Some(TcpState::Established),
        before: true,
        ..connect(port)
    }
}

/// A batch of events.
pub(crate) fn batch(events: Vec<Event>) -> Update {
    Update::Batch(Batch {
        node: "host1".into(),
        events,
        lost: Vec::new(),
    })
}
