//! What no record says, and is looked for now and then: in the probes' map, and in the kernel's list.

use std::sync::Arc;
use std::time::Instant;

use nonmax::{NonMaxU32, NonMaxU64};
use rustc_hash::FxHashSet;

use super::{Reader, output};
use crate::identity::{owners, process};
use crate::model::{ConnId, Event, Phase, Process};
use crate::probe::monotonic_ns;
use crate::source::queued::Queued;
use crate::source::{half_closed, snapshot};

/// The pause after a look through the map of sockets, in times of what it took.
const LOOK_SHARE: u32 = 1_000;
/// The same after a look through the files of all processes.
const HOLDERS_SHARE: u32 = 10;

impl Reader {
    /// Lists what is open and not known: sockets whose opening was missed.
    pub(super) fn look_again(&mut self) {
        if self.seeded
            && let Err(error) = self.probes.seed()
        {
            tracing::debug!("no look at what is open: {error}");
        }
    }

    /// Looks who has the sockets whose owner was not seen to hold them when they ended. A tenth of the time
    /// may go there; what comes too often has no owner.
    pub(super) fn name_holders(&mut self) {
        let unheld = self.interpreter.take_unheld();
        let began = Instant::now();
        if unheld.is_empty() || began < self.next_holders {
            return;
        }
        let inodes: FxHashSet<u32> = unheld.iter().map(|ending| ending.inode).collect();
        let owners = owners::find(&inodes, self.origins.hierarchy.as_ref());
        self.next_holders = began + began.elapsed() * HOLDERS_SHARE;
        for ending in unheld {
            let Some(owner) = owners.get(&ending.inode) else {
                continue;
            };
            let is_it =
                |event: &&mut Event| event.conn == ending.conn && event.phase == Some(Phase::End);
            // One that began later can't have had it then.
            let event = self.events.iter_mut().rev().find(is_it);
            if let Some(event) = event.filter(|_| process::began_before(owner.began, ending.ts)) {
                // As the kernel's own word of an owner is that of the first thread.
                let tid = NonMaxU32::new(owner.process.pid);
                let process = owner.process.clone();
                event.process = Some(Arc::new(Process { tid, ..process }));
                event.mntns = process::mntns(owner.process.pid).and_then(NonMaxU32::new);
                event.origin = self.origins.of(owner.cgroup);
                event.cgroup = owner.cgroup.and_then(NonMaxU64::new);
            }
        }
    }

    /// Asks which connections that were shut one way are shut both ways by now.
    pub(super) fn ask_half_closed(&mut self) {
        for (conn, socket) in half_closed::closed_since(self.interpreter.half_closed()) {
            let now_ns = monotonic_ns();
            self.interpreter
                .closed_both_ways(conn, &socket.figures(), now_ns);
        }
    }

    /// Lists what was found to be closed by the peer, and not by its process.
    pub(super) fn list_left_open(&mut self) {
        let mut out = output(&mut self.events, &mut self.origins);
        for listing in self.drift.left_open() {
            self.interpreter.list(&listing, &mut out);
        }
    }

    /// Looks for what waits to be accepted for long. The map may be large: a thousandth of the time
    /// may go there.
    pub(super) fn list_unaccepted(&mut self) {
        let still = self.queued.as_mut().map(Queued::still);
        for (netns, socket) in still.into_iter().flatten() {
            let mut out = output(&mut self.events, &mut self.origins);
            let origin = out.origins.origin(socket.cgroup.unwrap_or_default());
            let ends = [socket.local, socket.remote];
            let scope = out.origins.scope(ends, Some(netns), socket.interface, None);
            let now = out.clock.wall(monotonic_ns());
            let mut row = snapshot::row(netns, &socket, now, origin, scope);
            row.cgroup = socket.cgroup.and_then(NonMaxU64::new);
            self.interpreter.tell_unaccepted(row, &mut out);
        }
        let began = Instant::now();
        if began < self.next_unaccepted {
            return;
        }
        if let Err(error) = self.probes.tell_unaccepted() {
            tracing::debug!("no look at what waits to be accepted: {error}");
        }
        self.next_unaccepted = began + began.elapsed() * LOOK_SHARE;
    }

    /// Takes back that connections wait to be accepted, if the record that said otherwise was lost.
    pub(super) fn take_back_unaccepted(&mut self) {
        let told = self.interpreter.unaccepted();
        if told.is_empty() {
            return;
        }
        // In this order: what is not remembered any more, or has been accepted, has sent its record.
        let queued: FxHashSet<ConnId> = self.probes.queued().into_iter().collect();
        let now_ns = monotonic_ns();
        self.drain_all();
        let over = told.into_iter().filter(|conn| !queued.contains(conn));
        let mut out = output(&mut self.events, &mut self.origins);
        self.interpreter.waits_no_more(over, now_ns, &mut out);
    }

    /// Forgets connections that were shut one way only, if they are gone and the record that said
    /// so was lost.
    pub(super) fn forget_gone(&mut self) {
        let half_closed = self.interpreter.half_closed();
        if half_closed.is_empty() {
            return;
        }
        // In this order: what is remembered no more has sent its last record.
        let remembered: FxHashSet<ConnId> = self.probes.remembered().into_iter().collect();
        self.drain_all();
        let conns = half_closed.into_iter().map(|half| half.conn);
        let gone = conns.filter(|conn| !remembered.contains(conn));
        self.interpreter.gone(gone);
    }
}
