//! What is known: events, connections and counters. Pure: no clock, no I/O.

mod batch;
mod connection;
mod ends;
mod event;
mod journal;
mod log;
mod rollup;
#[cfg(test)]
pub(crate) mod sample;
mod slots;
mod store;

pub use batch::{Batch, Bye, Hello, HookKind, LossKind, Lost, NodeState, SourceState, Update, Via};
pub use connection::{ConnKey, ConnState, Connection, Connections};
pub use event::{
    Comm, ConnId, Endpoint, Event, EventType, Family, Figures, Origin, Peer, PeerKind, Phase,
    Process, Reason, TcpState, Timestamp,
};
pub use journal::Cursor;
pub use log::{EventId, Log};
pub use rollup::{Counts, RATE_SECONDS, Rates, Tally, Workloads};
pub use store::{Limits, Losses, Node, NodeIx, Store};
