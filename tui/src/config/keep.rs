//! How much is kept, as the configuration says it.

use std::ops::RangeInclusive;

use collector::model::Limits;
use serde::Deserialize;
use serde_spanned::Spanned;

use super::set::{Wrong, set};

/// The keys, as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Keep {
    events: Option<Spanned<usize>>,
    open: Option<Spanned<usize>>,
    ended: Option<Spanned<usize>>,
    workloads: Option<Spanned<usize>>,
    pairs: Option<Spanned<usize>>,
    nodes: Option<Spanned<usize>>,
}

/// How many of a kind may be kept: a screenful, and what still fits into the memory of a host.
const KEPT: RangeInclusive<usize> = 100..=50_000_000;

impl Keep {
    /// What it means; what it does not say is as usual.
    pub(super) fn limits(&self) -> Result<Limits, Wrong> {
        let mut to = Limits::default();
        set(&mut to.events, self.events.as_ref(), KEPT)?;
        set(&mut to.open, self.open.as_ref(), KEPT)?;
        set(&mut to.ended, self.ended.as_ref(), KEPT)?;
        set(&mut to.workloads, self.workloads.as_ref(), KEPT)?;
        set(&mut to.pairs, self.pairs.as_ref(), KEPT)?;
        set(&mut to.nodes, self.nodes.as_ref(), KEPT)?;
        Ok(to)
    }
}
