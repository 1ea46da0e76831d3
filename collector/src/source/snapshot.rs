//! What was open at the start and no process holds by a descriptor: connections in accept queues,
//! and those whose process has closed them already. The probes' own snapshot can't see them.

use std::sync::Arc;

use nonmax::NonMaxU32;
use rustc_hash::FxHashSet;

use crate::model::{ConnId, Event, Origin, Timestamp, Zone};
use crate::sock_diag::{AllNetns, Socket};

/// The rows of all connections whose cookies are not among `known`.
pub fn others(
    all: &AllNetns,
    known: &FxHashSet<u64>,
    now: Timestamp,
    mut origin: impl FnMut(Option<u64>) -> Arc<Origin>,
    mut scope: impl FnMut(u32, &Socket) -> Option<Zone>,
) -> Vec<Event> {
    let new = |socket: &Socket| socket.is_connection() && !known.contains(&socket.cookie);
    all.sockets
        .iter()
        .filter(|(_, socket)| new(socket))
        .map(|(netns, socket)| {
            let scope = scope(*netns, socket);
            row(*netns, socket, now, origin(socket.cgroup), scope)
        })
        .collect()
}

/// The row of one socket, without an owner.
pub fn row(
    netns: u32,
    socket: &Socket,
    now: Timestamp,
    origin: Arc<Origin>,
    scope: Option<Zone>,
) -> Event {
    Event {
        seq: None,
        ts: now,
        origin,
        kind: None,
        phase: None,
        state: Some(socket.state),
        reason: None,
        errno: None,
        process: None,
        family: socket.family,
        local: socket.local,
        remote: socket.remote,
        conn: ConnId(socket.cookie),
        before: true,
        figures: socket.figures(),
        netns: NonMaxU32::new(netns),
        mntns: None,
        cgroup: None,
        peer: None,
        scope,
    }
}
