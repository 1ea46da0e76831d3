//! Events for tests.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::{
    Comm, ConnId, Endpoint, Event, EventType, Family, Figures, Origin, Phase, Process, Reason,
    TcpState, Timestamp,
};

/// A successful connect.
pub(crate) fn connect(conn: u64, port: u16) -> Event {
    Event {
        seq: None,
        ts: Timestamp(1_700_000_000_000_000_000),
        origin: origin("host1"),
        kind: Some(EventType::Connect),
        phase: Some(Phase::Open),
        state: None,
        reason: None,
        errno: None,
        process: Some(Process {
            pid: 100,
            tid: None,
            uid: None,
            gid: None,
            comm: Comm::from_text("curl"),
        }),
        family: Family::V4,
        local: Endpoint {
            addr: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port,
        },
        remote: Endpoint {
            addr: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 443,
        },
        conn: ConnId(conn),
        before: false,
        figures: Figures::default(),
        netns: None,
        mntns: None,
        cgroup: None,
        peer: None,
    }
}

/// An ending by this side.
pub(crate) fn close(conn: u64, port: u16) -> Event {
    Event {
        kind: Some(EventType::Close),
        phase: Some(Phase::End),
        reason: Some(Reason::FinLocal),
        ..connect(conn, port)
    }
}

/// A socket that was open before the start.
pub(crate) fn listed(conn: u64, port: u16) -> Event {
    Event {
        kind: None,
        phase: None,
        state: Some(TcpState::Established),
        before: true,
        ..connect(conn, port)
    }
}

/// A node without workloads.
pub(crate) fn origin(node: &str) -> Arc<Origin> {
    Arc::new(Origin {
        node: node.into(),
        ..Origin::default()
    })
}
