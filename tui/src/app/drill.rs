//! From a row to what is behind it, and back.

use super::App;
use crate::action::Tab;
use crate::view::Rows;

impl App {
    /// Opens what is behind the selected row; in a detail, the other end of the connection.
    pub(super) fn drill(&mut self) {
        if !self.details.is_empty() {
            self.open_other_end();
            return;
        }
        let Some(place) = self.visible().selected else {
            return;
        };
        match self.tab {
            Tab::Events => self.open_detail(None, self.events.index.key(place)),
            Tab::Connections => self.open_detail(self.connections.index.key(place), None),
        }
    }

    /// There is something behind what is shown or selected.
    pub(super) fn can_drill(&self) -> bool {
        if self.details.is_empty() {
            self.visible().selected.is_some()
        } else {
            self.has_other_end()
        }
    }

    /// Goes back one step. Says whether there was one.
    pub(super) fn step_back(&mut self) -> bool {
        self.details.pop().is_some()
    }

    /// There is a step back.
    pub(super) fn is_drilled(&self) -> bool {
        !self.details.is_empty()
    }
}
