//! From when on something is a finding, as the configuration says it.

use std::ops::RangeInclusive;

use collector::model::Thresholds;
use serde::Deserialize;
use serde_spanned::Spanned;

use super::set::{Wrong, set, set_time};

/// The keys, as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Findings {
    failures: Option<Spanned<u32>>,
    slow_accept: Option<Spanned<String>>,
    slow_accepts: Option<Spanned<u32>>,
    unaccepted: Option<Spanned<String>>,
    short: Option<Spanned<String>>,
    churn: Option<Spanned<u32>>,
    retransmissions: Option<Spanned<u32>>,
    storms: Option<Spanned<u32>>,
    ports: Option<Spanned<u64>>,
    ports_percent: Option<Spanned<u64>>,
    peer_failing_percent: Option<Spanned<u64>>,
}

impl Findings {
    /// What it means; what it does not say is as usual.
    pub(super) fn thresholds(&self) -> Result<Thresholds, Wrong> {
        const PERCENT: RangeInclusive<u64> = 1..=100;
        const MANY: RangeInclusive<u32> = 1..=1_000_000;
        let mut to = Thresholds::default();
        set(&mut to.failures, self.failures.as_ref(), MANY)?;
        set_time(&mut to.slow_accept_us, self.slow_accept.as_ref())?;
        set(&mut to.slow_accepts, self.slow_accepts.as_ref(), MANY)?;
        set_time(&mut to.unaccepted_us, self.unaccepted.as_ref())?;
        set_time(&mut to.short_us, self.short.as_ref())?;
        set(&mut to.short, self.churn.as_ref(), MANY)?;
        set(&mut to.retransmissions, self.retransmissions.as_ref(), MANY)?;
        set(&mut to.storms, self.storms.as_ref(), MANY)?;
        set(&mut to.ports, self.ports.as_ref(), 1..=65_535)?;
        set(&mut to.ports_percent, self.ports_percent.as_ref(), PERCENT)?;
        let failing = self.peer_failing_percent.as_ref();
        set(&mut to.peer_failing_percent, failing, PERCENT)?;
        Ok(to)
    }
}
