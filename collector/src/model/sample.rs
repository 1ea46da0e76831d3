//! Events for tests, each of a connection of its own.

use std::sync::Arc;

use super::{ConnId, Endpoint, Event, EventType, Origin, Phase, Reason, TcpState};
use crate::testing;

/// A successful connect from that port.
pub(crate) fn connect(conn: u64, port: u16) -> Event {
    let plain = testing::event();
    Event {
        local: Endpoint {
            port,
            ..plain.local
        },
        conn: ConnId(conn),
        ..plain
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
