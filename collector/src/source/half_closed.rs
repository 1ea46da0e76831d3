//! Connections that a process has shut for sending only: the kernel traces no transition when the
//! process closes the rest, so that its list of sockets is asked.

use super::look_up::{Wanted, look_up};
use crate::model::ConnId;
use crate::probe::HalfClosed;
use crate::sock_diag::{Key, Shutdown, Socket};

/// Those that are shut both ways by now, as the kernel has them. One that is gone is not among
/// them: its end was traced.
pub(super) fn closed_since(half_closed: Vec<HalfClosed>) -> Vec<(ConnId, Socket)> {
    let wanted = half_closed.into_iter().map(|one| Wanted {
        netns: one.netns,
        key: Key {
            family: one.family,
            local: one.local,
            remote: one.remote,
            interface: 0,
            cookie: one.conn.cookie(),
        },
        what: one.conn,
    });
    let mut found = look_up(wanted);
    found.retain(|(_, socket)| is_closed(socket));
    found
}

fn is_closed(socket: &Socket) -> bool {
    // The peer's FIN shuts a way as well; without an inode, no process has the socket any more.
    socket.shutdown.is_some_and(Shutdown::both) || socket.inode.is_none()
}
