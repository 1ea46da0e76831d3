//! What changed between two looks. Pure: it is told what was seen, and when.

use std::collections::HashSet;
use std::sync::Arc;

use nonmax::{NonMaxU32, NonMaxU64};
use rustc_hash::FxHashMap;

use crate::model::{
    ConnId, Event, EventType, Figures, Origin, Phase, Process, TcpState, Timestamp, Zone,
};
use crate::sock_diag::{Error, Socket};

/// Closed by the peer for so long, a connection was left open by its process.
const LEFT_OPEN_NS: i64 = 30_000_000_000;

/// Whose a socket is.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) origin: Arc<Origin>,
    pub(super) cgroup: Option<u64>,
    pub(super) process: Option<Process>,
    /// The interface, where it is between link-local addresses.
    pub(super) scope: Option<Zone>,
}

/// The connections that are known, by cookie.
pub(super) struct Tracker {
    nobody: Who,
    netns: Option<NonMaxU32>,
    known: FxHashMap<u64, Known>,
    look: u64,
    seq: u64,
}

struct Known {
    socket: Socket,
    /// The look that saw it last.
    look: u64,
    /// Nothing was said of it so far.
    fresh: bool,
    /// Its opening was seen, then.
    opened: Option<Timestamp>,
    /// The peer has closed it and its process has not.
    close_wait: CloseWait,
    who: Who,
    /// A process was looked for under this socket's inode.
    asked: bool,
}

/// What is known of a connection that the peer may have closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CloseWait {
    No,
    Since(Timestamp),
    Told,
}

impl Tracker {
    /// Of the sockets of a network namespace, which are `nobody`'s until they are named.
    pub(super) fn new(netns: Option<u32>, nobody: Who) -> Self {
        Self {
            nobody,
            netns: netns.and_then(NonMaxU32::new),
            known: FxHashMap::default(),
            look: 0,
            seq: 0,
        }
    }

    /// Takes in a look.
    pub(super) fn see(&mut self, sockets: Vec<Socket>) {
        self.look += 1;
        for socket in sockets.into_iter().filter(Socket::is_connection) {
            let look = self.look;
            self.known
                .entry(socket.cookie)
                .and_modify(|known| known.update(&socket, look))
                .or_insert(Known {
                    socket,
                    look,
                    fresh: true,
                    opened: None,
                    close_wait: CloseWait::No,
                    who: self.nobody.clone(),
                    asked: false,
                });
        }
    }

    /// The inodes that no process was looked for yet. A socket in an accept queue has none; it is
    /// asked for when it was accepted.
    pub(super) fn unasked(&self) -> HashSet<u32> {
        let unasked = self.known.values().filter(|known| !known.asked);
        unasked
            .filter_map(|known| Some(known.socket.inode?.get()))
            .collect()
    }

    /// Takes in whose the sockets are that were not asked for yet.
    pub(super) fn name(&mut self, mut who: impl FnMut(&Socket) -> Who) {
        for known in self.known.values_mut().filter(|known| !known.asked) {
            known.asked = known.socket.inode.is_some();
            known.who = who(&known.socket);
        }
    }

    /// The rows of the first look: what was open before.
    pub(super) fn snapshot(&mut self, now: Timestamp) -> Vec<Event> {
        let netns = self.netns;
        let rows = self.known.values_mut().map(|known| {
            known.fresh = false;
            let state = known.socket.state;
            if state == TcpState::CloseWait {
                known.close_wait = CloseWait::Told;
            }
            known.event(now, netns, What::Listed(state))
        });
        in_order(rows.collect())
    }

    /// The events since the look before, endings first: an address may have a new connection by
    /// now. Then a listing of each connection that was left open. `find` says whether a socket that was not in the list is really gone; one of which that
    /// can't be known is left for the next look.
    pub(super) fn changes(
        &mut self,
        now: Timestamp,
        mut find: impl FnMut(&Socket) -> Result<Option<Socket>, Error>,
    ) -> Vec<Event> {
        let (look, netns) = (self.look, self.netns);
        let mut ended = Vec::new();
        let mut opened = Vec::new();
        let mut left_open = Vec::new();
        self.known.retain(|_, known| {
            if known.look == look {
                if known.fresh {
                    known.fresh = false;
                    known.opened = Some(now);
                    opened.push(known.event(now, netns, What::Opened));
                }
                if known.is_newly_left_open(now) {
                    let listing = What::Listed(TcpState::CloseWait);
                    left_open.push(Event {
                        figures: Figures::default(),
                        ..known.event(now, netns, listing)
                    });
                }
                return true;
            }
            match find(&known.socket) {
                Ok(Some(socket)) if socket.is_connection() => {
                    known.update(&socket, look);
                    true
                }
                Ok(_) => {
                    ended.push(known.event(now, netns, What::Ended));
                    false
                }
                Err(error) => {
                    tracing::debug!(error = %error, "a socket could not be looked up");
                    true
                }
            }
        });
        let mut events = in_order(ended);
        events.append(&mut in_order(opened));
        for event in &mut events {
            self.seq += 1;
            event.seq = NonMaxU64::new(self.seq);
        }
        events.append(&mut in_order(left_open));
        events
    }
}

/// By cookie, which the kernel gives in the order in which it was first asked.
fn in_order(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| event.conn);
    events
}

/// What an event says.
#[derive(Clone, Copy)]
enum What {
    Listed(TcpState),
    Opened,
    Ended,
}

impl Known {
    fn update(&mut self, socket: &Socket, look: u64) {
        let inode = self.socket.inode;
        // An orphan has no inode any more, but had its owner.
        self.asked &= socket.inode.is_none() || socket.inode == inode;
        self.socket = socket.clone();
        self.look = look;
    }

    fn is_newly_left_open(&mut self, now: Timestamp) -> bool {
        self.close_wait = match self.close_wait {
            _ if self.socket.state != TcpState::CloseWait => CloseWait::No,
            CloseWait::No => CloseWait::Since(now),
            CloseWait::Since(since) if now.0 - since.0 >= LEFT_OPEN_NS => {
                self.close_wait = CloseWait::Told;
                return true;
            }
            known => known,
        };
        false
    }

    fn event(&self, now: Timestamp, netns: Option<NonMaxU32>, what: What) -> Event {
        let who = self.who.clone();
        let (phase, state) = match what {
            What::Listed(state) => (None, Some(state)),
            What::Opened => (Some(Phase::Open), None),
            What::Ended => (Some(Phase::End), None),
        };
        let mut event = Event {
            seq: None,
            ts: now,
            origin: who.origin,
            kind: phase.map(|_| EventType::Unknown),
            phase,
            state,
            reason: None,
            errno: None,
            process: who.process.map(Arc::new),
            family: self.socket.family,
            local: self.socket.local,
            remote: self.socket.remote,
            conn: ConnId(self.socket.cookie),
            before: self.opened.is_none(),
            figures: Figures::default(),
            netns,
            mntns: None,
            cgroup: who.cgroup.and_then(NonMaxU64::new),
            peer: None,
            scope: who.scope,
        };
        if phase != Some(Phase::Open) {
            event.figures = self.socket.figures();
        }
        if phase == Some(Phase::End) {
            event.figures.dur_us = self.opened.and_then(|opened| microseconds(opened, now));
        }
        event
    }
}

fn microseconds(from: Timestamp, to: Timestamp) -> Option<NonMaxU64> {
    let nanos = u64::try_from(to.0.checked_sub(from.0)?).ok()?;
    NonMaxU64::new(nanos / 1000)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::num::NonZeroU32;

    use super::*;
    use crate::model::{Comm, Endpoint, Family};
    use crate::sock_diag::Counters;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const SECOND: i64 = 1_000_000_000;

    fn socket(cookie: u64, state: TcpState) -> Socket {
        Socket {
            family: Family::V4,
            state,
            local: Endpoint {
                addr: LOOPBACK,
                port: 1000,
            },
            remote: Endpoint {
                addr: LOOPBACK,
                port: 443,
            },
            interface: 0,
            cookie,
            inode: NonZeroU32::new(7),
            uid: 0,
            shutdown: None,
            cgroup: None,
            counters: Some(Counters {
                tx_bytes: Some(10 * cookie),
                ..Counters::default()
            }),
        }
    }

    fn established(cookie: u64) -> Socket {
        socket(cookie, TcpState::Established)
    }

    fn nobody() -> Who {
        Who {
            origin: Arc::default(),
            cgroup: None,
            process: None,
            scope: None,
        }
    }

    fn process(pid: u32) -> Process {
        Process {
            pid,
            tid: None,
            uid: None,
            gid: None,
            comm: Comm::from_text("curl"),
            thread: None,
        }
    }

    fn tracker(sockets: Vec<Socket>) -> Tracker {
        let mut tracker = Tracker::new(Some(4_026_531_840), nobody());
        tracker.see(sockets);
        tracker.snapshot(Timestamp(0));
        tracker
    }

    /// Phase, connection and duration of what the next look says.
    fn look(
        tracker: &mut Tracker,
        second: i64,
        sockets: Vec<Socket>,
    ) -> Vec<(Phase, u64, Option<u64>)> {
        tracker.see(sockets);
        let events = tracker.changes(Timestamp(second * SECOND), |_| Ok(None));
        let say = |event: Event| {
            assert_eq!(event.kind, Some(EventType::Unknown));
            assert_eq!(event.reason, None);
            (
                event.phase.unwrap(),
                event.conn.0,
                event.figures.dur_us.map(|us| us.get()),
            )
        };
        events.into_iter().map(say).collect()
    }

    #[test]
    fn the_first_look_lists_what_was_open_before() {
        let mut tracker = Tracker::new(Some(4_026_531_840), nobody());
        tracker.see(vec![
            socket(2, TcpState::CloseWait),
            established(1),
            socket(3, TcpState::SynSent),
        ]);
        let rows = tracker.snapshot(Timestamp(5));
        let [first, second] = rows.as_slice() else {
            panic!("{rows:?}");
        };
        assert_eq!(
            (first.conn, first.state),
            (ConnId(1), Some(TcpState::Established))
        );
        assert_eq!(
            (second.conn, second.state),
            (ConnId(2), Some(TcpState::CloseWait))
        );
        assert_eq!(
            (first.kind, first.phase, first.seq, first.before),
            (None, None, None, true)
        );
        assert_eq!(first.netns, NonMaxU32::new(4_026_531_840));
    }

    #[test]
    fn what_the_peer_has_closed_for_long_is_listed_once() {
        let closed = || {
            vec![
                socket(1, TcpState::CloseWait),
                socket(2, TcpState::CloseWait),
            ]
        };
        let mut tracker = tracker(vec![established(1), socket(2, TcpState::CloseWait)]);
        let mut listed = |second, sockets| {
            tracker.see(sockets);
            let events = tracker.changes(Timestamp(second * SECOND), |_| Ok(None));
            let say = |event: Event| (event.conn.0, event.kind, event.seq, event.state);
            events.into_iter().map(say).collect::<Vec<_>>()
        };
        let left = (1, None, None, Some(TcpState::CloseWait));
        // Number 2 was told at the start.
        assert_eq!(listed(1, closed()), []);
        assert_eq!(listed(30, closed()), []);
        assert_eq!(listed(31, closed()), [left]);
        assert_eq!(listed(62, closed()), []);
    }

    #[test]
    fn what_comes_opens_and_what_goes_ends() {
        let mut tracker = tracker(vec![established(1)]);
        assert_eq!(look(&mut tracker, 1, vec![established(1)]), []);
        let second = look(&mut tracker, 2, vec![established(1), established(2)]);
        assert_eq!(second, [(Phase::Open, 2, None)]);
        // What was open before has no duration.
        let ended = look(&mut tracker, 5, vec![established(3)]);
        let expected = [
            (Phase::End, 1, None),
            (Phase::End, 2, Some(3_000_000)),
            (Phase::Open, 3, None),
        ];
        assert_eq!(ended, expected);
        assert_eq!(tracker.known.len(), 1);
        assert_eq!(tracker.seq, 4);
    }

    #[test]
    fn a_connection_begins_when_established_and_ends_with_time_wait() {
        let mut tracker = tracker(vec![]);
        assert_eq!(
            look(&mut tracker, 1, vec![socket(1, TcpState::SynSent)]),
            []
        );
        assert_eq!(
            look(&mut tracker, 2, vec![socket(2, TcpState::SynRecv)]),
            []
        );
        let opened = look(&mut tracker, 3, vec![socket(1, TcpState::FinWait2)]);
        assert_eq!(opened, [(Phase::Open, 1, None)]);
        let ended = look(&mut tracker, 4, vec![socket(1, TcpState::TimeWait)]);
        assert_eq!(ended, [(Phase::End, 1, Some(1_000_000))]);
    }

    #[test]
    fn endings_have_the_figures_of_the_last_look_and_openings_none() {
        let mut tracker = tracker(vec![]);
        tracker.see(vec![established(4)]);
        let opened = tracker.changes(Timestamp(1), |_| Ok(None));
        assert_eq!(opened[0].figures, Figures::default());
        tracker.see(vec![]);
        let ended = tracker.changes(Timestamp(2), |_| Ok(None));
        assert_eq!(ended[0].figures.tx_bytes, NonMaxU64::new(40));
    }

    #[test]
    fn what_the_list_left_out_but_is_there_has_not_ended() {
        let mut tracker = tracker(vec![established(1), established(2)]);
        tracker.see(vec![]);
        let events = tracker.changes(Timestamp(1), |socket| match socket.cookie {
            1 => Ok(Some(established(1))),
            _ => Err(Error::Unsupported),
        });
        assert_eq!(events, []);
        assert_eq!(tracker.known.len(), 2);
    }

    #[test]
    fn an_owner_is_looked_for_once_and_again_after_accept() {
        let mut tracker = tracker(vec![]);
        let queued = Socket {
            inode: None,
            ..established(1)
        };
        tracker.see(vec![queued]);
        assert!(tracker.unasked().is_empty());
        tracker.name(|_| nobody());
        let opened = tracker.changes(Timestamp(1), |_| Ok(None));
        assert_eq!(opened[0].process, None);

        tracker.see(vec![established(1)]);
        assert_eq!(tracker.unasked(), HashSet::from([7]));
        tracker.name(|_| Who {
            process: Some(process(42)),
            ..nobody()
        });
        // Closed, and not yet gone: nobody has it, but it was his.
        tracker.see(vec![Socket {
            inode: None,
            ..socket(1, TcpState::FinWait1)
        }]);
        assert!(tracker.unasked().is_empty());
        tracker.name(|_| nobody());
        tracker.see(vec![]);
        let ended = tracker.changes(Timestamp(2), |_| Ok(None));
        assert_eq!(ended[0].process.as_deref(), Some(&process(42)));
    }
}
