//! What a filter can ask about: one table for the parser, its error messages and completion.

use crate::model::{EventType, PeerKind, Phase, Reason, TcpState};

/// A field of an event, or a question about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table below says what each is")]
pub enum Key {
    Seq,
    Ts,
    Node,
    Namespace,
    Pod,
    Container,
    Type,
    Pid,
    Tid,
    Comm,
    Uid,
    Gid,
    Ip,
    Family,
    Addr,
    Saddr,
    Daddr,
    Port,
    Sport,
    Dport,
    Conn,
    Phase,
    State,
    Reason,
    Errno,
    LatUs,
    DurUs,
    TxBytes,
    RxBytes,
    RttUs,
    Retrans,
    Before,
    Netns,
    Mntns,
    Cgroup,
    Peer,
    PeerKind,
    PeerNamespace,
    PeerName,
    Scope,
    Thread,
    Is,
}

/// How the values of a field are read and compared.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Any text; case counts.
    Text,
    /// One of these words; case counts.
    Word(fn() -> Vec<&'static str>),
    /// One of these words, in any case.
    CaselessWord(fn() -> Vec<&'static str>),
    /// A number without a unit.
    Number,
    /// Microseconds; `50ms` and the like are read.
    Duration,
    /// Bytes; `1MiB` and the like are read.
    Size,
    /// A moment, as RFC 3339 writes it.
    Time,
    /// An IP address; CIDRs are read.
    Address,
}

impl Kind {
    /// Whether `> >= < <= =` have a meaning.
    #[must_use]
    pub fn is_ordered(self) -> bool {
        matches!(
            self,
            Self::Number | Self::Duration | Self::Size | Self::Time
        )
    }

    /// The words that a value is one of, if the field has such a list.
    #[must_use]
    pub fn words(self) -> Option<Vec<&'static str>> {
        match self {
            Self::Word(words) | Self::CaselessWord(words) => Some(words()),
            _ => None,
        }
    }
}

/// A field by its names.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// What it is.
    pub key: Key,
    /// The key in JSON, or the question's name.
    pub name: &'static str,
    /// A shorter name, which is the one that is printed.
    pub short: Option<&'static str>,
    /// How its values are read.
    pub kind: Kind,
    /// One line for a person.
    pub doc: &'static str,
}

/// A field is its key.
impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Field {
    /// The field of a name, long or short.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        FIELDS
            .iter()
            .find(|field| field.name == name || field.short == Some(name))
    }

    /// The shortest name.
    #[must_use]
    pub fn shortest(&self) -> &'static str {
        self.short.unwrap_or(self.name)
    }
}

const fn field(key: Key, name: &'static str, kind: Kind, doc: &'static str) -> Field {
    Field {
        key,
        name,
        short: None,
        kind,
        doc,
    }
}

const fn short(
    key: Key,
    name: &'static str,
    short: &'static str,
    kind: Kind,
    doc: &'static str,
) -> Field {
    Field {
        key,
        name,
        short: Some(short),
        kind,
        doc,
    }
}

/// All fields: the keys of the JSON in its order, with those that mean either end before the ends.
#[rustfmt::skip] // A table.
pub static FIELDS: [Field; 42] = [
    field(Key::Seq, "seq", Kind::Number, "number of the event on its node"),
    field(Key::Ts, "ts", Kind::Time, "moment, such as 2026-01-02T03:04:05Z"),
    field(Key::Node, "node", Kind::Text, "node"),
    short(Key::Namespace, "namespace", "ns", Kind::Text, "Kubernetes namespace"),
    field(Key::Pod, "pod", Kind::Text, "pod"),
    field(Key::Container, "container", Kind::Text, "container, or systemd unit"),
    field(Key::Type, "type", Kind::CaselessWord(types), "c connect, a accept, x close, u unknown"),
    field(Key::Pid, "pid", Kind::Number, "process id"),
    field(Key::Tid, "tid", Kind::Number, "thread id"),
    field(Key::Comm, "comm", Kind::Text, "process's name, 15 bytes at most"),
    field(Key::Uid, "uid", Kind::Number, "real user id"),
    field(Key::Gid, "gid", Kind::Number, "real group id"),
    field(Key::Ip, "ip", Kind::Number, "4 or 6, by the addresses"),
    field(Key::Family, "family", Kind::Number, "4 or 6, by the socket"),
    field(Key::Addr, "addr", Kind::Address, "address of either end; fe80::1%eth0 on one link"),
    short(Key::Saddr, "saddr", "src", Kind::Address, "address of this end"),
    short(Key::Daddr, "daddr", "dst", Kind::Address, "address of the other end"),
    field(Key::Port, "port", Kind::Number, "port of either end"),
    field(Key::Sport, "sport", Kind::Number, "port of this end"),
    field(Key::Dport, "dport", Kind::Number, "port of the other end"),
    field(Key::Conn, "conn", Kind::Text, "connection id, 16 hex digits"),
    field(Key::Phase, "phase", Kind::Word(phases), "open or end"),
    field(Key::State, "state", Kind::Word(states), "TCP state of a socket open at the start"),
    field(Key::Reason, "reason", Kind::Word(reasons), "why it failed or ended"),
    field(Key::Errno, "errno", Kind::Number, "error number beside the reason"),
    short(Key::LatUs, "lat_us", "lat", Kind::Duration, "latency of connect or accept"),
    short(Key::DurUs, "dur_us", "dur", Kind::Duration, "time from opening to ending"),
    short(Key::TxBytes, "tx_bytes", "tx", Kind::Size, "payload sent"),
    short(Key::RxBytes, "rx_bytes", "rx", Kind::Size, "payload received"),
    short(Key::RttUs, "rtt_us", "rtt", Kind::Duration, "smoothed round-trip time"),
    short(Key::Retrans, "retrans", "retr", Kind::Number, "segments retransmitted"),
    field(Key::Before, "before", Kind::Word(bools), "true if opened before the start"),
    field(Key::Netns, "netns", Kind::Number, "network namespace of the socket"),
    field(Key::Mntns, "mntns", Kind::Number, "mount namespace of the process"),
    field(Key::Cgroup, "cgroup", Kind::Number, "cgroup of the process"),
    field(Key::Peer, "peer", Kind::Text, "other end: its name, or namespace/name"),
    field(Key::PeerKind, "peer.kind", Kind::Word(peer_kinds), "other end: pod, service or node"),
    field(Key::PeerNamespace, "peer.namespace", Kind::Text, "other end: its namespace"),
    field(Key::PeerName, "peer.name", Kind::Text, "other end: its name"),
    field(Key::Scope, "scope", Kind::Text, "interface of a link-local address"),
    field(Key::Thread, "thread", Kind::Text, "thread, where its name is not the process's"),
    field(Key::Is, "is", Kind::Word(questions), "failed: failures of any kind"),
];

/// What a bare word is looked for in. A zone is a part of its address there.
pub(super) const TEXT_COLUMNS: [Key; 11] = [
    Key::Comm,
    Key::Pod,
    Key::Namespace,
    Key::Container,
    Key::Node,
    Key::Peer,
    Key::Addr,
    Key::Reason,
    Key::Type,
    Key::State,
    Key::Thread,
];

/// The word of `is:` for failures.
pub(super) const FAILED: &str = "failed";

fn types() -> Vec<&'static str> {
    EventType::ALL.map(EventType::letter).to_vec()
}

fn phases() -> Vec<&'static str> {
    Phase::ALL.map(Phase::word).to_vec()
}

fn states() -> Vec<&'static str> {
    TcpState::ALL.map(TcpState::name).to_vec()
}

fn reasons() -> Vec<&'static str> {
    Reason::ALL.map(Reason::word).to_vec()
}

fn bools() -> Vec<&'static str> {
    vec!["true", "false"]
}

fn peer_kinds() -> Vec<&'static str> {
    PeerKind::ALL.map(PeerKind::word).to_vec()
}

fn questions() -> Vec<&'static str> {
    vec![FAILED]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_given_once() {
        let mut names: Vec<&str> = FIELDS
            .iter()
            .flat_map(|f| [Some(f.name), f.short])
            .flatten()
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn the_short_forms_of_the_design_are_there() {
        for short in [
            "ns", "src", "dst", "lat", "dur", "tx", "rx", "rtt", "retr", "port", "addr",
        ] {
            assert!(Field::named(short).is_some(), "{short}");
        }
    }
}
