//! One client's stream: from its queue to chunks.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use rustc_hash::FxHashMap;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::HEARTBEAT;
use super::history::Beginning;
use super::hub::Hub;
use super::lines::{self, About, Heartbeat};
use super::queue::{Item, Queue, Taken};
use crate::model::{Bye, Lost, Timestamp};
use crate::wire::{self, Encoder};

/// What happens within this time goes out together.
const FLUSH_AFTER: Duration = Duration::from_millis(50);
/// A chunk that is so large waits no longer: what the API server passes on at once.
const FLUSH_AT: usize = 32 << 10;
/// So many events fill a chunk.
const CHUNK: usize = 48;

/// Of so many cgroups it is remembered what was said of them; above that it is said again.
const CGROUPS: usize = 16_384;

/// What a stream has said so far.
struct Told {
    encoder: Encoder,
    node: Arc<str>,
    hub: Arc<Hub>,
    /// The cgroups of what was told, and whether it was said what they are.
    cgroups: FxHashMap<u64, bool>,
    seq: u64,
    events: u64,
    lost: u64,
}

/// Writes until the client goes, or all is said. A client that does not read keeps this waiting,
/// and nobody else.
pub(super) async fn write(
    beginning: Beginning,
    about: About,
    hub: Arc<Hub>,
    queue: Arc<Queue>,
    chunks: mpsc::Sender<Bytes>,
) {
    let mut told = Told {
        encoder: Encoder::default(),
        node: Arc::clone(&beginning.hello.node),
        hub,
        cgroups: FxHashMap::default(),
        seq: 0,
        events: 0,
        lost: 0,
    };
    let mut chunk = Vec::with_capacity(FLUSH_AT + 4096);
    lines::hello(&beginning.hello, &about, beginning.resumed, &mut chunk);
    if let Some(lost) = &beginning.evicted {
        told.owed(lost, &mut chunk);
    }
    let mut beats = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if chunks.send(Bytes::copy_from_slice(&chunk)).await.is_err() {
            return;
        }
        chunk.clear();
        let flushed = Instant::now();
        tokio::select! {
            biased;
            () = chunks.closed() => return,
            _ = beats.tick() => {
                told.beat(&queue, &mut chunk);
                continue;
            }
            () = queue.filled(1) => {}
        }
        tokio::select! {
            biased;
            () = chunks.closed() => return,
            () = queue.filled(CHUNK) => {}
            () = sleep_until(flushed + FLUSH_AFTER) => {}
        }
        let bye = loop {
            let taken = queue.take(CHUNK);
            let last = taken.queued == 0;
            let bye = told.all(taken, &mut chunk);
            if bye.is_some() || last || chunk.len() >= FLUSH_AT {
                break bye;
            }
        };
        if let Some(bye) = bye {
            wire::bye(&bye, &mut chunk);
            // The last word: whether it is heard or not.
            let _ = chunks.send(chunk.into()).await;
            return;
        }
    }
}

impl Told {
    /// Writes what was taken; what is to be the last word after it, if it is time for one.
    fn all(&mut self, taken: Taken, out: &mut Vec<u8>) -> Option<Bye> {
        for (kind, n) in taken.owed.iter() {
            self.owed(&Lost::new(kind, n), out);
        }
        for (number, item) in taken.items {
            match item {
                Item::Event(event) => {
                    if let Some(cgroup) = event.cgroup {
                        self.introduce(cgroup.get(), out);
                    }
                    self.events += u64::from(event.kind.is_some());
                    self.encoder.event(&event, out);
                }
                Item::Lost(lost) => {
                    self.lost = self.lost.saturating_add(lost.n);
                    lines::lost(&self.node, &lost, number, out);
                }
                Item::Meta(meta) => {
                    // Of what nobody has heard of nothing need be said.
                    if let Some(said @ false) = self.cgroups.get_mut(&meta.cgroup) {
                        *said = true;
                        wire::meta(&meta, out);
                    }
                }
            }
        }
        self.seq = taken.through;
        taken.bye.map(|bye| Bye {
            events: self.events,
            lost: self.lost,
            ..bye
        })
    }

    /// Says what a cgroup is, if that is known, before the first event there.
    fn introduce(&mut self, cgroup: u64, out: &mut Vec<u8>) {
        if self.cgroups.contains_key(&cgroup) {
            return;
        }
        let meta = self.hub.meta(cgroup);
        if let Some(meta) = &meta {
            wire::meta(meta, out);
        }
        if self.cgroups.len() >= CGROUPS {
            self.cgroups.clear();
        }
        self.cgroups.insert(cgroup, meta.is_some());
    }

    fn owed(&mut self, lost: &Lost, out: &mut Vec<u8>) {
        self.lost = self.lost.saturating_add(lost.n);
        lines::owed(&self.node, lost.kind, lost.n, out);
    }

    fn beat(&mut self, queue: &Queue, out: &mut Vec<u8>) {
        // With nothing taken it says up to where all is told already.
        let taken = queue.take(0);
        for (kind, n) in taken.owed.iter() {
            self.owed(&Lost::new(kind, n), out);
        }
        if taken.queued == 0 {
            self.seq = taken.through;
        }
        let heartbeat = Heartbeat {
            t: "hb",
            seq: self.seq,
            ts: Timestamp::now().to_string(),
            queued: taken.queued,
            lost: self.lost,
        };
        lines::heartbeat(&heartbeat, out);
    }
}
