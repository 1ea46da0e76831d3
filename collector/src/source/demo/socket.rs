//! One end of a connection, and the events of its life as `semantics` has them.

use std::num::NonZeroU16;
use std::sync::Arc;

use nonmax::{NonMaxU32, NonMaxU64};

use crate::model::{
    ConnId, Endpoint, Event, EventType, Family, Figures, Origin, Peer, Phase, Process, Reason,
    TcpState, Timestamp,
};

/// Where a process runs.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) origin: Arc<Origin>,
    pub(super) netns: Option<NonMaxU32>,
    pub(super) mntns: Option<NonMaxU32>,
    pub(super) cgroup: Option<NonMaxU64>,
}

/// One end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    /// The node that it is on, by number.
    pub(super) node: usize,
    pub(super) host: Arc<Host>,
    pub(super) process: Process,
    pub(super) family: Family,
    pub(super) local: Endpoint,
    pub(super) remote: Endpoint,
    pub(super) conn: ConnId,
    pub(super) peer: Option<Arc<Peer>>,
    /// When it opened, if that was before the start.
    pub(super) before: Option<Timestamp>,
}

/// What a socket has sent and received.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) rtt_us: u32,
    pub(super) retrans: u32,
}

impl Socket {
    /// A connect that succeeded.
    pub(super) fn connected(&self, ts: Timestamp, lat_us: u64) -> Event {
        let mut event = self.event(ts, EventType::Connect, Phase::Open);
        event.figures.lat_us = NonMaxU64::new(lat_us);
        event
    }

    /// A connect that failed.
    pub(super) fn failed(&self, ts: Timestamp, lat_us: u64, why: Reason, errno: u16) -> Event {
        let mut event = self.connected(ts, lat_us);
        (event.reason, event.errno) = (Some(why), NonZeroU16::new(errno));
        event
    }

    /// `accept()` returned it.
    pub(super) fn accepted(&self, ts: Timestamp, queued_us: u64) -> Event {
        let mut event = self.event(ts, EventType::Accept, Phase::Open);
        event.figures.lat_us = NonMaxU64::new(queued_us);
        event
    }

    /// Its process ended it.
    pub(super) fn closed(
        &self,
        opened: Timestamp,
        ts: Timestamp,
        why: Reason,
        traffic: Traffic,
    ) -> Event {
        let mut event = self.event(ts, EventType::Close, Phase::End);
        event.reason = Some(why);
        event.figures = figures(opened, ts, traffic);
        event
    }

    /// It ended, and no process did it.
    pub(super) fn broke(
        &self,
        opened: Timestamp,
        ts: Timestamp,
        why: (Reason, u16),
        traffic: Traffic,
    ) -> Event {
        let mut event = self.event(ts, EventType::Unknown, Phase::End);
        (event.reason, event.errno) = (Some(why.0), NonZeroU16::new(why.1));
        event.figures = figures(opened, ts, traffic);
        event
    }

    /// It was open at the start.
    pub(super) fn listed(&self, ts: Timestamp, state: TcpState, traffic: Traffic) -> Event {
        let mut row = self.event(ts, EventType::Unknown, Phase::Open);
        (row.kind, row.phase) = (None, None);
        row.state = Some(state);
        row.before = true;
        row.figures = figures(self.before.unwrap_or(ts), ts, traffic);
        row
    }

    fn event(&self, ts: Timestamp, kind: EventType, phase: Phase) -> Event {
        Event {
            seq: None,
            ts,
            origin: Arc::clone(&self.host.origin),
            kind: Some(kind),
            phase: Some(phase),
            state: None,
            reason: None,
            errno: None,
            process: Some(Arc::new(self.process.clone())),
            family: self.family,
            local: self.local,
            remote: self.remote,
            conn: self.conn,
            before: self.before.is_some(),
            figures: Figures::default(),
            netns: self.host.netns,
            mntns: self.host.mntns,
            cgroup: self.host.cgroup,
            peer: self.peer.clone(),
            scope: None,
        }
    }
}

fn figures(opened: Timestamp, ts: Timestamp, traffic: Traffic) -> Figures {
    let us = u64::try_from(ts.0.saturating_sub(opened.0) / 1_000).unwrap_or_default();
    Figures {
        lat_us: None,
        dur_us: NonMaxU64::new(us),
        tx_bytes: NonMaxU64::new(traffic.sent),
        rx_bytes: NonMaxU64::new(traffic.received),
        rtt_us: NonMaxU32::new(traffic.rtt_us),
        retrans: NonMaxU32::new(traffic.retrans),
    }
}
