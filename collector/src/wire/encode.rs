//! From the model to lines.

use std::io::Write;
use std::net::IpAddr;
use std::num::NonZeroU16;

use crate::model::{
    Bye, Connection, Event, EventType, Hello, HookKind, Lost, NodeState, Peer, Phase, Reason,
    SourceState, TcpState, Timestamp, Via,
};

/// Writes events. It remembers how the last second is written, since most events share it.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    second: Option<i64>,
    /// `2026-01-02T03:04:05`.
    date_time: String,
}

impl Encoder {
    /// Appends the line of an event: an `ev`, or an `open` if it has no type.
    pub fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match (event.kind, event.state) {
            (None, state) => {
                out.extend_from_slice(b"{\"t\":\"open\"");
                word(out, "state", state.map(TcpState::name));
            }
            (Some(_), _) => out.extend_from_slice(b"{\"t\":\"ev\""),
        }
        self.keys(event, out);
    }

    /// Appends the line of a connection: what is known of its life, then the keys of an event.
    ///
    /// `ts`, `type` and who are those of the opening where that was seen, `reason` and the figures
    /// those of the ending; `seq` and `phase`, which are a single event's, are null.
    pub fn connection(&mut self, connection: &Connection, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"t\":\"conn\"");
        word(out, "state", Some(connection.state.word()));
        for (name, ts) in [("opened", connection.opened), ("ended", connection.ended)] {
            key(out, name);
            match ts {
                Some(ts) => {
                    out.push(b'"');
                    self.time(ts, out);
                    out.push(b'"');
                }
                None => out.extend_from_slice(b"null"),
            }
        }
        let row = Event {
            seq: None,
            phase: None,
            ..connection.row.clone()
        };
        self.keys(&row, out);
    }

    fn keys(&mut self, event: &Event, out: &mut Vec<u8>) {
        number(out, "seq", event.seq.map(|n| n.get()));
        key(out, "ts");
        out.push(b'"');
        self.time(event.ts, out);
        out.push(b'"');

        let origin = &event.origin;
        text(out, "node", Some(&origin.node));
        text(out, "namespace", origin.namespace.as_deref());
        text(out, "pod", origin.pod.as_deref());
        text(out, "container", origin.container.as_deref());
        word(out, "type", event.kind.map(EventType::letter));

        let process = event.process.as_ref();
        number(out, "pid", process.map(|process| process.pid));
        number(
            out,
            "tid",
            process.and_then(|process| process.tid).map(|n| n.get()),
        );
        text(
            out,
            "comm",
            process.map(|process| process.comm.to_text()).as_deref(),
        );
        number(
            out,
            "uid",
            process.and_then(|process| process.uid).map(|n| n.get()),
        );
        number(
            out,
            "gid",
            process.and_then(|process| process.gid).map(|n| n.get()),
        );

        number(out, "ip", Some(event.ip_version()));
        number(out, "family", Some(event.family.number()));
        address(out, "saddr", event.local.addr);
        address(out, "daddr", event.remote.addr);
        number(out, "sport", Some(event.local.port));
        number(out, "dport", Some(event.remote.port));
        key(out, "conn");
        display(out, format_args!("\"{}\"", event.conn));
        word(out, "phase", event.phase.map(Phase::word));
        word(out, "reason", event.reason.map(Reason::word));
        number(out, "errno", event.errno.map(NonZeroU16::get));

        let figures = &event.figures;
        number(out, "lat_us", figures.lat_us.map(|n| n.get()));
        number(out, "dur_us", figures.dur_us.map(|n| n.get()));
        number(out, "tx_bytes", figures.tx_bytes.map(|n| n.get()));
        number(out, "rx_bytes", figures.rx_bytes.map(|n| n.get()));
        number(out, "rtt_us", figures.rtt_us.map(|n| n.get()));
        number(out, "retrans", figures.retrans.map(|n| n.get()));

        key(out, "before");
        out.extend_from_slice(if event.before { b"true" } else { b"false" });
        number(out, "netns", event.netns.map(|n| n.get()));
        number(out, "mntns", event.mntns.map(|n| n.get()));
        number(out, "cgroup", event.cgroup.map(|n| n.get()));
        key(out, "peer");
        match event.peer.as_deref() {
            Some(peer) => self::peer(peer, out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b"}\n");
    }

    /// Appends a moment as RFC 3339 in UTC with nine digits of fraction, without quotes.
    pub fn time(&mut self, ts: Timestamp, out: &mut Vec<u8>) {
        let (second, nanos) = (
            ts.0.div_euclid(1_000_000_000),
            ts.0.rem_euclid(1_000_000_000),
        );
        if self.second != Some(second) {
            let start = Timestamp(second.saturating_mul(1_000_000_000)).to_string();
            self.date_time.clear();
            self.date_time
                .push_str(start.split('.').next().unwrap_or_default());
            self.second = Some(second);
        }
        out.extend_from_slice(self.date_time.as_bytes());
        display(out, format_args!(".{nanos:09}Z"));
    }
}

/// Appends the line of a greeting.
pub fn hello(hello: &Hello, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"t\":\"hello\"");
    number(out, "proto", Some(super::PROTO));
    text(out, "version", hello.version.as_deref());
    text(out, "node", Some(&hello.node));
    text(out, "kernel", Some(&hello.kernel));
    word(out, "accept_hook", hello.accept_hook.map(HookKind::word));
    number(out, "seeded", Some(hello.seeded));
    key(out, "ts");
    display(out, format_args!("\"{}\"", hello.ts));
    out.extend_from_slice(b"}\n");
}

/// Appends the line of a loss on a node.
pub fn lost(node: &str, lost: &Lost, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"t\":\"lost\"");
    word(out, "src", Some(lost.kind.word()));
    number(out, "n", Some(lost.n));
    text(out, "node", Some(node));
    out.extend_from_slice(b"}\n");
}

/// Appends the line of a node's state. An end without an error is `lost` with no `why`.
pub fn node(state: &NodeState, out: &mut Vec<u8>) {
    let (name, why) = match &state.state {
        SourceState::Connecting => ("connecting", None),
        SourceState::Live => ("live", None),
        SourceState::Lost(why) => ("lost", Some(why.as_str())),
        SourceState::Ended => ("lost", None),
    };
    out.extend_from_slice(b"{\"t\":\"node\"");
    text(out, "node", Some(&state.node));
    word(out, "state", Some(name));
    text(out, "why", why);
    word(out, "via", state.via.map(Via::word));
    out.extend_from_slice(b"}\n");
}

/// Appends the last line.
pub fn bye(bye: &Bye, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"t\":\"bye\"");
    number(out, "events", Some(bye.events));
    number(out, "lost", Some(bye.lost));
    text(out, "reason", bye.reason.as_deref());
    number(out, "retry_ms", bye.retry_ms);
    out.extend_from_slice(b"}\n");
}

/// Appends the object that names the other end.
pub(crate) fn peer(peer: &Peer, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"kind\":\"");
    out.extend_from_slice(peer.kind.word().as_bytes());
    out.push(b'"');
    text(out, "namespace", peer.namespace.as_deref());
    text(out, "name", Some(&peer.name));
    out.push(b'}');
}

fn key(out: &mut Vec<u8>, key: &'static str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

fn number(out: &mut Vec<u8>, name: &'static str, number: Option<impl itoa::Integer>) {
    key(out, name);
    match number {
        Some(number) => {
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
        None => out.extend_from_slice(b"null"),
    }
}

/// A text of our own, in which nothing is to be escaped.
fn word(out: &mut Vec<u8>, name: &'static str, word: Option<&'static str>) {
    key(out, name);
    match word {
        Some(word) => {
            out.push(b'"');
            out.extend_from_slice(word.as_bytes());
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
}

/// A text from elsewhere.
fn text(out: &mut Vec<u8>, name: &'static str, text: Option<&str>) {
    key(out, name);
    let start = out.len();
    if serde_json::to_writer(&mut *out, &text).is_err() {
        // A string has no way to fail, and a Vec takes all; whatever happens, a line stays JSON.
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

fn address(out: &mut Vec<u8>, name: &'static str, addr: IpAddr) {
    key(out, name);
    display(out, format_args!("\"{addr}\""));
}

fn display(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // A Vec takes all that is written.
    let _ = out.write_fmt(text);
}
