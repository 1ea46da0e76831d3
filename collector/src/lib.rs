//! From the kernel, from agents or from files to a stream of [`model::Batch`], and the shared
//! model that keeps them.
//!
//! ```text
//! kernel ─ ring ─▶ probe ─▶ identity ─▶ source ─▶ model
//! ```

pub mod agent;
pub mod export;
pub mod filter;
pub mod format;
pub mod identity;
pub mod kube;
pub mod model;
pub mod private_file;
pub mod privileges;
pub mod probe;
pub mod record;
pub mod sock_diag;
pub mod source;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod units;
pub mod wire;
