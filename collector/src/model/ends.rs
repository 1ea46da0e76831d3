//! Which connection has which two ends: how the socket at the other end of one is found.

use std::hash::BuildHasher;

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::{ConnKey, Connection, Endpoint, EventType, PeerKind, TcpState, Zone};

/// The clocks of two nodes, and the time an accept queue takes, may put the openings of the two
/// ends of a connection that far apart.
const APART_NANOS: u64 = 60_000_000_000;

/// Connections by their ends, or rather by a hash of them: eight bytes, not forty. Of several the
/// newest.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// By both ends, and again by both ends and the link where these are link-local.
    both: FxHashMap<u64, ConnKey>,
    /// What connected to a Service, by its own end: the other end of the socket that accepts has
    /// not the Service's address but that of a pod behind it.
    asked: FxHashMap<u64, ConnKey>,
    /// What was accepted, by the end of who connected.
    served: FxHashMap<u64, ConnKey>,
}

fn hash(local: Endpoint, remote: Endpoint) -> u64 {
    FxBuildHasher.hash_one((local.bits(), local.port, remote.bits(), remote.port))
}

/// On one of the links that the two ends may be on.
fn hash_on(link: Zone, ends: u64) -> u64 {
    FxBuildHasher.hash_one((ends, link))
}

fn hash_of_client(client: Endpoint) -> u64 {
    FxBuildHasher.hash_one((client.bits(), client.port))
}

/// Whether it connected to a Service.
fn asks_service(row: &Connection) -> bool {
    let peer = row.row.peer.as_ref();
    let service = peer.is_some_and(|peer| peer.kind == PeerKind::Service);
    service && row.row.kind == Some(EventType::Connect)
}

/// Whether it was opened by the other end.
fn serves(row: &Connection) -> bool {
    let (kind, state) = (row.row.kind, row.row.state);
    matches!(kind, Some(EventType::Accept | EventType::Unknown))
        || state == Some(TcpState::Unaccepted)
}

impl Ends {
    pub(super) fn insert(&mut self, row: &Connection, key: ConnKey) {
        let ends = hash(row.row.local, row.row.remote);
        self.both.insert(ends, key);
        if let Some(link) = row.row.scope {
            self.both.insert(hash_on(link, ends), key);
        }
        if asks_service(row) {
            self.asked.insert(hash_of_client(row.row.local), key);
        } else if serves(row) {
            self.served.insert(hash_of_client(row.row.remote), key);
        }
    }

    pub(super) fn remove(&mut self, row: &Connection, key: ConnKey) {
        let remove = |map: &mut FxHashMap<u64, ConnKey>, hash| {
            if map.get(&hash) == Some(&key) {
                map.remove(&hash);
            }
        };
        let ends = hash(row.row.local, row.row.remote);
        remove(&mut self.both, ends);
        if let Some(link) = row.row.scope {
            remove(&mut self.both, hash_on(link, ends));
        }
        remove(&mut self.asked, hash_of_client(row.row.local));
        remove(&mut self.served, hash_of_client(row.row.remote));
    }

    /// What may be the other end of a connection, the likeliest first; see [`is_other_end`].
    pub(super) fn opposite(&self, row: &Connection) -> impl Iterator<Item = ConnKey> {
        let ends = hash(row.row.remote, row.row.local);
        let link = row.row.scope.map(|link| hash_on(link, ends));
        let on_link = link.and_then(|hash| self.both.get(&hash));
        // The other end of a link may have another name there.
        let direct = self.both.get(&ends);
        let other = direct.or_else(|| self.through_service(row));
        on_link.into_iter().chain(other).copied()
    }

    /// What the Service has put in its place, or who asked the Service, if both agree.
    fn through_service(&self, row: &Connection) -> Option<&ConnKey> {
        let client = if asks_service(row) {
            row.row.local
        } else {
            serves(row).then_some(row.row.remote)?
        };
        let hash = hash_of_client(client);
        let (asked, served) = (self.asked.get(&hash)?, self.served.get(&hash)?);
        Some(if asks_service(row) { served } else { asked })
    }
}

/// The two are the two ends of one connection, as far as can be told: the same addresses and ports
/// are in use in many places, so both must have been there at the same time.
pub(super) fn is_other_end(
    (a_key, a): (ConnKey, &Connection),
    (b_key, b): (ConnKey, &Connection),
) -> bool {
    let (x, y) = (&a.row, &b.row);
    let through_service = |client: &Connection, server: &Connection| {
        asks_service(client) && serves(server) && client.row.local == server.row.remote
    };
    let ends = x.local == y.remote && x.remote == y.local
        || through_service(a, b)
        || through_service(b, a);
    let same_place =
        a_key.node == b_key.node && (x.netns == y.netns || x.netns.is_none() || y.netns.is_none());
    let place = same_place || !x.local.addr.is_loopback();
    // In one network namespace, the same two addresses on another link are another connection's.
    let link = !same_place || x.scope == y.scope || x.scope.is_none() || y.scope.is_none();
    let time = if let (Some(a), Some(b)) = (a.opened, b.opened) {
        a.0.abs_diff(b.0) <= APART_NANOS
    } else {
        // Unknown: then at least neither ended before the other is known to have begun.
        let before = |x: &Connection, y: &Connection| {
            let times = x.ended.zip(y.opened);
            times.is_some_and(|(ended, opened)| ended < opened)
        };
        !before(a, b) && !before(b, a)
    };
    a_key != b_key && ends && place && link && time
}
