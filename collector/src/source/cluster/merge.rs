//! The streams of many nodes in one order: that of time, as far as their clocks tell it.
//!
//! What two nodes say of one connection comes on two ways, and one of them may be slower. So an
//! event waits until all other nodes that are live have said something later, and until it is
//! [`HOLD`] old at the most: what was long on its way waits no longer. Each node's own order stays
//! as it is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::met::Met;
use crate::model::{Batch, Event, Lost, SourceState, Timestamp, Update};

/// How old an event is when those of other nodes are waited for no longer: as long as an agent
/// gathers, and as long again for the way.
const HOLD: Duration = Duration::from_millis(100);
/// What is so near is not parted, in nanoseconds: no node's own order is more exact.
const NEAR: i64 = 1_000_000;
/// How many events wait at the most.
const MOST: usize = 65_536;

/// What a node says, and its clock.
#[derive(Debug)]
pub(super) struct Dated {
    /// What it says.
    pub(super) update: Update,
    /// How many nanoseconds its clock is ahead of this host's.
    pub(super) ahead: i64,
}

/// Passes updates on, in order, until they end or nobody listens.
pub(super) async fn run(mut updates: mpsc::Receiver<Dated>, reader: mpsc::Sender<Update>) {
    let mut merge = Merge::default();
    let mut met = Met::default();
    loop {
        while let Some(mut update) = merge.next(Instant::now()) {
            met.name(&mut update);
            if reader.send(update).await.is_err() {
                return;
            }
        }
        let due = merge.due();
        let until = tokio::time::Instant::from_std(due.unwrap_or_else(Instant::now));
        tokio::select! {
            dated = updates.recv() => match dated {
                Some(dated) => merge.offer(dated, Instant::now(), Timestamp::now()),
                None => break,
            },
            () = sleep_until(until), if due.is_some() => {}
        }
    }
    merge.over = true;
    while let Some(mut update) = merge.next(Instant::now()) {
        met.name(&mut update);
        if reader.send(update).await.is_err() {
            return;
        }
    }
}

/// What waits, node by node. Pure: the clock is an argument.
#[derive(Debug, Default)]
struct Merge {
    lanes: BTreeMap<Arc<str>, Lane>,
    /// How many events wait.
    held: usize,
    /// Nothing comes any more.
    over: bool,
}

/// What waits of one node.
#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Held>,
    /// The time of what went last: what follows it in the node's order is not earlier.
    went: i64,
    live: bool,
    ahead: i64,
}

#[derive(Debug)]
struct Held {
    came: Came,
    what: What,
}

/// When something came, by both clocks of this host.
#[derive(Clone, Copy, Debug)]
struct Came {
    at: Instant,
    ts: Timestamp,
}

impl Came {
    /// When that is [`HOLD`] old which happened at a time, if this host's clock can tell.
    fn due(self, happened: i64) -> Instant {
        let age = self.ts.0.saturating_sub(happened);
        let age = Duration::from_nanos(u64::try_from(age).unwrap_or_default());
        self.at + HOLD.saturating_sub(age)
    }
}

#[derive(Debug)]
enum What {
    Events(VecDeque<Event>, Vec<Lost>),
    Other(Update),
}

impl Lane {
    /// When what is first here happened, by this host's clock; `None` if it need not be compared.
    fn time(&self, first: &Held) -> Option<i64> {
        let What::Events(events, _) = &first.what else {
            return None;
        };
        events.front().map(|event| self.time_of(event))
    }

    /// When what is first here waits no longer.
    fn due(&self) -> Option<Instant> {
        let first = self.waiting.front()?;
        Some(match self.time(first) {
            Some(happened) => first.came.due(happened),
            None => first.came.at,
        })
    }

    fn time_of(&self, event: &Event) -> i64 {
        event.ts.0.saturating_sub(self.ahead).max(self.went)
    }
}

impl Merge {
    fn offer(&mut self, dated: Dated, at: Instant, ts: Timestamp) {
        let (node, what) = match dated.update {
            Update::Batch(batch) => {
                self.held += batch.events.len();
                (batch.node, What::Events(batch.events.into(), batch.lost))
            }
            Update::Hello(hello) => (Arc::clone(&hello.node), What::Other(Update::Hello(hello))),
            Update::State(state) => (Arc::clone(&state.node), What::Other(Update::State(state))),
            Update::Meta(meta) => (
                Arc::clone(&meta.origin.node),
                What::Other(Update::Meta(meta)),
            ),
            // Of no node.
            note @ Update::Note(_) => (Arc::from(""), What::Other(note)),
        };
        let lane = self.lanes.entry(node).or_default();
        lane.ahead = dated.ahead;
        if let What::Other(Update::State(state)) = &what {
            lane.live = state.state == SourceState::Live;
        }
        let came = Came { at, ts };
        lane.waiting.push_back(Held { came, what });
    }

    /// The next update that can go, or as much of it as can.
    fn next(&mut self, now: Instant) -> Option<Update> {
        // What has no time, and what went on before it, waits for nobody.
        let untimed = self.lanes.iter().find(|(_, lane)| {
            let first = lane.waiting.front();
            first.is_some_and(|first| lane.time(first).is_none())
        });
        if let Some((node, _)) = untimed {
            return self.take(&Arc::clone(node), i64::MAX);
        }
        let mut firsts: Vec<(i64, &Arc<str>, Instant)> = Vec::new();
        let mut silent = false;
        for (node, lane) in &self.lanes {
            match lane.waiting.front() {
                Some(first) => {
                    let time = lane.time(first).map(|at| (at, node, first.came.due(at)));
                    firsts.extend(time);
                }
                None => silent |= lane.live,
            }
        }
        firsts.sort_unstable_by_key(|(at, ..)| *at);
        let (_, node, due) = *firsts.first()?;
        if silent && now < due && !self.over && self.held < MOST {
            return None;
        }
        let until = firsts
            .get(1)
            .map_or(i64::MAX, |(at, ..)| at.saturating_add(NEAR));
        self.take(&Arc::clone(node), until)
    }

    /// Takes what is first in a node's lane, as far as that time.
    fn take(&mut self, node: &Arc<str>, until: i64) -> Option<Update> {
        let lane = self.lanes.get_mut(node)?;
        let Held { came, what } = lane.waiting.pop_front()?;
        let (mut left, lost) = match what {
            What::Other(update) => return Some(update),
            What::Events(events, lost) => (events, lost),
        };
        let mut events = Vec::with_capacity(left.len());
        while let Some(event) = left.pop_front() {
            let at = lane.time_of(&event);
            if at > until && !events.is_empty() {
                left.push_front(event);
                break;
            }
            lane.went = at;
            events.push(event);
        }
        self.held -= events.len();
        let node = Arc::clone(node);
        if left.is_empty() {
            return Some(Update::Batch(Batch { node, events, lost }));
        }
        let what = What::Events(left, lost);
        lane.waiting.push_front(Held { came, what });
        let lost = Vec::new();
        Some(Update::Batch(Batch { node, events, lost }))
    }

    /// When the next update can go at the latest.
    fn due(&self) -> Option<Instant> {
        self.lanes.values().filter_map(Lane::due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NodeState, sample};

    /// What went, as `node:id` for each event.
    struct Heard {
        merge: Merge,
        start: Instant,
    }

    impl Heard {
        fn of(nodes: &[&str]) -> Self {
            let mut heard = Self {
                merge: Merge::default(),
                start: Instant::now(),
            };
            for node in nodes {
                heard.state(node, SourceState::Live);
                assert!(heard.merge.next(heard.start).is_some());
            }
            heard
        }

        fn state(&mut self, node: &str, state: SourceState) {
            let node = node.into();
            let update = Update::State(NodeState {
                node,
                state,
                via: None,
            });
            self.offer(Dated { update, ahead: 0 }, Duration::ZERO);
        }

        /// A node says that connections were made, each at the millisecond that is its id.
        fn say(&mut self, node: &str, ahead: i64, at: &[u64], after: Duration) {
            let events = at.iter().map(|ms| {
                let mut event = sample::connect(*ms, 0);
                event.ts.0 = i64::try_from(*ms).unwrap() * NEAR + ahead;
                event
            });
            let update = Update::Batch(Batch {
                node: node.into(),
                events: events.collect(),
                lost: Vec::new(),
            });
            self.offer(Dated { update, ahead }, after);
        }

        fn offer(&mut self, dated: Dated, after: Duration) {
            let ts = Timestamp(i64::try_from(after.as_nanos()).unwrap());
            self.merge.offer(dated, self.start + after, ts);
        }

        fn hear(&mut self, after: Duration) -> Vec<String> {
            let mut heard = Vec::new();
            while let Some(update) = self.merge.next(self.start + after) {
                match update {
                    Update::Batch(batch) => heard.extend(
                        batch
                            .events
                            .iter()
                            .map(|event| format!("{}:{}", batch.node, event.conn.0)),
                    ),
                    Update::State(state) => heard.push(state.node.to_string()),
                    Update::Hello(_) | Update::Meta(_) | Update::Note(_) => {}
                }
            }
            heard
        }
    }

    #[test]
    fn what_was_long_on_its_way_waits_no_longer() {
        let mut heard = Heard::of(&["a", "b"]);
        let after = Duration::from_millis(70);
        heard.say("a", 0, &[10, 60], after);
        assert_eq!(heard.merge.due(), Some(heard.start + HOLD + 10 * MS));
        assert!(heard.hear(after).is_empty());
        assert_eq!(heard.hear(HOLD + 10 * MS), ["a:10", "a:60"]);
        heard.say("a", 0, &[80], Duration::from_secs(9));
        assert_eq!(heard.hear(Duration::from_secs(9)), ["a:80"]);
        // A clock that is ahead and not known to be makes nobody wait longer.
        heard.say("a", 0, &[99_000], Duration::from_secs(10));
        assert_eq!(
            heard.merge.due(),
            Some(heard.start + HOLD + Duration::from_secs(10))
        );
    }

    const MS: Duration = Duration::from_millis(1);
    const AT_ONCE: Duration = Duration::ZERO;

    #[test]
    fn one_node_waits_for_nobody() {
        let mut heard = Heard::of(&["a"]);
        heard.say("a", 0, &[10, 20], AT_ONCE);
        assert_eq!(heard.hear(AT_ONCE), ["a:10", "a:20"]);
        assert_eq!(heard.merge.due(), None);
    }

    #[test]
    fn two_nodes_are_in_the_order_of_time() {
        let mut heard = Heard::of(&["a", "b"]);
        heard.say("b", 0, &[15, 25], AT_ONCE);
        assert!(heard.hear(AT_ONCE).is_empty());
        heard.say("a", 0, &[10, 20, 30], AT_ONCE);
        assert_eq!(heard.hear(AT_ONCE), ["a:10", "b:15", "a:20", "b:25"]);
        assert_eq!(heard.merge.held, 1);
        assert_eq!(heard.merge.due(), Some(heard.start + HOLD));
        assert_eq!(heard.hear(HOLD), ["a:30"]);
    }

    #[test]
    fn a_clock_that_is_ahead_is_put_back() {
        let mut heard = Heard::of(&["a", "b"]);
        heard.say("a", 0, &[10, 30], AT_ONCE);
        heard.say("b", 3_600_000_000_000, &[5, 20], AT_ONCE);
        assert_eq!(heard.hear(HOLD), ["b:5", "a:10", "b:20", "a:30"]);
    }

    #[test]
    fn a_nodes_own_order_stays() {
        let mut heard = Heard::of(&["a", "b"]);
        // An ending that was held back has an earlier time than what it follows.
        heard.say("a", 0, &[10, 3, 20], AT_ONCE);
        heard.say("b", 0, &[15, 5], AT_ONCE);
        assert_eq!(heard.hear(HOLD), ["a:10", "a:3", "b:15", "b:5", "a:20"]);
    }

    #[test]
    fn nobody_waits_for_a_node_that_is_not_live_nor_for_longer_than_a_moment() {
        let mut heard = Heard::of(&["a", "b"]);
        heard.say("a", 0, &[10], AT_ONCE);
        assert!(heard.hear(HOLD / 2).is_empty());
        heard.state("b", SourceState::Lost("gone".to_owned()));
        assert_eq!(heard.hear(AT_ONCE), ["b", "a:10"]);
        heard.state("b", SourceState::Live);
        assert_eq!(heard.hear(AT_ONCE), ["b"]);
        heard.say("a", 0, &[11], HOLD);
        assert!(heard.hear(HOLD).is_empty());
        assert_eq!(heard.hear(HOLD * 2), ["a:11"]);
    }
}
