//! The kernel's own list of TCP sockets, over netlink: `inet_diag`, what `ss` asks too.
//!
//! It needs no privileges for the own network namespace, and `CAP_SYS_ADMIN` for others. It says
//! what is, never what was: sockets that came and went between two dumps leave no trace.
//!
//! ```text
//! client ─ request ─▶ kernel ─ responses ─▶ decode ─▶ Socket
//! netns  ─ a thread in another namespace, to ask from there
//! ```

mod client;
mod decode;
pub mod netns;
mod socket;

pub use client::{AllNetns, Client, Error, dump, dump_all_netns};
pub use socket::{Counters, Key, Shutdown, Socket, States};
