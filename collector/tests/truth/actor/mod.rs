//! Known processes: each does what the test tells it, one socket operation at a time, and says
//! what came of it.
//!
//! ```text
//! test ── Op ──▶ actor (this binary again, with --actor)
//!      ◀─ Reply ──┘
//! ```

mod diag;
mod handle;
mod icmp;
mod protocol;
mod serve;
mod sys;
mod uring;

pub use handle::{ANY6, Actor, Conn, Done, Listener, V4, V6, Window, as_fd, domain};
pub use protocol::{Acceptor, Fd, Op, Uring, Who};
pub use serve::{FLAG, hierarchy, main};
