//! What is wrong, as a table of checks. Pure: the moment and the thresholds are given.
//!
//! Each finding says what its rows show and no more: what it may be due to is for whoever reads it.

mod checks;
mod ports;
mod services;

pub use checks::{CHECKS, Check};

use std::collections::VecDeque;

use super::{EventId, Pair, PairKey, Store, Thresholds, Timestamp, Trouble};

/// Something that went wrong between a workload and another end.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Its identity: the same for as long as the pair is known.
    pub id: ProblemId,
    /// Who, and with whom.
    pub pair: PairKey,
    /// What it is called.
    pub word: &'static str,
    /// The check that says that it is one; `None` for failures of which there are few.
    pub check: Option<&'static Check>,
    /// How often, or how many there are now.
    pub count: u64,
    /// How often in the last whole second.
    pub rate: u32,
    /// When first.
    pub first: Timestamp,
    /// When last.
    pub last: Timestamp,
    /// The newest events that show it, in their order.
    pub rows: Vec<EventId>,
    /// Which events show it, beside those.
    pub shows: Shows,
}

impl Problem {
    /// Connections failed, or ended as nobody wanted: it is not only how they went.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self.shows {
            Shows::Trouble(trouble) => {
                trouble.is_failure()
                    || matches!(trouble, Trouble::NeverAccepted | Trouble::Unaccepted)
            }
            Shows::Pair => false,
            Shows::Rows => true,
        }
    }
}

/// Which events show a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// Those of the pair with this trouble.
    Trouble(Trouble),
    /// All of the pair: it is their number that shows it.
    Pair,
    /// None but those that are named.
    Rows,
}

/// What names a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProblemId {
    pair: super::PairId,
    what: u8,
}

/// A problem's `what` beyond the troubles that single events show.
const PORTS: u8 = Trouble::Storm as u8 + 1;
const ONE_PEER: u8 = PORTS + 1;

/// All problems, in no order.
#[must_use]
pub fn problems(store: &Store, now: Timestamp) -> Vec<Problem> {
    let thresholds = store.thresholds();
    let mut found = Vec::new();
    for pair in store.pairs().iter() {
        of_pair(pair, thresholds, now, &mut found);
        found.extend(ports::running_out(pair, thresholds, now));
    }
    services::one_failing(store, thresholds, now, &mut found);
    found
}

/// What single events of a pair show.
fn of_pair(pair: &Pair, thresholds: &Thresholds, now: Timestamp, found: &mut Vec<Problem>) {
    for troubled in &pair.troubles {
        let check = CHECKS
            .iter()
            .find(|check| check.trouble == Some(troubled.trouble));
        let check = check.filter(|check| check.applies(troubled, thresholds, now));
        if check.is_none() && !troubled.trouble.is_failure() {
            continue;
        }
        found.push(Problem {
            id: ProblemId {
                pair: pair.id,
                what: troubled.trouble as u8,
            },
            pair: pair.key,
            word: check.map_or(troubled.trouble.word(), |check| check.name),
            check,
            count: troubled.count,
            rate: troubled.recent.last(now),
            first: troubled.first,
            last: troubled.last,
            rows: rows(&troubled.rows),
            shows: Shows::Trouble(troubled.trouble),
        });
    }
}

fn rows(rows: &VecDeque<EventId>) -> Vec<EventId> {
    rows.iter().copied().collect()
}

#[cfg(test)]
mod tests;
