//! Marking rows.

use collector::format::count;
use collector::model::{ConnKey, EventId};

use super::{App, Message, Pane};
use crate::action::Tab;
use crate::view::{MOST_MARKS, Marks, Rows};

impl<I: Rows<Key: Ord>> Pane<I> {
    fn selected(&self, height: usize) -> Option<usize> {
        self.window.visible(&self.index, height).selected
    }

    /// Marks the selected row, or takes its mark away.
    fn mark(&mut self, height: usize) -> Option<Message> {
        let key = self.selected(height).and_then(|at| self.index.key(at));
        let Some(key) = key else {
            return Some(no_row());
        };
        self.marks.toggle(key).err().map(|_| full())
    }

    /// Marks all rows from the one that was marked last to the selected one.
    fn mark_range(&mut self, height: usize) -> Option<Message> {
        let Some(selected) = self.selected(height) else {
            return Some(no_row());
        };
        let from = self.marks.from().and_then(|key| {
            let at = self.index.find(key, 0);
            (self.index.key(at) == Some(key)).then_some(at)
        });
        let Some(from) = from else {
            let marked = self.marks.mark(self.index.key(selected));
            return Some(marked.map_or_else(
                |_| full(),
                |()| Message::note("marked: move, and mark the range from here"),
            ));
        };
        let index = &self.index;
        let range = from.min(selected)..=from.max(selected);
        // Outwards from where it begins, so that it ends, or the next one begins, at the selection.
        let marked = if from <= selected {
            self.marks.mark(range.filter_map(|at| index.key(at)))
        } else {
            self.marks.mark(range.rev().filter_map(|at| index.key(at)))
        };
        marked.err().map(|_| full())
    }
}

fn no_row() -> Message {
    Message::note("no row is selected: move first")
}

fn full() -> Message {
    let most = count(MOST_MARKS as u64);
    Message::bad(format!("{most} rows are marked, which is the most"))
}

impl App {
    pub(super) fn mark(&mut self, range: bool) {
        let height = self.height();
        let message = match (self.tab, range) {
            (Tab::Events, false) => self.events.mark(height),
            (Tab::Events, true) => self.events.mark_range(height),
            (Tab::Connections, false) => self.connections.mark(height),
            (Tab::Connections, true) => self.connections.mark_range(height),
            _ => Some(Message::note(
                "sums are not marked: Enter opens the rows behind one",
            )),
        };
        self.message = message;
    }

    /// Takes away the marks of the view; whether there were any.
    pub(super) fn unmark(&mut self) -> bool {
        let there_were = self.has_marks();
        match self.tab {
            Tab::Events => self.events.marks.clear(),
            Tab::Connections => self.connections.marks.clear(),
            _ => {}
        }
        there_were
    }

    /// Forgets the marks of rows that are gone.
    pub(super) fn settle_marks(&mut self) {
        let first = self.store.log().first();
        self.events.marks.forget_before(first);
    }

    /// There are marks in the view, or there were until their rows went.
    pub(crate) fn has_marks(&self) -> bool {
        self.marked() != (0, 0)
    }

    /// How many rows of the view are marked, and how many more were that are gone.
    pub(crate) fn marked(&self) -> (usize, u64) {
        match self.tab {
            Tab::Events => counts(&self.events.marks),
            Tab::Connections => counts(&self.connections.marks),
            _ => (0, 0),
        }
    }

    pub(crate) fn is_marked_event(&self, id: EventId) -> bool {
        self.events.marks.has(id)
    }

    pub(crate) fn is_marked_connection(&self, key: ConnKey) -> bool {
        self.connections.marks.has(key)
    }
}

fn counts<K: Copy + Ord>(marks: &Marks<K>) -> (usize, u64) {
    (marks.len(), marks.gone())
}
