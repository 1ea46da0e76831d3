//! Asking the kernel about sockets that are known, each in its network namespace.

use rustc_hash::FxHashMap;

use crate::sock_diag::netns::{self, Netns};
use crate::sock_diag::{Client, Error, Key, Socket};

/// How many are asked about at a time: each costs a request.
const MOST: usize = 1024;

/// A socket, and what it is to the caller.
#[derive(Debug)]
pub(super) struct Wanted<T> {
    /// The socket's network namespace, its inode number.
    pub(super) netns: u32,
    pub(super) key: Key,
    pub(super) what: T,
}

/// Those that are still there, as the kernel has them.
pub(super) fn look_up<T: Copy + Send + Sync>(
    wanted: impl IntoIterator<Item = Wanted<T>>,
) -> Vec<(T, Socket)> {
    let mut by_netns: FxHashMap<u32, Vec<Wanted<T>>> = FxHashMap::default();
    for one in wanted.into_iter().take(MOST) {
        by_netns.entry(one.netns).or_default().push(one);
    }
    let namespaces = if by_netns.is_empty() {
        Vec::new()
    } else {
        netns::all()
    };
    let mut all = Vec::new();
    for namespace in namespaces {
        let Some(wanted) = by_netns.remove(&namespace.inum()) else {
            continue;
        };
        match ask(&namespace, &wanted) {
            Ok(found) => all.extend(found),
            Err(error) => tracing::debug!("connections were not asked about: {error}"),
        }
    }
    all
}

fn ask<T: Copy + Send + Sync>(
    namespace: &Netns,
    wanted: &[Wanted<T>],
) -> Result<Vec<(T, Socket)>, Error> {
    let find = || {
        let mut client = Client::open()?;
        let mut found = Vec::new();
        for one in wanted {
            let socket = client.find(&one.key)?;
            found.extend(socket.map(|socket| (one.what, socket)));
        }
        Ok(found)
    };
    let own = Netns::own().map(|own| own.inum());
    if own.is_ok_and(|own| own == namespace.inum()) {
        find()
    } else {
        namespace.enter(find)?
    }
}
