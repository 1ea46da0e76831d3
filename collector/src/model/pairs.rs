//! Who has connections with whom, and what went wrong there: what problems are found in. Bounded.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::connection::Change;
use super::trouble::{Thresholds, Trouble};
use super::{
    Event, EventId, EventType, Peer, Phase, Recent, TcpState, Timestamp, WorkloadIx, Zone,
};

/// Which end opened the connections of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// The workload connected.
    Out,
    /// The workload accepted, or was to.
    In,
    /// The opening was not seen.
    Unknown,
}

impl Direction {
    /// The direction of a connection that was opened by an event of that type.
    #[must_use]
    pub fn of(opening: Option<EventType>) -> Self {
        match opening {
            Some(EventType::Connect) => Self::Out,
            Some(EventType::Accept | EventType::Unknown) => Self::In,
            Some(EventType::Close) | None => Self::Unknown,
        }
    }
}

/// What names a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PairKey {
    /// The workload.
    pub who: WorkloadIx,
    /// Which of the two opened the connections.
    pub direction: Direction,
    /// The address of the other one.
    pub addr: IpAddr,
    /// The interface that it is on, where that address is link-local.
    pub scope: Option<Zone>,
    /// The port that is connected to, at whichever end it is; `None` where the direction is unknown.
    pub port: Option<u16>,
}

impl PairKey {
    /// The pair of an event of a workload's connection in that direction.
    #[must_use]
    pub fn of(who: WorkloadIx, direction: Direction, event: &Event) -> Self {
        // Whoever waits to be accepted has connected, whether or not that was seen.
        let direction = match event.state {
            Some(TcpState::Unaccepted) => Direction::In,
            _ => direction,
        };
        let port = match direction {
            Direction::Out => Some(event.remote.port),
            Direction::In => Some(event.local.port),
            Direction::Unknown => None,
        };
        Self {
            who,
            direction,
            addr: event.remote.addr,
            scope: event.daddr().zone(),
            port,
        }
    }
}

/// The identity of a pair: rises by one per pair, and is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PairId(pub(super) u64);

impl PairId {
    /// Its number: the first one has 0.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Rows that are remembered for each trouble of a pair.
const ROWS: usize = 32;

/// One kind of trouble of one pair.
#[derive(Clone, Debug)]
pub struct Troubled {
    /// What it is.
    pub trouble: Trouble,
    /// How often; of what passes, how many there are now.
    pub count: u64,
    /// When first.
    pub first: Timestamp,
    /// When last.
    pub last: Timestamp,
    /// How often lately.
    pub recent: Recent,
    /// The newest events that show it, in their order.
    pub rows: VecDeque<EventId>,
}

/// A workload and one other end.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Its identity.
    pub id: PairId,
    /// What names it.
    pub key: PairKey,
    /// The name of the other one, where it has one.
    pub peer: Option<Arc<Peer>>,
    /// Connections that got established.
    pub opened: u64,
    /// Of them, how many lately.
    pub opened_recently: Recent,
    /// Connections that are open now.
    pub open: u64,
    /// Endings by a FIN of this side, which hold the local port for a while.
    pub closed_recently: Recent,
    /// The newest event of it.
    pub last: Timestamp,
    /// What went wrong.
    pub troubles: Vec<Troubled>,
}

impl Pair {
    /// How often there was a trouble.
    #[must_use]
    pub fn trouble(&self, trouble: Trouble) -> Option<&Troubled> {
        self.troubles.iter().find(|known| known.trouble == trouble)
    }

    fn add(&mut self, trouble: Trouble, id: EventId, ts: Timestamp, now: Timestamp) {
        let place = self.troubles.iter().position(|t| t.trouble == trouble);
        let place = place.unwrap_or_else(|| {
            // Most have one, and there are many pairs.
            self.troubles.reserve_exact(1);
            self.troubles.push(Troubled {
                trouble,
                count: 0,
                first: ts,
                last: ts,
                recent: Recent::default(),
                rows: VecDeque::new(),
            });
            self.troubles.len() - 1
        });
        let known = &mut self.troubles[place];
        known.count += 1;
        known.first = known.first.min(ts);
        known.last = known.last.max(ts);
        known.recent.add(now);
        if known.rows.len() == ROWS {
            known.rows.pop_front();
        }
        known.rows.push_back(id);
    }

    /// One less of what is a state.
    fn take_back(&mut self, trouble: Trouble) {
        self.troubles.retain_mut(|known| {
            if known.trouble != trouble {
                return true;
            }
            known.count -= 1;
            known.count > 0
        });
    }
}

/// Up to a limit of pairs; those of which nothing was heard for the longest time are forgotten.
#[derive(Debug)]
pub struct Pairs {
    all: FxHashMap<PairKey, Pair>,
    next: u64,
    forgotten: u64,
    limit: usize,
}

impl Pairs {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            all: FxHashMap::default(),
            next: 0,
            forgotten: 0,
            limit: limit.max(2),
        }
    }

    /// Takes in an event under its identity.
    pub(super) fn take(
        &mut self,
        key: PairKey,
        id: EventId,
        event: &Event,
        change: Change,
        thresholds: &Thresholds,
        now: Timestamp,
    ) {
        if self.all.len() >= self.limit && !self.all.contains_key(&key) {
            self.forget();
        }
        let next = &mut self.next;
        let pair = self.all.entry(key).or_insert_with(|| {
            *next += 1;
            Pair {
                id: PairId(*next - 1),
                key,
                peer: None,
                opened: 0,
                opened_recently: Recent::default(),
                open: 0,
                closed_recently: Recent::default(),
                last: event.ts,
                troubles: Vec::new(),
            }
        });
        pair.last = pair.last.max(event.ts);
        if event.peer.is_some() {
            pair.peer.clone_from(&event.peer);
        }
        let failed = event.kind == Some(EventType::Connect) && event.reason.is_some();
        match event.phase {
            Some(Phase::Open) if !failed => {
                pair.opened += 1;
                pair.opened_recently.add(now);
            }
            Some(Phase::End) if event.reason == Some(super::Reason::FinLocal) => {
                pair.closed_recently.add(now);
            }
            _ => {}
        }
        match (change.before, change.after) {
            (None, Some(_)) => pair.open += 1,
            (Some(_), None) => pair.open = pair.open.saturating_sub(1),
            _ => {}
        }
        let [was_stuck, is_stuck] =
            [change.before, change.after].map(|alive| alive.and_then(|alive| alive.stuck));
        for trouble in Trouble::shown_by(event, thresholds) {
            // Of a state it is no news that it is still so.
            if !trouble.passes() || (is_stuck == Some(trouble) && was_stuck != is_stuck) {
                pair.add(trouble, id, event.ts, now);
            }
        }
        if let (Some(before), Some(trouble)) = (change.before, was_stuck)
            && is_stuck != was_stuck
        {
            // Nobody's connection becomes somebody's when it is accepted.
            let key = match trouble {
                Trouble::Unaccepted => PairKey::of(before.workload, Direction::In, event),
                _ => key,
            };
            if let Some(pair) = self.all.get_mut(&key) {
                pair.take_back(trouble);
            }
        }
    }

    /// Forgets half of the pairs, so that each is looked at seldom.
    fn forget(&mut self) {
        let mut times: Vec<Timestamp> = self.all.values().map(|pair| pair.last).collect();
        let half = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(half);
        let median = *median;
        let mut excess = self.all.len() - half;
        let before = self.all.len();
        self.all.retain(|_, pair| {
            let old = pair.last <= median && excess > 0;
            excess -= usize::from(old);
            !old
        });
        self.forgotten += (before - self.all.len()) as u64;
    }

    /// The pairs, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.all.values()
    }

    /// A pair.
    #[must_use]
    pub fn get(&self, key: &PairKey) -> Option<&Pair> {
        self.all.get(key)
    }

    /// How many pairs are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// No pair is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many pairs were forgotten, with what was wrong with them.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::Alive;
    use super::*;
    use crate::model::{Reason, sample};
    use crate::testing::link_local;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

    fn take(pairs: &mut Pairs, id: u64, event: &Event) {
        let workload = WorkloadIx(0);
        let key = PairKey::of(workload, Direction::Out, event);
        let alive = Alive {
            workload,
            certain: true,
            stuck: None,
        };
        let change = Change {
            before: None,
            after: event.reason.is_none().then_some(alive),
        };
        let thresholds = Thresholds::default();
        pairs.take(key, EventId(id), event, change, &thresholds, NOW);
    }

    #[test]
    fn failures_are_counted_with_their_newest_rows() {
        let mut pairs = Pairs::new(8);
        let mut refused = sample::connect(1, 40_000);
        refused.reason = Some(Reason::Refused);
        (0..40).for_each(|id| take(&mut pairs, id, &refused));
        take(&mut pairs, 40, &sample::connect(2, 40_001));
        let pair = pairs.iter().next().expect("one pair");
        assert_eq!((pairs.len(), pair.opened, pair.open), (1, 1, 1));
        let refused = pair.trouble(Trouble::Refused).expect("it was refused");
        assert_eq!((refused.count, refused.rows.len()), (40, ROWS));
        assert_eq!(refused.rows.back(), Some(&EventId(39)));
    }

    #[test]
    fn the_same_address_on_two_links_is_two() {
        let mut pairs = Pairs::new(8);
        for (id, link) in ["eth0", "eth1", "eth0"].into_iter().enumerate() {
            take(&mut pairs, id as u64, &link_local(link));
        }
        let mut opened: Vec<_> = pairs
            .iter()
            .map(|pair| (pair.key.scope, pair.opened))
            .collect();
        opened.sort_unstable();
        assert_eq!(opened, [(Zone::new("eth0"), 2), (Zone::new("eth1"), 1)]);
    }

    #[test]
    fn the_oldest_pairs_are_forgotten_and_counted() {
        let mut pairs = Pairs::new(10);
        for port in 0..25_u16 {
            let mut event = sample::connect(u64::from(port), 1);
            event.remote.port = port;
            event.ts = Timestamp(NOW.0 + i64::from(port));
            take(&mut pairs, u64::from(port), &event);
            assert!(pairs.len() <= 10);
        }
        assert_eq!(pairs.len() as u64 + pairs.forgotten(), 25);
        assert!(pairs.iter().any(|pair| pair.key.port == Some(24)));
    }
}
