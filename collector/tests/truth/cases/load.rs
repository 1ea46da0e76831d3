//! Many at once: nothing is missing, nothing is there twice, and nothing is left behind.

use std::collections::HashMap;
use std::time::Duration;

use aya::maps::{HashMap as BpfMap, Map, MapData};
use collector::model::{ConnId, Event, EventType, Phase, Reason};

use super::cases;
use crate::actor::{ANY6, Actor, Op, V4};
use crate::case::{Case, Fallible, failed, until};

cases! { "load":
    bursts_from_several_processes,
    many_refused_by_mapped_addresses,
    a_port_used_again_at_once,
}

/// As long as it may take on an emulated processor.
const BOUND: Duration = Duration::from_secs(120);

/// The events of one namespace, by connection.
fn of_netns(case: &Case, netns: u32) -> HashMap<ConnId, Vec<Event>> {
    let mut all: HashMap<ConnId, Vec<Event>> = HashMap::new();
    for event in &case.tracer().log().events {
        if event.netns.is_some_and(|n| n.get() == netns) {
            all.entry(event.conn).or_default().push(event.clone());
        }
    }
    all
}

/// How many events of one namespace there are.
fn count(events: &[Event], netns: u32) -> usize {
    events
        .iter()
        .filter(|event| event.netns.is_some_and(|n| n.get() == netns))
        .count()
}

/// Waits for so many events, and a little longer for more of them.
fn wait_for(case: &Case, netns: u32, events: usize) -> Fallible<()> {
    let tracer = case.tracer();
    let enough = tracer.wait_for(BOUND, |log| count(&log.events, netns) >= events);
    case.expect(&[])?;
    let log = tracer.log();
    let found = count(&log.events, netns);
    if enough && found == events {
        return Ok(());
    }
    failed(format!(
        "{found} events instead of {events}; lost: {:?}",
        log.lost
    ))
}

/// 50,000 connections: as many `C` and `A`, and twice as many endings, each with its opening.
fn bursts_from_several_processes(case: &Case) -> Fallible<()> {
    const PROCESSES: u32 = 4;
    const EACH: u32 = 12_500;
    let mut first = Actor::start()?;
    first.does(Op::OwnNetwork)?;
    let netns = first.who().netns;
    let mut servers = Vec::new();
    let mut clients = Vec::new();
    let mut pending = Vec::new();
    for _ in 0..PROCESSES {
        let (mut client, mut server) = Actor::pair()?;
        for actor in [&mut client, &mut server] {
            actor.does(Op::JoinNetwork {
                pid: first.who().pid,
            })?;
        }
        let listener = server.listens_with(V4, 4096, libc::IPPROTO_TCP)?;
        let serving = server.begin(&Op::Serve {
            fd: listener.fd,
            times: EACH,
        })?;
        servers.push((server, serving));
        clients.push((client, listener.addr));
    }
    for (client, addr) in &mut clients {
        pending.push(client.begin(&Op::Burst {
            domain: libc::AF_INET,
            addr: *addr,
            times: EACH,
        })?);
    }
    for ((client, _), pending) in clients.iter_mut().zip(pending) {
        let done = client.finish(pending)?;
        if done.result != Ok(EACH.into()) {
            return failed(format!("{:?} connects worked", done.result));
        }
    }
    for (mut server, serving) in servers {
        server.finish(serving)?.ok()?;
    }
    let all = 4 * (PROCESSES * EACH) as usize;
    wait_for(case, netns, all)?;
    let by_conn = of_netns(case, netns);
    for events in by_conn.values() {
        let [opening, ending] = &events[..] else {
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
    const TIMES: u32 = 10_000;
    let mut client = Actor::start()?;
    client.does(Op::OwnNetwork)?;
    let netns = client.who().netns;
    let (fd, addr) = client.bound(ANY6)?;
    let nobody = (std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), addr.port());
    let done = client.does(Op::Burst {
        domain: libc::AF_INET6,
        addr: nobody.into(),
        times: TIMES,
    })?;
    if done.result != Ok(0) {
        return failed(format!("{:?} connects worked", done.result));
    }
    client.closes(fd)?;
    wait_for(case, netns, TIMES as usize)?;
    for events in of_netns(case, netns).values() {
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
    wait_for(case, netns, 4 * TIMES)?;
    for events in of_netns(case, netns).values() {
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

/// Waits until the tracers of this process remember no socket of a namespace.
fn nothing_remembered(netns: u32) -> Fallible<()> {
    let bound = Duration::from_secs(5);
    until(bound, || remembered(netns).is_ok_and(|n| n == 0)).or_else(|_| {
        failed(format!(
            "{:?} sockets are still remembered",
            remembered(netns).ok()
        ))
    })
}

fn remembered(netns: u32) -> Fallible<usize> {
    const TRACKED: usize = size_of::<probe_common::Tracked>();
    let at = std::mem::offset_of!(probe_common::Tracked, netns);
    let mut found = 0;
    for id in own_maps()? {
        let data = MapData::from_id(id)?;
        let map = Map::HashMap(data);
        let Ok(map) = BpfMap::<_, u64, [u8; TRACKED]>::try_from(map) else {
            continue;
        };
        let of_netns = |value: &[u8; TRACKED]| value[at..at + 4] == netns.to_ne_bytes();
        found += map
            .iter()
            .filter(|entry| entry.as_ref().is_ok_and(|(_, value)| of_netns(value)))
            .count();
    }
    Ok(found)
}

/// The maps of sockets that this process holds.
fn own_maps() -> Fallible<Vec<u32>> {
    let mut ids = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fdinfo")? {
        let Ok(text) = std::fs::read_to_string(entry?.path()) else {
            continue;
        };
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse::<u32>().ok()
        };
        let is_socks =
            field("value_size:") == u32::try_from(size_of::<probe_common::Tracked>()).ok();
        if let (true, Some(id)) = (is_socks, field("map_id:")) {
            ids.push(id);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}
