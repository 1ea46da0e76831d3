//! What a client is told that comes later: which connections are open; and one that comes back:
//! what it missed, as far as that is kept.

use std::collections::VecDeque;
use std::sync::Arc;

use nonmax::NonMaxU64;
use rustc_hash::FxHashMap;

use super::queue::{Item, Numbered};
use crate::model::{
    Batch, ConnState, Connection, Event, Figures, Hello, Limits, LossKind, Lost, Meta, NodeState,
    SourceState, Store, TcpState, Timestamp, Trouble, Update,
};

/// How many items are kept for those who come back.
pub(super) const KEPT: usize = 65_536;

/// Of so many cgroups it is known what they are; above that, of those that come from then on.
const METAS: usize = 16_384;

/// Of connections only those that are open are asked for.
const LIMITS: Limits = Limits {
    events: 1,
    open: 65_536,
    ended: 1_024,
    workloads: 1,
    pairs: 0,
    nodes: 1,
};

/// The past, as far as anybody may ask for it.
#[derive(Debug)]
pub(super) struct History {
    /// Names this run of the agent.
    instance: Arc<str>,
    hello: Option<Hello>,
    store: Store,
    items: VecDeque<Numbered>,
    metas: FxHashMap<u64, Arc<Meta>>,
    /// The number of the last item.
    number: u64,
    most: usize,
}

/// Where a client was when its stream broke: the end of the item that it heard last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Since {
    pub(super) instance: Box<str>,
    pub(super) number: u64,
}

/// What a client is told first.
#[derive(Debug)]
pub(super) struct Beginning {
    /// The source's greeting, with the moment and the number of open connections of now.
    pub(super) hello: Hello,
    /// Whether it goes on where the client was.
    pub(super) resumed: bool,
    /// What is open, or what was missed.
    pub(super) items: Vec<Numbered>,
    /// What was missed and is not kept any more.
    pub(super) evicted: Option<Lost>,
    /// The number of the last item that this covers.
    pub(super) through: u64,
}

impl History {
    pub(super) fn new(instance: Arc<str>, most: usize) -> Self {
        Self {
            instance,
            hello: None,
            store: Store::new(LIMITS),
            items: VecDeque::new(),
            metas: FxHashMap::default(),
            number: 0,
            most,
        }
    }

    pub(super) fn instance(&self) -> &Arc<str> {
        &self.instance
    }

    pub(super) fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// What a cgroup is, if that is known.
    pub(super) fn meta(&self, cgroup: u64) -> Option<&Arc<Meta>> {
        self.metas.get(&cgroup)
    }

    /// Whether events arrive at the moment.
    pub(super) fn is_live(&self) -> bool {
        let live = |node: &crate::model::Node| node.state == SourceState::Live;
        self.store.nodes().iter().any(live)
    }

    /// Keeps what a source says; what of it clients are to be told, numbered.
    pub(super) fn take(&mut self, update: Update, now: Timestamp) -> Vec<Numbered> {
        match update {
            Update::Hello(hello) => {
                self.hello = Some(hello.clone());
                self.store.apply(Update::Hello(hello), now);
                Vec::new()
            }
            Update::State(NodeState { node, state, .. }) => {
                self.store.apply(
                    Update::State(NodeState {
                        node,
                        state,
                        via: None,
                    }),
                    now,
                );
                Vec::new()
            }
            Update::Batch(batch) => self.batch(batch, now),
            Update::Meta(meta) => {
                if self.metas.len() >= METAS {
                    self.metas.clear();
                }
                let meta = Arc::new(meta);
                self.metas.insert(meta.cgroup, Arc::clone(&meta));
                vec![(self.number, Item::Meta(meta))]
            }
            Update::Note(_) => Vec::new(),
        }
    }

    fn batch(&mut self, mut batch: Batch, now: Timestamp) -> Vec<Numbered> {
        let mut told = Vec::with_capacity(batch.events.len() + batch.lost.len());
        for event in &mut batch.events {
            // A listing has no number of its own: whoever comes back can hear it twice.
            if event.kind.is_some() {
                self.number += 1;
                event.seq = NonMaxU64::new(self.number);
            }
            let item = (self.number, Item::Event(Arc::new(event.clone())));
            if event.kind.is_some() {
                self.keep(item.clone());
            }
            told.push(item);
        }
        for lost in &batch.lost {
            self.number += 1;
            let item = (self.number, Item::Lost(lost.clone()));
            self.keep(item.clone());
            told.push(item);
        }
        self.store.apply(Update::Batch(batch), now);
        told
    }

    fn keep(&mut self, item: Numbered) {
        if self.items.len() >= self.most {
            self.items.pop_front();
        }
        self.items.push_back(item);
    }

    /// What a client is told that comes now; `None` before the source has greeted.
    pub(super) fn beginning(&self, since: Option<&Since>, now: Timestamp) -> Option<Beginning> {
        let mut beginning = Beginning {
            hello: self.hello.clone()?,
            resumed: false,
            items: Vec::new(),
            evicted: None,
            through: self.number,
        };
        beginning.hello.ts = now;
        match since {
            Some(since) if *since.instance == *self.instance && since.number <= self.number => {
                beginning.resumed = true;
                beginning.hello.seeded = 0;
                let missed = self.items.partition_point(|(n, _)| *n <= since.number);
                beginning.items = self.items.iter().skip(missed).cloned().collect();
                let missing = self.number - since.number - beginning.items.len() as u64;
                // What was listed meanwhile has no number, and counts if it still holds.
                let stuck =
                    |state: Option<TcpState>| state.is_some_and(|s| Trouble::of_state(s).is_some());
                let listings = self.listings(now, |connection| stuck(connection.row.state));
                beginning.items.extend(listings);
                beginning.evicted = (missing > 0).then_some(Lost::new(LossKind::Evicted, missing));
            }
            _ => {
                beginning.items = self.listings(now, |_| true).collect();
                beginning.hello.seeded = beginning.items.len() as u64;
            }
        }
        Some(beginning)
    }

    /// The rows of those connections that are open and wanted.
    fn listings(
        &self,
        now: Timestamp,
        wanted: impl Fn(&Connection) -> bool,
    ) -> impl Iterator<Item = Numbered> {
        let open = self.store.connections().iter();
        let open = open.filter(|(_, connection)| connection.state == ConnState::Open);
        let wanted = open.filter(move |(_, connection)| wanted(connection));
        let listing = move |connection| Arc::new(listing(connection, now));
        wanted.map(move |(_, connection)| (self.number, Item::Event(listing(connection))))
    }
}

/// The row of a connection that is open, as a source lists it at its start.
fn listing(connection: &Connection, now: Timestamp) -> Event {
    let row = &connection.row;
    Event {
        seq: None,
        ts: now,
        kind: None,
        phase: None,
        // An event says that it was established; what has become of it since is not known.
        state: row.state.or(Some(TcpState::Established)),
        before: true,
        figures: Figures {
            lat_us: None,
            ..row.figures
        },
        ..row.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventType, sample};

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

    fn history(most: usize) -> History {
        let mut history = History::new("i1".into(), most);
        let hello = Hello {
            node: "n1".into(),
            version: Some("0.1.0".into()),
            kernel: "6.12".into(),
            accept_hook: None,
            filter: None,
            degraded: Vec::new(),
            seeded: 1,
            ts: Timestamp(0),
        };
        assert!(history.beginning(None, NOW).is_none());
        history.take(Update::Hello(hello), NOW);
        history
    }

    fn say(history: &mut History, events: Vec<Event>, lost: Vec<Lost>) -> Vec<Numbered> {
        let node = "n1".into();
        history.take(Update::Batch(Batch { node, events, lost }), NOW)
    }

    fn since(number: u64) -> Since {
        Since {
            instance: "i1".into(),
            number,
        }
    }

    fn ring(n: u64) -> Lost {
        Lost::new(LossKind::Ring, n)
    }

    #[test]
    fn who_comes_later_is_told_what_is_open() {
        let mut history = history(10);
        say(&mut history, vec![sample::listed(1, 1)], vec![]);
        let events = vec![
            sample::connect(2, 2),
            sample::connect(3, 3),
            sample::close(2, 4),
        ];
        say(&mut history, events, vec![]);
        let beginning = history.beginning(None, NOW).unwrap();
        assert_eq!(beginning.hello.seeded, 2);
        assert_eq!((beginning.hello.ts, beginning.through), (NOW, 3));
        let mut open = Vec::new();
        for (_, item) in beginning.items {
            let Item::Event(event) = item else {
                panic!("{item:?}")
            };
            assert!(event.kind.is_none() && event.before && event.seq.is_none());
            assert!(event.state.is_some());
            open.push(event.conn.0);
        }
        open.sort_unstable();
        assert_eq!(open, [1, 3]);
    }

    #[test]
    fn who_comes_back_is_told_what_was_missed() {
        let mut history = history(10);
        let told = say(&mut history, vec![sample::connect(2, 2)], vec![ring(4)]);
        assert_eq!(told.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2]);
        say(&mut history, vec![sample::close(2, 4)], vec![]);
        for (heard, missed) in [(0, 3), (1, 2), (2, 1), (3, 0)] {
            let beginning = history.beginning(Some(&since(heard)), NOW).unwrap();
            assert!(beginning.resumed);
            assert_eq!(beginning.items.len(), missed);
            assert_eq!((beginning.evicted, beginning.hello.seeded), (None, 0));
        }
    }

    #[test]
    fn who_comes_back_is_told_what_waits_to_be_accepted_for_as_long_as_it_does() {
        let mut history = history(10);
        let waits = Event {
            state: Some(TcpState::Unaccepted),
            ..sample::listed(5, 80)
        };
        say(&mut history, vec![waits, sample::connect(2, 2)], vec![]);
        let listed = |history: &History| {
            let beginning = history.beginning(Some(&since(0)), NOW).unwrap();
            let items = beginning.items.into_iter();
            let listed = items.filter_map(|(_, item)| match item {
                Item::Event(event) => event.state.map(|state| (event.conn.0, state)),
                _ => None,
            });
            listed.collect::<Vec<_>>()
        };
        assert_eq!(listed(&history), [(5, TcpState::Unaccepted)]);
        let accepted = Event {
            kind: Some(EventType::Accept),
            ..sample::connect(5, 80)
        };
        say(&mut history, vec![accepted], vec![]);
        assert_eq!(listed(&history), []);
    }

    #[test]
    fn what_is_not_kept_is_a_loss() {
        let mut history = history(2);
        let events = (0..5).map(|conn| sample::connect(conn, 1)).collect();
        say(&mut history, events, vec![]);
        let beginning = history.beginning(Some(&since(1)), NOW).unwrap();
        assert_eq!(beginning.items.len(), 2);
        let evicted = beginning.evicted.map(|lost| (lost.kind, lost.n));
        assert_eq!(evicted, Some((LossKind::Evicted, 2)));
    }

    #[test]
    fn another_instance_begins_anew_and_so_does_a_number_from_the_future() {
        let mut history = history(2);
        say(&mut history, vec![sample::connect(2, 2)], vec![]);
        let other = Since {
            instance: "i0".into(),
            number: 0,
        };
        for since in [other, since(2)] {
            let beginning = history.beginning(Some(&since), NOW).unwrap();
            assert!(!beginning.resumed);
            assert_eq!(beginning.hello.seeded, 1);
        }
    }
}
