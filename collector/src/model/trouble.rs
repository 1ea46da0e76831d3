//! What a single event shows to be wrong.

use super::{Event, EventType, Phase, Reason, TcpState};

/// When something is wrong. Times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Failures of one kind of one pair, in about the last minute, that make a finding.
    pub failures: u32,
    /// An accept that took that long is slow.
    pub slow_accept_us: u64,
    /// Slow accepts of one pair, in about the last minute, that make a finding.
    pub slow_accepts: u32,
    /// A connection that has waited that long to be accepted is not accepted. On this host; agents
    /// have an own time.
    pub unaccepted_us: u64,
    /// A connection that lasted less is short.
    pub short_us: u64,
    /// Short connections of one pair, in the last ten to twenty seconds, that make a finding.
    pub short: u32,
    /// A connection with that many segments sent again has a storm of them.
    pub retransmissions: u32,
    /// Connections with such a storm, in about the last minute, that make a finding.
    pub storms: u32,
    /// Local ports that there are for connections to one address and port: how many the range has
    /// that the kernel takes them from, 28,232 unless `net.ipv4.ip_local_port_range` was changed.
    pub ports: u64,
    /// How much of them may be in use, in percent.
    pub ports_percent: u64,
    /// Of the connects to one peer of a Service, how much may fail, in percent.
    pub peer_failing_percent: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            failures: 3,
            slow_accept_us: 100_000,
            slow_accepts: 3,
            unaccepted_us: 3_000_000,
            short_us: 1_000_000,
            short: 100,
            retransmissions: 20,
            storms: 3,
            ports: 28_232,
            ports_percent: 80,
            peer_failing_percent: 50,
        }
    }
}

/// What an event may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)] // The first eleven are the reasons of failed connects and of endings.
pub enum Trouble {
    Refused,
    ConnectTimeout,
    ConnectUnreachable,
    ConnectAborted,
    ResetByPeer,
    ResetSent,
    Keepalive,
    Timeout,
    Unreachable,
    Aborted,
    Killed,
    /// It was established and is over, and no process had accepted it.
    NeverAccepted,
    /// It waited in the accept queue for long.
    SlowAccept,
    /// When it was listed, the peer had closed it and its process had not.
    CloseWait,
    /// When it was listed, it had waited to be accepted for long.
    Unaccepted,
    /// It lasted a short time.
    Short,
    /// Many segments were sent again.
    Storm,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Refused,
        Self::ConnectTimeout,
        Self::ConnectUnreachable,
        Self::ConnectAborted,
        Self::ResetByPeer,
        Self::ResetSent,
        Self::Keepalive,
        Self::Timeout,
        Self::Unreachable,
        Self::Aborted,
        Self::Killed,
        Self::NeverAccepted,
        Self::SlowAccept,
        Self::CloseWait,
        Self::Unaccepted,
        Self::Short,
        Self::Storm,
    ];

    /// What it is called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::ConnectTimeout => "connect timeout",
            Self::ConnectUnreachable | Self::Unreachable => "unreachable",
            Self::ConnectAborted => "connect aborted",
            Self::ResetByPeer => "reset by peer",
            Self::ResetSent => "reset sent",
            Self::Keepalive => "keepalive",
            Self::Timeout => "timeout",
            Self::Aborted => "aborted",
            Self::Killed => "killed",
            Self::NeverAccepted | Self::Unaccepted => "never accepted",
            Self::SlowAccept => "slow accept",
            Self::CloseWait => "CLOSE_WAIT",
            Self::Short => "short-lived",
            Self::Storm => "retransmissions",
        }
    }

    /// A failed connect, or an ending that nobody wanted. The others are only of interest where
    /// there is much of them.
    #[must_use]
    pub fn is_failure(self) -> bool {
        self <= Self::Killed
    }

    /// What is wrong with a connection for as long as it is in that state: it passes.
    #[must_use]
    pub fn of_state(state: TcpState) -> Option<Self> {
        match state {
            TcpState::CloseWait => Some(Self::CloseWait),
            TcpState::Unaccepted => Some(Self::Unaccepted),
            _ => None,
        }
    }

    /// It is one of [`Self::of_state`].
    #[must_use]
    pub fn passes(self) -> bool {
        matches!(self, Self::CloseWait | Self::Unaccepted)
    }

    /// All that an event shows.
    pub fn shown_by(event: &Event, thresholds: &Thresholds) -> impl Iterator<Item = Self> {
        const OTHERS: [Trouble; 6] = [
            Trouble::NeverAccepted,
            Trouble::SlowAccept,
            Trouble::CloseWait,
            Trouble::Unaccepted,
            Trouble::Short,
            Trouble::Storm,
        ];
        let others = OTHERS.into_iter();
        let others = others.filter(|trouble| trouble.is_shown_by(event, thresholds));
        Self::of_reason(event).into_iter().chain(others)
    }

    /// What the reason of an event is, if it is a failure.
    fn of_reason(event: &Event) -> Option<Self> {
        match (event.phase?, event.reason?) {
            (Phase::Open, _) if event.kind != Some(EventType::Connect) => None,
            (Phase::Open, Reason::Refused) => Some(Self::Refused),
            (Phase::Open, Reason::Timeout) => Some(Self::ConnectTimeout),
            (Phase::Open, Reason::Unreachable) => Some(Self::ConnectUnreachable),
            (Phase::Open, Reason::Aborted) => Some(Self::ConnectAborted),
            (Phase::End, Reason::ResetByPeer) => Some(Self::ResetByPeer),
            (Phase::End, Reason::ResetSent) => Some(Self::ResetSent),
            (Phase::End, Reason::Keepalive) => Some(Self::Keepalive),
            (Phase::End, Reason::Timeout) => Some(Self::Timeout),
            (Phase::End, Reason::Unreachable) => Some(Self::Unreachable),
            (Phase::End, Reason::Aborted) => Some(Self::Aborted),
            (Phase::End, Reason::Killed) => Some(Self::Killed),
            (Phase::Open | Phase::End, _) => None,
        }
    }

    /// An event shows it.
    #[must_use]
    pub fn is_shown_by(self, event: &Event, thresholds: &Thresholds) -> bool {
        match self {
            Self::NeverAccepted => {
                event.phase == Some(Phase::Open) && event.kind == Some(EventType::Unknown)
            }
            Self::SlowAccept => {
                let lat = event.figures.lat_us.map(|us| us.get());
                event.kind == Some(EventType::Accept)
                    && lat.is_some_and(|us| us >= thresholds.slow_accept_us)
            }
            Self::CloseWait | Self::Unaccepted => {
                event.phase.is_none() && event.state.and_then(Self::of_state) == Some(self)
            }
            Self::Short => {
                let dur = event.figures.dur_us.map(|us| us.get());
                event.phase == Some(Phase::End) && dur.is_some_and(|us| us < thresholds.short_us)
            }
            Self::Storm => {
                let retrans = event.figures.retrans.map(|n| n.get());
                retrans.is_some_and(|n| n >= thresholds.retransmissions)
            }
            _ => Self::of_reason(event) == Some(self),
        }
    }
}
