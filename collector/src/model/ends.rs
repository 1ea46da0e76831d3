//! Which connection has which two ends: how the socket at the other end of one is found.

use std::hash::BuildHasher;

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::{ConnKey, Connection, Endpoint};

/// The clocks of two nodes, and the time an accept queue takes, may put the openings of the two
/// ends of a connection that far apart.
const APART_NANOS: u64 = 60_000_000_000;

/// The newest connection between two ends, by a hash of them: eight bytes, not forty.
#[derive(Debug, Default)]
pub(super) struct Ends(FxHashMap<u64, ConnKey>);

fn hash(local: Endpoint, remote: Endpoint) -> u64 {
    FxBuildHasher.hash_one((local, remote))
}

impl Ends {
    pub(super) fn insert(&mut self, row: &Connection, key: ConnKey) {
        self.0.insert(hash(row.row.local, row.row.remote), key);
    }

    pub(super) fn remove(&mut self, row: &Connection, key: ConnKey) {
        let hash = hash(row.row.local, row.row.remote);
        if self.0.get(&hash) == Some(&key) {
            self.0.remove(&hash);
        }
    }

    /// What may be the other end of a connection; see [`is_other_end`].
    pub(super) fn opposite(&self, row: &Connection) -> Option<ConnKey> {
        self.0.get(&hash(row.row.remote, row.row.local)).copied()
    }
}

/// The two are the two ends of one connection, as far as can be told: the same addresses and ports
/// are in use in many places, so both must have been there at the same time.
pub(super) fn is_other_end(
    (a_key, a): (ConnKey, &Connection),
    (b_key, b): (ConnKey, &Connection),
) -> bool {
    let (x, y) = (&a.row, &b.row);
    let ends = x.local == y.remote && x.remote == y.local;
    let same_place =
        a_key.node == b_key.node && (x.netns == y.netns || x.netns.is_none() || y.netns.is_none());
    let place = same_place || !x.local.addr.is_loopback();
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
    a_key != b_key && ends && place && time
}
