//! The records of `-o json`, of agents and of recordings: one JSON object a line.
//!
//! Written by hand into a buffer, because a line a connection is written on every busy node; read
//! through serde, because what is read comes from elsewhere. Keys that are not known here are
//! skipped, and so are records of a kind that is not known: newer versions may add both.

mod decode;
mod encode;
mod json;

pub use decode::{Decoder, Record, WireError};
pub(crate) use encode::peer;
pub use encode::{Encoder, bye, hello, lost, meta, node};

/// The version of the records. Keys may be added without changing it.
pub const PROTO: u32 = 1;

#[cfg(test)]
mod laws;
