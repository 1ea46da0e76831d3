//! What holds still while the view is paused.

use std::collections::hash_map::Entry;

use collector::model::{ConnKey, Connection, Event, EventId, Timestamp};
use rustc_hash::FxHashMap;

use crate::app::{App, Copied, Sum};
use crate::columns::Item;

/// Rows that are held at most; those on the screen are always among them.
const HELD: usize = 4_096;

/// Copies of the rows that were on the screen while it was paused: capture goes on, and may evict
/// or end what somebody is reading.
#[derive(Debug)]
pub(crate) struct Frozen {
    at: EventId,
    since: Timestamp,
    events: FxHashMap<EventId, Event>,
    connections: FxHashMap<ConnKey, Connection>,
    sums: FxHashMap<Sum, Copied>,
}

impl Frozen {
    /// Paused when this would have been the next event.
    pub(crate) fn new(at: EventId, since: Timestamp) -> Self {
        Self {
            at,
            since,
            events: FxHashMap::default(),
            connections: FxHashMap::default(),
            sums: FxHashMap::default(),
        }
    }

    /// Makes copies of the rows on the screen that are not held yet.
    pub(crate) fn hold(&mut self, app: &App) {
        if self.events.len() > HELD {
            let shown: Vec<EventId> = app.visible_events().collect();
            self.events.retain(|id, _| shown.contains(id));
        }
        for id in app.visible_events() {
            if let Entry::Vacant(free) = self.events.entry(id)
                && let Some(event) = app.store().log().get(id)
            {
                free.insert(event);
            }
        }
        if self.connections.len() > HELD {
            let shown: Vec<ConnKey> = app.visible_connections().collect();
            self.connections.retain(|key, _| shown.contains(key));
        }
        for key in app.visible_connections() {
            if let Some(connection) = app.store().connections().get(key) {
                self.connections
                    .entry(key)
                    .or_insert_with(|| connection.clone());
            }
        }
        if self.sums.len() > HELD {
            let shown: Vec<Sum> = app.visible_sums().collect();
            self.sums.retain(|sum, _| shown.contains(sum));
        }
        for sum in app.visible_sums() {
            if !self.sums.contains_key(&sum)
                && let Some(copied) = app.item(sum).and_then(Copied::of)
            {
                self.sums.insert(sum, copied);
            }
        }
    }

    /// A row of a list, if it is held.
    pub(crate) fn sum(&self, sum: Sum) -> Option<Item<'_>> {
        self.sums.get(&sum).map(Copied::item)
    }

    /// The first event that came after.
    pub(crate) fn at(&self) -> EventId {
        self.at
    }

    /// When it was paused.
    pub(crate) fn since(&self) -> Timestamp {
        self.since
    }

    /// All events that are held.
    pub(crate) fn events(&self) -> &FxHashMap<EventId, Event> {
        &self.events
    }

    /// An event, if it is held.
    pub(crate) fn event(&self, id: EventId) -> Option<&Event> {
        self.events.get(&id)
    }

    /// A connection, if it is held.
    pub(crate) fn connection(&self, key: ConnKey) -> Option<&Connection> {
        self.connections.get(&key)
    }
}
