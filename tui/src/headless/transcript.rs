//! What is written, and what is told beside it: pure, from updates to bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use collector::filter::Key;
use collector::model::{Batch, Bye, Event, Hello, LossKind, Lost, NodeState, SourceState, Update};
use collector::{format, wire};

use super::options::{Options, Writing};

/// How it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// As before.
    More,
    /// This was the first greeting.
    Began,
    /// All that was asked for is written.
    Enough,
}

/// A run so far.
#[derive(Debug)]
pub(super) struct Transcript {
    options: Options,
    notes: Vec<String>,
    began: bool,
    /// The sockets open before the start that have not been listed yet.
    unlisted: u64,
    /// Rows written.
    rows: u64,
    bye: Bye,
    failure: Option<String>,
    /// Whether a note has told of it already.
    failure_told: bool,
    workloads: Workloads,
    nodes: Nodes,
}

/// What was said of the nodes of a cluster.
#[derive(Debug, Default)]
struct Nodes {
    /// The last word on each.
    last: BTreeMap<Arc<str>, NodeState>,
    /// Those that have not said yet what is open, or that there is no way to them.
    awaited: BTreeSet<Arc<str>>,
    /// Why they are lost, as far as it was told.
    told: BTreeMap<Arc<str>, String>,
}

/// Whether any row was of a pod or of a container, and whether their lack was told.
#[derive(Debug, Default)]
struct Workloads {
    pods: bool,
    containers: bool,
    told: bool,
}

impl Transcript {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            notes: Vec::new(),
            began: false,
            unlisted: 0,
            rows: 0,
            bye: Bye::default(),
            failure: None,
            failure_told: false,
            workloads: Workloads::default(),
            nodes: Nodes::default(),
        }
    }

    /// Appends what an update says.
    pub(super) fn update(&mut self, update: Update, out: &mut Vec<u8>) -> Step {
        match update {
            Update::Hello(hello) => self.hello(&hello, out),
            Update::Batch(batch) => self.batch(&batch, out),
            Update::Meta(meta) => {
                if let (Writing::Json(_), true) = (&self.options.writing, self.began) {
                    wire::meta(&meta, out);
                }
                Step::More
            }
            Update::Note(note) => {
                self.notes.extend(note);
                Step::More
            }
            Update::State(state) if self.options.cluster => self.node(&state, out),
            Update::State(state) => {
                match state.state {
                    SourceState::Lost(why) => {
                        if self.began {
                            self.notes.push(why.clone());
                        }
                        self.failure = Some(why);
                        self.failure_told = self.began;
                    }
                    SourceState::Live => self.failure = None,
                    SourceState::Connecting | SourceState::Ended => {}
                }
                Step::More
            }
        }
    }

    /// What a person is to be told, once.
    pub(super) fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// The source is not waited for any longer: what it had yet to say is lost, and nobody knows how
    /// much that is.
    pub(super) fn cut_short(&mut self) {
        const WHY: &str = "the last events were not read in time";
        self.bye.reason = Some(WHY.to_owned());
        self.notes.push(WHY.to_owned());
    }

    /// Appends the last line.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if let (Writing::Json(_), true) = (&self.options.writing, self.began) {
            self.bye.reason = self.failure.clone().or(self.bye.reason.take());
            wire::bye(&self.bye, out);
        }
    }

    /// Whether there was a greeting.
    pub(super) fn began(&self) -> bool {
        self.began
    }

    /// Why it failed, if it did.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Whether the failure was among the notes: it need not be told again.
    pub(super) fn failure_is_told(&self) -> bool {
        self.failure_told
    }

    fn hello(&mut self, hello: &Hello, out: &mut Vec<u8>) -> Step {
        match &self.options.writing {
            Writing::Json(_) => wire::hello(hello, out),
            Writing::Table(table) if !self.began && self.options.headers => table.header(out),
            Writing::Table(_) => {}
        }
        self.unlisted += hello.seeded;
        self.nodes.awaited.remove(&hello.node);
        let began = std::mem::replace(&mut self.began, true);
        if self.options.cluster && !began {
            // The greeting is the first line; what was said before it comes after it.
            self.failure = None;
            if let Writing::Json(_) = self.options.writing {
                for state in self.nodes.last.values() {
                    wire::node(state, out);
                }
            }
        }
        match began {
            _ if self.is_listed() => Step::Enough,
            false => Step::Began,
            true => Step::More,
        }
    }

    /// Whether all is listed that was asked for.
    fn is_listed(&self) -> bool {
        self.options.snapshot && self.began && self.unlisted == 0 && self.nodes.awaited.is_empty()
    }

    /// A node of a cluster: the others go on whatever becomes of it.
    fn node(&mut self, state: &NodeState, out: &mut Vec<u8>) -> Step {
        let before = self
            .nodes
            .last
            .insert(Arc::clone(&state.node), state.clone());
        match &state.state {
            SourceState::Connecting => {
                if before.is_none() {
                    self.nodes.awaited.insert(Arc::clone(&state.node));
                }
            }
            SourceState::Live => {}
            SourceState::Ended => {
                self.nodes.awaited.remove(&state.node);
            }
            SourceState::Lost(why) => {
                self.nodes.awaited.remove(&state.node);
                if !self.began {
                    self.failure = Some(why.clone());
                    self.failure_told = true;
                }
                self.note_of_node(&state.node, why);
            }
        }
        if let (Writing::Json(_), true) = (&self.options.writing, self.began) {
            wire::node(state, out);
        }
        if self.is_listed() {
            Step::Enough
        } else {
            Step::More
        }
    }

    /// Tells why a node is lost, once for each reason.
    fn note_of_node(&mut self, node: &Arc<str>, why: &str) {
        if self.nodes.told.get(node).is_none_or(|told| told != why) {
            self.nodes.told.insert(Arc::clone(node), why.to_owned());
            self.notes.push(format!("{node}: {why}"));
        }
    }

    fn batch(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Step {
        for event in &batch.events {
            let listed = event.kind.is_none();
            self.unlisted -= u64::from(listed && self.unlisted > 0);
            self.workloads.pods |= event.origin.pod.is_some();
            self.workloads.containers |= event.origin.container.is_some();
            if listed == self.options.snapshot && self.options.filter.matches(event) {
                self.row(event, out);
                if self.options.count == Some(self.rows) {
                    return Step::Enough;
                }
            }
        }
        for lost in &batch.lost {
            self.lost(&batch.node, lost, out);
        }
        self.tell_of_workloads();
        if self.is_listed() {
            Step::Enough
        } else {
            Step::More
        }
    }

    fn row(&mut self, event: &Event, out: &mut Vec<u8>) {
        self.rows += 1;
        self.bye.events += u64::from(event.kind.is_some());
        match &mut self.options.writing {
            Writing::Json(encoder) => encoder.event(event, out),
            Writing::Table(table) => table.row(event, out),
        }
    }

    fn lost(&mut self, node: &str, lost: &Lost, out: &mut Vec<u8>) {
        self.bye.lost += lost.n;
        if let Writing::Json(_) = self.options.writing {
            return wire::lost(node, lost, out);
        }
        let (n, word) = (format::count(lost.n), lost.kind.word());
        let advice = match lost.kind {
            LossKind::Ring => ": a larger --buffer, or a faster reader, loses less",
            _ => "",
        };
        self.notes
            .push(format!("{n} events were lost on {node} ({word}){advice}"));
    }

    /// Where the filter asks for a pod or container, and what was open at the start has none, the
    /// reader may wait for ever.
    fn tell_of_workloads(&mut self) {
        if self.workloads.told || self.unlisted > 0 || self.options.cluster {
            return;
        }
        self.workloads.told = true;
        let asks = |key| self.options.filter.needs(key);
        let (what, options) = if !self.workloads.pods && (asks(Key::Namespace) || asks(Key::Pod)) {
            ("pod", "--namespace or --pod")
        } else if !self.workloads.containers && asks(Key::Container) {
            ("container", "--container")
        } else {
            return;
        };
        self.notes.push(format!(
            "no {what} has a connection on this host so far: nothing matches {options}"
        ));
    }
}

#[cfg(test)]
mod tests;
