//! Many at once: nothing is missing, nothing is there twice, and nothing is left behind.

use std::collections::HashMap;

use collector::model::{ConnId, Event, EventType, LossKind, Phase, Reason, Timestamp};

use super::cases;
use super::remembered::Sockets;
use crate::actor::{ANY6, Actor, Op, V4};
use crate::case::{Case, Fallible, failed, until};
use crate::machine::{BOUND, load};
use crate::story::line;
use crate::trace::{Log, Tracer};

cases! { "load":
    bursts_from_several_processes,
    many_refused_by_mapped_addresses,
    a_port_used_again_at_once,
}

/// What is said of a network namespace since it was made.
struct Watched<'a> {
    tracer: &'a Tracer,
    netns: u32,
    since: Timestamp,
}

impl<'a> Watched<'a> {
    fn new(case: &'a Case, actor: &Actor) -> Self {
        let netns = actor.who().netns;
        let tracer = case.tracer();
        let since = tracer.log().count_from_now(netns);
        Self {
            tracer,
            netns,
            since,
        }
    }

    /// Its events, by connection.
    fn connections(&self) -> HashMap<ConnId, Vec<Event>> {
        let mut all: HashMap<ConnId, Vec<Event>> = HashMap::new();
        let ours = |event: &&Event| {
            event.ts >= self.since && event.netns.is_some_and(|n| n.get() == self.netns)
        };
        for event in self.tracer.log().events.iter().filter(ours) {
            all.entry(event.conn).or_default().push(event.clone());
        }
        all
    }

    /// Waits until there are so many events, said or counted as missed, and no more; how many were
    /// missed. Where the host has threads on which no program runs, some are.
    fn has(&self, case: &Case, events: usize) -> Fallible<usize> {
        let drift = |log: &Log| usize::try_from(log.lost_by(LossKind::Drift)).unwrap_or(usize::MAX);
        let enough = self
            .tracer
            .wait_for(BOUND, |log| log.count(self.netns) + drift(log) >= events);
        // What is said too much may come a little later.
        case.expect(&[])?;
        let found = self.tracer.log().count(self.netns);
        if enough && found <= events {
            return Ok(events - found);
        }
        let odd = self.connections().into_values().filter(|c| c.len() != 2);
        let odd: Vec<_> = odd.flatten().take(8).map(|event| line(&event)).collect();
        case.is_wrong(&format!(
            "{found} events instead of {events}; among them {odd:#?}"
        ))
    }
}

/// 50,000 connections, or a tenth: as many `C` and `A`, and twice as many endings, each with its opening.
///
/// In bursts that the ring holds: where all processors are busy with connections, the tracer may get
/// no time to read them, and says how many it has lost. That is another case.
fn bursts_from_several_processes(case: &Case) -> Fallible<()> {
    const PROCESSES: u32 = 4;
    const EACH: u32 = 1_250;
    let mut first = Actor::start()?;
    first.does(Op::OwnNetwork)?;
    let netns = first.who().netns;
    let watched = Watched::new(case, &first);
    // With more than this the kernel forgets a connection at once, and answers what the server still
    // sends with a reset: where memory is small, there would be other endings.
    first.does(Op::WriteFile {
        path: "/proc/sys/net/ipv4/tcp_max_tw_buckets".into(),
        text: "262144".into(),
    })?;
    let mut missed = 0;
    let mut pairs = Vec::new();
    for _ in 0..PROCESSES {
        let (mut client, mut server) = Actor::pair()?;
        for actor in [&mut client, &mut server] {
            actor.does(Op::JoinNetwork {
                pid: first.who().pid,
            })?;
        }
        let listener = server.listens_with(V4, 4096, libc::IPPROTO_TCP)?;
        pairs.push((client, server, listener));
    }
    for burst in 1..=load(10) {
        let mut pending = Vec::new();
        for (client, server, listener) in &mut pairs {
            let serving = server.begin(&Op::Serve {
                fd: listener.fd,
                times: EACH,
            })?;
            let connecting = client.begin(&Op::Burst {
                domain: libc::AF_INET,
                addr: listener.addr,
                times: EACH,
            })?;
            pending.push((connecting, serving));
        }
        for ((client, server, _), (connecting, serving)) in pairs.iter_mut().zip(pending) {
            let done = client.finish(connecting)?;
            if done.result != Ok(EACH.into()) {
                return failed(format!("{:?} connects worked", done.result));
            }
            server.finish(serving)?.ok()?;
        }
        missed = watched.has(case, 4 * (burst * PROCESSES * EACH) as usize)?;
    }
    let by_conn = watched.connections();
    for events in by_conn.values() {
        let [opening, ending] = &events[..] else {
            if events.len() == 1 && missed > 0 {
                missed -= 1;
                continue;
            }
            return failed(format!("not an opening and an ending: {events:?}"));
        };
        let (opens, reason) = match opening.kind {
            Some(EventType::Connect) => (true, Reason::FinLocal),
            Some(EventType::Accept) => (true, Reason::FinRemote),
            _ => (false, Reason::FinLocal),
        };
        let ends = ending.kind == Some(EventType::Close) && ending.phase == Some(Phase::End);
        let same =
            opening.process.as_ref().map(|p| p.pid) == ending.process.as_ref().map(|p| p.pid);
        if !opens || !ends || !same || ending.reason != Some(reason) {
            return failed(format!("wrong rows: {events:?}"));
        }
    }
    nothing_remembered(netns)
}

/// Connects that fail leave nothing in the map of sockets.
fn many_refused_by_mapped_addresses(case: &Case) -> Fallible<()> {
    let times = load(10_000);
    let mut client = Actor::start()?;
    client.does(Op::OwnNetwork)?;
    let netns = client.who().netns;
    let watched = Watched::new(case, &client);
    let (fd, addr) = client.bound(ANY6)?;
    let nobody = (std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), addr.port());
    let done = client.does(Op::Burst {
        domain: libc::AF_INET6,
        addr: nobody.into(),
        times,
    })?;
    if done.result != Ok(0) {
        return failed(format!("{:?} connects worked", done.result));
    }
    client.closes(fd)?;
    watched.has(case, times as usize)?;
    for events in watched.connections().values() {
        for event in events {
            if event.reason != Some(Reason::Refused) || event.ip_version() != 4 {
                return failed(format!("not refused: {event:?}"));
            }
        }
    }
    nothing_remembered(netns)
}

/// The same four numbers again and again: as many connections, each with an id of its own.
fn a_port_used_again_at_once(case: &Case) -> Fallible<()> {
    const TIMES: usize = 200;
    let mut server = Actor::start()?;
    server.does(Op::OwnNetwork)?;
    let netns = server.who().netns;
    let watched = Watched::new(case, &server);
    let mut client = Actor::start()?;
    client.does(Op::JoinNetwork {
        pid: server.who().pid,
    })?;
    let listener = server.listens(V4)?;
    let (first, local) = client.bound(V4)?;
    client.closes(first)?;
    for _ in 0..TIMES {
        let fd = client.socket(V4)?;
        client.does(Op::Bind { fd, addr: local })?;
        client.does(Op::Linger { fd, seconds: 0 })?;
        client.does(Op::Connect {
            fd,
            addr: listener.addr,
        })?;
        let a = server.accepts(listener)?;
        client.closes(fd)?;
        server.closes(a.fd)?;
    }
    watched.has(case, 4 * TIMES)?;
    for events in watched.connections().values() {
        let letters: Vec<_> = events
            .iter()
            .map(|e| e.kind.map_or("", EventType::letter))
            .collect();
        if letters != ["C", "X"] && letters != ["A", "U"] {
            return failed(format!("not a connection: {events:?}"));
        }
    }
    nothing_remembered(netns)
}

/// Waits until the tracer remembers no socket of a namespace.
fn nothing_remembered(netns: u32) -> Fallible<()> {
    until(|| remembered(netns).is_ok_and(|n| n == 0)).or_else(|_| {
        failed(format!(
            "{:?} sockets are still remembered",
            remembered(netns).ok()
        ))
    })
}

fn remembered(netns: u32) -> Fallible<usize> {
    let sockets = Sockets::of_the_shared_tracer()?.all();
    let of_netns = sockets.iter().filter(|(_, socket)| socket.netns == netns);
    Ok(of_netns.count())
}
