//! What must be said of a socket, as data, and how it differs from what was said.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use collector::model::{ConnId, Event, EventType, Family, Phase, Reason};

use crate::actor::{Conn, Done, Who, Window};
use crate::case::{Fallible, failed};
use crate::trace::{Log, Tracer};

/// An ending is held back for a second; the rest is for a busy machine.
const BOUND: Duration = Duration::from_secs(10);

/// How much the comparison of two clocks may be off, nanoseconds, when the thread that compares is
/// interrupted; an emulated processor is, for longer, and by whoever else wants the real one.
pub fn wobble_ns() -> i64 {
    static EMULATED: OnceLock<bool> = OnceLock::new();
    let emulated = EMULATED.get_or_init(|| std::env::var_os("TCPSCOPE_EMULATED").is_some());
    if *emulated { 200_000_000 } else { 10_000_000 }
}

fn wobble_us() -> i64 {
    wobble_ns() / 1000
}

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
    pub fn closed(self, call: &Done, reason: Reason) -> Self {
        self.closed_within(call, call.window, reason)
    }

    pub fn closed_within(mut self, call: &Done, ts: Window, reason: Reason) -> Self {
        self.rows.push(Row {
            who: Some(call.who.clone()),
            reason: Some(reason),
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

pub fn key(event: &Event) -> Key {
    let name = |end: collector::model::Endpoint| SocketAddr::new(end.addr, end.port);
    (
        event.netns.map_or(0, |n| n.get()),
        name(event.local),
        name(event.remote),
    )
}

/// The events of the sockets with one key, by connection, in the order of their first ones.
fn connections<'a>(events: &'a [Event], key_of: &Key) -> Vec<Vec<&'a Event>> {
    let mut order: Vec<ConnId> = Vec::new();
    let mut by_conn: BTreeMap<ConnId, Vec<&Event>> = BTreeMap::new();
    for event in events.iter().filter(|event| key(event) == *key_of) {
        // Sockets that are listed from the start's snapshot are no events.
        if event.kind.is_none() {
            continue;
        }
        if !by_conn.contains_key(&event.conn) {
            order.push(event.conn);
        }
        by_conn.entry(event.conn).or_default().push(event);
    }
    order
        .into_iter()
        .filter_map(|conn| by_conn.remove(&conn))
        .collect()
}

/// Each story with the events of its socket: the n-th socket with a key is that of the n-th story.
fn assign<'a>(events: &'a [Event], stories: &[Story]) -> Vec<Vec<&'a Event>> {
    let mut found: BTreeMap<Key, std::vec::IntoIter<Vec<&Event>>> = BTreeMap::new();
    stories
        .iter()
        .map(|story| {
            found
                .entry(story.key)
                .or_insert_with(|| connections(events, &story.key).into_iter())
                .next()
                .unwrap_or_default()
        })
        .collect()
}

/// Waits until everything that must be said was said, and compares it.
pub fn check(tracer: &Tracer, since: usize, stories: &[Story]) -> Fallible<()> {
    let complete = |log: &Log| {
        assign(&log.events[since..], stories)
            .iter()
            .zip(stories)
            .all(|(events, story)| events.len() >= story.rows.len())
    };
    tracer.wait_for(BOUND, complete);
    barrier(tracer)?;
    let log = tracer.log();
    let events = &log.events[since..];
    let mut report = String::new();
    for (story, found) in stories.iter().zip(assign(events, stories)) {
        let differences = story.differences(&found);
        if !differences.is_empty() {
            let _ = writeln!(report, "{}", story.describe(&found, &differences));
        }
    }
    for strange in strangers(events, stories) {
        let _ = writeln!(report, "nobody expected {}", line(strange));
    }
    if report.is_empty() {
        return Ok(());
    }
    drop(log);
    failed(format!("wrong rows\n{report}"))
}

/// Rows of more sockets with the same names than there are stories.
fn strangers<'a>(events: &'a [Event], stories: &[Story]) -> Vec<&'a Event> {
    let mut told: BTreeMap<Key, usize> = BTreeMap::new();
    for story in stories {
        *told.entry(story.key).or_default() += 1;
        let (netns, local, remote) = story.key;
        told.entry((netns, remote, local)).or_default();
    }
    // A peer without a port is one that was read too late.
    for story in stories {
        let (netns, local, remote) = story.key;
        told.entry((netns, local, SocketAddr::new(remote.ip(), 0)))
            .or_default();
    }
    told.iter()
        .flat_map(|(key, n)| connections(events, key).into_iter().skip(*n).flatten())
        .collect()
}

/// Makes an event now and waits for it: then everything earlier is in the log too.
pub fn barrier(tracer: &Tracer) -> Fallible<()> {
    let nobody = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let _ = std::net::TcpStream::connect(nobody);
    // In another namespace, the port may be anybody's.
    let ours = |event: &Event| {
        let pid = event.process.as_ref().map(|process| process.pid);
        event.remote.port == nobody.port() && pid == Some(std::process::id())
    };
    if tracer.wait_for(BOUND, |log| log.events.iter().rev().any(ours)) {
        Ok(())
    } else {
        failed("the tracer says nothing any more")
    }
}

impl Story {
    fn differences(&self, found: &[&Event]) -> Vec<String> {
        let mut out = Vec::new();
        if found.len() != self.rows.len() {
            out.push(format!(
                "{} rows instead of {}",
                found.len(),
                self.rows.len()
            ));
        }
        let mut found: Vec<&Event> = found.to_vec();
        if self.any_order {
            found.sort_by_key(|event| event.phase != Some(Phase::Open));
        }
        for (index, (row, event)) in self.rows.iter().zip(&found).enumerate() {
            self.compare(index, row, event, &mut out);
        }
        // What was reset in the queue has ended before it is accepted.
        if let [opening, ending] = found[..]
            && opening.ts <= ending.ts
            && let Some(dur) = ending.figures.dur_us
        {
            let apart = (ending.ts.0 - opening.ts.0) / 1000;
            let dur = dur.get().cast_signed();
            if (apart - dur).abs() > wobble_us() {
                out.push(format!(
                    "row 2: dur {dur} µs, but the rows are {apart} µs apart"
                ));
            }
        }
        out
    }

    fn compare(&self, index: usize, row: &Row, event: &Event, out: &mut Vec<String>) {
        let n = index + 1;
        let mut check = |what: &str, expected: String, found: String| {
            if expected != found {
                out.push(format!("row {n}: {what} {found} instead of {expected}"));
            }
        };
        let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
        check("type", text(&Some(row.kind)), text(&event.kind));
        check("phase", text(&Some(row.phase)), text(&event.phase));
        check("reason", text(&row.reason), text(&event.reason));
        let errno = event.errno.map(std::num::NonZeroU16::get);
        check("errno", text(&row.errno), text(&errno));
        check("family", text(&self.family), text(&event.family));
        check("state", text(&None::<()>), text(&event.state));
        let before = self.all_before || row.before;
        check("before", text(&before), text(&event.before));
        let ip = if self.key.1.is_ipv4() { 4 } else { 6 };
        check("ip", text(&ip), text(&event.ip_version()));

        let who = row.who.as_ref();
        let process = event.process.as_ref();
        check(
            "pid",
            text(&who.map(|w| w.pid)),
            text(&process.map(|p| p.pid)),
        );
        let tid = process.and_then(|p| p.tid.map(|n| n.get()));
        if !row.any_thread || tid.is_none() {
            check("tid", text(&who.map(|w| w.tid)), text(&tid));
        }
        check(
            "uid",
            text(&who.map(|w| w.uid)),
            text(&process.and_then(|p| p.uid.map(|n| n.get()))),
        );
        check(
            "gid",
            text(&who.map(|w| w.gid)),
            text(&process.and_then(|p| p.gid.map(|n| n.get()))),
        );
        check(
            "comm",
            text(&who.map(|w| w.comm.as_slice())),
            text(&process.map(|p| p.comm.as_bytes())),
        );
        if who.is_none_or(|w| w.cgroup.is_some()) {
            check(
                "cgroup",
                text(&who.and_then(|w| w.cgroup)),
                text(&event.cgroup.map(|n| n.get())),
            );
        }
        let mntns = who.and(self.mntns.or(who.map(|w| w.mntns)));
        check("mntns", text(&mntns), text(&event.mntns.map(|n| n.get())));

        let wobbly = (row.ts.from - wobble_ns())..=(row.ts.to + wobble_ns());
        if !wobbly.contains(&event.ts.0) {
            let (early, late) = (row.ts.from - event.ts.0, event.ts.0 - row.ts.to);
            out.push(if early > 0 {
                format!("row {n}: ts {} µs before its window", early / 1000)
            } else {
                format!("row {n}: ts {} µs after its window", late / 1000)
            });
        }
        self.compare_figures(n, row, event, out);
    }

    fn compare_figures(&self, n: usize, row: &Row, event: &Event, out: &mut Vec<String>) {
        let figures = &event.figures;
        let mut check = |what: &str, expected: Option<u64>, found: Option<u64>| {
            if expected != found {
                out.push(format!("row {n}: {what} {found:?} instead of {expected:?}"));
            }
        };
        let big = |value: Option<nonmax::NonMaxU64>| value.map(|n| n.get());
        let small = |value: Option<nonmax::NonMaxU32>| value.map(|n| u64::from(n.get()));
        let ending = row.phase == Phase::End;
        check(
            "tx_bytes",
            ending.then_some(row.bytes.0),
            big(figures.tx_bytes),
        );
        check(
            "rx_bytes",
            ending.then_some(row.bytes.1),
            big(figures.rx_bytes),
        );
        match (small(figures.retrans), row.again) {
            (Some(1..), Again::AtLeastOnce) | (Some(_), Again::Perhaps) if ending => {}
            // A machine that is slow enough lets timers go off: the kernel has counted that too.
            (Some(n), Again::Never) if ending && n > 0 && retransmitted() >= n => {}
            (found, _) => check("retrans", ending.then_some(0), found),
        }
        let measured = ending && row.measured;
        if figures.rtt_us.is_some() != measured {
            out.push(format!("row {n}: rtt {:?}", figures.rtt_us));
        }
        // Without an opening that was seen, nothing can be said of its duration.
        let dur_known = ending && !self.all_before && !row.before;
        if figures.dur_us.is_some() != dur_known {
            out.push(format!("row {n}: dur {:?}", figures.dur_us));
        }
        match (row.began, big(figures.lat_us)) {
            (None, None) => {}
            (Some(began), Some(lat)) => {
                let least = (row.ts.from - began.to) / 1000 - wobble_us();
                let most = (row.ts.to - began.from) / 1000 + wobble_us();
                let lat = lat.cast_signed();
                if !(least..=most).contains(&lat) {
                    out.push(format!("row {n}: lat {lat} µs, not in {least}..={most}"));
                }
            }
            (began, lat) => out.push(format!("row {n}: lat {lat:?}, began {began:?}")),
        }
    }

    fn describe(&self, found: &[&Event], differences: &[String]) -> String {
        let (netns, local, remote) = self.key;
        let mut text = format!("socket {local} -> {remote} in {netns}\n");
        for row in &self.rows {
            let _ = writeln!(
                text,
                "  expected {} {:?} {:?} errno {:?} by {:?} bytes {:?}",
                row.kind.letter(),
                row.phase,
                row.reason,
                row.errno,
                row.who.as_ref().map(|who| (who.pid, who.tid)),
                row.bytes,
            );
        }
        for event in found {
            let _ = writeln!(text, "  found    {}", line(event));
        }
        for difference in differences {
            let _ = writeln!(text, "  ! {difference}");
        }
        text
    }
}

/// How many segments were sent again in this network namespace since the first case, by the kernel's
/// own count: `RetransSegs`.
pub fn retransmitted() -> u64 {
    static AT_FIRST: OnceLock<u64> = OnceLock::new();
    let read = || -> Option<u64> {
        let text = std::fs::read_to_string("/proc/self/net/snmp").ok()?;
        let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
        let at = lines
            .next()?
            .split(' ')
            .position(|name| name == "RetransSegs")?;
        lines.next()?.split(' ').nth(at)?.parse().ok()
    };
    let now = read().unwrap_or_default();
    now - AT_FIRST.get_or_init(|| now)
}

/// An event on one line.
pub fn line(event: &Event) -> String {
    format!(
        "{} {:?} {:?} errno {:?} by {:?} {:?} {}:{} -> {}:{} conn {} before {} {:?} seq {:?}",
        event.kind.map_or("-", EventType::letter),
        event.phase,
        event.reason,
        event.errno,
        event.process.as_ref().map(|p| (p.pid, p.tid)),
        event.process.as_ref().map(|p| p.comm),
        event.local.addr,
        event.local.port,
        event.remote.addr,
        event.remote.port,
        event.conn,
        event.before,
        event.figures,
        event.seq,
    )
}
