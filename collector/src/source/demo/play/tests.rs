//! That what the demo says obeys the rules for what an event means, and that it has in it what it
//! promises.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::model::{ConnId, EventType, Phase, TcpState};

const START: Timestamp = Timestamp(1_767_323_045_000_000_000);
/// Long enough for everything to happen at least once.
const MINUTES: u64 = 6;

/// A run of some minutes in ticks, and what each node lost.
fn played(seed: u64, tick_us: u64) -> (Vec<Event>, u64) {
    let mut play = Play::new(seed, START);
    let (mut events, mut lost) = (Vec::new(), 0);
    let mut take = |batches: Vec<Batch>| {
        for batch in batches {
            assert!(batch.events.iter().all(|e| e.origin.node == batch.node));
            lost += batch.lost.iter().map(|lost| lost.n).sum::<u64>();
            events.extend(batch.events);
        }
    };
    let end = after(START, MINUTES * 60 * SECOND);
    let mut now = START;
    while now < end {
        take(play.advance(now));
        now = after(now, tick_us);
    }
    take(play.advance(end));
    take(play.finish(end));
    (events, lost)
}

fn run() -> Vec<Event> {
    played(1, 50_000).0
}

#[test]
fn the_same_seed_gives_the_same_events_however_often_it_is_asked() {
    let by_node = |(mut events, lost): (Vec<Event>, u64)| {
        events.sort_by_key(|event| (event.origin.node.clone(), event.seq));
        (events, lost)
    };
    let often = by_node(played(7, 50_000));
    assert_eq!(often, by_node(played(7, 1_700_000)));
    assert_ne!(often, by_node(played(8, 50_000)));
}

#[test]
fn the_rate_is_that_of_a_small_cluster() {
    let n = run().len() as u64;
    let per_second = n / (MINUTES * 60);
    assert!((150..260).contains(&per_second), "{per_second}/s");
}

#[test]
fn each_connection_opens_once_and_ends_once() {
    let mut lives: HashMap<(_, ConnId), Vec<&Event>> = HashMap::new();
    let events = run();
    for event in &events {
        let key = (event.origin.node.clone(), event.conn);
        lives.entry(key).or_default().push(event);
    }
    for life in lives.values() {
        let failed = life[0].kind == Some(EventType::Connect) && life[0].reason.is_some();
        if failed {
            assert_eq!(life.len(), 1, "{life:?}");
            continue;
        }
        assert!(life.len() <= 2, "{life:?}");
        let opening = life[0];
        match opening.phase {
            None => assert!(opening.before && opening.state.is_some() && opening.seq.is_none()),
            Some(Phase::Open) => assert!(!opening.before && opening.reason.is_none()),
            Some(Phase::End) => panic!("an ending without an opening: {opening:?}"),
        }
        let Some(ending) = life.get(1) else { continue };
        assert_eq!(ending.phase, Some(Phase::End), "{life:?}");
        assert!(ending.reason.is_some());
        assert!(ending.ts >= opening.ts);
        assert_eq!(ending.before, opening.before);
        assert_eq!(
            (ending.local, ending.remote, &ending.origin),
            (opening.local, opening.remote, &opening.origin)
        );
        if opening.phase.is_some() {
            let dur = ending.figures.dur_us.expect("known").get();
            assert_eq!(after(opening.ts, dur), ending.ts);
        }
    }
}

#[test]
fn types_reasons_and_figures_go_together() {
    for event in run() {
        let (figures, reason) = (&event.figures, event.reason);
        let counted = figures.tx_bytes.is_some() && figures.dur_us.is_some();
        match (event.kind, event.phase) {
            (Some(EventType::Connect | EventType::Accept), Some(Phase::Open)) => {
                assert!(figures.lat_us.is_some() && !counted, "{event:?}");
                let failures = [
                    None,
                    Some(Reason::Refused),
                    Some(Reason::Timeout),
                    Some(Reason::Unreachable),
                    Some(Reason::Aborted),
                ];
                assert!(failures.contains(&reason), "{event:?}");
                assert!(reason.is_none() || event.kind == Some(EventType::Connect));
            }
            (Some(EventType::Close), Some(Phase::End)) => {
                let by_process = [
                    Reason::FinLocal,
                    Reason::FinRemote,
                    Reason::ResetSent,
                    Reason::Killed,
                ];
                assert!(counted && by_process.contains(&reason.expect("known")));
            }
            (Some(EventType::Unknown), Some(Phase::End)) => {
                let by_none = [Reason::ResetByPeer, Reason::Keepalive, Reason::Timeout];
                assert!(counted && by_none.contains(&reason.expect("known")));
                assert!(event.errno.is_some());
            }
            (None, None) => assert!(event.seq.is_none() && event.before),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn both_ends_of_a_connection_tell_the_same_story() {
    let events = run();
    let endings = events.iter().filter(|e| e.phase == Some(Phase::End));
    let by_port: HashMap<_, _> = endings
        .clone()
        .map(|e| ((e.local, e.remote.port), e))
        .collect();
    let mut pairs = 0;
    for client in endings.filter(|e| e.local.port >= 32_768) {
        // The server knows the client by its own address, behind a Service or not.
        let find =
            |server: &&&Event| server.remote == client.local && server.before == client.before;
        let candidates = by_port
            .iter()
            .filter(|((_, port), _)| *port == client.local.port);
        let Some(server) = candidates.map(|(_, e)| e).find(find) else {
            continue;
        };
        pairs += 1;
        assert_eq!(client.figures.tx_bytes, server.figures.rx_bytes);
        assert_eq!(client.figures.rx_bytes, server.figures.tx_bytes);
        let reasons = (client.reason, server.reason);
        let by_fin = [Some(Reason::FinLocal), Some(Reason::FinRemote)];
        let by_reset = [Some(Reason::ResetSent), Some(Reason::ResetByPeer)];
        let fit = reasons.0 != reasons.1
            && (by_fin.contains(&reasons.0) && by_fin.contains(&reasons.1)
                || by_reset.contains(&reasons.0) && by_reset.contains(&reasons.1));
        let leaked = reasons == (Some(Reason::FinLocal), Some(Reason::Killed))
            || reasons == (Some(Reason::Killed), Some(Reason::FinLocal));
        assert!(fit || leaked, "{reasons:?}");
    }
    assert!(pairs > 10_000, "{pairs}");
}

#[test]
fn numbers_rise_by_one_and_openings_are_in_the_order_of_their_time() {
    let mut last: HashMap<_, (u64, Timestamp)> = HashMap::new();
    for event in run() {
        let Some(seq) = event.seq else { continue };
        let node = event.origin.node.clone();
        let (before, ts) = last.entry(node).or_insert((0, START));
        assert_eq!(seq.get(), *before + 1);
        *before = seq.get();
        if event.phase == Some(Phase::Open) {
            assert!(event.ts >= *ts);
            *ts = event.ts;
        }
    }
    assert_eq!(last.len(), NODES.len());
}

#[test]
fn no_two_open_connections_have_the_same_ends() {
    let mut open: HashMap<(Arc<str>, ConnId), (Endpoint, Endpoint)> = HashMap::new();
    let mut ends = HashSet::new();
    for event in run() {
        let key = (event.origin.node.clone(), event.conn);
        if event.phase == Some(Phase::End) {
            if let Some(pair) = open.remove(&key) {
                ends.remove(&pair);
            }
        } else if event.reason.is_none() {
            let pair = (event.local, event.remote);
            assert!(ends.insert(pair), "{pair:?}");
            open.insert(key, pair);
        }
    }
}

#[test]
fn every_failure_that_is_promised_is_there() {
    let (events, lost) = played(1, 50_000);
    assert!(lost > 10);
    let on = |event: &Event, pod: &str| {
        event
            .origin
            .pod
            .as_deref()
            .is_some_and(|p| p.starts_with(pod))
    };
    let peer = |event: &Event, name: &str| event.peer.as_ref().is_some_and(|p| &*p.name == name);
    let count = |what: &dyn Fn(&Event) -> bool| events.iter().filter(|e| what(e)).count();
    let reason = |event: &Event, reason| event.reason == Some(reason);
    let per_minute = |n: usize| n / usize::try_from(MINUTES).expect("few");

    let refused = |e: &Event| reason(e, Reason::Refused);
    assert!(count(&|e| refused(e) && on(e, "checkout-") && peer(e, "postgres-1")) > 100);
    assert_eq!(
        count(&|e| refused(e) && peer(e, "postgres-0")),
        0,
        "the others are well"
    );
    let far = |e: &Event| e.peer.is_none() && e.kind == Some(EventType::Connect);
    assert!(count(&|e| far(e) && reason(e, Reason::Timeout)) > 20);
    assert!(count(&|e| far(e) && reason(e, Reason::Aborted)) > 5);
    assert!(count(&|e| far(e) && reason(e, Reason::Unreachable)) > 10);
    assert!(count(&|e| reason(e, Reason::ResetByPeer) && on(e, "web-")) > 20);
    assert!(count(&|e| reason(e, Reason::Keepalive)) > 0);
    let slow = |e: &Event| e.figures.lat_us.is_some_and(|lat| lat.get() > 200_000);
    assert!(count(&|e| e.kind == Some(EventType::Accept) && on(e, "inventory-") && slow(e)) > 50);
    assert!(count(&|e| e.state == Some(TcpState::CloseWait) && on(e, "invoices-")) > 5);
    assert!(count(&|e| reason(e, Reason::Killed) && on(e, "invoices-")) > 50);
    let short = |e: &Event| e.figures.dur_us.is_some_and(|dur| dur.get() < 10_000);
    assert!(per_minute(count(&|e| on(e, "cart-") && peer(e, "redis") && short(e))) > 500);
    let again = |e: &Event| e.figures.retrans.is_some_and(|n| n.get() > 5);
    assert!(count(&|e| &*e.origin.node == "demo-3" && again(e)) > 200);
    assert_eq!(
        count(&|e| e.origin.pod.is_none() && again(e) && e.peer.is_some()),
        0
    );
    let runs: HashSet<_> = events
        .iter()
        .filter(|e| on(e, "report-"))
        .map(|e| e.origin.pod.clone())
        .collect();
    assert!(runs.len() > 10, "{}", runs.len());
    assert!(count(&|e| e.local.addr.is_ipv6()) > 100);
}
