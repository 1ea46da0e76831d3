//! What must be said of a socket, as data.

mod check;
mod compare;

use std::net::SocketAddr;

use collector::model::{EventType, Family, Phase, Reason};

use crate::actor::{Conn, Done, Who, Window};

pub use self::check::{barrier, check, key, line};
pub use self::compare::retransmitted;

/// Which socket: its network namespace and both ends.
pub type Key = (u32, SocketAddr, SocketAddr);

/// How many segments were sent again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Again {
    Never,
    AtLeastOnce,
    Perhaps,
}

/// One row.
#[derive(Clone, Debug)]
struct Row {
    kind: EventType,
    phase: Phase,
    reason: Option<Reason>,
    errno: Option<u16>,
    who: Option<Who>,
    ts: Window,
    /// On openings: when what it took began.
    began: Option<Window>,
    /// On endings: sent and received.
    bytes: (u64, u64),
    again: Again,
    measured: bool,
    any_thread: bool,
    before: bool,
}

/// The rows of one socket, in their order.
#[derive(Clone, Debug)]
pub struct Story {
    key: Key,
    family: Family,
    rows: Vec<Row>,
    all_before: bool,
    /// The mount namespace is that of the process which opened it.
    mntns: Option<u32>,
    /// The ending may be earlier than the opening.
    any_order: bool,
}

impl Story {
    /// About a socket of which there is nothing to say yet.
    pub fn of(netns: u32, local: SocketAddr, remote: SocketAddr) -> Self {
        let plain = |addr: SocketAddr| SocketAddr::new(addr.ip().to_canonical(), addr.port());
        Self {
            key: (netns, plain(local), plain(remote)),
            family: if local.is_ipv4() {
                Family::V4
            } else {
                Family::V6
            },
            rows: Vec::new(),
            all_before: false,
            mntns: None,
            any_order: false,
        }
    }

    /// `C` of a connect that worked.
    pub fn connected(conn: &Conn) -> Self {
        Self::connected_within(conn, &conn.done)
    }

    /// `C` of a connect that took until another operation was over.
    pub fn connected_within(conn: &Conn, over: &Done) -> Self {
        Self::of(conn.done.who.netns, conn.local, conn.remote).opens(Row {
            who: Some(conn.done.who.clone()),
            began: Some(conn.done.window),
            ..Row::new(
                EventType::Connect,
                Phase::Open,
                conn.done.window.until(over.window),
            )
        })
    }

    /// `C` of a connect that failed.
    pub fn failed(
        connect: &Done,
        local: SocketAddr,
        remote: SocketAddr,
        ts: Window,
        reason: impl Into<Option<Reason>>,
        errno: impl Into<Option<u16>>,
    ) -> Self {
        Self::of(connect.who.netns, local, remote).opens(Row {
            who: Some(connect.who.clone()),
            reason: reason.into(),
            errno: errno.into(),
            began: Some(connect.window),
            ..Row::new(EventType::Connect, Phase::Open, ts)
        })
    }

    /// `A` of a connection that was established when the peer connected.
    pub fn accepted(conn: &Conn, peer: &Conn) -> Self {
        Self::accepted_since(conn, peer.done.window)
    }

    pub fn accepted_since(conn: &Conn, established: Window) -> Self {
        Self::of(conn.done.who.netns, conn.local, conn.remote).opens(Row {
            who: Some(conn.done.who.clone()),
            began: Some(established),
            ..Row::new(EventType::Accept, Phase::Open, conn.done.window)
        })
    }

    /// An opening `U`: no call of a process has opened or accepted what was established at that time.
    pub fn opened_by_nobody(netns: u32, local: SocketAddr, remote: SocketAddr, ts: Window) -> Self {
        Self::of(netns, local, remote).opens(Row::new(EventType::Unknown, Phase::Open, ts))
    }

    fn opens(mut self, row: Row) -> Self {
        self.mntns = row.who.as_ref().map(|who| who.mntns);
        self.rows.push(row);
        self
    }

    /// `X` by a call.
    pub fn closed(self, call: &Done, reason: impl Into<Option<Reason>>) -> Self {
        self.closed_within(call, call.window, reason)
    }

    pub fn closed_within(
        mut self,
        call: &Done,
        ts: Window,
        reason: impl Into<Option<Reason>>,
    ) -> Self {
        self.rows.push(Row {
            who: Some(call.who.clone()),
            reason: reason.into(),
            ..Row::new(EventType::Close, Phase::End, ts)
        });
        self
    }

    /// `U` that no call made.
    pub fn ended(
        mut self,
        owner: Option<&Who>,
        ts: Window,
        reason: impl Into<Option<Reason>>,
        errno: impl Into<Option<u16>>,
    ) -> Self {
        self.rows.push(Row {
            who: owner.cloned(),
            reason: reason.into(),
            errno: errno.into(),
            ..Row::new(EventType::Unknown, Phase::End, ts)
        });
        self
    }

    /// Of the ending: no segment was ever answered.
    pub fn unmeasured(mut self) -> Self {
        self.last(|row| row.measured = false);
        self
    }

    /// Of the ending: sent and received.
    pub fn bytes(mut self, sent: u64, received: u64) -> Self {
        self.last(|row| row.bytes = (sent, received));
        self
    }

    /// Of the ending: some segments were sent more than once.
    pub fn sent_again(mut self) -> Self {
        self.last(|row| row.again = Again::AtLeastOnce);
        self
    }

    /// Of the ending: whether segments were sent again depends on timers.
    pub fn may_send_again(mut self) -> Self {
        self.last(|row| row.again = Again::Perhaps);
        self
    }

    /// Of the opening: what it took began then.
    pub fn took_since(mut self, began: Window) -> Self {
        self.last(|row| row.began = Some(began));
        self
    }

    /// Its opening was before the tracer's start, by that process.
    pub fn before(mut self, opener: &Who) -> Self {
        self.mntns = Some(opener.mntns);
        self.before_by_nobody()
    }

    /// Its opening was before the tracer's start, and nobody had accepted it.
    pub fn before_by_nobody(mut self) -> Self {
        self.all_before = true;
        self
    }

    /// Of the last row: when it was said, nobody had accepted what was there before the start.
    pub fn was_before(mut self) -> Self {
        self.last(|row| row.before = true);
        self
    }

    /// Of the opening: it is not known when it began.
    pub fn since_unknown(mut self) -> Self {
        self.last(|row| row.began = None);
        self
    }

    /// Of the last row: by some thread of the process.
    pub fn by_any_thread(mut self) -> Self {
        self.last(|row| row.any_thread = true);
        self
    }

    /// The ending may come before the opening.
    pub fn any_order(mut self) -> Self {
        self.any_order = true;
        self
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    fn last(&mut self, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.rows.last_mut() {
            change(row);
        }
    }
}

impl Row {
    fn new(kind: EventType, phase: Phase, ts: Window) -> Self {
        Self {
            kind,
            phase,
            reason: None,
            errno: None,
            who: None,
            ts,
            began: None,
            bytes: (0, 0),
            again: Again::Never,
            measured: true,
            any_thread: false,
            before: false,
        }
    }
}
