//! Connections that a process has shut for sending only: the kernel traces no transition when the
//! process closes the rest, so that its list of sockets is asked.

use rustc_hash::FxHashMap;

use crate::model::ConnId;
use crate::probe::HalfClosed;
use crate::sock_diag::netns::{self, Netns};
use crate::sock_diag::{Client, Error, Key, Shutdown, Socket};

/// How many are asked about at a time: each costs a request.
const MOST: usize = 1024;

/// Those that are shut both ways by now, as the kernel has them. One that is gone is not among
/// them: its end was traced.
pub(super) fn closed_since(half_closed: Vec<HalfClosed>) -> Vec<(ConnId, Socket)> {
    let mut by_netns: FxHashMap<u32, Vec<HalfClosed>> = FxHashMap::default();
    for one in half_closed.into_iter().take(MOST) {
        by_netns.entry(one.netns).or_default().push(one);
    }
    let namespaces = if by_netns.is_empty() {
        Vec::new()
    } else {
        netns::all()
    };
    let mut closed = Vec::new();
    for namespace in namespaces {
        let Some(wanted) = by_netns.remove(&namespace.inum()) else {
            continue;
        };
        match ask(&namespace, &wanted) {
            Ok(found) => closed.extend(found),
            Err(error) => tracing::debug!("half-closed connections were not asked about: {error}"),
        }
    }
    closed
}

fn ask(namespace: &Netns, wanted: &[HalfClosed]) -> Result<Vec<(ConnId, Socket)>, Error> {
    let find = || {
        let mut client = Client::open()?;
        let mut found = Vec::new();
        for one in wanted {
            let socket = client.find(&Key {
                family: one.family,
                local: one.local,
                remote: one.remote,
                interface: 0,
                cookie: one.conn.cookie(),
            })?;
            found.extend(socket.filter(is_closed).map(|socket| (one.conn, socket)));
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

fn is_closed(socket: &Socket) -> bool {
    // The peer's FIN shuts a way as well; without an inode, no process has the socket any more.
    socket.shutdown.is_some_and(Shutdown::both) || socket.inode.is_none()
}
