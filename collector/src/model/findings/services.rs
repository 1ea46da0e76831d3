//! One peer that fails among healthy ones of the same Service.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{ONE_PEER, Problem, ProblemId, Shows, checks};
use crate::model::{
    Direction, EventId, Pair, Peer, PeerKind, Store, Thresholds, Timestamp, Trouble, WorkloadIx,
};

/// The peers of one Service that one workload connects to, on one port.
type Group<'a> = (WorkloadIx, &'a Arc<Peer>, Option<u16>);

/// Healthy peers that there must be beside one that fails.
const HEALTHY: usize = 2;

pub(super) fn one_failing(
    store: &Store,
    thresholds: &Thresholds,
    now: Timestamp,
    found: &mut Vec<Problem>,
) {
    let mut groups: FxHashMap<Group, Vec<&Pair>> = FxHashMap::default();
    for pair in store.pairs().iter() {
        let service = pair
            .peer
            .as_ref()
            .filter(|peer| peer.kind == PeerKind::Service);
        if let Some(service) = service.filter(|_| pair.key.direction == Direction::Out) {
            let group = (pair.key.who, service, pair.key.port);
            groups.entry(group).or_default().push(pair);
        }
    }
    for pairs in groups.values() {
        let healthy = pairs
            .iter()
            .filter(|pair| failures(pair, now) == 0 && pair.opened > 0);
        if healthy.count() < HEALTHY {
            continue;
        }
        let bad = pairs
            .iter()
            .filter(|pair| is_failing(pair, thresholds, now));
        found.extend(bad.map(|pair| problem(pair, now)));
    }
}

const FAILED: [Trouble; 3] = [
    Trouble::Refused,
    Trouble::ConnectTimeout,
    Trouble::ConnectUnreachable,
];

fn failures(pair: &Pair, now: Timestamp) -> u64 {
    let of = |trouble| pair.trouble(trouble).map_or(0, |t| t.recent.minute(now));
    FAILED
        .into_iter()
        .map(|trouble| u64::from(of(trouble)))
        .sum()
}

fn is_failing(pair: &Pair, thresholds: &Thresholds, now: Timestamp) -> bool {
    let failed = failures(pair, now);
    let all = failed + u64::from(pair.opened_recently.minute(now));
    failed >= u64::from(thresholds.failures)
        && failed * 100 >= all * thresholds.peer_failing_percent
}

fn problem(pair: &Pair, now: Timestamp) -> Problem {
    let troubles = || {
        FAILED
            .into_iter()
            .filter_map(|trouble| pair.trouble(trouble))
    };
    let mut rows: Vec<EventId> = troubles().flat_map(|t| t.rows.iter().copied()).collect();
    rows.sort_unstable();
    Problem {
        id: ProblemId {
            pair: pair.id,
            what: ONE_PEER,
        },
        pair: pair.key,
        word: checks::ONE_PEER.name,
        check: Some(checks::ONE_PEER),
        count: troubles().map(|t| t.count).sum(),
        rate: troubles().map(|t| t.recent.last(now)).sum(),
        first: troubles().map(|t| t.first).min().unwrap_or(pair.last),
        last: troubles().map(|t| t.last).max().unwrap_or(pair.last),
        rows,
        shows: Shows::Rows,
    }
}
