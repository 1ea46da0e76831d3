//! What the client knows of a cluster and an agent does not: who has the other end's address, and
//! which pods have which labels.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::merge::Dated;
use crate::kube::deploy::NAMES;
use crate::kube::labels::Labelled;
use crate::kube::peers::{Followed, Known};
use crate::model::{Batch, Hello, SourceState, Timestamp, Update};

/// Adds to updates what is known here.
pub(super) struct Names {
    pub(super) peers: Followed,
    pub(super) labelled: Option<Labelled>,
}

impl Names {
    /// Passes updates on, named, until they end or nobody listens.
    pub(super) async fn name(
        mut self,
        mut updates: mpsc::Receiver<Dated>,
        reader: mpsc::Sender<Dated>,
    ) {
        self.peers.ready().await;
        let mut known = self.peers.known();
        known.mark_changed();
        let mut greetings = Greetings::default();
        let mut notes = Notes::default();
        loop {
            let (told, ahead) = tokio::select! {
                changed = known.changed(), if !notes.kinds_are_final => {
                    match changed {
                        Ok(()) => notes.kinds = without_names(&known.borrow_and_update()),
                        Err(_) => notes.kinds_are_final = true,
                    }
                    (Vec::new(), 0)
                }
                dated = updates.recv() => {
                    let Some(Dated { mut update, ahead }) = dated else { return };
                    match &mut update {
                        Update::Batch(batch) => self.name_peers(batch, ahead),
                        Update::Hello(hello) => {
                            notes.clock(&hello.node, ahead);
                            notes.filter(&hello.node, hello.filter.as_ref());
                            notes.degraded(hello);
                        }
                        Update::State(_) | Update::Meta(_) | Update::Note(_) => {}
                    }
                    let told = match (&self.labelled, &update) {
                        (None, _) => vec![update],
                        (Some(labelled), Update::Meta(meta)) if !labelled.has(&meta.origin) => {
                            Vec::new()
                        }
                        (Some(labelled), _) => greetings.pass(update, |batch| {
                            batch.events.retain(|event| labelled.has(&event.origin));
                        }),
                    };
                    (told, ahead)
                }
            };
            let note = notes.news();
            for update in told.into_iter().chain(note) {
                if reader.send(Dated { update, ahead }).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Who had an address is asked for the time of the event, by this host's clock: nearer than the
    /// node's to that of the API server's objects, or as near.
    fn name_peers(&self, batch: &mut Batch, ahead: i64) {
        let peers = self.peers.peers();
        let peers = peers.lock().unwrap_or_else(PoisonError::into_inner);
        for event in &mut batch.events {
            if event.peer.is_none() {
                let at = Timestamp(event.ts.0.saturating_sub(ahead));
                event.peer = peers.at(event.remote, at);
            }
        }
    }
}

/// A difference of clocks that is worth a word.
const ODD: Duration = Duration::from_secs(1);

/// What a person ought to know while events arrive.
#[derive(Debug, Default)]
struct Notes {
    kinds: Option<String>,
    kinds_are_final: bool,
    clocks: BTreeMap<Arc<str>, String>,
    /// By what the agents of nodes watch, if not all.
    filters: BTreeMap<Arc<str>, Arc<str>>,
    degraded: BTreeMap<Arc<str>, String>,
    told: Option<String>,
}

impl Notes {
    fn clock(&mut self, node: &Arc<str>, ahead: i64) {
        let by = Duration::from_nanos(ahead.unsigned_abs());
        if by < ODD {
            self.clocks.remove(node);
            return;
        }
        let side = if ahead > 0 { "ahead" } else { "behind" };
        let said = format!("the clock of {node} is {:.1} s {side}", by.as_secs_f64());
        self.clocks.insert(Arc::clone(node), said);
    }

    fn filter(&mut self, node: &Arc<str>, filter: Option<&Arc<str>>) {
        match filter {
            Some(filter) => drop(self.filters.insert(Arc::clone(node), Arc::clone(filter))),
            None => drop(self.filters.remove(node)),
        }
    }

    fn degraded(&mut self, hello: &Hello) {
        match hello.degraded_sentence() {
            Some(said) => drop(self.degraded.insert(Arc::clone(&hello.node), said)),
            None => drop(self.degraded.remove(&hello.node)),
        }
    }

    /// By each filter, how many nodes are watched.
    fn filtered(&self) -> Option<String> {
        let mut nodes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (node, filter) in &self.filters {
            nodes.entry(filter).or_default().push(node);
        }
        let said = nodes.into_iter().map(|(filter, nodes)| match *nodes {
            [node] => format!("the agent of {node} watches `{filter}` only"),
            _ => format!("the agents of {} nodes watch `{filter}` only", nodes.len()),
        });
        let said: Vec<String> = said.collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// What is to be said now, if it is not what was said last.
    fn news(&mut self) -> Option<Update> {
        let filtered = self.filtered();
        let all: Vec<&str> = self
            .kinds
            .iter()
            .chain(&filtered)
            .chain(self.degraded.values())
            .chain(self.clocks.values())
            .map(String::as_str)
            .collect();
        let said = (!all.is_empty()).then(|| all.join("; "));
        (said != self.told).then(|| {
            self.told.clone_from(&said);
            Update::Note(said)
        })
    }
}

/// Which other ends stay addresses, why, and what mends it where that is known.
fn without_names(known: &Known) -> Option<String> {
    let lacking = known
        .iter()
        .filter_map(|(source, known)| Some((source, known.as_ref().err()?)));
    let (kinds, whys): (Vec<&str>, Vec<&String>) =
        lacking.map(|(source, why)| (source.word(), why)).unzip();
    let why = whys.first()?;
    // The API server's own sentence, which names user, verb and resource at length.
    let why = if why.contains("is forbidden") {
        format!("you may not list them; the cluster role {NAMES} lets you")
    } else {
        (*why).clone()
    };
    let kinds = kinds.join(", ");
    Some(format!("no names for other ends that are {kinds}: {why}"))
}

/// Greetings say how many sockets are listed after them. Where some of these are left out here, a
/// greeting waits until its list is whole.
#[derive(Debug, Default)]
struct Greetings(BTreeMap<Arc<str>, Waiting>);

#[derive(Debug)]
struct Waiting {
    hello: Hello,
    /// How many of its list are still to come.
    left: u64,
    /// How many of those that came are left in.
    kept: u64,
    after: Vec<Update>,
}

impl Greetings {
    /// What can be told after this update; `sift` leaves out of a batch what is not wanted.
    fn pass(&mut self, update: Update, sift: impl Fn(&mut Batch)) -> Vec<Update> {
        match update {
            Update::Hello(hello) => {
                let waiting = Waiting {
                    left: hello.seeded,
                    kept: 0,
                    after: Vec::new(),
                    hello,
                };
                let node = Arc::clone(&waiting.hello.node);
                self.0.insert(Arc::clone(&node), waiting);
                self.release(&node, false)
            }
            Update::State(state) => {
                let node = Arc::clone(&state.node);
                let goes_on = state.state == SourceState::Live;
                match self.0.get_mut(&node) {
                    Some(waiting) => waiting.after.push(Update::State(state)),
                    None => return vec![Update::State(state)],
                }
                self.release(&node, !goes_on)
            }
            Update::Meta(meta) => match self.0.get_mut(&meta.origin.node) {
                Some(waiting) => {
                    waiting.after.push(Update::Meta(meta));
                    Vec::new()
                }
                None => vec![Update::Meta(meta)],
            },
            note @ Update::Note(_) => vec![note],
            Update::Batch(mut batch) => {
                let node = Arc::clone(&batch.node);
                let listed = |batch: &Batch| {
                    let rows = batch.events.iter().filter(|event| event.kind.is_none());
                    rows.count() as u64
                };
                let all = listed(&batch);
                sift(&mut batch);
                match self.0.get_mut(&node) {
                    Some(waiting) => {
                        waiting.left = waiting.left.saturating_sub(all);
                        waiting.kept += listed(&batch);
                        waiting.after.push(Update::Batch(batch));
                    }
                    None => return vec![Update::Batch(batch)],
                }
                self.release(&node, false)
            }
        }
    }

    /// What has waited for a list, when that is whole or will not be.
    fn release(&mut self, node: &Arc<str>, now: bool) -> Vec<Update> {
        if !now && self.0.get(node).is_none_or(|waiting| waiting.left > 0) {
            return Vec::new();
        }
        let Some(mut waiting) = self.0.remove(node) else {
            return Vec::new();
        };
        waiting.hello.seeded = waiting.kept;
        let mut told = vec![Update::Hello(waiting.hello)];
        told.append(&mut waiting.after);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::peers::Source;
    use crate::model::{Event, NodeState, Timestamp, sample};

    fn hello(seeded: u64) -> Update {
        Update::Hello(Hello {
            node: "n1".into(),
            version: Some("0.1.0".into()),
            kernel: "6.12".into(),
            accept_hook: None,
            filter: None,
            degraded: Vec::new(),
            seeded,
            ts: Timestamp(0),
        })
    }

    fn state(state: SourceState) -> Update {
        Update::State(NodeState {
            node: "n1".into(),
            state,
            via: None,
        })
    }

    fn batch(events: Vec<Event>) -> Update {
        Update::Batch(Batch {
            node: "n1".into(),
            events,
            lost: Vec::new(),
        })
    }

    /// Leaves out connections with odd ids.
    fn sift(batch: &mut Batch) {
        batch.events.retain(|event| event.conn.0.is_multiple_of(2));
    }

    #[test]
    fn a_greeting_counts_what_is_left_of_its_list() {
        let mut greetings = Greetings::default();
        assert!(greetings.pass(hello(3), sift).is_empty());
        assert!(greetings.pass(state(SourceState::Live), sift).is_empty());
        let listed = vec![sample::listed(1, 1), sample::listed(2, 1)];
        assert!(greetings.pass(batch(listed), sift).is_empty());
        let rest = vec![sample::listed(3, 1), sample::connect(4, 1)];
        let told = greetings.pass(batch(rest), sift);
        assert_eq!(told.len(), 4);
        assert_eq!((&told[0], &told[1]), (&hello(1), &state(SourceState::Live)));
        let told = greetings.pass(batch(vec![sample::connect(6, 1)]), sift);
        assert_eq!(told.len(), 1);
    }

    #[test]
    fn an_empty_list_is_whole_at_once_and_a_lost_node_waits_for_none() {
        let mut greetings = Greetings::default();
        assert_eq!(greetings.pass(hello(0), sift), [hello(0)]);
        greetings.pass(hello(9), sift);
        let lost = || state(SourceState::Lost("gone".to_owned()));
        assert_eq!(greetings.pass(lost(), sift), [hello(0), lost()]);
        assert_eq!(greetings.pass(lost(), sift), [lost()]);
    }

    #[test]
    fn a_note_says_what_has_no_names_and_whose_clock_is_odd_once() {
        let mut known = Known::new();
        known.insert(Source::Pods, Ok(()));
        assert_eq!(without_names(&known), None);
        for kind in [Source::Services, Source::Nodes] {
            known.insert(kind, Err("services is forbidden: User …".to_owned()));
        }
        let mut notes = Notes {
            kinds: without_names(&known),
            ..Notes::default()
        };
        let kinds = "no names for other ends that are services, nodes: you may not list them; the \
                     cluster role tcpscope-names lets you";
        assert_eq!(notes.news(), Some(Update::Note(Some(kinds.to_owned()))));
        assert_eq!(notes.news(), None);
        let node = "n1".into();
        notes.clock(&node, -3_210_000_000);
        let both = format!("{kinds}; the clock of n1 is 3.2 s behind");
        assert_eq!(notes.news(), Some(Update::Note(Some(both))));
        notes.clock(&node, 900_000_000);
        notes.kinds = None;
        assert_eq!(notes.news(), Some(Update::Note(None)));
    }
}
