use tokio::time::timeout;
use tokio_stream::StreamExt;

use super::*;

const BOUND: Duration = Duration::from_secs(20);

#[tokio::test]
async fn it_greets_lists_what_is_open_goes_on_and_ends_when_asked() {
    let stop = Stop::default();
    let mut updates = start(Options { seed: 1 }, stop.clone());
    let mut next = async || timeout(BOUND, updates.next()).await.expect("in time");
    let (mut seeded, mut listed, mut live) = (0, 0, Vec::new());
    let mut batches = 0;
    while batches < 6 {
        match next().await.expect("it goes on") {
            Update::Hello(hello) => seeded += hello.seeded,
            Update::State(state) if state.state == SourceState::Live => live.push(state.node),
            Update::State(state) => assert_eq!(state.state, SourceState::Connecting),
            other @ (Update::Meta(_) | Update::Note(_)) => panic!("{other:?}"),
            Update::Batch(batch) => {
                batches += 1;
                let rows = batch.events.iter().filter(|event| event.kind.is_none());
                listed += rows.count() as u64;
            }
        }
    }
    assert_eq!(live.iter().map(|node| &**node).collect::<Vec<_>>(), NODES);
    assert!(seeded > 10);
    assert_eq!(listed, seeded);

    stop.request();
    let mut ended = 0;
    while let Some(update) = next().await {
        if let Update::State(state) = update {
            assert_eq!(state.state, SourceState::Ended);
            ended += 1;
        }
    }
    assert_eq!(ended, NODES.len());
}
