//! Each check: what makes a finding, and what does not yet.

use std::sync::Arc;

use nonmax::{NonMaxU32, NonMaxU64};

use super::*;
use crate::model::{
    Batch, Direction, Event, EventType, Limits, Peer, PeerKind, Phase, Reason, TcpState, Update,
    sample,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

fn found(events: Vec<Event>) -> Vec<Problem> {
    found_with(events, &Thresholds::default(), NOW)
}

fn found_with(events: Vec<Event>, thresholds: &Thresholds, now: Timestamp) -> Vec<Problem> {
    let mut store = Store::with_thresholds(Limits::default(), *thresholds);
    let node = "host1".into();
    let lost = Vec::new();
    store.apply(Update::Batch(Batch { node, events, lost }), NOW);
    problems(&store, now)
}

fn names(problems: &[Problem]) -> Vec<&'static str> {
    let findings = problems.iter().filter_map(|problem| problem.check);
    findings.map(|check| check.name).collect()
}

fn failed(reason: Reason) -> Event {
    Event {
        reason: Some(reason),
        ..sample::connect(1, 40_000)
    }
}

#[test]
fn a_few_failures_are_a_group_and_more_of_them_a_finding() {
    for (reason, name) in [
        (Reason::Refused, "refused"),
        (Reason::Timeout, "connect timeout"),
        (Reason::Unreachable, "unreachable"),
    ] {
        let few = found(vec![failed(reason); 2]);
        assert_eq!((few.len(), few[0].count), (1, 2));
        assert!(few[0].check.is_none());
        let enough = found(vec![failed(reason); 3]);
        assert_eq!(names(&enough), [name]);
        assert_eq!(enough[0].rows, [EventId(0), EventId(1), EventId(2)]);
        // A minute later it is a group again: it may be over.
        let later = Timestamp(NOW.0 + 80_000_000_000);
        let over = found_with(vec![failed(reason); 3], &Thresholds::default(), later);
        assert!(over.len() == 1 && over[0].check.is_none());
    }
}

#[test]
fn what_nobody_accepted_is_a_finding_at_once() {
    let mut opening = sample::connect(1, 80);
    opening.kind = Some(EventType::Unknown);
    assert_eq!(names(&found(vec![opening])), ["never accepted"]);
}

#[test]
fn slow_accepts_are_told_from_fast_ones() {
    let accept = |us| {
        let mut event = sample::connect(1, 80);
        event.kind = Some(EventType::Accept);
        event.figures.lat_us = NonMaxU64::new(us);
        event
    };
    assert_eq!(names(&found(vec![accept(100_000); 3])), ["slow accept"]);
    assert_eq!(found(vec![accept(99_999); 3]).len(), 0);
}

#[test]
fn close_wait_is_known_of_what_was_listed_until_it_ends() {
    let mut listed = sample::listed(1, 80);
    listed.state = Some(TcpState::CloseWait);
    assert_eq!(names(&found(vec![listed.clone()])), ["CLOSE_WAIT"]);
    assert_eq!(names(&found(vec![listed, sample::close(1, 80)])), [""; 0]);
}

#[test]
fn what_waits_to_be_accepted_is_known_until_it_is_or_ends() {
    let waits = |conn: u64| Event {
        state: Some(TcpState::Unaccepted),
        before: false,
        process: None,
        ..sample::listed(conn, 80)
    };
    let accept = |conn: u64| Event {
        kind: Some(EventType::Accept),
        ..sample::connect(conn, 80)
    };
    // As where nothing is known of it any more.
    let withdrawn = |conn: u64| Event {
        state: None,
        ..waits(conn)
    };
    let mut events = vec![
        sample::listed(3, 80),
        waits(1),
        waits(2),
        waits(2),
        waits(3),
    ];
    let problems = found(events.clone());
    assert_eq!(names(&problems), ["never accepted"]);
    assert!(problems[0].is_failure());
    assert_eq!(problems[0].pair.direction, Direction::In);
    assert_eq!((problems[0].pair.port, problems[0].count), (Some(80), 3));
    events.extend([accept(1), withdrawn(3)]);
    let problems = found(events.clone());
    assert_eq!(
        (names(&problems), problems[0].count),
        (vec!["never accepted"], 1)
    );
    events.push(sample::close(2, 80));
    assert_eq!(names(&found(events)), [""; 0]);
}

#[test]
fn close_wait_is_known_of_what_is_listed_later_as_often_as_it_still_is() {
    let later = |conn| {
        let mut listed = sample::listed(conn, 80);
        listed.state = Some(TcpState::CloseWait);
        listed
    };
    let three = (1..=3).flat_map(|conn| [sample::connect(conn, 80), later(conn)]);
    // Who lists anew says it again.
    let mut events: Vec<_> = three.chain([later(2)]).collect();
    let counts = |events: &[Event]| {
        let found = found(events.to_vec());
        found
            .iter()
            .map(|problem| problem.count)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&found(events.clone())), ["CLOSE_WAIT"]);
    assert_eq!(counts(&events), [3]);
    events.push(sample::close(2, 80));
    assert_eq!(counts(&events), [2]);
    events.extend([sample::close(1, 80), sample::close(3, 80)]);
    assert_eq!(counts(&events), [0; 0]);
}

#[test]
fn many_short_connections_are_churn() {
    let close = |us| {
        let mut event = sample::close(1, 40_000);
        event.figures.dur_us = NonMaxU64::new(us);
        event
    };
    assert_eq!(names(&found(vec![close(999_999); 100])), ["churn"]);
    assert_eq!(found(vec![close(1_000_000); 100]).len(), 0);
}

#[test]
fn storms_of_retransmissions_are_of_connections_with_many() {
    let close = |n| {
        let mut event = sample::close(1, 40_000);
        event.figures.retrans = NonMaxU32::new(n);
        event
    };
    assert_eq!(names(&found(vec![close(20); 3])), ["retransmissions"]);
    assert_eq!(found(vec![close(19); 3]).len(), 0);
}

#[test]
fn ports_run_out_when_open_and_lately_closed_ones_hold_most_of_them() {
    let thresholds = Thresholds {
        ports: 10,
        ..Thresholds::default()
    };
    let open = |n: u16| (0..n).map(|i| sample::connect(u64::from(i), i));
    assert_eq!(
        names(&found_with(open(8).collect(), &thresholds, NOW)),
        ["ports run out"]
    );
    assert_eq!(found_with(open(7).collect(), &thresholds, NOW).len(), 0);
    let closed = open(8).chain((0..8).map(|i| sample::close(i, 1)));
    assert_eq!(
        names(&found_with(closed.collect(), &thresholds, NOW)),
        ["ports run out"]
    );
    let closed = open(8).chain((0..8).map(|i| sample::close(i, 1)));
    let later = Timestamp(NOW.0 + 80_000_000_000);
    assert_eq!(found_with(closed.collect(), &thresholds, later).len(), 0);
}

#[test]
fn one_peer_that_fails_is_told_from_a_service_that_does() {
    let to = |last: u8, reason: Option<Reason>| {
        let mut event = sample::connect(u64::from(last), 40_000);
        event.remote.addr = [10, 0, 0, last].into();
        event.reason = reason;
        event.phase = Some(Phase::Open);
        event.peer = Some(Arc::new(Peer {
            kind: PeerKind::Service,
            namespace: Some("shop".into()),
            name: "cart".into(),
        }));
        event
    };
    let bad = |last| vec![to(last, Some(Reason::Refused)); 3];
    let mut events = vec![to(1, None), to(2, None)];
    events.extend(bad(3));
    assert_eq!(names(&found(events)), ["refused", "one peer fails"]);
    let mut events = vec![to(1, None)];
    events.extend(bad(2).into_iter().chain(bad(3)));
    assert_eq!(names(&found(events)), ["refused", "refused"]);
}

#[test]
fn each_trouble_that_is_no_failure_has_a_check() {
    for trouble in Trouble::ALL {
        let checked = CHECKS.iter().any(|check| check.trouble == Some(trouble));
        assert!(checked || trouble.is_failure(), "{trouble:?}");
    }
}
