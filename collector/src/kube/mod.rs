//! Kubernetes: the only place that speaks to the API server.
//!
//! ```text
//! agent:   review (who may see this)
//! client:  access ─▶ discover (where agents are) ─▶ transport (the way to one)
//! both:    deploy (the objects)
//! ```

pub mod access;
pub mod review;
