//! What does not fit: it is counted, exactly, and what is said in spite of it is true.
//!
//! A tracer with too little room is held against the one that all cases share, which has enough.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use collector::model::{ConnId, Event, EventType, LossKind, Phase, Reason};
use collector::probe;

use super::cases;
use super::place::{Place, start};
use crate::actor::Op;
use crate::case::{Case, Fallible, failed};
use crate::machine::{BOUND, WOBBLE_NS, between_programs_ns, load};
use crate::story::{self, Key};
use crate::trace::{Log, Tracer};

cases! { "loss":
    full_ring,
    fuller_ring,
    full_map,
    queued_in_a_full_map,
    flood_of_another_user,
    every_event_of_many_bursts,
}

/// How many bursts of 50,000 connections [`every_event_of_many_bursts`] makes, if not a small one.
const BURSTS: &str = "TCPSCOPE_BURSTS";

/// Which row of which connection. Two tracers give one connection different ids.
type Which = (Key, Option<Phase>);

fn rows(events: &[Event], place: &Place) -> HashMap<Which, Vec<Event>> {
    let mut rows: HashMap<Which, Vec<Event>> = HashMap::new();
    for event in events.iter().filter(|event| place.has(event)) {
        let which = (story::key(event), event.phase);
        rows.entry(which).or_default().push(event.clone());
    }
    rows
}

/// Whether a tracer with little room says the same as one with enough, which looks at its clock a
/// little earlier or later.
fn same(small: &Event, big: &Event) -> bool {
    let sides = [small, big].map(|event| {
        let figures = &event.figures;
        (
            event.kind,
            event.reason,
            event.errno,
            event.process.clone(),
            event.before,
            (figures.tx_bytes, figures.rx_bytes),
            (event.cgroup, event.mntns, event.state),
        )
    });
    // Where the record of the end was lost, an ending has the figures of its FIN: what was sent again
    // after that is not in them.
    let sent_again = [small, big].map(|event| event.figures.retrans);
    let ending = small.phase == Some(Phase::End);
    let as_often = sent_again[0] == sent_again[1] || ending && sent_again[0] < sent_again[1];
    let apart_ns = (small.ts.0 - big.ts.0).abs();
    sides[0] == sides[1] && as_often && apart_ns < between_programs_ns()
}

/// What is said is what the tracer with enough room says, and what is not said is counted.
fn reconcile(case: &Case, small: &Tracer, place: &Place, all: usize) -> Fallible<()> {
    let reference = case.tracer();
    if !reference.wait_for(BOUND, |log| log.count(place.netns) >= all) {
        return failed("the tracer with enough room has not said everything");
    }
    small.finish();
    story::barrier(reference)?;
    let (big, small) = (reference.log(), small.log());
    let Some(hello) = &small.hello else {
        return failed("no hello");
    };
    if place.count(&big.events) != all {
        return failed(format!("{} rows of {all}", place.count(&big.events)));
    }

    let expected = rows(&big.events, place);
    for (which, found) in rows(&small.events, place) {
        // Where it takes long, a client's port may have been used twice.
        let expected = expected.get(&which).map_or(&[][..], Vec::as_slice);
        let said = |event| expected.iter().any(|expected| same(event, expected));
        if found.len() > expected.len() || !found.iter().all(said) {
            return failed(format!("{found:?}\ninstead of {expected:?}"));
        }
    }

    // What else happened on this machine meanwhile may be among what was lost.
    let strangers = big.events.iter().filter(|event| !place.has(event));
    let strangers = strangers.filter(|event| event.ts.0 > hello.ts.0 - WOBBLE_NS);
    let strangers = strangers.count() as u64;
    let missing = (all - place.count(&small.events)) as u64;
    let lost = small.lost_by(LossKind::Ring);
    eprintln!("{all} events, {missing} not said, {lost} counted, {strangers} of others");
    if missing == 0 || lost < missing || lost > missing + strangers {
        return failed(format!(
            "{missing} of {all} events are missing, {lost} are counted as lost, and others had \
             {strangers}"
        ));
    }
    Ok(())
}

fn ring_of(case: &Case, bytes: u32) -> Fallible<()> {
    const TIMES: u32 = 2_000;
    let mut place = Place::new()?;
    case.tracer().log().count_from_now(place.netns);
    let small = start(&probe::Options {
        buffer: bytes,
        ..probe::Options::default()
    })?;
    // Nobody takes what it says: its queue is full first, and then its ring, however slow the burst.
    let untaken = small.log();
    place.burst(TIMES)?;
    drop(untaken);
    reconcile(case, &small, &place, 4 * TIMES as usize)
}

/// 24 records.
fn full_ring(case: &Case) -> Fallible<()> {
    ring_of(case, 4 << 10)
}

fn fuller_ring(case: &Case) -> Fallible<()> {
    ring_of(case, 64 << 10)
}

/// Openings by `connect()` are lost; every other row is said, and is true.
fn full_map(case: &Case) -> Fallible<()> {
    const MANY: usize = 150;
    let mut place = Place::new()?;
    let small = start(&probe::Options {
        max_sockets: 100,
        ..probe::Options::default()
    })?;
    let mut open = Vec::new();
    for _ in 0..MANY {
        open.push(place.connection()?);
    }
    for (c, a) in &open {
        place.client.closes(c.fd)?;
        place.server.drains(a.fd)?;
        place.server.closes(a.fd)?;
    }
    // There is room again.
    let said = |log: &Log| place.count(&log.events) >= 3 * MANY;
    if !small.wait_for(BOUND, said) {
        return failed("not all endings were said");
    }
    place.burst(10)?;
    let all = 4 * (MANY + 10);
    let reference = case.tracer();
    reference.wait_for(BOUND, |log| place.count(&log.events) >= all);
    small.finish();
    let (big, small) = (reference.log(), small.log());
    let mut expected = rows(&big.events, &place);
    // A client's port may have been used twice.
    for (which, found) in rows(&small.events, &place) {
        let expected = expected.entry(which).or_default();
        for found in found {
            let said = |row: &Event| same(&found, row) && lasted_as_long(&found, row);
            let Some(at) = expected.iter().position(said) else {
                return failed(format!("{found:?}\ninstead of {expected:?}"));
            };
            expected.remove(at);
        }
    }
    let missing: Vec<&Event> = expected.values().flatten().collect();
    let by_connect = (missing.iter()).all(|row| row.kind == Some(EventType::Connect));
    let missing = missing.len();
    let lost = small.lost_by(LossKind::Map);
    eprintln!("{missing} openings not said, {lost} counted");
    // The sockets of others may have had the room.
    if !by_connect || missing < MANY - 100 || lost < missing as u64 {
        return failed(format!("{lost} are counted as lost, missing: {expected:?}"));
    }
    Ok(())
}

/// Who is quiet loses nothing while another user fills the ring, and what is lost is counted to that one.
fn flood_of_another_user(_: &Case) -> Fallible<()> {
    const USER: u32 = 65_534;
    const QUIET: usize = 20;
    let (mut flood, mut quiet) = (Place::new()?, Place::new()?);
    for actor in [&mut flood.client, &mut flood.server] {
        actor.does(Op::SetIds {
            uid: USER,
            gid: USER,
        })?;
    }
    let small = start(&probe::Options {
        buffer: 64 << 10,
        ..probe::Options::default()
    })?;
    let over = AtomicBool::new(false);
    let made = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                flood.burst(500)?;
            }
            Fallible::Ok(())
        });
        let made = connect_quietly(&mut quiet, QUIET, &small);
        over.store(true, Ordering::Relaxed);
        flooding
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        made
    });
    made?;
    small.finish();
    let log = small.log();
    let (said, lost) = (quiet.count(&log.events), log.lost_by(LossKind::Ring));
    let by_others: u64 = log
        .lost
        .iter()
        .filter(|lost| lost.kind == LossKind::Ring)
        .filter(|lost| lost.by.as_ref().is_none_or(|by| by.uid != USER))
        .map(|lost| lost.n)
        .sum();
    eprintln!("{lost} lost by the flood, {by_others} by others");
    if said != 4 * QUIET || by_others > 0 {
        return failed(format!("{said} of {} said: {:?}", 4 * QUIET, log.lost));
    }
    Ok(())
}

/// So many connections, one after the other, each after all was said of the one before.
fn connect_quietly(quiet: &mut Place, times: usize, tracer: &Tracer) -> Fallible<()> {
    for n in 1..=times {
        let (c, a) = quiet.connection()?;
        quiet.client.closes(c.fd)?;
        quiet.server.drains(a.fd)?;
        quiet.server.closes(a.fd)?;
        if !tracer.wait_for(BOUND, |log| quiet.count(&log.events) >= 4 * n) {
            return failed(format!("something is missing of the connection {n}"));
        }
    }
    Ok(())
}

/// If that is known.
fn lasted_as_long(small: &Event, big: &Event) -> bool {
    let [small, big] = [small, big].map(|event| event.figures.dur_us);
    small.is_none_or(|small| {
        let apart_us = small.get().abs_diff(big.unwrap_or_default().get());
        apart_us <= between_programs_ns().unsigned_abs() / 1000
    })
}

/// What nobody accepts has an ending that says so, and a counted opening.
fn queued_in_a_full_map(_: &Case) -> Fallible<()> {
    const MANY: usize = 20;
    let mut place = Place::new()?;
    let small = start(&probe::Options {
        max_sockets: 1,
        ..probe::Options::default()
    })?;
    // It takes the room, and more is not wanted of it.
    let _first = place.connection()?;
    let mut waiting = Vec::new();
    for _ in 0..MANY {
        waiting.push(place.client.connects(place.listener.addr)?);
    }
    place.server.closes(place.listener.fd)?;
    let port = place.listener.addr.port();
    let endings = |log: &Log, ours: bool| -> Vec<Event> {
        let ended = |event: &&Event| place.has(event) && event.phase == Some(Phase::End);
        let events = log.events.iter().filter(ended);
        let events = events.filter(|event| (event.local.port == port) == ours);
        events.cloned().collect()
    };
    let both = |log: &Log| endings(log, true).len() >= MANY && endings(log, false).len() >= MANY;
    let all_said = small.wait_for(BOUND, both);
    small.finish();
    let log = small.log();
    let of = |ours, reason| {
        let mut endings = endings(&log, ours).into_iter();
        endings.all(|event| {
            event.kind == Some(EventType::Unknown)
                && event.reason == Some(reason)
                && event.process.is_none()
                && !event.before
        })
    };
    let lost = log.lost_by(LossKind::Map);
    let right = of(true, Reason::ResetSent) && of(false, Reason::ResetByPeer);
    // Both openings of each.
    if all_said && right && lost >= 2 * MANY as u64 {
        return Ok(());
    }
    failed(format!(
        "lost {lost}, {:?} {:?}",
        endings(&log, true),
        endings(&log, false)
    ))
}

/// The kernel skips programs that a softirq interrupts; not an event may be missing for that.
fn every_event_of_many_bursts(_: &Case) -> Fallible<()> {
    const ALL_DAY: u32 = 12_500;
    let in_passing = load(2_500);
    let asked: Option<u32> = std::env::var(BURSTS).ok().and_then(|n| n.parse().ok());
    let (bursts, each) = asked.map_or((1, in_passing), |bursts| (bursts, ALL_DAY));
    let mut places = Vec::new();
    for _ in 0..4 {
        places.push(Place::new()?);
    }
    for burst in 0..bursts {
        let tracer = start(&probe::Options {
            buffer: 128 << 20,
            ..probe::Options::default()
        })?;
        let mut pending = Vec::new();
        for place in &mut places {
            tracer.log().count_from_now(place.netns);
            let serve = Op::Serve {
                fd: place.listener.fd,
                times: each,
            };
            let connect = Op::Burst {
                domain: libc::AF_INET,
                addr: place.listener.addr,
                times: each,
            };
            let serving = place.server.begin(&serve)?;
            pending.push((serving, place.client.begin(&connect)?));
        }
        for (place, (serving, connecting)) in places.iter_mut().zip(pending) {
            let connected = place.client.finish(connecting)?.ok()?;
            if connected != i64::from(each) {
                return failed(format!("{connected} connects worked"));
            }
            place.server.finish(serving)?.ok()?;
        }
        let all = 4 * places.len() * each as usize;
        let count = |log: &Log| -> usize { places.iter().map(|p| log.count(p.netns)).sum() };
        tracer.wait_for(BOUND, |log| {
            count(log) as u64 + log.lost_by(LossKind::Drift) >= all as u64
        });
        let skipped = super::remembered::skipped()?;
        tracer.finish();
        let log = tracer.log();
        let found = count(&log);
        eprintln!(
            "burst {burst}: {found} of {all}, lost {:?}, skipped {skipped:?}",
            log.lost
        );
        // Where the kernel runs no program at all for a while, that is found out and counted.
        let counted = log.lost_by(LossKind::Drift);
        if found > all || ((all - found) as u64) > counted || log.lost_by(LossKind::Ring) > 0 {
            return failed(format!("{:?}, and {:#?}", log.lost, halves(&log, &places)));
        }
    }
    Ok(())
}

/// Connections that are not an opening and an ending.
fn halves(log: &Log, places: &[Place]) -> Vec<Vec<Event>> {
    let mut connections: HashMap<ConnId, Vec<Event>> = HashMap::new();
    for event in &log.events {
        if places.iter().any(|place| place.has(event)) {
            connections
                .entry(event.conn)
                .or_default()
                .push(event.clone());
        }
    }
    connections.retain(|_, events| {
        let phases: Vec<_> = events.iter().map(|event| event.phase).collect();
        phases != [Some(Phase::Open), Some(Phase::End)]
    });
    connections.into_values().collect()
}
