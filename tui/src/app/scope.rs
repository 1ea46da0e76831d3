//! What the rows of a view are a part of, after somebody went from a sum to what is behind it.

use std::sync::Arc;

use collector::model::findings::{Problem, Shows};
use collector::model::{Connection, Event, EventId, Kind, PairKey, Store, Trouble, WorkloadIx};

/// Rows of one pod, type, problem or node.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(super) of: Of,
    /// What it is, in a few words.
    pub(crate) label: String,
    /// What it means, where that takes a sentence.
    pub(crate) explanation: Option<&'static str>,
}

/// What rows have to be of.
#[derive(Clone, Debug)]
pub(super) enum Of {
    Workload(WorkloadIx),
    Kind(Kind),
    Problem {
        pair: PairKey,
        shows: Shows,
        /// The newest events that show it. The connection of some may be forgotten, and then it
        /// can't be told any more whose they are.
        rows: Vec<EventId>,
    },
    Node(Arc<str>),
}

impl Scope {
    pub(super) fn of_problem(problem: &Problem, label: String) -> Self {
        Self {
            of: Of::Problem {
                pair: problem.pair,
                shows: problem.shows,
                rows: problem.rows.clone(),
            },
            label,
            explanation: problem.check.map(|check| check.explanation),
        }
    }

    pub(super) fn has_event(&self, id: EventId, event: &Event, store: &Store) -> bool {
        match &self.of {
            Of::Workload(ix) => store.workloads().find(event) == Some(*ix),
            Of::Kind(kind) => Kind::of(event) == Some(*kind),
            Of::Node(name) => event.origin.node == *name,
            Of::Problem { pair, shows, rows } => {
                let of_pair = || store.pair_of(event) == Some(*pair);
                let shown = match shows {
                    Shows::Rows => false,
                    Shows::Pair => of_pair(),
                    Shows::Trouble(trouble) => {
                        trouble.is_shown_by(event, store.thresholds()) && of_pair()
                    }
                };
                (shown || rows.binary_search(&id).is_ok()) && !is_over(*shows, event, store)
            }
        }
    }

    /// An event that was in it is not any more.
    pub(super) fn has_lost(&self, id: EventId, store: &Store) -> bool {
        let Of::Problem { shows, .. } = self.of else {
            return false;
        };
        let event = store.log().get(id);
        event.is_some_and(|event| is_over(shows, &event, store))
    }

    /// Events that are in it may not be later.
    pub(super) fn loses(&self) -> bool {
        matches!(
            self.of,
            Of::Problem {
                shows: Shows::Trouble(trouble),
                ..
            } if trouble.passes()
        )
    }

    pub(super) fn has_connection(&self, connection: &Connection) -> bool {
        match &self.of {
            Of::Workload(ix) => connection.workload == *ix,
            Of::Node(name) => connection.row.origin.node == *name,
            Of::Kind(_) | Of::Problem { .. } => true,
        }
    }
}

/// It was in a state that passes, and is not any more.
fn is_over(shows: Shows, event: &Event, store: &Store) -> bool {
    let Shows::Trouble(trouble) = shows else {
        return false;
    };
    let known = store.connection_of(event);
    let known = known.and_then(|key| store.connections().get(key));
    let state = |known: &Connection| known.row.state.and_then(Trouble::of_state);
    trouble.passes() && known.is_some_and(|known| state(known) != Some(trouble))
}
