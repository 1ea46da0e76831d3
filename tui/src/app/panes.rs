//! Lists, each with the window over it.

use crate::view::{Home, Marks, Motion, Rows, Visible, Window};

/// A list, the window over it, and its marked rows.
#[derive(Debug)]
pub(super) struct Pane<I: Rows> {
    pub(super) index: I,
    pub(super) window: Window<I::Key>,
    pub(super) marks: Marks<I::Key>,
}

impl<I: Rows> Pane<I> {
    pub(super) fn new(index: I, home: Home) -> Self {
        Self {
            index,
            window: Window::new(home),
            marks: Marks::default(),
        }
    }

    /// Finds the selected row again in a list that has changed.
    pub(super) fn settle(&mut self) {
        self.window.settle(&self.index);
    }

    /// The names of the rows on a screen of that many lines.
    pub(super) fn visible_keys(&self, height: usize) -> impl Iterator<Item = I::Key> {
        let top = self.window.visible(&self.index, height).top;
        (top..top + height).map_while(|place| self.index.key(place))
    }
}

/// What can be done with a list of whatever rows. `height` counts the lines of the window.
pub(super) trait Scrolls {
    fn go(&mut self, height: usize, motion: Motion);
    fn scroll(&mut self, height: usize, lines: isize);
    fn click(&mut self, height: usize, line: usize);
    fn visible(&self, height: usize) -> Visible;
    /// How many rows there are.
    fn rows(&self) -> usize;
}

impl<I: Rows> Scrolls for Pane<I> {
    fn go(&mut self, height: usize, motion: Motion) {
        self.window.go(&self.index, height, motion);
    }

    fn scroll(&mut self, height: usize, lines: isize) {
        self.window.scroll(&self.index, height, lines);
    }

    fn click(&mut self, height: usize, line: usize) {
        self.window.click(&self.index, height, line);
    }

    fn visible(&self, height: usize) -> Visible {
        self.window.visible(&self.index, height)
    }

    fn rows(&self) -> usize {
        self.index.len()
    }
}
