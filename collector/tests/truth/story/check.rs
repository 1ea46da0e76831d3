//! Which events are of which story, and what is wrong with them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use collector::model::{ConnId, Event, EventType};

use super::{Key, Story};
use crate::case::{Fallible, failed};
use crate::machine::BOUND;
use crate::trace::{Log, Tracer};

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

/// Makes an event now and waits for it: then everything earlier is in the log too. One that has come
/// to its end has said everything.
pub fn barrier(tracer: &Tracer) -> Fallible<()> {
    if tracer.is_over() {
        return Ok(());
    }
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
