//! Local ports that run out: each connection to one address and port needs one of its own, and the
//! side that closes first holds it for another minute, in TIME_WAIT.

use super::{PORTS, Problem, ProblemId, Shows, checks};
use crate::model::{Direction, Pair, Thresholds, Timestamp};

pub(super) fn running_out(pair: &Pair, thresholds: &Thresholds, now: Timestamp) -> Option<Problem> {
    let held = pair.open + u64::from(pair.closed_recently.minute(now));
    let few = held.saturating_mul(100) < thresholds.ports.saturating_mul(thresholds.ports_percent);
    if pair.key.direction != Direction::Out || few {
        return None;
    }
    Some(Problem {
        id: ProblemId {
            pair: pair.id,
            what: PORTS,
        },
        pair: pair.key,
        word: checks::PORTS.name,
        check: Some(checks::PORTS),
        count: held,
        rate: pair.opened_recently.last(now),
        first: pair.last,
        last: pair.last,
        // All events of the pair: it is not these or those that show it, but how many there are.
        rows: Vec::new(),
        shows: Shows::Pair,
    })
}
