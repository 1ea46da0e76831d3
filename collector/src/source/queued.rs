//! Connections that waited in an accept queue at the start: the probes have not seen them come, so
//! that the kernel's list of sockets is asked whether they still do.

use std::time::{Duration, Instant};

use super::look_up::{Wanted, look_up};
use crate::model::TcpState;
use crate::sock_diag::{AllNetns, Socket};

/// What waited at the start.
#[derive(Debug)]
pub(super) struct Queued {
    /// When to ask.
    due: Instant,
    sockets: Vec<(u32, Socket)>,
}

impl Queued {
    /// Those of a list.
    pub(super) fn among(all: &AllNetns, is_new: impl Fn(&Socket) -> bool, after: Duration) -> Self {
        let queued = all.sockets.iter();
        let queued = queued.filter(|(_, socket)| is_queued(socket) && is_new(socket));
        Self {
            due: Instant::now() + after,
            sockets: queued.cloned().collect(),
        }
    }

    /// Those that still wait after that time; once.
    pub(super) fn still(&mut self) -> Vec<(u32, Socket)> {
        if self.sockets.is_empty() || Instant::now() < self.due {
            return Vec::new();
        }
        let sockets = std::mem::take(&mut self.sockets);
        let mut found = look_up(sockets.iter().map(|(netns, socket)| Wanted {
            netns: *netns,
            key: socket.key(),
            what: *netns,
        }));
        found.retain(|(_, socket)| is_queued(socket));
        found
    }
}

/// Open, and no process has it: what a process has closed is in another state.
fn is_queued(socket: &Socket) -> bool {
    let open = matches!(socket.state, TcpState::Established | TcpState::CloseWait);
    open && socket.inode.is_none()
}
