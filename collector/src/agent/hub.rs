//! From one source to many clients. Short, and never waiting: nothing here is held over an await.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::history::{Beginning, History, KEPT, Since};
use super::metrics::Metrics;
use super::queue::{Queue, Wanted};
use crate::model::{Bye, Hello, Meta, Timestamp, Update};

/// The past, and who is there to hear of the present.
#[derive(Debug)]
pub(super) struct Hub {
    inner: Mutex<Inner>,
    pub(super) metrics: Metrics,
}

#[derive(Debug)]
struct Inner {
    history: History,
    clients: Vec<Arc<Queue>>,
    closed: Option<Bye>,
    /// How many items wait for each client.
    queued: usize,
}

impl Hub {
    /// A new instance, in which so many items wait for each client at the most.
    pub(super) fn new(queued: usize) -> Self {
        Self {
            inner: Mutex::new(Inner {
                history: History::new(kernel_random("uuid").into(), KEPT),
                clients: Vec::new(),
                closed: None,
                queued,
            }),
            metrics: Metrics::default(),
        }
    }

    /// A panic while it was held leaves a batch told in part at worst; the others are worth more
    /// than an end.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody.
    pub(super) fn publish(&self, update: Update) {
        self.metrics.count(&update);
        let now = Instant::now();
        let mut inner = self.lock();
        let told = inner.history.take(update, Timestamp::now());
        if told.is_empty() {
            return;
        }
        for client in &inner.clients {
            client.offer(&told, now);
        }
    }

    /// A new client: how its stream begins, and the queue of all that comes after that. `None`
    /// before the source has greeted.
    pub(super) fn subscribe(
        &self,
        since: Option<&Since>,
        wanted: Wanted,
    ) -> Option<(Beginning, Arc<Queue>)> {
        let mut inner = self.lock();
        let mut beginning = inner.history.beginning(since, Timestamp::now())?;
        let queue = Arc::new(Queue::new(wanted, beginning.through, inner.queued));
        // Through the same filter, and within the same bounds, as what comes.
        queue.offer(&beginning.items, Instant::now());
        if !beginning.resumed {
            beginning.hello.seeded = queue.len() as u64;
        }
        beginning.items.clear();
        match &inner.closed {
            Some(bye) => queue.close(bye.clone()),
            None => inner.clients.push(Arc::clone(&queue)),
        }
        self.metrics.clients(inner.clients.len());
        Some((beginning, queue))
    }

    /// A client has gone.
    pub(super) fn leave(&self, queue: &Arc<Queue>) {
        let mut inner = self.lock();
        inner.clients.retain(|client| !Arc::ptr_eq(client, queue));
        self.metrics.clients(inner.clients.len());
    }

    /// Tells everybody that it is over.
    pub(super) fn close(&self, bye: &Bye) {
        let mut inner = self.lock();
        inner.closed = Some(bye.clone());
        for client in inner.clients.drain(..) {
            client.close(bye.clone());
        }
    }

    /// This run's name, and what the source said first.
    pub(super) fn instance(&self) -> (Arc<str>, Option<Hello>) {
        let inner = self.lock();
        let history = &inner.history;
        (Arc::clone(history.instance()), history.hello().cloned())
    }

    /// What a cgroup is, if that is known.
    pub(super) fn meta(&self, cgroup: u64) -> Option<Arc<Meta>> {
        self.lock().history.meta(cgroup).cloned()
    }

    /// Whether events arrive at the moment.
    pub(super) fn is_live(&self) -> bool {
        self.lock().history.is_live()
    }
}

/// `uuid`, another one each time, or `boot_id`, the same one until the next boot; see random(4).
pub(super) fn kernel_random(what: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/sys/kernel/random/{what}"));
    let mut text = text.unwrap_or_default();
    text.truncate(text.trim_end().len());
    text
}
