//! Which connections have changed lately: what a sorted list of them needs to stay right without
//! looking at all of them again.

use std::collections::VecDeque;

use super::ConnKey;

/// Changes that are remembered: a few seconds' worth of a busy machine.
const KEPT: usize = 1 << 17;

/// A place in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(u64);

/// The names of what came, changed or went, in that order; the oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct Journal {
    keys: VecDeque<ConnKey>,
    /// How many were written down, ever.
    end: u64,
}

impl Journal {
    pub(super) fn write(&mut self, key: ConnKey) {
        if self.keys.len() == KEPT {
            self.keys.pop_front();
        }
        self.keys.push_back(key);
        self.end += 1;
    }

    pub(super) fn end(&self) -> Cursor {
        Cursor(self.end)
    }

    /// What was written since, or `None` if not all of that is remembered.
    pub(super) fn since(&self, cursor: Cursor) -> Option<impl Iterator<Item = ConnKey>> {
        let n = usize::try_from(self.end.checked_sub(cursor.0)?).ok()?;
        let start = self.keys.len().checked_sub(n)?;
        Some(self.keys.range(start..).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConnId, NodeIx};

    #[test]
    fn what_is_forgotten_is_not_passed_over_in_silence() {
        let key = |conn: u64| ConnKey {
            node: NodeIx(0),
            conn: ConnId(conn),
        };
        let mut journal = Journal::default();
        let start = journal.end();
        (0..3).for_each(|conn| journal.write(key(conn)));
        let since = |journal: &Journal, cursor| journal.since(cursor).map(Iterator::count);
        assert_eq!(since(&journal, start), Some(3));
        let later = journal.end();
        (0..KEPT as u64).for_each(|conn| journal.write(key(conn)));
        assert_eq!(since(&journal, start), None);
        assert_eq!(since(&journal, later), Some(KEPT));
        assert_eq!(since(&journal, journal.end()), Some(0));
    }
}
