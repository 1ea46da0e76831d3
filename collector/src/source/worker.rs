//! Sources that work on a thread of their own, and wait there for time to pass.

use std::future::Future;
use std::sync::Arc;
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Updates;
use crate::model::{NodeState, SourceState, Update};

/// The reader has gone.
pub(super) struct Gone;

/// The way to the reader.
pub(super) struct Reader(mpsc::Sender<Update>);

impl Reader {
    pub(super) async fn send(&self, update: Update) -> Result<(), Gone> {
        self.0.send(update).await.map_err(|_| Gone)
    }

    pub(super) async fn state(&self, node: &Arc<str>, state: SourceState) -> Result<(), Gone> {
        self.send(says(node, state)).await
    }

    /// Waits until there is no reader.
    pub(super) async fn gone(&self) {
        self.0.closed().await;
    }
}

/// Starts a thread that runs `work`; the stream gives what that sends, and ends with it. If there
/// can be no thread, the stream says so in the name of `node`.
pub(super) fn spawn<F>(
    name: &str,
    node: Arc<str>,
    waiting: usize,
    work: impl FnOnce(Reader) -> F + Send + 'static,
) -> Updates
where
    F: Future<Output = Result<(), Gone>>,
{
    let (updates, receiver) = mpsc::channel(waiting);
    let failed = updates.clone();
    let lost = |node: Arc<str>, error: std::io::Error| {
        says(&node, SourceState::Lost(format!("cannot start: {error}")))
    };
    let on_thread = Arc::clone(&node);
    let spawned = thread::Builder::new().name(name.into()).spawn(move || {
        match Builder::new_current_thread().enable_time().build() {
            // A reader who has gone need not be told.
            Ok(runtime) => drop(runtime.block_on(work(Reader(updates)))),
            Err(error) => drop(updates.blocking_send(lost(on_thread, error))),
        }
    });
    if let Err(error) = spawned {
        // The channel is new and empty.
        drop(failed.try_send(lost(node, error)));
    }
    Box::pin(ReceiverStream::new(receiver))
}

fn says(node: &Arc<str>, state: SourceState) -> Update {
    Update::State(NodeState {
        node: Arc::clone(node),
        state,
        via: None,
    })
}
