//! Everything together: counted, and bounded.

use proptest::prelude::*;

use super::*;
use crate::model::{EventType, Reason, sample};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

fn small() -> Limits {
    Limits {
        events: 10,
        open: 4,
        ended: 4,
        workloads: 2,
        pairs: 2,
        nodes: 2,
    }
}

fn batch(node: &str, events: Vec<crate::model::Event>, lost: Vec<Lost>) -> Update {
    Update::Batch(Batch {
        node: node.into(),
        events,
        lost,
    })
}

#[test]
fn counts_what_comes_and_what_is_lost() {
    let mut store = Store::new(small());
    let mut refused = sample::connect(3, 3);
    refused.reason = Some(Reason::Refused);
    let events = vec![
        sample::listed(1, 1),
        sample::connect(2, 2),
        refused,
        sample::close(1, 1),
    ];
    let ring = Lost::new(LossKind::Ring, 7);
    store.apply(batch("a", events, vec![ring.clone(), ring]), NOW);
    assert_eq!(store.counts().of(EventType::Connect), 2);
    assert_eq!(
        store
            .counts()
            .with_reason(EventType::Connect, Some(Reason::Refused)),
        1
    );
    assert_eq!(store.counts().total(), 3);
    assert_eq!(store.log().len(), 4);
    assert_eq!(store.losses().of(LossKind::Ring), 14);
    assert_eq!(store.nodes()[0].losses.total(), 14);
    assert_eq!(store.nodes()[0].events, 3);
    assert_eq!(store.connections().open_count(), 1);
    let after = Timestamp(NOW.0 + 1_000_000_000);
    assert_eq!(store.rates().of(EventType::Connect).last(after), 2);
}

#[test]
fn hello_is_live_and_a_second_one_is_a_restart() {
    let mut store = Store::new(small());
    let hello = Hello {
        node: "a".into(),
        version: Some("0.1.0".into()),
        kernel: "6.12".into(),
        accept_hook: None,
        filter: None,
        degraded: Vec::new(),
        seeded: 0,
        ts: NOW,
    };
    let connecting = NodeState {
        node: "a".into(),
        state: SourceState::Connecting,
        via: None,
    };
    store.apply(Update::State(connecting), NOW);
    assert_eq!(store.nodes()[0].state, SourceState::Connecting);
    store.apply(Update::Hello(hello.clone()), NOW);
    assert_eq!(store.nodes()[0].state, SourceState::Live);
    store.apply(batch("a", vec![sample::connect(2, 2)], vec![]), NOW);
    assert_eq!(store.connections().open_count(), 1);
    store.apply(Update::Hello(hello), NOW);
    assert_eq!(store.connections().open_count(), 0);
}

proptest! {
    #[test]
    fn everything_is_bounded_and_everything_is_counted(
        steps in prop::collection::vec((0_u8..6, 0_u64..50, 0_u8..5), 0..300),
    ) {
        let mut store = Store::new(small());
        let (mut total, mut kept) = (0, 0);
        for (node, conn, what) in steps {
            let node = format!("n{node}");
            let mut event = match what {
                0 => sample::listed(conn, 1),
                1 | 2 => sample::connect(conn, 1),
                _ => sample::close(conn, 1),
            };
            event.origin = sample::origin(&node);
            total += u64::from(event.kind.is_some());
            kept += 1;
            store.apply(batch(&node, vec![event], vec![]), NOW);
        }
        prop_assert_eq!(store.counts().total(), total);
        prop_assert_eq!(store.log().len() as u64 + store.evicted(), kept);
        prop_assert!(store.log().len() <= 10);
        prop_assert!(store.connections().len() <= 8);
        prop_assert!(store.nodes().len() <= 2);
        prop_assert_eq!(store.nodes().iter().map(|n| n.events).sum::<u64>(), total);
        prop_assert!(store.workloads().len() <= 2);
        let tallied = store.workloads().iter().map(|(_, w)| w.counts.total()).sum::<u64>();
        prop_assert_eq!(tallied + store.workloads().others().counts.total(), total);
        let open = store.workloads().iter().map(|(_, w)| w.open).sum::<u64>();
        let open = open + store.workloads().others().open;
        prop_assert_eq!(open, store.connections().open_count() as u64);
        prop_assert!(store.pairs().len() <= 2);
    }
}
