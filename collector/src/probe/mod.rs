//! From the kernel to events: programs are loaded, records read, checked and understood.

mod btf;
mod clock;
mod constants;
mod drift;
mod hooks;
mod interpret;
mod left_open;
mod load;
mod prebuilt;
pub mod requirements;
mod ring;
mod seed;
mod shares;
mod skipped;

pub use btf::BtfError;
pub use clock::{Clock, monotonic_ns};
pub use drift::{DriftCheck, LastLook};
pub use interpret::{HalfClosed, Interpreter, Origins, Output, Unheld, cgroup_id};
pub use load::{Options, ProbeError, Probes};
pub use ring::Ring;
pub use shares::{Dropped, Shares};
