//! Rows that somebody has marked, by what names them and never by where they stand. Pure.

use std::collections::BTreeSet;

/// Rows that can be marked at a time.
pub(crate) const MOST: usize = 100_000;

/// Marked rows of a list.
#[derive(Clone, Debug)]
pub(crate) struct Marks<K> {
    marked: BTreeSet<K>,
    /// The row that was marked last: where a range begins.
    from: Option<K>,
    /// Marked rows that are no longer kept.
    gone: u64,
}

/// There is no room for another mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl<K> Default for Marks<K> {
    fn default() -> Self {
        Self {
            marked: BTreeSet::new(),
            from: None,
            gone: 0,
        }
    }
}

impl<K: Copy + Ord> Marks<K> {
    /// Marks a row, or takes its mark away.
    pub(crate) fn toggle(&mut self, key: K) -> Result<(), Full> {
        if self.marked.remove(&key) {
            self.from = None;
            return Ok(());
        }
        self.mark([key])
    }

    /// Marks rows, as many as there is room for; a range may begin at the last of them.
    pub(crate) fn mark(&mut self, keys: impl IntoIterator<Item = K>) -> Result<(), Full> {
        for key in keys {
            if self.marked.len() >= MOST && !self.marked.contains(&key) {
                return Err(Full);
            }
            self.marked.insert(key);
            self.from = Some(key);
        }
        Ok(())
    }

    /// The row that a range begins at.
    pub(crate) fn from(&self) -> Option<K> {
        self.from
    }

    /// Takes all marks away, and forgets how many rows had gone.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The events before this one are no longer kept.
    pub(crate) fn forget_before(&mut self, first: K) {
        if self.marked.first().is_some_and(|key| *key < first) {
            let kept = self.marked.split_off(&first);
            self.gone += self.marked.len() as u64;
            self.marked = kept;
        }
        self.from = self.from.filter(|from| *from >= first);
    }

    /// Only those rows are still there.
    pub(crate) fn forget_unless(&mut self, kept: impl Fn(K) -> bool) {
        let before = self.marked.len();
        self.marked.retain(|key| kept(*key));
        self.gone += (before - self.marked.len()) as u64;
        self.from = self.from.filter(|from| self.marked.contains(from));
    }

    pub(crate) fn has(&self, key: K) -> bool {
        self.marked.contains(&key)
    }

    /// The marked rows, in the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = K> {
        self.marked.iter().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.marked.len()
    }

    /// How many marked rows are no longer kept.
    pub(crate) fn gone(&self) -> u64 {
        self.gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_and_goes() {
        let mut marks = Marks::default();
        marks.toggle(3).unwrap();
        marks.toggle(5).unwrap();
        assert_eq!(marks.from(), Some(5));
        marks.toggle(5).unwrap();
        assert_eq!(marks.iter().collect::<Vec<_>>(), [3]);
        assert_eq!(marks.from(), None);
    }

    #[test]
    fn there_is_a_most_and_what_is_marked_can_be_marked_again() {
        let mut marks = Marks::default();
        assert_eq!(marks.mark(0..=MOST), Err(Full));
        assert_eq!(marks.len(), MOST);
        assert_eq!(marks.mark([7]), Ok(()));
        assert_eq!(marks.toggle(7), Ok(()));
        assert_eq!(marks.toggle(MOST), Ok(()));
    }

    #[test]
    fn what_is_gone_is_counted() {
        let mut marks = Marks::default();
        marks.mark([1, 2, 3, 9]).unwrap();
        marks.forget_before(3);
        assert_eq!((marks.len(), marks.gone()), (2, 2));
        marks.forget_unless(|key| key == 3);
        assert_eq!((marks.len(), marks.gone()), (1, 3));
        assert_eq!(marks.from(), None);
        marks.clear();
        assert_eq!((marks.len(), marks.gone()), (0, 0));
    }
}
