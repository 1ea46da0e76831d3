//! Which rows of a list are on the screen, and which of them is selected. Pure.
//!
//! A selection holds on to a row by what names it. Rows may come, go and change places around it:
//! it stays at the same line of the screen for as long as there are rows enough to allow that.

/// A list of rows that have names.
pub(crate) trait Rows {
    /// What names a row.
    type Key: Copy + PartialEq;

    /// How many rows there are.
    fn len(&self) -> usize;

    /// The name of the row at a place.
    fn key(&self, place: usize) -> Option<Self::Key>;

    /// Where the row of that name is; if it is gone, what comes closest, `last` being where it was.
    fn find(&self, key: Self::Key, last: usize) -> usize;
}

/// What the window holds on to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Anchor<K> {
    /// The first row, whichever that is.
    Start,
    /// The last row, whichever that is: new rows move the others up, as in `less +F`.
    End,
    /// A row, at a line of the screen.
    Row {
        key: K,
        /// Where it was in the list.
        place: usize,
        /// Lines between the top of the window and the row.
        line: usize,
    },
}

/// A window over a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<K> {
    anchor: Anchor<K>,
    /// Where new rows come in, and where the window is to begin with.
    home: Home,
}

/// The end of a list that a window can hold on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    Start,
    End,
}

/// A way to move the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Motion {
    Up,
    Down,
    HalfPageUp,
    HalfPageDown,
    PageUp,
    PageDown,
    First,
    Last,
}

impl Motion {
    /// The first line on a screen of that height, of a text that is moved in; the end is not known
    /// here.
    pub(crate) fn scrolled(self, line: usize, height: usize) -> usize {
        match self {
            Self::Up => line.saturating_sub(1),
            Self::Down => line + 1,
            Self::HalfPageUp => line.saturating_sub(height / 2),
            Self::HalfPageDown => line + height / 2,
            Self::PageUp => line.saturating_sub(height),
            Self::PageDown => line + height,
            Self::First => 0,
            Self::Last => usize::MAX,
        }
    }
}

/// What is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visible {
    /// The place of the first row on the screen.
    pub(crate) top: usize,
    /// The place of the selected row.
    pub(crate) selected: Option<usize>,
}

impl<K: Copy + PartialEq> Window<K> {
    /// A window at its home, with nothing selected.
    pub(crate) fn new(home: Home) -> Self {
        let anchor = match home {
            Home::Start => Anchor::Start,
            Home::End => Anchor::End,
        };
        Self { anchor, home }
    }

    /// New rows come in at that end now: that is where the window goes, unless a row is selected.
    pub(crate) fn set_home(&mut self, home: Home) {
        if self.wanted().is_none() {
            self.anchor = Self::new(home).anchor;
        }
        self.home = home;
    }

    /// New rows move the window along.
    pub(crate) fn follows(&self) -> bool {
        matches!(self.anchor, Anchor::End)
    }

    /// The row that was selected last, even if it is not in the list at the moment.
    pub(crate) fn wanted(&self) -> Option<K> {
        match self.anchor {
            Anchor::Row { key, .. } => Some(key),
            Anchor::Start | Anchor::End => None,
        }
    }

    /// What is on a screen of `height` lines, of a list that has been settled for.
    pub(crate) fn visible(&self, rows: &impl Rows<Key = K>, height: usize) -> Visible {
        let len = rows.len();
        let highest_top = len.saturating_sub(height);
        match self.anchor {
            Anchor::Start => Visible {
                top: 0,
                selected: None,
            },
            Anchor::End => Visible {
                top: highest_top,
                selected: None,
            },
            Anchor::Row { .. } if len == 0 => Visible {
                top: 0,
                selected: None,
            },
            Anchor::Row { place, line, .. } => {
                let place = place.min(len - 1);
                let line = line.min(height.saturating_sub(1));
                Visible {
                    top: place.saturating_sub(line).min(highest_top),
                    selected: Some(place),
                }
            }
        }
    }

    /// Finds the selected row in a list that has changed; if it is gone, what stands in its place
    /// will do.
    pub(crate) fn settle(&mut self, rows: &impl Rows<Key = K>) {
        if let Anchor::Row { key, place, .. } = &mut self.anchor {
            *place = rows.find(*key, *place);
        }
    }

    /// Moves the selection, and the window so that the selection is in it.
    pub(crate) fn go(&mut self, rows: &impl Rows<Key = K>, height: usize, motion: Motion) {
        let Some(last) = rows.len().checked_sub(1) else {
            // Nothing to select; but `G` means the end of what is still to come.
            if motion == Motion::Last && self.home == Home::End {
                self.anchor = Anchor::End;
            }
            return;
        };
        let page = height.max(1);
        let half = (height / 2).max(1);
        let now = self.visible(rows, height);
        // Without a selection, moves count from just outside the end that the window holds on to.
        let from = match (now.selected, self.anchor) {
            (Some(place), _) => Some(place),
            (None, Anchor::End) => Some(last + 1),
            (None, _) => None,
        };
        let forth = |n: usize| from.map_or(n - 1, |f| f.saturating_add(n));
        let back = |n: usize| from.unwrap_or_default().saturating_sub(n);
        let line = now.selected.map(|s| s - now.top);
        match motion {
            Motion::First if self.home == Home::Start => self.anchor = Anchor::Start,
            Motion::Last if self.home == Home::End => self.anchor = Anchor::End,
            Motion::Down | Motion::HalfPageDown | Motion::PageDown if self.follows() => {}
            Motion::Up | Motion::HalfPageUp | Motion::PageUp if self.anchor == Anchor::Start => {}
            Motion::First => self.select(rows, 0, 0),
            Motion::Last => self.select(rows, last, height.saturating_sub(1)),
            Motion::Up => {
                let place = back(1);
                self.select(rows, place, place.saturating_sub(now.top));
            }
            Motion::Down => {
                let place = forth(1).min(last);
                self.select(rows, place, place.saturating_sub(now.top));
            }
            Motion::HalfPageUp => self.select(rows, back(half), line.unwrap_or(half)),
            Motion::PageUp => self.select(rows, back(page), line.unwrap_or(0)),
            Motion::HalfPageDown => {
                self.select(rows, forth(half).min(last), line.unwrap_or(half - 1));
            }
            Motion::PageDown => {
                self.select(rows, forth(page).min(last), line.unwrap_or(page - 1));
            }
        }
    }

    /// Moves the window by lines, down if positive; a selection is dragged along at its edge.
    pub(crate) fn scroll(&mut self, rows: &impl Rows<Key = K>, height: usize, lines: isize) {
        let now = self.visible(rows, height);
        let highest_top = rows.len().saturating_sub(height);
        let top = now.top.saturating_add_signed(lines).min(highest_top);
        if top == now.top {
            return;
        }
        let bottom = top + height.saturating_sub(1);
        let outside = if self.follows() { bottom } else { top };
        let place = now.selected.unwrap_or(outside).clamp(top, bottom);
        self.select(rows, place, place - top);
    }

    /// Selects the row at a line of the screen, if there is one.
    pub(crate) fn click(&mut self, rows: &impl Rows<Key = K>, height: usize, line: usize) {
        let place = self.visible(rows, height).top + line;
        if line < height && place < rows.len() {
            self.select(rows, place, line);
        }
    }

    /// Selects a row, to be shown at that line of the screen.
    fn select(&mut self, rows: &impl Rows<Key = K>, place: usize, line: usize) {
        if let Some(key) = rows.key(place) {
            self.anchor = Anchor::Row { key, place, line };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Rows for Vec<u32> {
        type Key = u32;

        fn len(&self) -> usize {
            self.len()
        }

        fn key(&self, place: usize) -> Option<u32> {
            self.get(place).copied()
        }

        fn find(&self, key: u32, last: usize) -> usize {
            self.iter().position(|k| *k == key).unwrap_or(last)
        }
    }

    fn at(window: &Window<u32>, rows: &Vec<u32>) -> (usize, Option<usize>) {
        let mut window = *window;
        window.settle(rows);
        let visible = window.visible(rows, 4);
        (visible.top, visible.selected)
    }

    #[test]
    fn the_end_is_followed_until_the_selection_moves() {
        let mut rows: Vec<u32> = (0..10).collect();
        let mut window = Window::new(Home::End);
        assert_eq!(at(&window, &rows), (6, None));
        window.go(&rows, 4, Motion::Down);
        assert!(window.follows());
        window.go(&rows, 4, Motion::Up);
        assert_eq!(at(&window, &rows), (6, Some(9)));
        rows.push(10);
        assert_eq!(at(&window, &rows), (6, Some(9)));
        window.go(&rows, 4, Motion::Last);
        assert_eq!(at(&window, &rows), (7, None));
    }

    #[test]
    fn the_selected_row_stays_at_its_line() {
        let mut rows: Vec<u32> = (0..20).collect();
        let mut window = Window::new(Home::Start);
        for _ in 0..7 {
            window.go(&rows, 4, Motion::Down);
        }
        assert_eq!(at(&window, &rows), (3, Some(6)));
        window.go(&rows, 4, Motion::Up);
        assert_eq!(at(&window, &rows), (3, Some(5)));
        rows.drain(0..2);
        window.settle(&rows);
        assert_eq!(at(&window, &rows), (1, Some(3)));
        rows.splice(0..0, 100..150);
        assert_eq!(at(&window, &rows), (51, Some(53)));
    }

    #[test]
    fn what_stands_in_the_place_of_a_row_that_is_gone_is_selected() {
        let mut rows: Vec<u32> = (0..20).collect();
        let mut window = Window::new(Home::Start);
        window.click(&rows, 4, 2);
        window.settle(&rows);
        rows.remove(2);
        assert_eq!(at(&window, &rows), (0, Some(2)));
        assert_eq!(window.wanted(), Some(2));
        rows.clear();
        assert_eq!(at(&window, &rows), (0, None));
    }

    #[test]
    fn pages_move_the_window_and_stop_at_the_ends() {
        let rows: Vec<u32> = (0..20).collect();
        let mut window = Window::new(Home::End);
        window.go(&rows, 4, Motion::PageUp);
        assert_eq!(at(&window, &rows), (16, Some(16)));
        window.go(&rows, 4, Motion::PageUp);
        assert_eq!(at(&window, &rows), (12, Some(12)));
        window.go(&rows, 4, Motion::HalfPageDown);
        assert_eq!(at(&window, &rows), (14, Some(14)));
        for _ in 0..9 {
            window.go(&rows, 4, Motion::PageDown);
        }
        assert_eq!(at(&window, &rows), (16, Some(19)));
        window.go(&rows, 4, Motion::First);
        assert_eq!(at(&window, &rows), (0, Some(0)));
        window.go(&rows, 4, Motion::PageUp);
        assert_eq!(at(&window, &rows), (0, Some(0)));
    }

    #[test]
    fn the_wheel_moves_the_window_and_drags_the_selection() {
        let rows: Vec<u32> = (0..20).collect();
        let mut window = Window::new(Home::End);
        window.scroll(&rows, 4, 3);
        assert!(window.follows());
        window.scroll(&rows, 4, -3);
        assert_eq!(at(&window, &rows), (13, Some(16)));
        window.scroll(&rows, 4, -3);
        assert_eq!(at(&window, &rows), (10, Some(13)));
        window.scroll(&rows, 4, 6);
        assert_eq!(at(&window, &rows), (16, Some(16)));
    }

    #[test]
    fn a_click_below_the_last_row_selects_nothing() {
        let rows: Vec<u32> = (0..2).collect();
        let mut window = Window::new(Home::Start);
        window.click(&rows, 4, 3);
        assert_eq!(at(&window, &rows), (0, None));
    }
}
