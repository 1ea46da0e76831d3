//! Kubernetes: the only place that speaks to the API server.
//!
//! ```text
//! agent:   review (who may see this), node_pods (what runs here)
//! client:  access ─▶ discover (where agents are) ─▶ transport (the way to one)
//! both:    watch; deploy (the objects)
//! ```

pub mod access;
pub mod deploy;
pub mod discover;
mod endpoints;
pub mod labels;
pub mod node_pods;
pub mod peers;
pub mod review;
pub mod token;
pub mod transport;
pub mod watch;
