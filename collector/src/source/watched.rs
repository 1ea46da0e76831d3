//! What a source says of those connections that a filter wants, and of no others.
//!
//! The filter is asked once a connection, about the first that is heard of it: what follows goes the
//! same way, so that nothing is open for ever because its ending has no name.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tokio_stream::StreamExt;

use super::Updates;
use crate::filter::Filter;
use crate::model::{ConnId, Event, Phase, Update};

/// Of so many connections it is remembered which way they went; the others are asked about again.
const MOST: usize = 262_144;

/// Lets pass what the filter wants; whoever greets says by which filter.
#[must_use]
pub fn start(updates: Updates, filter: Filter) -> Updates {
    let mut watched = Watched {
        text: filter.to_string().into(),
        filter,
        known: FxHashMap::default(),
    };
    Box::pin(updates.map(move |update| watched.take(update)))
}

struct Watched {
    filter: Filter,
    text: Arc<str>,
    known: FxHashMap<ConnId, bool>,
}

impl Watched {
    fn take(&mut self, mut update: Update) -> Update {
        match &mut update {
            Update::Hello(hello) => hello.filter = Some(Arc::clone(&self.text)),
            Update::Batch(batch) => batch.events.retain(|event| self.wants(event)),
            Update::State(_) | Update::Meta(_) | Update::Note(_) => {}
        }
        update
    }

    fn wants(&mut self, event: &Event) -> bool {
        let is_end = event.phase == Some(Phase::End);
        let known = if is_end {
            self.known.remove(&event.conn)
        } else {
            self.known.get(&event.conn).copied()
        };
        let wanted = known.unwrap_or_else(|| self.filter.matches(event));
        if known.is_none() && !is_end {
            if self.known.len() >= MOST {
                self.known.clear();
            }
            self.known.insert(event.conn, wanted);
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;

    fn watched(filter: &str) -> Watched {
        let filter = Filter::lasting(filter).unwrap();
        Watched {
            text: filter.to_string().into(),
            filter,
            known: FxHashMap::default(),
        }
    }

    fn named(mut event: Event, pod: Option<&str>) -> Event {
        Arc::make_mut(&mut event.origin).pod = pod.map(Into::into);
        event
    }

    #[test]
    fn an_ending_goes_the_way_of_its_opening() {
        for (filter, pass) in [("pod:cart", true), ("!pod:cart", false)] {
            let mut watched = watched(filter);
            assert_eq!(
                watched.wants(&named(sample::connect(1, 1), Some("cart"))),
                pass
            );
            // Nobody's, and therefore without a name.
            assert_eq!(watched.wants(&named(sample::close(1, 1), None)), pass);
            assert!(watched.known.is_empty());
        }
    }

    #[test]
    fn an_ending_of_which_nothing_is_known_is_asked_about() {
        let mut watched = watched("pod:cart");
        assert!(!watched.wants(&named(sample::close(1, 1), None)));
        assert!(watched.wants(&named(sample::close(2, 1), Some("cart"))));
        assert!(watched.known.is_empty());
    }
}
