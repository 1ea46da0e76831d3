//! What is counted for each workload: a pod, else a container or unit, else a command. Bounded.

use std::hash::BuildHasher;
use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::{Comm, Counts, Event, EventType, Origin, Peer, Phase, Recent, Scoped, Timestamp};

const TYPES: usize = EventType::ALL.len();

/// The place of a workload among those of a [`Workloads`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkloadIx(pub(super) u32);

impl WorkloadIx {
    /// Stands for all that came when there was no room for more.
    const OTHERS: Self = Self(u32::MAX);

    /// Its number: the first one has 0.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

/// What is counted for one workload.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    /// Node, namespace and pod; the container or unit only where there is no pod.
    pub origin: Arc<Origin>,
    /// The command, where there is neither pod nor container, and it is known.
    pub comm: Option<Comm>,
    /// Connections that are open now.
    pub open: u64,
    /// Events by type and reason.
    pub counts: Counts,
    /// Failed connects, and endings that nobody wanted.
    pub failures: u64,
    /// Payload bytes sent by connections that ended.
    pub tx_bytes: u64,
    /// Payload bytes received by connections that ended.
    pub rx_bytes: u64,
    /// Whom it has connections with.
    pub peers: Peers,
    rates: [Recent; TYPES],
}

impl Workload {
    /// Events of a type in the last whole second before `now`.
    #[must_use]
    pub fn rate(&self, kind: EventType, now: Timestamp) -> u32 {
        self.rates[kind as usize].last(now)
    }

    fn add(&mut self, event: &Event, now: Timestamp) {
        if event.phase != Some(Phase::End) {
            self.peers.add(event);
        }
        let Some(kind) = event.kind else { return };
        self.counts.add(kind, event.reason);
        self.rates[kind as usize].add(now);
        self.failures += u64::from(event.is_failure());
        let bytes = |b: Option<nonmax::NonMaxU64>| b.map_or(0, |b| b.get());
        self.tx_bytes = self.tx_bytes.saturating_add(bytes(event.figures.tx_bytes));
        self.rx_bytes = self.rx_bytes.saturating_add(bytes(event.figures.rx_bytes));
    }
}

/// Peers of one workload that are told apart.
const PEERS: usize = 6;

/// Who the most connections are with, in a few counters: those who come often stay, and how much a
/// count may be too high is known ("space saving", Metwally et al. 2005).
#[derive(Clone, Debug, Default)]
pub struct Peers(Vec<TopPeer>);

/// A peer, and how many connections there were with it.
#[derive(Clone, Debug)]
pub struct TopPeer {
    /// Its address: of the newest connection, where it has a name.
    pub addr: Scoped,
    /// Its name.
    pub peer: Option<Arc<Peer>>,
    /// Not more connections than that.
    pub most: u64,
    /// Not fewer connections than that.
    pub least: u64,
}

impl TopPeer {
    fn is(&self, event: &Event) -> bool {
        match (&self.peer, &event.peer) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self.addr == event.daddr(),
            _ => false,
        }
    }
}

impl Peers {
    fn add(&mut self, event: &Event) {
        let addr = event.daddr();
        if let Some(known) = self.0.iter_mut().find(|known| known.is(event)) {
            known.addr = addr;
            known.most += 1;
            known.least += 1;
            return;
        }
        let new = |over: u64| TopPeer {
            addr,
            peer: event.peer.clone(),
            most: over + 1,
            least: 1,
        };
        if self.0.len() < PEERS {
            self.0.push(new(0));
        } else if let Some(least) = self.0.iter_mut().min_by_key(|known| known.most) {
            *least = new(least.most);
        }
    }

    /// The peer that the most connections are with, if that is certain.
    #[must_use]
    pub fn top(&self) -> Option<&TopPeer> {
        let top = self.0.iter().max_by_key(|peer| peer.least)?;
        let others = self.0.iter().filter(|peer| !std::ptr::eq(*peer, top));
        let certain = others.map(|peer| peer.most).all(|most| top.least >= most);
        certain.then_some(top)
    }
}

/// What an event says to name its workload.
type Name = (Arc<Origin>, Option<Comm>);

/// Names that are remembered by where their origin is: those that many events have, at a moment.
const SLOTS: usize = 1_024;

/// One [`Workload`] for each, up to a limit.
#[derive(Clone, Debug)]
pub struct Workloads {
    all: Vec<Workload>,
    /// By whatever events of it say: several containers of a pod are one workload.
    known: FxHashMap<Name, WorkloadIx>,
    /// Some of the known ones, each at the place that its hash names. To hash the texts of an origin
    /// takes longer than all else that is counted of an event.
    recent: Vec<Option<(Name, WorkloadIx)>>,
    others: Workload,
    limit: usize,
}

impl Workloads {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            all: Vec::new(),
            known: FxHashMap::default(),
            recent: vec![None; SLOTS],
            others: Workload::default(),
            limit,
        }
    }

    /// What names an event's workload, as far as the event says.
    fn name(event: &Event) -> (&Arc<Origin>, Option<Comm>) {
        let origin = &event.origin;
        let bare = origin.pod.is_none() && origin.container.is_none();
        let process = event.process.as_ref().filter(|_| bare);
        (origin, process.map(|process| process.comm))
    }

    fn slot((origin, comm): (&Arc<Origin>, Option<Comm>)) -> usize {
        let hash = FxBuildHasher.hash_one((Arc::as_ptr(origin).addr(), comm));
        // The remainder is below SLOTS.
        usize::try_from(hash % SLOTS as u64).unwrap_or_default()
    }

    fn remembered(&self, name: (&Arc<Origin>, Option<Comm>)) -> Option<WorkloadIx> {
        let ((origin, comm), ix) = self.recent[Self::slot(name)].as_ref()?;
        (Arc::ptr_eq(origin, name.0) && *comm == name.1).then_some(*ix)
    }

    /// The workload of an event, if there is one.
    #[must_use]
    pub fn find(&self, event: &Event) -> Option<WorkloadIx> {
        let (origin, comm) = Self::name(event);
        let known = || self.known.get(&(Arc::clone(origin), comm)).copied();
        self.remembered((origin, comm)).or_else(known)
    }

    /// The workload of an event; a new one where there is room.
    pub(super) fn of(&mut self, event: &Event) -> WorkloadIx {
        let (origin, comm) = Self::name(event);
        if let Some(ix) = self.remembered((origin, comm)) {
            return ix;
        }
        let name = (Arc::clone(origin), comm);
        let ix = self.look_up(name.clone());
        if ix != WorkloadIx::OTHERS {
            self.recent[Self::slot((origin, comm))] = Some((name, ix));
        }
        ix
    }

    fn look_up(&mut self, name: Name) -> WorkloadIx {
        if let Some(ix) = self.known.get(&name) {
            return *ix;
        }
        // Containers come and go in a pod: their names have a bound of their own.
        if self.known.len() >= self.limit.saturating_mul(4) {
            return WorkloadIx::OTHERS;
        }
        let (origin, comm) = &name;
        let whole = origin.pod.is_some() && origin.container.is_some();
        let ix = if whole {
            let pod = Arc::new(Origin {
                container: None,
                ..(**origin).clone()
            });
            let named = self.known.get(&(Arc::clone(&pod), None)).copied();
            let ix = named.unwrap_or_else(|| self.insert(&pod, None));
            self.known.insert((pod, None), ix);
            ix
        } else {
            self.insert(origin, *comm)
        };
        if ix != WorkloadIx::OTHERS {
            self.known.insert(name, ix);
        }
        ix
    }

    fn insert(&mut self, origin: &Arc<Origin>, comm: Option<Comm>) -> WorkloadIx {
        if self.all.len() >= self.limit {
            return WorkloadIx::OTHERS;
        }
        let ix = WorkloadIx(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        self.all.push(Workload {
            origin: Arc::clone(origin),
            comm,
            ..Workload::default()
        });
        ix
    }

    pub(super) fn add(&mut self, ix: WorkloadIx, event: &Event, now: Timestamp) {
        self.get_mut(ix).add(event, now);
    }

    pub(super) fn opened(&mut self, ix: WorkloadIx) {
        self.get_mut(ix).open += 1;
    }

    pub(super) fn closed(&mut self, ix: WorkloadIx) {
        let open = &mut self.get_mut(ix).open;
        *open = open.saturating_sub(1);
    }

    fn get_mut(&mut self, ix: WorkloadIx) -> &mut Workload {
        self.all.get_mut(ix.0 as usize).unwrap_or(&mut self.others)
    }

    /// A workload.
    #[must_use]
    pub fn get(&self, ix: WorkloadIx) -> &Workload {
        self.all.get(ix.0 as usize).unwrap_or(&self.others)
    }

    /// The workloads, in the order in which they were first heard of.
    pub fn iter(&self) -> impl Iterator<Item = (WorkloadIx, &Workload)> {
        (0..).map(WorkloadIx).zip(&self.all)
    }

    /// How many workloads are counted apart.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Nothing was heard of any workload yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The sum of those that came when there was no room for more.
    #[must_use]
    pub fn others(&self) -> &Workload {
        &self.others
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

    fn of(container: Option<&str>, pod: Option<&str>, comm: &str) -> Event {
        let mut event = sample::connect(1, 1);
        event.origin = Arc::new(Origin {
            node: "a".into(),
            namespace: pod.map(|_| "shop".into()),
            pod: pod.map(Into::into),
            container: container.map(Into::into),
        });
        if let Some(process) = &mut event.process {
            Arc::make_mut(process).comm = Comm::from_text(comm);
        }
        event
    }

    #[test]
    fn a_workload_is_a_pod_else_a_container_else_a_command() {
        let mut all = Workloads::new(8);
        let pod = all.of(&of(Some("app"), Some("cart"), "x"));
        assert_eq!(all.of(&of(Some("proxy"), Some("cart"), "y")), pod);
        assert_eq!(all.of(&of(None, Some("cart"), "z")), pod);
        let unit = all.of(&of(Some("sshd.service"), None, "sshd"));
        assert_eq!(all.of(&of(Some("sshd.service"), None, "bash")), unit);
        let bare = all.of(&of(None, None, "curl"));
        assert_ne!(all.of(&of(None, None, "wget")), bare);
        assert_eq!(all.len(), 4);
        assert_eq!(all.find(&of(Some("proxy"), Some("cart"), "y")), Some(pod));
        assert_eq!(all.get(pod).origin.container, None);
    }

    #[test]
    fn the_top_peer_is_one_that_is_certain() {
        let mut all = Workloads::new(8);
        let from = |last: u8| {
            let mut event = of(None, None, "nginx");
            event.remote.addr = [10, 0, 0, last].into();
            event
        };
        let ix = all.of(&from(1));
        for round in 0..20 {
            all.add(ix, &from(1), NOW);
            all.add(ix, &from(round + 2), NOW);
        }
        let top = all.get(ix).peers.top().expect("half of all");
        assert_eq!((top.addr, top.least), (from(1).daddr(), 20));

        let ix = all.of(&of(None, None, "many"));
        (0..200).for_each(|last| all.add(ix, &from(last), NOW));
        assert!(all.get(ix).peers.top().is_none());
    }
}
