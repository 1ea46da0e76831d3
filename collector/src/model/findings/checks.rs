//! The checks: from what number on something is a finding, and what that means.

use crate::model::{Thresholds, Timestamp, Trouble, Troubled};

/// A check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// What is found.
    pub name: &'static str,
    /// What it means: a sentence, which says no more than the rows do.
    pub explanation: &'static str,
    /// The trouble that events show; `None` for what can only be seen from several pairs or counts.
    pub(super) trouble: Option<Trouble>,
    /// How many there are of it now, and from how many on that is a finding.
    enough: fn(&Troubled, &Thresholds, Timestamp) -> bool,
}

const fn check(
    name: &'static str,
    trouble: Trouble,
    enough: fn(&Troubled, &Thresholds, Timestamp) -> bool,
    explanation: &'static str,
) -> Check {
    Check {
        name,
        explanation,
        trouble: Some(trouble),
        enough,
    }
}

/// Found in several pairs or counts, by a function of its own.
const fn found_elsewhere(name: &'static str, explanation: &'static str) -> Check {
    Check {
        name,
        explanation,
        trouble: None,
        enough: |_, _, _| true,
    }
}

fn failing(troubled: &Troubled, thresholds: &Thresholds, now: Timestamp) -> bool {
    troubled.recent.minute(now) >= thresholds.failures
}

/// All checks.
pub static CHECKS: [Check; 14] = [
    check(
        "refused",
        Trouble::Refused,
        failing,
        "Connects are answered with a reset: nobody listens on that port, or a firewall rejects them.",
    ),
    check(
        "connect timeout",
        Trouble::ConnectTimeout,
        failing,
        "The SYNs of connects are never answered: they, or the answers, are dropped on the way or at the peer.",
    ),
    check(
        "unreachable",
        Trouble::ConnectUnreachable,
        failing,
        "Connects are answered with ICMP errors: no route to the peer, or a firewall rejects them.",
    ),
    check(
        "never accepted",
        Trouble::NeverAccepted,
        |troubled, _, now| troubled.recent.minute(now) > 0,
        "Connections got established and ended, and no process had accepted them: they waited in the backlog.",
    ),
    check(
        "never accepted",
        Trouble::Unaccepted,
        |_, _, _| true,
        "These connections are established, and wait in the backlog: for seconds, no process has accepted them.",
    ),
    check(
        "slow accept",
        Trouble::SlowAccept,
        |troubled, thresholds, now| troubled.recent.minute(now) >= thresholds.slow_accepts,
        "Connections wait in the accept queue for long before the process calls accept().",
    ),
    check(
        "CLOSE_WAIT",
        Trouble::CloseWait,
        |_, _, _| true,
        "The peer has closed these connections and the process has not: so it was at the start, or for half a minute.",
    ),
    check(
        "reset sent",
        Trouble::ResetSent,
        failing,
        "This side ends connections by a reset: it leaves data unread, sets a linger time of 0, or nobody accepted.",
    ),
    check(
        "reset by peer",
        Trouble::ResetByPeer,
        failing,
        "The peer ends connections by a reset.",
    ),
    check(
        "timeout",
        Trouble::Timeout,
        failing,
        "What was sent on established connections was never acknowledged, until the kernel gave up.",
    ),
    check(
        "churn",
        Trouble::Short,
        |troubled, thresholds, now| troubled.recent.ten_seconds(now) >= thresholds.short,
        "Many short connections between the same two: they are not kept alive, or not pooled.",
    ),
    check(
        "retransmissions",
        Trouble::Storm,
        |troubled, thresholds, now| troubled.recent.minute(now) >= thresholds.storms,
        "Many segments of these connections had to be sent again: they, or their acknowledgements, were lost.",
    ),
    found_elsewhere(
        "ports run out",
        "Open and lately closed connections to one address and port hold most of the local ports there are.",
    ),
    found_elsewhere(
        "one peer fails",
        "Connects to this peer fail, and those to the other peers of the same Service do not.",
    ),
];

/// Of those that are found elsewhere.
pub(super) const PORTS: &Check = &CHECKS[12];
pub(super) const ONE_PEER: &Check = &CHECKS[13];

impl Check {
    pub(super) fn applies(
        &self,
        troubled: &Troubled,
        thresholds: &Thresholds,
        now: Timestamp,
    ) -> bool {
        (self.enough)(troubled, thresholds, now)
    }
}
