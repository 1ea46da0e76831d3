//! What comes from elsewhere may be anything: no panic, no hang, and what was understood is written in
//! a way that is understood again.

#[allow(dead_code, reason = "only its records are wanted here")]
#[path = "../../examples/steps/load.rs"]
mod load;
mod mutate;

mod filter;
mod kubeconfig;
mod lines;
mod recordings;
mod records;
