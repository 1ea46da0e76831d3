//! All that is known of one connection, as lines to read. Pure.

use std::borrow::Cow;

use collector::format::{bytes, count, duration};
use collector::identity::process::Living;
use collector::model::{
    ConnState, Connection, Event, EventType, Figures, Gap, Meta, Peer, PeerKind, Process, Timestamp,
};
use jiff::tz::TimeZone;

use crate::{text, words};

/// What the lines are made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    /// This end: as it is known, or as its last event says.
    pub(crate) end: End<'a>,
    /// The socket at the other end, if it is known.
    pub(crate) other: Option<End<'a>>,
    /// What `/proc` says of this end's process.
    pub(crate) process: &'a Lookup,
    /// The events of this end that are kept, in their order.
    pub(crate) events: &'a [Event],
    /// An event of it is no longer kept.
    pub(crate) evicted: bool,
    /// What was lost on its node in its time.
    pub(crate) gaps: &'a [Gap],
    pub(crate) now: Timestamp,
    pub(crate) tz: &'a TimeZone,
}

/// One end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a> {
    pub(crate) event: &'a Event,
    /// `None` if the connection is no longer known, only this event of it.
    pub(crate) connection: Option<&'a Connection>,
    /// What its cgroup is, if that was told: maybe after the event.
    pub(crate) meta: Option<&'a Meta>,
}

/// What is known of whether a process is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// Its node is not this host, or nobody knows the process.
    Elsewhere,
    /// Somebody is looking.
    Waiting,
    Gone,
    Found(Living),
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Plain,
    /// A failure, or loss.
    Bad,
    /// What stands back.
    Faint,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Blank,
    Title(&'static str),
    Entry {
        label: Cow<'static, str>,
        text: String,
        look: Look,
    },
}

/// Cells before the label of an entry.
pub(crate) const INDENT: u16 = 2;

/// Cells of a label and before the text behind it; in the timeline it is a time, and longer.
pub(crate) fn cells_before(label: &str) -> u16 {
    const LABEL: usize = 13;
    let cells = LABEL.max(text::width(label) + 2);
    u16::try_from(cells).unwrap_or(u16::MAX)
}

/// The lines on a screen of that width: all of a text is to be read, however long it is.
pub(crate) fn wrapped(lines: Vec<Line>, width: u16) -> Vec<Line> {
    let mut out = Vec::with_capacity(lines.len());
    for line in lines {
        let Line::Entry { label, text, look } = line else {
            out.push(line);
            continue;
        };
        let room = width.saturating_sub(INDENT + cells_before(&label));
        let text = text::clean(&text);
        let blank = " ".repeat(text::width(&label));
        let mut labels = std::iter::once(label).chain(std::iter::repeat(blank.into()));
        for text in text::wrapped(&text, room.into()) {
            out.push(Line::Entry {
                label: labels.next().unwrap_or_default(),
                text: text.to_owned(),
                look,
            });
        }
    }
    out
}

/// Collects entries; what is not known is left out.
#[derive(Default)]
struct Page(Vec<Line>);

impl Page {
    fn title(&mut self, title: &'static str) {
        if !self.0.is_empty() {
            self.0.push(Line::Blank);
        }
        self.0.push(Line::Title(title));
    }

    fn entry(&mut self, label: impl Into<Cow<'static, str>>, text: Option<impl ToString>) {
        if let Some(text) = text {
            self.looking(Look::Plain, label, text.to_string());
        }
    }

    fn looking(
        &mut self,
        look: Look,
        label: impl Into<Cow<'static, str>>,
        text: impl Into<String>,
    ) {
        self.0.push(Line::Entry {
            label: label.into(),
            text: text.into(),
            look,
        });
    }
}

/// The lines.
pub(crate) fn lines(facts: &Facts) -> Vec<Line> {
    let mut page = Page::default();
    page.title("Connection");
    summary(&mut page, facts);
    page.title("Timeline");
    timeline(&mut page, facts);
    page.title("This end");
    end(&mut page, facts.end, Some(facts.process));
    page.title("Other end");
    match facts.other {
        Some(other) => {
            if let Some(connection) = other.connection {
                page.entry("state", Some(state(connection, facts.now)));
            }
            let through = service(facts.end.event).or_else(|| service(other.event));
            page.entry("through", through);
            end(&mut page, other, None);
            figures(&mut page, &other.event.figures);
        }
        None => other_end(&mut page, facts.end.event),
    }
    page.0
}

fn summary(page: &mut Page, facts: &Facts) {
    let event = facts.end.event;
    if let Some(connection) = facts.end.connection {
        page.entry("state", Some(state(connection, facts.now)));
    } else {
        let text = "no longer known: only this event of it is kept";
        page.looking(Look::Faint, "state", text);
    }
    let opened = |kind| match kind {
        Some(EventType::Connect) => "by this end, which connected",
        Some(EventType::Accept) => "by the other end: this one accepted",
        Some(_) => "by no call of a process here",
        None => "before the start, or unseen: which end opened it is not known",
    };
    if let Some(connection) = facts.end.connection {
        page.entry("opened", Some(opened(connection.row.kind)));
    }
    let look = if event.is_failure() {
        Look::Bad
    } else {
        Look::Plain
    };
    let reason = event.reason.map(|reason| match words::reason(event) {
        Some(words) => format!("{}: {words}", reason.word()),
        None => reason.word().to_owned(),
    });
    if let Some(reason) = reason {
        page.looking(look, "reason", reason);
    }
    page.entry("errno", event.errno.map(|n| words::errno(n.get())));
    figures(page, &event.figures);
    page.entry("id", Some(event.conn));
}

fn state(connection: &Connection, now: Timestamp) -> String {
    let age = connection.age_us(now).map(duration);
    let age = |word: &str| age.as_ref().map(|age| format!("{word} {age}"));
    let said = match connection.state {
        ConnState::Open => age("open for"),
        ConnState::Unsure => Some("not sure: its node started anew and does not list it".into()),
        ConnState::Ended => age("ended after"),
        ConnState::Failed => age("failed after"),
    };
    let state = connection
        .row
        .state
        .filter(|_| connection.state == ConnState::Open);
    let said = said.unwrap_or_else(|| {
        let word = match connection.state {
            ConnState::Open => "open, since before the start",
            ConnState::Ended => "ended",
            _ => "failed",
        };
        word.to_owned()
    });
    match state {
        Some(state) => format!("{said}; {} when it was listed", state.name()),
        None => said,
    }
}

fn figures(page: &mut Page, figures: &Figures) {
    let exact = |n: u64| match n {
        0..1024 => bytes(n),
        n => format!("{} ({} bytes)", bytes(n), count(n)),
    };
    let time = |us: u64| match us {
        0..1_000 => duration(us),
        us => format!("{} ({} us)", duration(us), count(us)),
    };
    page.entry("latency", figures.lat_us.map(|n| time(n.get())));
    page.entry("duration", figures.dur_us.map(|n| time(n.get())));
    page.entry("sent", figures.tx_bytes.map(|n| exact(n.get())));
    page.entry("received", figures.rx_bytes.map(|n| exact(n.get())));
    page.entry(
        "round trip",
        figures.rtt_us.map(|n| time(u64::from(n.get()))),
    );
    let segments = |n: u32| match n {
        1 => "1 segment".to_owned(),
        n => format!("{} segments", count(u64::from(n))),
    };
    page.entry("sent again", figures.retrans.map(|n| segments(n.get())));
}

/// What happened to the connection, and what may be missing there.
fn timeline(page: &mut Page, facts: &Facts) {
    let opened = facts.end.connection.and_then(|c| c.opened);
    let seen = facts.events.first().map(|event| event.ts);
    if let Some(opened) = opened.filter(|at| seen.is_none_or(|seen| *at < seen)) {
        let text = "established, before the first event that is kept of it";
        page.looking(Look::Faint, clock(opened, facts.tz), text);
    }
    if facts.evicted {
        page.looking(Look::Faint, "", "an event of it is no longer kept");
    }
    let mut lines: Vec<(Timestamp, Look, String)> = Vec::new();
    let mut before: Option<Timestamp> = None;
    for event in facts.events {
        let after = before.map(|before| event.ts.0.saturating_sub(before.0) / 1_000);
        let after = after.and_then(|us| u64::try_from(us).ok());
        let after = after.map_or(String::new(), |us| format!(", {} later", duration(us)));
        let letter = event.kind.map_or("-", |kind| kind.letter());
        let who = event.process.as_ref();
        let who = who.map(|p| format!("{} ({})", p.comm, p.pid));
        let (by, owner) = match (event.kind, who) {
            (Some(EventType::Unknown), Some(who)) => (String::new(), format!(", owner {who}")),
            (Some(_), Some(who)) => (format!(" by {who}"), String::new()),
            (None, _) | (_, None) => (String::new(), String::new()),
        };
        let why = event.reason.map_or("", |reason| reason.word());
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        let text = format!("{letter}  {}{by}{why}{after}{owner}", words::event(event));
        let look = if event.is_failure() {
            Look::Bad
        } else {
            Look::Plain
        };
        lines.push((event.ts, look, text));
        before = Some(event.ts);
    }
    for gap in facts.gaps {
        let n = count(gap.n);
        let text = format!(
            "{n} events of its node were lost here ({})",
            gap.kind.word()
        );
        lines.push((gap.from, Look::Bad, text));
    }
    lines.sort_by_key(|(at, ..)| *at);
    for (at, look, text) in lines {
        page.looking(look, clock(at, facts.tz), text);
    }
}

/// The time of day, to the microsecond.
fn clock(ts: Timestamp, tz: &TimeZone) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ts.0)).map_or_else(
        |_| "-".to_owned(),
        |ts| ts.to_zoned(tz.clone()).strftime("%H:%M:%S%.6f").to_string(),
    )
}

fn end(page: &mut Page, end: End<'_>, process: Option<&Lookup>) {
    let event = end.event;
    page.entry("address", Some(event.saddr().with_port(event.local.port)));
    if process.is_some() {
        page.entry("peer", Some(event.daddr().with_port(event.remote.port)));
    }
    let origin = end.meta.map_or(&event.origin, |meta| &meta.origin);
    page.entry("node", Some(&origin.node));
    page.entry("namespace", origin.namespace.as_ref());
    page.entry("pod", origin.pod.as_ref());
    page.entry("container", origin.container.as_ref());
    page.entry("pod uid", end.meta.and_then(|meta| meta.pod_uid.as_ref()));
    let id = end.meta.and_then(|meta| meta.container_id.as_ref());
    page.entry("container id", id);
    if let Some(who) = &event.process {
        let thread = thread(who);
        page.entry(
            "process",
            Some(format!("{} (pid {}{thread})", who.comm, who.pid)),
        );
        let user = match process {
            Some(Lookup::Found(living)) => living.user.as_deref(),
            _ => None,
        };
        let user = user.map_or(String::new(), |name| format!(" ({name} on this host)"));
        let ids = [("uid", who.uid), ("gid", who.gid)];
        let ids = ids
            .iter()
            .filter_map(|(name, id)| Some(format!("{name} {}", (*id)?)));
        let ids: Vec<String> = ids.collect();
        page.entry(
            "user",
            (!ids.is_empty()).then(|| format!("{}{user}", ids.join("  "))),
        );
    } else {
        page.looking(Look::Faint, "process", "not known");
    }
    match process {
        Some(Lookup::Found(living)) => still_there(page, living),
        Some(Lookup::Gone) => page.looking(Look::Faint, "now", "the process has ended"),
        Some(Lookup::Waiting) => page.looking(Look::Faint, "now", "looking …"),
        Some(Lookup::Elsewhere) | None => {}
    }
    page.entry("cgroup", event.cgroup);
    let netns = event.netns.map(|n| format!("net {n}"));
    let mntns = event.mntns.map(|n| format!("mnt {n}"));
    let namespaces: Vec<String> = [netns, mntns].into_iter().flatten().collect();
    page.entry(
        "kernel ns",
        (!namespaces.is_empty()).then(|| namespaces.join("  ")),
    );
}

/// `, thread 845 http-nio-80`: its id where it is not the process's first one, and its name where
/// that is not the process's.
fn thread(who: &Process) -> String {
    let tid = who.tid.filter(|tid| tid.get() != who.pid);
    let known = [
        tid.map(|tid| tid.to_string()),
        who.thread.map(|name| name.to_string()),
    ];
    let known: Vec<String> = known.into_iter().flatten().collect();
    if known.is_empty() {
        return String::new();
    }
    format!(", thread {}", known.join(" "))
}

fn still_there(page: &mut Page, living: &Living) {
    page.entry("executable", living.exe.as_ref().map(|exe| exe.display()));
    page.entry("command", living.command_line.as_ref());
    let parent = living.parent.as_ref();
    page.entry(
        "parent",
        parent.map(|(pid, comm)| format!("{comm} (pid {pid})")),
    );
}

/// The Service that it connected to, which has put another address in place of its own.
fn service(event: &Event) -> Option<String> {
    let peer = event.peer.as_ref()?;
    (peer.kind == PeerKind::Service).then(|| named(peer))
}

/// `service shop/cart`.
fn named(peer: &Peer) -> String {
    let namespace = peer.namespace.as_deref();
    let namespace = namespace.map_or(String::new(), |ns| format!("{ns}/"));
    format!("{} {namespace}{}", peer.kind.word(), peer.name)
}

/// The other end, as far as this one knows it.
fn other_end(page: &mut Page, event: &Event) {
    page.entry("address", Some(event.daddr().with_port(event.remote.port)));
    page.entry("is", event.peer.as_deref().map(named));
    let text = "its socket was not seen on any node here";
    page.looking(Look::Faint, "socket", text);
}
