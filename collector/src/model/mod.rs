//! What is known: events, connections and counters. Pure: no clock, no I/O.

mod batch;
mod connection;
mod degraded;
mod ends;
mod event;
pub mod findings;
mod gaps;
mod journal;
pub(crate) mod log;
mod pairs;
mod processes;
mod rollup;
#[cfg(test)]
pub(crate) mod sample;
mod series;
mod slots;
mod store;
mod trouble;
mod workloads;
mod zone;

pub use batch::{
    Batch, Bye, Dropper, Hello, HookKind, LossKind, Lost, Meta, NodeState, SourceState, Update, Via,
};
pub use connection::{ConnKey, ConnState, Connection, Connections};
pub use degraded::{Degraded, Lack};
pub use event::{
    Comm, ConnId, Endpoint, Event, EventType, Family, Figures, Origin, Peer, PeerKind, Phase,
    Process, Reason, TcpState, Timestamp,
};
pub use gaps::{Gap, Gaps};
pub use journal::Cursor;
pub use log::{EventId, Log, Number, Part};
pub use pairs::{Direction, Pair, PairId, PairKey, Pairs, Troubled};
pub(crate) use processes::Processes;
pub use rollup::{Counts, Kind, KindTally, Kinds, Rates};
pub use series::{RATE_SECONDS, Recent, Series};
pub use store::{Limits, Losses, Node, NodeIx, Store};
pub use trouble::{Thresholds, Trouble};
pub use workloads::{Peers, TopPeer, Workload, WorkloadIx, Workloads};
pub use zone::{Scoped, Zone, is_link_local};
