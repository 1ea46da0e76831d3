//! From the kernel, from agents or from files to a stream of [`model::Batch`], and the shared
//! model that keeps them.
//!
//! ```text
//! kernel ─ ring ─▶ probe ─▶ identity ─▶ source ─▶ model
//! ```

pub mod model;
pub mod source;
pub mod units;
