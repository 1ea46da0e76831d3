//! The other end of a connection: who has an address, and when. Pure.
//!
//! Addresses are used again, within seconds where jobs come and go: who has one is a question of
//! time. What is gone is remembered for a while, since its last events come late.

use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::{Endpoint, Peer, PeerKind, Timestamp};

/// What is asked about who has which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Pods.
    Pods,
    /// Services.
    Services,
    /// What is behind Services, as far as it is no pod.
    Endpoints,
    /// Nodes.
    Nodes,
}

impl Source {
    /// All that is asked.
    pub const ALL: [Self; 4] = [Self::Pods, Self::Services, Self::Endpoints, Self::Nodes];

    /// The word in a sentence.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Services => "services",
            Self::Endpoints => "endpoints",
            Self::Nodes => "nodes",
        }
    }
}

/// Something with addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who says so.
    pub source: Source,
    /// Names the object; another one under the same name has another.
    pub uid: Box<str>,
    /// What it is called.
    pub peer: Peer,
    /// Its addresses, and for each the only ports that are its own, where others share it: a pod
    /// on its node's network.
    pub addresses: Vec<(IpAddr, Option<u16>)>,
    /// Since when it can have had them.
    pub since: Timestamp,
    /// Until when, if it has them no longer.
    pub until: Option<Timestamp>,
}

/// For how long what is gone is remembered, in nanoseconds.
const GONE_FOR: i64 = 300 * SECOND;
/// Clocks of nodes differ, and times of objects are in whole seconds.
const SLACK: i64 = 2 * SECOND;
const SECOND: i64 = 1_000_000_000;

/// Who has which address.
#[derive(Debug, Default)]
pub struct Peers {
    by_addr: FxHashMap<IpAddr, Vec<Held>>,
    by_uid: FxHashMap<Box<str>, Vec<IpAddr>>,
}

/// An address of one holder.
#[derive(Clone, Debug)]
struct Held {
    source: Source,
    uid: Box<str>,
    peer: Arc<Peer>,
    port: Option<u16>,
    since: Timestamp,
    until: Option<Timestamp>,
}

impl Held {
    /// What says most comes first: the own port, then pods and services, and the node last.
    fn rank(&self) -> (bool, bool, Timestamp) {
        let node = self.peer.kind == PeerKind::Node;
        (self.port.is_some(), !node, self.since)
    }

    fn has(&self, port: u16, at: Timestamp) -> bool {
        let begun = self.since.0.saturating_sub(SLACK) <= at.0;
        let over = self
            .until
            .is_some_and(|until| until.0.saturating_add(SLACK) < at.0);
        begun && !over && self.port.is_none_or(|own| own == port)
    }
}

impl Peers {
    /// Something is there, or has changed.
    pub fn apply(&mut self, holder: Holder) {
        self.forget(&holder.uid);
        let peer = Arc::new(holder.peer);
        let mut addresses = Vec::new();
        for (addr, port) in holder.addresses {
            let addr = addr.to_canonical();
            self.by_addr.entry(addr).or_default().push(Held {
                source: holder.source,
                uid: holder.uid.clone(),
                peer: Arc::clone(&peer),
                port,
                since: holder.since,
                until: holder.until,
            });
            addresses.push(addr);
        }
        if !addresses.is_empty() {
            self.by_uid.insert(holder.uid, addresses);
        }
    }

    /// Something is gone.
    pub fn delete(&mut self, uid: &str, now: Timestamp) {
        for addr in self.by_uid.get(uid).into_iter().flatten() {
            for held in self.by_addr.get_mut(addr).into_iter().flatten() {
                if *held.uid == *uid {
                    held.until.get_or_insert(now);
                }
            }
        }
    }

    /// These are all that a source knows: others of it are gone.
    pub fn replace(&mut self, source: Source, holders: Vec<Holder>, now: Timestamp) {
        for held in self.by_addr.values_mut().flatten() {
            if held.source == source {
                held.until.get_or_insert(now);
            }
        }
        for holder in holders {
            self.apply(holder);
        }
        self.sweep(now);
    }

    /// Forgets what has been gone for a while.
    pub fn sweep(&mut self, now: Timestamp) {
        let before = Timestamp(now.0.saturating_sub(GONE_FOR));
        let mut forgotten = Vec::new();
        self.by_addr.retain(|_, held| {
            held.retain(|held| {
                let keep = held.until.is_none_or(|until| until >= before);
                if !keep {
                    forgotten.push(held.uid.clone());
                }
                keep
            });
            !held.is_empty()
        });
        for uid in forgotten {
            self.by_uid.remove(&uid);
        }
    }

    /// Who had this address at that time, if anybody did who is known.
    #[must_use]
    pub fn at(&self, end: Endpoint, at: Timestamp) -> Option<Arc<Peer>> {
        let held = self.by_addr.get(&end.addr)?.iter();
        let best = held
            .filter(|held| held.has(end.port, at))
            .max_by_key(|held| held.rank())?;
        Some(Arc::clone(&best.peer))
    }

    fn forget(&mut self, uid: &str) {
        for addr in self.by_uid.remove(uid).into_iter().flatten() {
            if let Some(held) = self.by_addr.get_mut(&addr) {
                held.retain(|held| *held.uid != *uid);
                if held.is_empty() {
                    self.by_addr.remove(&addr);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp(second * SECOND)
    }

    fn holder(kind: PeerKind, name: &str, addr: &str, since: i64) -> Holder {
        Holder {
            source: match kind {
                PeerKind::Pod => Source::Pods,
                PeerKind::Service => Source::Services,
                PeerKind::Node => Source::Nodes,
            },
            uid: name.into(),
            peer: Peer {
                kind,
                namespace: None,
                name: name.into(),
            },
            addresses: vec![(addr.parse().unwrap(), None)],
            since: at(since),
            until: None,
        }
    }

    fn pod(name: &str, addr: &str, since: i64) -> Holder {
        holder(PeerKind::Pod, name, addr, since)
    }

    fn who(peers: &Peers, addr: &str, port: u16, second: i64) -> Option<String> {
        let addr = addr.parse().unwrap();
        let peer = peers.at(Endpoint { addr, port }, at(second))?;
        Some(peer.name.to_string())
    }

    #[test]
    fn an_address_is_somebodys_at_a_time() {
        let mut peers = Peers::default();
        peers.apply(pod("a", "10.0.0.1", 100));
        assert_eq!(who(&peers, "10.0.0.1", 80, 99).as_deref(), Some("a"));
        assert_eq!(who(&peers, "10.0.0.1", 80, 90), None);
        assert_eq!(who(&peers, "10.0.0.2", 80, 100), None);
        peers.delete("a", at(200));
        peers.apply(pod("b", "10.0.0.1", 210));
        assert_eq!(who(&peers, "10.0.0.1", 80, 150).as_deref(), Some("a"));
        assert_eq!(who(&peers, "10.0.0.1", 80, 205), None);
        assert_eq!(who(&peers, "10.0.0.1", 80, 220).as_deref(), Some("b"));
        // The word of the end may come after that of the beginning.
        peers.apply(pod("c", "10.0.0.1", 230));
        assert_eq!(who(&peers, "10.0.0.1", 80, 240).as_deref(), Some("c"));
    }

    #[test]
    fn on_a_nodes_network_the_port_tells_who() {
        let mut peers = Peers::default();
        peers.apply(holder(PeerKind::Node, "n1", "192.0.2.1", 0));
        let mut proxy = pod("proxy", "192.0.2.1", 0);
        proxy.addresses[0].1 = Some(10256);
        peers.apply(proxy);
        assert_eq!(who(&peers, "192.0.2.1", 10256, 9).as_deref(), Some("proxy"));
        assert_eq!(who(&peers, "192.0.2.1", 22, 9).as_deref(), Some("n1"));
    }

    #[test]
    fn what_is_not_listed_any_more_is_gone_and_then_forgotten() {
        let mut peers = Peers::default();
        peers.apply(pod("a", "10.0.0.1", 0));
        peers.apply(holder(PeerKind::Service, "s", "10.96.0.1", 0));
        peers.replace(Source::Pods, vec![pod("b", "10.0.0.2", 0)], at(10));
        assert_eq!(who(&peers, "10.0.0.1", 80, 20), None);
        assert_eq!(who(&peers, "10.0.0.1", 80, 9).as_deref(), Some("a"));
        assert_eq!(who(&peers, "10.96.0.1", 80, 20).as_deref(), Some("s"));
        peers.sweep(at(311));
        assert_eq!(who(&peers, "10.0.0.1", 80, 9), None);
        assert_eq!(peers.by_uid.len(), 2);
    }

    #[test]
    fn a_changed_address_replaces_the_old_one() {
        let mut peers = Peers::default();
        peers.apply(pod("a", "::ffff:10.0.0.1", 0));
        assert_eq!(who(&peers, "10.0.0.1", 80, 9).as_deref(), Some("a"));
        peers.apply(pod("a", "10.0.0.2", 0));
        assert_eq!(who(&peers, "10.0.0.1", 80, 9), None);
        assert_eq!(who(&peers, "10.0.0.2", 80, 9).as_deref(), Some("a"));
    }
}
