//! Everything that is known, from the updates of a source. Bounded; one place that changes it.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::processes::Processes;
use super::{
    Batch, ConnKey, Connections, Counts, Direction, Event, Gaps, Hello, Kind, Kinds, Log, LossKind,
    Lost, Meta, NodeState, PairKey, Pairs, Phase, Rates, Series, SourceState, Thresholds,
    Timestamp, Update, Via, Workloads,
};

/// How much a [`Store`] keeps. What does not fit is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events; the oldest is evicted.
    pub events: usize,
    /// Open connections; further ones are not tracked.
    pub open: usize,
    /// Connections that ended; the one that ended first is forgotten.
    pub ended: usize,
    /// Workloads with figures of their own; further ones are counted together.
    pub workloads: usize,
    /// Workloads with one other end each; those unheard of for the longest time are forgotten.
    /// With 0, nobody asks for problems, and nothing is counted for them.
    pub pairs: usize,
    /// Nodes with a state of their own; further ones share the last one's.
    pub nodes: usize,
}

impl Default for Limits {
    /// Some 300 MiB when everything is full.
    fn default() -> Self {
        Self {
            events: 1_000_000,
            open: 262_144,
            ended: 65_536,
            workloads: 16_384,
            // As many as a hash table of 16,384 places takes.
            pairs: 14_336,
            nodes: 8_192,
        }
    }
}

/// The place of a node among those of a [`Store`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeIx(pub(super) u32);

/// One node of a source.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: Arc<str>,
    /// What its source is doing.
    pub state: SourceState,
    /// How events come from it, where there is more than one way.
    pub via: Option<Via>,
    /// What it said when its hooks were attached.
    pub hello: Option<Hello>,
    /// How many events came from it, listings not counted.
    pub events: u64,
    /// How many of them came lately.
    pub rate: Series,
    /// What was lost on the way from it.
    pub losses: Losses,
}

/// How much was lost, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses([u64; LossKind::ALL.len()]);

impl Losses {
    pub(crate) fn add(&mut self, lost: &Lost) {
        let sum = &mut self.0[lost.kind as usize];
        *sum = sum.saturating_add(lost.n);
    }

    /// How much of one kind.
    #[must_use]
    pub fn of(&self, kind: LossKind) -> u64 {
        self.0[kind as usize]
    }

    /// The kinds of which there was any.
    pub fn iter(&self) -> impl Iterator<Item = (LossKind, u64)> {
        LossKind::ALL
            .into_iter()
            .map(|kind| (kind, self.of(kind)))
            .filter(|(_, n)| *n > 0)
    }

    /// How much of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }
}

/// Events, connections, counts and nodes.
#[derive(Debug)]
pub struct Store {
    log: Log,
    connections: Connections,
    counts: Counts,
    rates: Rates,
    workloads: Workloads,
    losses: Losses,
    gaps: Gaps,
    kinds: Kinds,
    pairs: Pairs,
    processes: Processes,
    thresholds: Thresholds,
    note: Option<String>,
    nodes: Vec<Node>,
    by_name: FxHashMap<Arc<str>, NodeIx>,
    /// Of some of the cgroups, those that were told of last: what they are.
    metas: FxHashMap<(NodeIx, u64), Meta>,
    limits: Limits,
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self::with_thresholds(limits, Thresholds::default())
    }

    /// An empty store that finds something wrong from those thresholds on.
    #[must_use]
    pub fn with_thresholds(limits: Limits, thresholds: Thresholds) -> Self {
        Self {
            log: Log::new(limits.events),
            connections: Connections::new(limits.open, limits.ended),
            counts: Counts::default(),
            rates: Rates::default(),
            workloads: Workloads::new(limits.workloads),
            losses: Losses::default(),
            gaps: Gaps::default(),
            kinds: Kinds::default(),
            pairs: Pairs::new(limits.pairs),
            processes: Processes::default(),
            thresholds,
            note: None,
            nodes: Vec::new(),
            by_name: FxHashMap::default(),
            metas: FxHashMap::default(),
            limits,
        }
    }

    /// Takes in what a source said; `now` is when it was heard, and what the rates go by.
    pub fn apply(&mut self, update: Update, now: Timestamp) {
        match update {
            Update::Hello(hello) => self.greet(hello),
            Update::State(NodeState { node, state, via }) => {
                let node = self.node_ix(&node);
                let node = &mut self.nodes[node.0 as usize];
                node.state = state;
                node.via = via.or(node.via);
            }
            Update::Batch(batch) => self.take(batch, now),
            Update::Meta(meta) => {
                let node = self.node_ix(&meta.origin.node);
                if self.metas.len() >= self.limits.workloads {
                    self.metas.clear();
                }
                self.metas.insert((node, meta.cgroup), meta);
            }
            Update::Note(note) => self.note = note,
        }
    }

    fn greet(&mut self, hello: Hello) {
        let ix = self.node_ix(&hello.node);
        let node = &mut self.nodes[ix.0 as usize];
        let again = node.hello.replace(hello).is_some();
        node.state = SourceState::Live;
        if again {
            for workload in self.connections.node_restarted(ix) {
                self.workloads.closed(workload);
            }
        }
    }

    fn take(&mut self, batch: Batch, now: Timestamp) {
        let ix = self.node_ix(&batch.node);
        for lost in &batch.lost {
            self.losses.add(lost);
            self.gaps.add(ix, lost, now);
            self.nodes[ix.0 as usize].losses.add(lost);
        }
        for mut event in batch.events {
            if let Some(process) = &mut event.process {
                self.processes.share(process);
            }
            self.count(ix, &event, now);
            let id = self.log.push(event);
            debug_assert_eq!(id.plus(1), self.log.end());
        }
    }

    /// Takes an event into all that is derived from events, under the identity that it will get.
    fn count(&mut self, node: NodeIx, event: &Event, now: Timestamp) {
        let id = self.log.end();
        if let Some(kind) = Kind::of(event) {
            self.counts.add(kind.kind, kind.reason);
            self.rates.add(kind.kind, 1, now);
            self.kinds.add(kind, event.ts, now);
            let node = &mut self.nodes[node.0 as usize];
            node.events += 1;
            node.rate.add(1, now);
        }
        let workload = self.workloads.of(event);
        self.workloads.add(workload, event, now);
        let conn = event.conn;
        let key = ConnKey { node, conn };
        let change = self.connections.apply(key, id, event, workload);
        let [before, after] = [change.before, change.after]
            .map(|alive| Some(alive.filter(|alive| alive.certain)?.workload));
        if before != after {
            if let Some(ix) = before {
                self.workloads.closed(ix);
            }
            if let Some(ix) = after {
                self.workloads.opened(ix);
            }
        }
        if self.limits.pairs == 0 {
            return;
        }
        // Who opened it is known of the connection; its ending does not say it.
        let known = self.connections.get(key);
        let opening = known.map_or(
            event.kind.filter(|_| event.phase == Some(Phase::Open)),
            |c| c.row.kind,
        );
        let whose = known.map_or(workload, |c| c.workload);
        let pair = PairKey::of(whose, Direction::of(opening), event);
        self.pairs
            .take(pair, id, event, change, &self.thresholds, now);
    }

    fn node_ix(&mut self, name: &Arc<str>) -> NodeIx {
        if let Some(ix) = self.by_name.get(name) {
            return *ix;
        }
        let full = self.nodes.len() >= self.limits.nodes.max(1);
        if full {
            let last = self.nodes.len() - 1;
            return NodeIx(u32::try_from(last).unwrap_or(u32::MAX));
        }
        let ix = NodeIx(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(Node {
            name: Arc::clone(name),
            state: SourceState::Connecting,
            via: None,
            hello: None,
            events: 0,
            rate: Series::default(),
            losses: Losses::default(),
        });
        self.by_name.insert(Arc::clone(name), ix);
        ix
    }

    /// The events that are kept, listings of sockets open before the start among them.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The connections.
    #[must_use]
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// How many events of each type and reason there were, evicted ones included.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many events there were in each second.
    #[must_use]
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// The figures of each workload.
    #[must_use]
    pub fn workloads(&self) -> &Workloads {
        &self.workloads
    }

    /// What was lost before it came here, on all nodes.
    #[must_use]
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// What is counted for each type and reason.
    #[must_use]
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// Who has connections with whom.
    #[must_use]
    pub fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// When something is wrong.
    #[must_use]
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// The pair of a connection's event.
    #[must_use]
    pub fn pair_of(&self, event: &Event) -> Option<PairKey> {
        let known = self
            .connection_of(event)
            .and_then(|key| self.connections.get(key));
        let opening = known.map_or(
            event.kind.filter(|_| event.phase == Some(Phase::Open)),
            |c| c.row.kind,
        );
        let whose = known
            .map(|c| c.workload)
            .or_else(|| self.workloads.find(event))?;
        Some(PairKey::of(whose, Direction::of(opening), event))
    }

    /// How much is kept.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What a person ought to know of the whole source.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// When events were lost.
    #[must_use]
    pub fn gaps(&self) -> &Gaps {
        &self.gaps
    }

    /// The nodes with their places.
    pub fn nodes_by_ix(&self) -> impl Iterator<Item = (NodeIx, &Node)> {
        (0..).map(NodeIx).zip(&self.nodes)
    }

    /// The node of a place.
    #[must_use]
    pub fn node(&self, ix: NodeIx) -> Option<&Node> {
        self.nodes.get(ix.0 as usize)
    }

    /// The name of an event's connection, if anything was heard of its node.
    #[must_use]
    pub fn connection_of(&self, event: &Event) -> Option<ConnKey> {
        let node = *self.by_name.get(&event.origin.node)?;
        let conn = event.conn;
        Some(ConnKey { node, conn })
    }

    /// What the cgroup of an event is, if that was told.
    #[must_use]
    pub fn meta_of(&self, event: &Event) -> Option<&Meta> {
        let node = *self.by_name.get(&event.origin.node)?;
        self.metas.get(&(node, event.cgroup?.get()))
    }

    /// How many events came here and are no longer kept.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.log.first().0
    }

    /// The nodes, in the order in which they were first heard of.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

#[cfg(test)]
mod tests;
