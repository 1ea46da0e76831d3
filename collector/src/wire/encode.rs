//! From the model to lines.

use std::hash::BuildHasher;
use std::num::NonZeroU16;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::json::{address, hex, key, nine_digits, number, put, text, word};
use crate::model::{
    Bye, Connection, Event, EventType, Figures, Hello, HookKind, Lost, Meta, NodeState, Origin,
    Peer, Phase, Process, Reason, SourceState, TcpState, Timestamp, Via, Zone,
};

/// Writes events. It remembers how the last second is written, since most events share it, and how
/// workloads and processes are.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    second: Option<i64>,
    /// `2026-01-02T03:04:05.`
    date_time: String,
    origins: Written<Origin>,
    processes: Written<Process>,
}

impl Encoder {
    /// Appends the line of an event: an `ev`, or an `open` if it has no type.
    pub fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match (event.kind, event.state) {
            (None, state) => {
                put(out, "{\"t\":\"open\"");
                word(out, key!("state"), state.map(TcpState::name));
            }
            (Some(_), _) => put(out, "{\"t\":\"ev\""),
        }
        self.keys(event, out);
    }

    /// Appends the line of a connection: what is known of its life, then the keys of an event.
    ///
    /// `ts`, `type` and who are those of the opening where that was seen, `reason` and the figures
    /// those of the ending; `seq` and `phase`, which are a single event's, are null.
    pub fn connection(&mut self, connection: &Connection, out: &mut Vec<u8>) {
        put(out, "{\"t\":\"conn\"");
        word(out, key!("state"), Some(connection.state.word()));
        let times = [
            (key!("opened"), connection.opened),
            (key!("ended"), connection.ended),
        ];
        for (key, ts) in times {
            put(out, key);
            match ts {
                Some(ts) => self.quoted(ts, out),
                None => put(out, "null"),
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
        number(out, key!("seq"), event.seq.map(|n| n.get()));
        put(out, key!("ts"));
        self.quoted(event.ts, out);
        self.origins.put(&event.origin, out, origin);
        word(out, key!("type"), event.kind.map(EventType::letter));
        match &event.process {
            Some(process) => self.processes.put(process, out, self::process),
            None => put(out, NOBODY),
        }

        let ip = if event.ip_version() == 4 { "4" } else { "6" };
        put(out, key!("ip"));
        put(out, ip);
        number(out, key!("family"), Some(event.family.number()));
        address(out, key!("saddr"), event.local.addr);
        address(out, key!("daddr"), event.remote.addr);
        number(out, key!("sport"), Some(event.local.port));
        number(out, key!("dport"), Some(event.remote.port));
        put(out, key!("conn"));
        out.push(b'"');
        hex(out, event.conn.0);
        out.push(b'"');
        word(out, key!("phase"), event.phase.map(Phase::word));
        word(out, key!("reason"), event.reason.map(Reason::word));
        number(out, key!("errno"), event.errno.map(NonZeroU16::get));
        figures(&event.figures, out);
        put(out, key!("before"));
        put(out, if event.before { "true" } else { "false" });
        number(out, key!("netns"), event.netns.map(|n| n.get()));
        number(out, key!("mntns"), event.mntns.map(|n| n.get()));
        number(out, key!("cgroup"), event.cgroup.map(|n| n.get()));
        put(out, key!("peer"));
        match event.peer.as_deref() {
            Some(peer) => self::peer(peer, out),
            None => put(out, "null"),
        }
        let thread = event.process.as_ref().and_then(|process| process.thread);
        if event.scope.is_none() && thread.is_none() {
            put(out, NEITHER);
        } else {
            text(out, key!("scope"), event.scope.as_ref().map(Zone::as_str));
            text(
                out,
                key!("thread"),
                thread.map(|name| name.to_string()).as_deref(),
            );
        }
        put(out, "}\n");
    }

    fn quoted(&mut self, ts: Timestamp, out: &mut Vec<u8>) {
        out.push(b'"');
        self.time(ts, out);
        out.push(b'"');
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
            self.date_time.push('.');
            self.second = Some(second);
        }
        put(out, &self.date_time);
        // Below 10^9.
        nine_digits(out, u32::try_from(nanos).unwrap_or_default());
        out.push(b'Z');
    }
}

/// Values that many events share, as they are written, each at the place that its address names:
/// another one with the same place takes it.
#[derive(Clone, Debug)]
struct Written<T>(Vec<Option<(Arc<T>, Vec<u8>)>>);

/// Values that are remembered: those that many events are of, at a moment.
const SLOTS: usize = 256;

impl<T> Default for Written<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Written<T> {
    fn put(&mut self, value: &Arc<T>, out: &mut Vec<u8>, write: fn(&T, &mut Vec<u8>)) {
        if self.0.is_empty() {
            self.0.resize_with(SLOTS, || None);
        }
        let hash = FxBuildHasher.hash_one(Arc::as_ptr(value).addr());
        // The remainder is below SLOTS.
        let place = usize::try_from(hash % SLOTS as u64).unwrap_or_default();
        let slot = &mut self.0[place];
        if let Some((known, text)) = slot
            && Arc::ptr_eq(known, value)
        {
            return out.extend_from_slice(text);
        }
        let start = out.len();
        write(value, out);
        let mut text = slot.take().map(|(_, text)| text).unwrap_or_default();
        text.clear();
        text.extend_from_slice(&out[start..]);
        *slot = Some((Arc::clone(value), text));
    }
}

fn origin(origin: &Origin, out: &mut Vec<u8>) {
    text(out, key!("node"), Some(&origin.node));
    text(out, key!("namespace"), origin.namespace.as_deref());
    text(out, key!("pod"), origin.pod.as_deref());
    text(out, key!("container"), origin.container.as_deref());
}

const NOBODY: &str = concat!(
    key!("pid"),
    "null",
    key!("tid"),
    "null",
    key!("comm"),
    "null",
    key!("uid"),
    "null",
    key!("gid"),
    "null",
);

/// Most events have neither.
const NEITHER: &str = concat!(key!("scope"), "null", key!("thread"), "null");

fn process(process: &Process, out: &mut Vec<u8>) {
    number(out, key!("pid"), Some(process.pid));
    number(out, key!("tid"), process.tid.map(|n| n.get()));
    text(out, key!("comm"), Some(&process.comm.to_text()));
    number(out, key!("uid"), process.uid.map(|n| n.get()));
    number(out, key!("gid"), process.gid.map(|n| n.get()));
}

/// Those that an opening does not have.
const NO_FIGURES: &str = concat!(
    key!("dur_us"),
    "null",
    key!("tx_bytes"),
    "null",
    key!("rx_bytes"),
    "null",
    key!("rtt_us"),
    "null",
    key!("retrans"),
    "null",
);

fn figures(figures: &Figures, out: &mut Vec<u8>) {
    number(out, key!("lat_us"), figures.lat_us.map(|n| n.get()));
    let opening = Figures {
        lat_us: figures.lat_us,
        ..Figures::default()
    };
    if *figures == opening {
        return put(out, NO_FIGURES);
    }
    number(out, key!("dur_us"), figures.dur_us.map(|n| n.get()));
    number(out, key!("tx_bytes"), figures.tx_bytes.map(|n| n.get()));
    number(out, key!("rx_bytes"), figures.rx_bytes.map(|n| n.get()));
    number(out, key!("rtt_us"), figures.rtt_us.map(|n| n.get()));
    number(out, key!("retrans"), figures.retrans.map(|n| n.get()));
}

/// Appends the line of a greeting.
pub fn hello(hello: &Hello, out: &mut Vec<u8>) {
    put(out, "{\"t\":\"hello\"");
    number(out, key!("proto"), Some(super::PROTO));
    text(out, key!("version"), hello.version.as_deref());
    text(out, key!("node"), Some(&hello.node));
    text(out, key!("kernel"), Some(&hello.kernel));
    word(
        out,
        key!("accept_hook"),
        hello.accept_hook.map(HookKind::word),
    );
    if let Some(filter) = &hello.filter {
        text(out, key!("filter"), Some(filter));
    }
    number(out, key!("seeded"), Some(hello.seeded));
    put(out, key!("ts"));
    Encoder::default().quoted(hello.ts, out);
    put(out, ",\"degraded\":[");
    for (n, degraded) in hello.degraded.iter().enumerate() {
        text(out, if n > 0 { "," } else { "" }, Some(degraded.word()));
    }
    put(out, "]}\n");
}

/// Appends the line of a loss on a node.
pub fn lost(node: &str, lost: &Lost, out: &mut Vec<u8>) {
    put(out, "{\"t\":\"lost\"");
    word(out, key!("src"), Some(lost.kind.word()));
    number(out, key!("n"), Some(lost.n));
    text(out, key!("node"), Some(node));
    if let Some(by) = &lost.by {
        number(out, key!("uid"), Some(by.uid));
        number(out, key!("cgroup"), by.cgroup);
        text(out, key!("namespace"), by.origin.namespace.as_deref());
        text(out, key!("pod"), by.origin.pod.as_deref());
        text(out, key!("container"), by.origin.container.as_deref());
    }
    put(out, "}\n");
}

/// Appends the line of what a cgroup is.
pub fn meta(meta: &Meta, out: &mut Vec<u8>) {
    put(out, "{\"t\":\"meta\"");
    number(out, key!("cgroup"), Some(meta.cgroup));
    origin(&meta.origin, out);
    text(out, key!("pod_uid"), meta.pod_uid.as_deref());
    text(out, key!("container_id"), meta.container_id.as_deref());
    put(out, "}\n");
}

/// Appends the line of a node's state. An end without an error is `lost` with no `why`.
pub fn node(state: &NodeState, out: &mut Vec<u8>) {
    let (name, why) = match &state.state {
        SourceState::Connecting => ("connecting", None),
        SourceState::Live => ("live", None),
        SourceState::Lost(why) => ("lost", Some(why.as_str())),
        SourceState::Ended => ("lost", None),
    };
    put(out, "{\"t\":\"node\"");
    text(out, key!("node"), Some(&state.node));
    word(out, key!("state"), Some(name));
    text(out, key!("why"), why);
    word(out, key!("via"), state.via.map(Via::word));
    put(out, "}\n");
}

/// Appends the last line.
pub fn bye(bye: &Bye, out: &mut Vec<u8>) {
    put(out, "{\"t\":\"bye\"");
    number(out, key!("events"), Some(bye.events));
    number(out, key!("lost"), Some(bye.lost));
    text(out, key!("reason"), bye.reason.as_deref());
    number(out, key!("retry_ms"), bye.retry_ms);
    put(out, "}\n");
}

/// Appends the object that names the other end.
pub(crate) fn peer(peer: &Peer, out: &mut Vec<u8>) {
    put(out, "{\"kind\":\"");
    put(out, peer.kind.word());
    out.push(b'"');
    text(out, key!("namespace"), peer.namespace.as_deref());
    text(out, key!("name"), Some(&peer.name));
    out.push(b'}');
}
