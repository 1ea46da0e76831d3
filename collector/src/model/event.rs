//! One statement of fact about one TCP socket, and what names it.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use nonmax::{NonMaxU32, NonMaxU64};

use super::Zone;

/// What happened: the letter in the `T` column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventType {
    /// `C`: a connect finished, or failed.
    Connect,
    /// `A`: `accept()` returned the connection to a process.
    Accept,
    /// `X`: a process ended the connection.
    Close,
    /// `U`: established or ended, and no call of a process did it.
    Unknown,
}

impl EventType {
    /// All types, in the order of their letters' use: `C A X U`.
    pub const ALL: [Self; 4] = [Self::Connect, Self::Accept, Self::Close, Self::Unknown];

    /// The letter that stands for the type on screen and in JSON.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Self::Connect => "C",
            Self::Accept => "A",
            Self::Close => "X",
            Self::Unknown => "U",
        }
    }

    /// The type of a letter, in either case.
    #[must_use]
    pub fn from_letter(letter: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|t| t.letter().eq_ignore_ascii_case(letter))
    }
}

/// Whether an event opens a connection or ends it. A failed connect opens, and has no ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// `C`, `A` and an opening `U`.
    Open,
    /// `X` and an ending `U`.
    End,
}

impl Phase {
    /// Both phases.
    pub const ALL: [Self; 2] = [Self::Open, Self::End];

    /// The word in JSON and in the `PHASE` column.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::End => "end",
        }
    }
}

/// Why a connect failed, or why a connection ended. A closed list: what is not known is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Failed connect: the peer answered with a reset.
    Refused,
    /// Failed connect, or retransmissions that were never acknowledged.
    Timeout,
    /// Failed connect, or a connection ended by ICMP errors.
    Unreachable,
    /// Failed connect: the application gave up. Ending: `SOCK_DESTROY` by another process.
    Aborted,
    /// The owner was ended by a signal.
    Killed,
    /// This side sent a reset: linger 0, unread data, or nobody had accepted.
    ResetSent,
    /// The peer closed first.
    FinRemote,
    /// This side closed first.
    FinLocal,
    /// The peer sent a reset.
    ResetByPeer,
    /// Keep-alive probes were never answered.
    Keepalive,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::Refused,
        Self::Timeout,
        Self::Unreachable,
        Self::Aborted,
        Self::Killed,
        Self::ResetSent,
        Self::FinRemote,
        Self::FinLocal,
        Self::ResetByPeer,
        Self::Keepalive,
    ];

    /// Nobody wants a connection to end for this reason.
    #[must_use]
    pub fn is_unwanted(self) -> bool {
        !matches!(self, Self::Refused | Self::FinRemote | Self::FinLocal)
    }

    /// The word in JSON and in the `REASON` column.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Aborted => "aborted",
            Self::Killed => "killed",
            Self::ResetSent => "reset-sent",
            Self::FinRemote => "fin-remote",
            Self::FinLocal => "fin-local",
            Self::ResetByPeer => "reset-by-peer",
            Self::Keepalive => "keepalive",
        }
    }
}

/// A TCP state, numbered as the kernel numbers them (`include/net/tcp_states.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)] // RFC 9293, section 3.3.2, has them all.
pub enum TcpState {
    Established = 1,
    SynSent = 2,
    SynRecv = 3,
    FinWait1 = 4,
    FinWait2 = 5,
    TimeWait = 6,
    Close = 7,
    CloseWait = 8,
    LastAck = 9,
    Listen = 10,
    Closing = 11,
    NewSynRecv = 12,
    /// None of the kernel's: established, or closed by the peer since, and no process has accepted
    /// it for long.
    Unaccepted = 13,
}

impl TcpState {
    /// All states, in the kernel's order; the first is number 1.
    pub const ALL: [Self; 13] = [
        Self::Established,
        Self::SynSent,
        Self::SynRecv,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
        Self::NewSynRecv,
        Self::Unaccepted,
    ];

    /// The state that the kernel numbers so.
    #[must_use]
    pub fn from_kernel(number: u8) -> Option<Self> {
        let state = Self::ALL.get(usize::from(number).checked_sub(1)?).copied();
        state.filter(|state| *state != Self::Unaccepted)
    }

    /// The name as `ss` and RFC 9293 have it, with underscores.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait1 => "FIN_WAIT1",
            Self::FinWait2 => "FIN_WAIT2",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
            Self::NewSynRecv => "NEW_SYN_RECV",
            Self::Unaccepted => "UNACCEPTED",
        }
    }
}

/// The address family of the socket itself, which for an IPv4-mapped address is not that of the
/// addresses shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`.
    V6,
}

impl Family {
    /// 4 or 6, as in JSON.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }
}

/// The same for all events of one connection; unique per node and boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

impl ConnId {
    /// The bits that are the socket's cookie; above them, ids of repeated connects differ.
    pub const COOKIE_BITS: u32 = 48;

    /// The socket's cookie, as `sock_diag` has it. The kernel counts up from 1, and, where a softirq
    /// asks while a cookie is being made, down from the greatest number.
    #[must_use]
    pub fn cookie(self) -> u64 {
        let above = u64::BITS - Self::COOKIE_BITS;
        ((self.0 << above).cast_signed() >> above).cast_unsigned()
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A moment, in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment at which this is called, by the wall clock.
    #[must_use]
    pub fn now() -> Self {
        let nanos = jiff::Timestamp::now().as_nanosecond();
        Self(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}

/// RFC 3339 in UTC with nine digits of fraction, as in JSON.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(ts) => write!(f, "{ts:.9}"),
            Err(_) => f.write_str("-"),
        }
    }
}

/// A command name as the kernel keeps it: at most 16 bytes, of any content.
///
/// What is not UTF-8 and what is a control character is shown as U+FFFD.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Comm([u8; 16]);

impl Comm {
    /// From the kernel's bytes; what follows the first NUL is not part of the name.
    #[must_use]
    pub fn from_kernel(mut bytes: [u8; 16]) -> Self {
        if let Some(end) = bytes.iter().position(|b| *b == 0) {
            bytes[end..].fill(0);
        }
        Self(bytes)
    }

    /// From text, as `/proc` or a recording has it; what does not fit is cut.
    ///
    /// U+FFFD becomes a byte that is shown as U+FFFD again, so that a name survives a recording.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let mut bytes = [0; 16];
        let mut used = 0;
        for c in text.chars().take_while(|c| *c != '\0') {
            let mut utf8 = [0; 4];
            let piece: &[u8] = if c == char::REPLACEMENT_CHARACTER {
                &[0xff]
            } else {
                c.encode_utf8(&mut utf8).as_bytes()
            };
            let Some(room) = bytes.get_mut(used..used + piece.len()) else {
                break;
            };
            room.copy_from_slice(piece);
            used += piece.len();
        }
        Self(bytes)
    }

    /// The kernel's bytes, filled up with NULs.
    #[must_use]
    pub fn as_kernel(&self) -> &[u8; 16] {
        &self.0
    }

    /// As the name of a thread beside that of its process: `None` where it is shown as the same, or empty.
    #[must_use]
    pub fn beside(self, process: Self) -> Option<Self> {
        let differs = self != process && self != Self::default();
        // Bytes that are no text look alike.
        (differs && self.to_string() != process.to_string()).then_some(self)
    }

    /// The bytes up to the first NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(self.0.len());
        &self.0[..end]
    }

    /// The text that is shown, borrowed where it can be.
    #[must_use]
    pub fn to_text(&self) -> std::borrow::Cow<'_, str> {
        let text = String::from_utf8_lossy(self.as_bytes());
        if text.contains(char::is_control) {
            text.replace(char::is_control, "\u{fffd}").into()
        } else {
            text
        }
    }
}

impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_text())
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}

/// The process that an event is credited to, as it was at that moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// Process id (the kernel's tgid) in the initial pid namespace.
    pub pid: u32,
    /// Thread id, where the source knows the thread.
    pub tid: Option<NonMaxU32>,
    /// Real user id.
    pub uid: Option<NonMaxU32>,
    /// Real group id.
    pub gid: Option<NonMaxU32>,
    /// The process's name, which is its first thread's: what `ps` and `/proc/PID/comm` say.
    pub comm: Comm,
    /// The name of the thread that did it, where that is known and another one.
    pub thread: Option<Comm>,
}

/// Where an event comes from: the node, and the workload on it. Shared by all events of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The node's name.
    pub node: Arc<str>,
    /// Kubernetes namespace.
    pub namespace: Option<Arc<str>>,
    /// Pod name.
    pub pod: Option<Arc<str>>,
    /// Container name; without Kubernetes, the container's short id or the systemd unit.
    pub container: Option<Arc<str>>,
}

/// What the other end of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerKind {
    /// A pod's address.
    Pod,
    /// A Service's address.
    Service,
    /// A node's address.
    Node,
}

impl PeerKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Pod, Self::Service, Self::Node];

    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Service => "service",
            Self::Node => "node",
        }
    }
}

/// The name of the other end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// What it is.
    pub kind: PeerKind,
    /// Its namespace, where it has one.
    pub namespace: Option<Arc<str>>,
    /// Its name.
    pub name: Arc<str>,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The address; an IPv4-mapped one is an IPv4 address here.
    pub addr: IpAddr,
    /// The port.
    pub port: u16,
}

impl Endpoint {
    /// The address as one number, which is hashed and compared faster than its bytes: none is two's,
    /// for IPv4-mapped ones are IPv4 here.
    #[inline]
    pub(super) fn bits(self) -> u128 {
        match self.addr {
            IpAddr::V4(addr) => addr.to_ipv6_mapped().to_bits(),
            IpAddr::V6(addr) => addr.to_bits(),
        }
    }
}

/// What the kernel has counted for a connection. `None` is unknown, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// On `C`: SYN to ESTABLISHED or to failure. On `A`: ESTABLISHED to accept's return. Microseconds.
    pub lat_us: Option<NonMaxU64>,
    /// On endings: opening to `ts`. Microseconds.
    pub dur_us: Option<NonMaxU64>,
    /// On endings: payload bytes sent at least once.
    pub tx_bytes: Option<NonMaxU64>,
    /// On endings: payload bytes received in order, read or not.
    pub rx_bytes: Option<NonMaxU64>,
    /// On endings: smoothed round-trip time. Microseconds.
    pub rtt_us: Option<NonMaxU32>,
    /// On endings: segments retransmitted.
    pub retrans: Option<NonMaxU32>,
}

/// A row: an event, or (where `kind` is `None`) a socket that was open before the start.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Rises by one per node; `None` for a socket listed from a snapshot.
    pub seq: Option<NonMaxU64>,
    /// The kernel's time of the event, as wall-clock time.
    pub ts: Timestamp,
    /// Node and workload.
    pub origin: Arc<Origin>,
    /// The type; `None` for a socket listed from a snapshot.
    pub kind: Option<EventType>,
    /// Opening or ending; `None` for a socket listed from a snapshot.
    pub phase: Option<Phase>,
    /// The state of a socket listed from a snapshot; `None` for events.
    pub state: Option<TcpState>,
    /// Why it failed or ended.
    pub reason: Option<Reason>,
    /// The error number beside the reason.
    pub errno: Option<NonZeroU16>,
    /// Who did it. Shared by the events of it that are kept.
    pub process: Option<Arc<Process>>,
    /// The socket's own family.
    pub family: Family,
    /// The socket's own end.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// The connection.
    pub conn: ConnId,
    /// The opening was earlier than the moment at which all hooks were attached.
    pub before: bool,
    /// What was counted.
    pub figures: Figures,
    /// The socket's network namespace (its inode number).
    pub netns: Option<NonMaxU32>,
    /// The process's mount namespace when it opened the socket (its inode number).
    pub mntns: Option<NonMaxU32>,
    /// The process's cgroup (its inode number in the v2 hierarchy).
    pub cgroup: Option<NonMaxU64>,
    /// The name of the other end.
    pub peer: Option<Arc<Peer>>,
    /// The interface that a link-local address of it is on, else `None`.
    pub scope: Option<Zone>,
}

impl Event {
    /// 4 for IPv4 and IPv4-mapped addresses, else 6: the `IP` column.
    #[must_use]
    pub fn ip_version(&self) -> u8 {
        if self.local.addr.is_ipv4() { 4 } else { 6 }
    }

    /// A failed connect, or an ending that nobody wanted: what `--failed` selects.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self.phase {
            Some(Phase::Open) => self.kind == Some(EventType::Connect) && self.reason.is_some(),
            Some(Phase::End) => self.reason.is_some_and(Reason::is_unwanted),
            None => false,
        }
    }
}
