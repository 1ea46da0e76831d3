//! What is known: events, connections and counters. Pure: no clock, no I/O.

mod batch;
mod event;

pub use batch::{Batch, Bye, Hello, HookKind, LossKind, Lost, NodeState, SourceState, Update};
pub use event::{
    Comm, ConnId, Endpoint, Event, EventType, Family, Figures, Origin, Peer, PeerKind, Phase,
    Process, Reason, TcpState, Timestamp,
};
