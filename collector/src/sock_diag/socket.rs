//! What the kernel says of one socket.

use std::fmt;
use std::num::NonZeroU32;

use nonmax::{NonMaxU32, NonMaxU64};

use crate::model::{Endpoint, Family, Figures, TcpState};

/// One TCP socket as `inet_diag` reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The socket's own family.
    pub family: Family,
    /// Its state; a `TIME_WAIT` or orphaned `FIN_WAIT2` that the kernel keeps as a mere timer is
    /// [`TcpState::TimeWait`], whatever it is a substitute for.
    pub state: TcpState,
    /// Its own end; an IPv4-mapped address is an IPv4 address here.
    pub local: Endpoint,
    /// The other end; an IPv4-mapped address is an IPv4 address here.
    pub remote: Endpoint,
    /// The interface it is bound to, or 0.
    pub interface: u32,
    /// The kernel's number for it, unique until the next boot (`SO_COOKIE`).
    pub cookie: u64,
    /// The inode that `/proc/PID/fd` names; `None` while no process has it: in an accept queue,
    /// closed but not gone, or the kernel's own.
    pub inode: Option<NonZeroU32>,
    /// The user id that the socket was made with.
    pub uid: u32,
    /// Which ways were shut down; `None` where the kernel does not say (timers, requests).
    pub shutdown: Option<Shutdown>,
    /// The cgroup that it was made in, by its id in the v2 hierarchy (kernel 5.8). An accepted
    /// socket has its listener's, which with socket activation is not its owner's.
    pub cgroup: Option<u64>,
    /// What was counted; `None` for timers and requests, which count nothing.
    pub counters: Option<Counters>,
}

/// What the kernel finds a socket by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The socket's own family.
    pub family: Family,
    /// Its own end.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// The interface it is bound to, or 0. A wrong one finds nothing.
    pub interface: u32,
    /// The kernel's number for it.
    pub cookie: u64,
}

impl Socket {
    /// What to find it by again.
    #[must_use]
    pub fn key(&self) -> Key {
        let Self {
            family,
            local,
            remote,
            interface,
            cookie,
            ..
        } = *self;
        Key {
            family,
            local,
            remote,
            interface,
            cookie,
        }
    }

    /// A connection that is established or ending. Not one that is being made (`SYN_SENT`,
    /// `SYN_RECV`), and not what remains after it (`TIME_WAIT`).
    #[must_use]
    pub fn is_connection(&self) -> bool {
        States::CONNECTIONS.contains(self.state)
    }

    /// The counters as the figures of an event. `None` is unknown, never 0.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let counters = self.counters.unwrap_or_default();
        Figures {
            tx_bytes: counters.tx_bytes.and_then(NonMaxU64::new),
            rx_bytes: counters.rx_bytes.and_then(NonMaxU64::new),
            rtt_us: counters.rtt_us.and_then(NonMaxU32::new),
            retrans: counters.retrans.and_then(NonMaxU32::new),
            ..Figures::default()
        }
    }
}

/// What the kernel counted for a socket; `None` where it is too old to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Payload bytes sent at least once (kernel 4.19).
    pub tx_bytes: Option<u64>,
    /// Payload bytes received in order, read or not, without the peer's FIN (kernel 4.1).
    pub rx_bytes: Option<u64>,
    /// Smoothed round-trip time in microseconds; `None` before the first measurement.
    pub rtt_us: Option<u32>,
    /// Segments retransmitted.
    pub retrans: Option<u32>,
}

/// Which ways of a socket are shut down (`sk_shutdown`): by a process, or by the peer's FIN.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Shutdown(u8);

impl Shutdown {
    // RCV_SHUTDOWN and SEND_SHUTDOWN in include/net/sock.h.
    const RECEIVE: u8 = 1;
    const SEND: u8 = 2;

    /// From the kernel's mask.
    #[must_use]
    pub fn from_kernel(mask: u8) -> Self {
        Self(mask)
    }

    /// Nothing more is received.
    #[must_use]
    pub fn receive(self) -> bool {
        self.0 & Self::RECEIVE != 0
    }

    /// Nothing more is sent.
    #[must_use]
    pub fn send(self) -> bool {
        self.0 & Self::SEND != 0
    }

    /// Shut both ways: for the process it is over.
    #[must_use]
    pub fn both(self) -> bool {
        self.receive() && self.send()
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.receive(), self.send()) {
            (false, false) => "open",
            (true, false) => "receive",
            (false, true) => "send",
            (true, true) => "both",
        })
    }
}

/// A set of states, to ask for only what is wanted: the kernel skips the rest cheaply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct States(u32);

impl States {
    /// All but listeners.
    pub const ALL_BUT_LISTEN: Self = Self::of(&[
        TcpState::Established,
        TcpState::SynSent,
        TcpState::SynRecv,
        TcpState::FinWait1,
        TcpState::FinWait2,
        TcpState::TimeWait,
        TcpState::Close,
        TcpState::CloseWait,
        TcpState::LastAck,
        TcpState::Closing,
        TcpState::NewSynRecv,
    ]);

    /// Established or ending, see [`Socket::is_connection`].
    pub const CONNECTIONS: Self = Self::of(&[
        TcpState::Established,
        TcpState::FinWait1,
        TcpState::FinWait2,
        TcpState::CloseWait,
        TcpState::LastAck,
        TcpState::Closing,
    ]);

    /// The set of these.
    #[must_use]
    pub const fn of(states: &[TcpState]) -> Self {
        let mut mask = 0;
        let mut i = 0;
        while i < states.len() {
            mask |= 1 << states[i] as u8;
            i += 1;
        }
        Self(mask)
    }

    /// Whether `state` is in the set.
    #[must_use]
    pub fn contains(self, state: TcpState) -> bool {
        self.0 & (1 << state as u8) != 0
    }

    /// The kernel's mask: bit n is the state with the number n.
    pub(super) fn mask(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sets_are_what_they_say() {
        let kernels = TcpState::ALL
            .into_iter()
            .filter(|s| *s != TcpState::Unaccepted);
        for state in kernels {
            let listens = state == TcpState::Listen;
            assert_eq!(
                States::ALL_BUT_LISTEN.contains(state),
                !listens,
                "{state:?}"
            );
        }
        assert!(States::CONNECTIONS.contains(TcpState::CloseWait));
        assert!(!States::CONNECTIONS.contains(TcpState::TimeWait));
        assert!(!States::CONNECTIONS.contains(TcpState::SynSent));
    }

    #[test]
    fn shut_both_ways_is_over() {
        assert!(!Shutdown::from_kernel(1).both());
        assert!(!Shutdown::from_kernel(2).both());
        assert!(Shutdown::from_kernel(3).both());
    }
}
