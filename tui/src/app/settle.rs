//! Bringing what is shown up to date with the model.

use std::ops::Range;

use collector::model::{Connection, EventId, Part};

use super::{App, By, Pane, Scope, Sieve};
use crate::action::Tab;
use crate::columns::{Row, newest};
use crate::view::{Judge, Value};

/// Rows that are looked at, and brought into their order, in one go when that or the filter has
/// changed: some milliseconds' worth, if each event has to be looked at by itself.
const PIECE: usize = 16_384;

impl App {
    /// Brings the lists up to date with the model, unless they are frozen.
    pub(super) fn settle(&mut self) {
        self.settle_events();
        if self.tab == Tab::Connections {
            self.settle_connections();
        }
        self.settle_list();
        self.settle_detail();
        self.settle_marks();
        self.settle_export();

        if let Some(mut frozen) = self.frozen.take() {
            frozen.hold(self);
            self.frozen = Some(frozen);
        }
    }

    fn settle_events(&mut self) {
        let (store, sieve) = (&self.store, &self.sieve);
        let events = &mut self.events;
        if self.frozen.is_none() {
            events.index.follow(store.log().range());
        }
        let by = self.sorts[Tab::Events as usize];
        let part = by.map_or(Part::What, |by| by.column.part());
        let select = |ids: Range<EventId>, out: &mut Vec<EventId>| {
            let start = out.len();
            sieve.select(store.log(), ids, out);
            if let Some(scope) = &sieve.scope {
                let mut selected = out.split_off(start);
                selected.retain(|id| {
                    let event = store.log().get(*id);
                    event.is_some_and(|event| scope.has_event(*id, &event, store))
                });
                out.append(&mut selected);
            }
        };
        events
            .index
            .catch_up(store.log(), PIECE, select, part, |event| {
                let connection = None;
                by.map_or(Value::Unknown, |by| {
                    by.column.value(Row { event, connection })
                })
            });
        // Nothing that is frozen moves, but what somebody asks for then is to be shown.
        let moved = self.frozen.as_ref().map_or(self.moved, |_| self.now);
        let mut shifted = false;
        if let Some(scope) = sieve.scope.as_ref().filter(|scope| scope.loses()) {
            let stays = |id| !scope.has_lost(id, store);
            let changes = store.connections().cursor();
            shifted = events.index.sift(changes, self.now, moved, stays);
        }
        let moved = events.index.arrange(PIECE, self.now, moved) || shifted;
        if moved || !events.index.is_sorted() {
            events.window.settle(&events.index);
        }
    }

    fn settle_connections(&mut self) {
        let judge = Rule {
            sieve: &self.sieve,
            by: self.sorts[Tab::Connections as usize],
        };
        let all = self.store.connections();
        let Pane {
            index,
            window,
            marks,
        } = &mut self.connections;
        let mut moved = index.catch_up(all, PIECE, self.now, &judge);
        if self.frozen.is_none() {
            moved |= index.arrange(all, PIECE, self.now, self.moved, &judge);
        } else {
            index.hold();
        }
        if moved {
            window.settle(index);
            marks.forget_unless(|key| all.get(key).is_some());
        }
    }
}

/// Which connections pass, and what they are sorted by.
struct Rule<'a> {
    sieve: &'a Sieve,
    by: Option<By>,
}

impl Judge for Rule<'_> {
    fn passes(&self, connection: &Connection) -> bool {
        let within = |scope: &Scope| scope.has_connection(connection);
        self.sieve.passes(&connection.row) && self.sieve.scope.as_ref().is_none_or(within)
    }

    fn value<'a>(&self, connection: &'a Connection) -> Value<'a> {
        let row = Row {
            event: &connection.row,
            connection: Some(connection),
        };
        self.by
            .map_or_else(|| newest(connection), |by| by.column.value(row))
    }
}
