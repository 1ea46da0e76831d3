//! What events make of connections.

use nonmax::NonMaxU64;
use proptest::prelude::*;

use super::*;
use crate::model::{Endpoint, EventType, Reason, Zone, sample};
use crate::testing;

fn key(conn: u64) -> ConnKey {
    ConnKey {
        node: NodeIx(0),
        conn: ConnId(conn),
    }
}

fn apply(all: &mut Connections, id: u64, event: &Event) {
    let key = ConnKey {
        node: NodeIx(0),
        conn: event.conn,
    };
    let _ = all.apply(key, EventId(id), event, WorkloadIx(0));
}

#[test]
fn an_opening_and_its_ending_make_one_row() {
    let mut all = Connections::new(8, 8);
    let mut opening = sample::connect(7, 40_000);
    opening.figures.lat_us = NonMaxU64::new(250);
    apply(&mut all, 0, &opening);
    assert_eq!(all.open_count(), 1);

    let mut ending = sample::close(7, 40_000);
    ending.ts = Timestamp(opening.ts.0 + 3_000_000);
    ending.figures.tx_bytes = NonMaxU64::new(99);
    apply(&mut all, 1, &ending);
    assert_eq!((all.open_count(), all.len()), (0, 1));
    let row = all.get(key(7)).unwrap();
    assert_eq!(row.state, ConnState::Ended);
    assert_eq!(row.row.kind, Some(EventType::Connect));
    assert_eq!(row.row.reason, Some(Reason::FinLocal));
    assert_eq!(row.row.figures.lat_us, NonMaxU64::new(250));
    assert_eq!(row.row.figures.tx_bytes, NonMaxU64::new(99));
    assert_eq!(row.age_us(Timestamp::default()), Some(3_000));
}

#[test]
fn a_failed_connect_is_over_at_once() {
    let mut all = Connections::new(8, 8);
    let mut event = sample::connect(7, 40_000);
    event.reason = Some(Reason::Refused);
    apply(&mut all, 0, &event);
    assert_eq!(all.open_count(), 0);
    assert_eq!(all.get(key(7)).unwrap().state, ConnState::Failed);

    // The same socket tries again and gets through.
    apply(&mut all, 1, &sample::connect(7, 40_001));
    assert_eq!((all.open_count(), all.len()), (1, 1));
    assert_eq!(all.get(key(7)).unwrap().state, ConnState::Open);
}

#[test]
fn an_ending_before_the_accept_stays_the_ending() {
    let mut all = Connections::new(8, 8);
    apply(&mut all, 0, &sample::close(7, 80));
    let mut accept = sample::connect(7, 80);
    accept.kind = Some(EventType::Accept);
    apply(&mut all, 1, &accept);
    let row = all.get(key(7)).unwrap();
    assert_eq!(row.state, ConnState::Ended);
    assert_eq!(row.row.kind, Some(EventType::Accept));
    assert_eq!(all.open_count(), 0);
}

#[test]
fn a_node_that_starts_anew_confirms_what_it_lists() {
    let mut all = Connections::new(8, 8);
    apply(&mut all, 0, &sample::connect(1, 1));
    apply(&mut all, 1, &sample::connect(2, 2));
    all.node_restarted(NodeIx(0));
    assert_eq!(all.open_count(), 0);
    apply(&mut all, 2, &sample::listed(1, 1));
    assert_eq!(all.open_count(), 1);
    assert_eq!(all.get(key(1)).unwrap().state, ConnState::Open);
    assert_eq!(all.get(key(2)).unwrap().state, ConnState::Unsure);
}

#[test]
fn the_other_end_is_the_same_two_ends_the_other_way_round_at_the_same_time() {
    let mut all = Connections::new(8, 8);
    let connect = sample::connect(1, 40_000);
    let mut accept = sample::connect(2, 0);
    accept.kind = Some(EventType::Accept);
    (accept.local, accept.remote) = (connect.remote, connect.local);
    apply(&mut all, 0, &connect);
    assert_eq!(all.other_end(key(1)), None);
    apply(&mut all, 1, &accept);
    assert_eq!(all.other_end(key(1)), Some(key(2)));
    assert_eq!(all.other_end(key(2)), Some(key(1)));

    // The port is used again, much later.
    let mut again = connect.clone();
    again.conn = ConnId(3);
    again.ts = Timestamp(connect.ts.0 + 600_000_000_000);
    apply(&mut all, 2, &again);
    assert_eq!(all.other_end(key(3)), None);
}

/// A connection's two ends under those names, both with `fe80::1` on an interface.
fn on_link(link: &str, conn: [u64; 2]) -> [Event; 2] {
    let client = Event {
        remote: Endpoint {
            port: 41_111,
            ..testing::link_local(link).local
        },
        conn: ConnId(conn[0]),
        ..testing::link_local(link)
    };
    let server = Event {
        kind: Some(EventType::Accept),
        local: client.remote,
        remote: client.local,
        conn: ConnId(conn[1]),
        ..client.clone()
    };
    [client, server]
}

#[test]
fn on_two_links_the_same_ends_are_two_connections() {
    let mut all = Connections::new(8, 8);
    let [v_client, v_server] = on_link("v0", [1, 2]);
    let [w_client, w_server] = on_link("w0", [3, 4]);
    apply(&mut all, 0, &v_client);
    apply(&mut all, 1, &w_server);
    assert_eq!(all.other_end(key(1)), None);
    assert_eq!(all.other_end(key(4)), None);
    apply(&mut all, 2, &v_server);
    apply(&mut all, 3, &w_client);
    for (a, b) in [(1, 2), (3, 4)] {
        assert_eq!(all.other_end(key(a)), Some(key(b)));
        assert_eq!(all.other_end(key(b)), Some(key(a)));
    }
    assert_eq!(all.len(), 4);
}

#[test]
fn the_two_ends_of_a_link_have_their_own_names_for_it() {
    let mut all = Connections::new(8, 8);
    let [client, mut server] = on_link("eth0", [1, 2]);
    server.scope = Zone::new("veth1");
    apply(&mut all, 0, &client);
    apply(&mut all, 1, &server);
    assert_eq!(all.other_end(key(1)), None);
    // In a network namespace of its own.
    server.netns = server.netns.and_then(|n| (n.get() + 1).try_into().ok());
    server.conn = ConnId(3);
    apply(&mut all, 2, &server);
    assert_eq!(all.other_end(key(1)), Some(key(3)));
    assert_eq!(all.other_end(key(3)), Some(key(1)));
}

#[test]
fn behind_a_service_the_other_end_is_who_accepted_from_that_client_or_has_not_yet() {
    let mut accept = sample::connect(2, 8080);
    accept.kind = Some(EventType::Accept);
    is_behind_the_service(accept);
    let mut waits = sample::listed(2, 8080);
    waits.state = Some(crate::model::TcpState::Unaccepted);
    is_behind_the_service(waits);
}

fn is_behind_the_service(mut accept: Event) {
    let mut all = Connections::new(8, 8);
    let mut connect = sample::connect(1, 40_000);
    connect.peer = Some(std::sync::Arc::new(crate::model::Peer {
        kind: crate::model::PeerKind::Service,
        namespace: None,
        name: "web".into(),
    }));
    accept.remote = connect.local;
    accept.local.addr = [192, 0, 2, 77].into();
    apply(&mut all, 0, &accept);
    assert_eq!(all.other_end(key(2)), None);
    apply(&mut all, 1, &connect);
    assert_eq!(all.other_end(key(1)), Some(key(2)));
    assert_eq!(all.other_end(key(2)), Some(key(1)));

    // Another client of it.
    let mut other = connect.clone();
    other.conn = ConnId(3);
    other.local.port += 1;
    apply(&mut all, 2, &other);
    assert_eq!(all.other_end(key(3)), None);
    assert_eq!(all.other_end(key(1)), Some(key(2)));
}

proptest! {
    /// Whatever comes in whatever order, the bounds hold and the count of open ones is right.
    #[test]
    fn stays_within_its_limits(steps in prop::collection::vec((0_u8..5, 0_u64..24), 0..400)) {
        let mut all = Connections::new(6, 5);
        for (id, (what, conn)) in steps.into_iter().enumerate() {
            let port = u16::try_from(conn).unwrap();
            let event = match what {
                0 => sample::connect(conn, port),
                1 => sample::close(conn, port),
                2 => sample::listed(conn, port),
                3 => {
                    let mut failed = sample::connect(conn, port);
                    failed.reason = Some(Reason::Timeout);
                    failed
                }
                _ => {
                    all.node_restarted(NodeIx(0));
                    continue;
                }
            };
            apply(&mut all, id as u64, &event);
            let open = all.iter().filter(|(_, c)| c.state == ConnState::Open).count();
            prop_assert_eq!(all.open_count(), open);
            prop_assert!(open <= 6, "{} open", open);
            prop_assert!(all.len() - open <= 5);
            prop_assert!(all.over.len() <= 5);
            prop_assert_eq!(all.iter().count(), all.len());
            let at: Vec<ConnKey> = (0..all.places()).filter_map(|i| Some(all.at(i)?.0)).collect();
            prop_assert_eq!(at.len(), all.len());
            prop_assert!(at.iter().all(|key| all.get(*key).is_some()));
        }
    }
}
