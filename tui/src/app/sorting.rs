//! By which column each view is sorted.

use super::App;
use crate::action::{Side, Tab};
use crate::columns::{Choice, Column};
use crate::view::{ConnectionIndex, Home};

/// A column to sort by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct By {
    pub(crate) column: Column,
    /// From the greatest to the least.
    pub(crate) inverted: bool,
}

impl By {
    /// The way a column is sorted at first.
    pub(super) fn at_first(column: Column) -> Self {
        Self {
            column,
            inverted: column.is_figure(),
        }
    }

    /// Events as they came.
    fn is_time(&self) -> bool {
        self.column.name == "TIME"
    }
}

/// What each view is sorted by at first; `None` where it has an order of its own.
pub(super) fn at_first() -> [Option<By>; Tab::ALL.len()] {
    Tab::ALL.map(|tab| match tab {
        Tab::Events => Column::named("TIME").map(By::at_first),
        Tab::Pods => Choice::list(tab, true).find("OPEN").map(By::at_first),
        Tab::Types => Choice::list(tab, true).find("COUNT").map(By::at_first),
        Tab::Connections | Tab::Problems | Tab::Nodes => None,
    })
}

impl App {
    /// What the view is sorted by; `None` where it has an order of its own.
    pub(crate) fn sort(&self) -> Option<By> {
        self.sorts[self.tab as usize]
    }

    /// Sorts the view by a column.
    pub(super) fn sort_by(&mut self, by: By) {
        self.sorts[self.tab as usize] = Some(by);
        self.resort();
    }

    /// Sorts the view by the next column on that side of the one that it is sorted by.
    pub(super) fn sort_beside(&mut self, side: Side) {
        let columns = match self.wide {
            None => self.choice().fit(self.size.width),
            Some(_) => self.choice().wide(),
        };
        let now = self.sort().map(|by| by.column.name);
        let place = now.and_then(|name| columns.iter().position(|(c, _)| c.name == name));
        let next = match (place, side) {
            (Some(place), Side::Left) => place.saturating_sub(1),
            (Some(place), Side::Right) => (place + 1).min(columns.len().saturating_sub(1)),
            // Not sorted by anything that is to be seen.
            (None, Side::Left) => columns.len().saturating_sub(1),
            (None, Side::Right) => 0,
        };
        if let Some((column, _)) = columns.get(next)
            && place != Some(next)
        {
            self.sort_by(By::at_first(*column));
        }
        self.pan_to(next);
    }

    /// In the wide layout, moves the columns so that the one at a place is on the screen.
    fn pan_to(&mut self, place: usize) {
        let Some(first) = self.wide else { return };
        let columns = self.choice().wide();
        let cells = |first: usize| {
            let widths = columns.get(first..=place).unwrap_or_default();
            widths
                .iter()
                .map(|(_, w)| usize::from(*w) + 1)
                .sum::<usize>()
        };
        let mut first = first.min(place);
        while first < place && cells(first) > usize::from(self.size.width) + 1 {
            first += 1;
        }
        self.wide = Some(first);
    }

    /// Sorts by the column whose title is at a cell of the screen; again, the other way round.
    pub(super) fn sort_at(&mut self, cell: u16) {
        let columns = crate::columns::placed(self.choice(), self.wide, self.size.width);
        let hit = columns.iter().rev().find(|placed| placed.x <= cell);
        let Some(column) = hit.map(|placed| placed.column) else {
            return;
        };
        match self.sort() {
            Some(by) if by.column.name == column.name => self.invert(),
            _ => self.sort_by(By::at_first(column)),
        }
    }

    /// Turns the order around.
    pub(super) fn invert(&mut self) {
        match &mut self.sorts[self.tab as usize] {
            Some(by) => by.inverted = !by.inverted,
            None => return,
        }
        match self.tab {
            Tab::Events => {
                self.events.index.invert();
                self.events.settle();
            }
            Tab::Connections => {
                self.connections.index.invert();
                self.connections.settle();
            }
            list => self.lists.pane_mut(list).index.restart(),
        }
        self.go_home();
    }

    /// The view is sorted by something else now.
    pub(super) fn resort(&mut self) {
        let by = self.sort();
        match self.tab {
            Tab::Events => {
                let pane = &mut self.events;
                let from = pane.window.wanted().unwrap_or(self.store.log().end());
                match by {
                    Some(by) if !by.is_time() => pane.index.sort(by.inverted, from),
                    by => pane.index.chronological(by.is_some_and(|by| by.inverted)),
                }
            }
            Tab::Connections => {
                let inverted = by.is_none_or(|by| by.inverted);
                self.connections.index = ConnectionIndex::new(inverted);
            }
            list => self.lists.pane_mut(list).index.restart(),
        }
        self.go_home();
    }

    /// All views are to be sorted anew.
    pub(super) fn resort_all(&mut self) {
        let now = self.tab;
        for tab in Tab::ALL {
            self.tab = tab;
            self.resort();
        }
        self.tab = now;
    }

    /// Where nothing is selected, shows the end of the list at which to look first.
    pub(super) fn go_home(&mut self) {
        let home = match self.sorts[Tab::Events as usize] {
            Some(by) if by.inverted || !by.is_time() => Home::Start,
            _ => Home::End,
        };
        self.events.window.set_home(home);
    }

    /// Follows the events as they come: what `G` means where they are sorted in another way.
    pub(super) fn restore_time(&mut self) {
        let by = &mut self.sorts[Tab::Events as usize];
        if self.tab == Tab::Events && by.is_some_and(|by| by.inverted || !by.is_time()) {
            *by = Column::named("TIME").map(By::at_first);
            self.resort();
        }
    }
}
