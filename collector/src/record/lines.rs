//! From updates to the lines of a recording. Pure.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::{Bye, NodeState, SourceState, Update};
use crate::wire::{self, Encoder};

/// What has been written, as far as later lines depend on it.
///
/// A greeting says that a node is live and the farewell that it ended, so that a host's recording
/// needs no records of states: only what neither implies is written, such as a node that was lost
/// and came back.
#[derive(Debug, Default)]
pub(super) struct Lines {
    encoder: Encoder,
    /// Every node that was heard of, and whether it was last known to be live.
    live: FxHashMap<Arc<str>, bool>,
    /// States at which it may be over: written if something follows them.
    pending: Vec<NodeState>,
    bye: Bye,
}

impl Lines {
    /// Appends what an update says.
    pub(super) fn update(&mut self, update: &Update, out: &mut Vec<u8>) {
        match update {
            Update::Hello(hello) => {
                self.catch_up(out);
                self.live.insert(Arc::clone(&hello.node), true);
                wire::hello(hello, out);
            }
            Update::State(state) => self.state(state, out),
            // Of the way that it came, not of what came.
            Update::Note(_) => {}
            Update::Meta(meta) => {
                self.catch_up(out);
                wire::meta(meta, out);
            }
            Update::Batch(batch) => {
                self.catch_up(out);
                for event in &batch.events {
                    self.bye.events += u64::from(event.kind.is_some());
                    self.encoder.event(event, out);
                }
                for lost in &batch.lost {
                    self.bye.lost += lost.n;
                    wire::lost(&batch.node, lost, out);
                }
            }
        }
    }

    /// Appends the farewell: the end of all nodes whose end is not written yet, and why, if one
    /// node is all there is.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        let alone = self.live.len() == 1;
        match self.pending.as_mut_slice() {
            [last] if alone => {
                if let SourceState::Lost(why) = &mut last.state {
                    self.bye.reason = Some(std::mem::take(why));
                }
                self.pending.clear();
            }
            states if states.iter().all(|s| s.state == SourceState::Ended) => self.pending.clear(),
            _ => self.catch_up(out),
        }
        wire::bye(&self.bye, out);
    }

    /// How many events are written.
    pub(super) fn events(&self) -> u64 {
        self.bye.events
    }

    fn state(&mut self, state: &NodeState, out: &mut Vec<u8>) {
        let was_live = self.live.get(&state.node).copied();
        match state.state {
            // Of the session, not of what it saw.
            SourceState::Connecting => return,
            SourceState::Live if was_live == Some(true) => return,
            SourceState::Live => {
                self.catch_up(out);
                wire::node(state, out);
            }
            SourceState::Lost(_) | SourceState::Ended => self.pending.push(state.clone()),
        }
        let live = state.state == SourceState::Live;
        self.live.insert(Arc::clone(&state.node), live);
    }

    fn catch_up(&mut self, out: &mut Vec<u8>) {
        for state in self.pending.drain(..) {
            wire::node(&state, out);
        }
    }
}
