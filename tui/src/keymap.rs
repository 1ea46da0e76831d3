//! Which key does what: one table, which a configuration can change. The footer and the help are
//! made from it.

mod change;
mod key;
mod mode;
mod resolve;
mod table;

use std::sync::LazyLock;

pub(crate) use self::key::Key;
pub(crate) use self::mode::Mode;
pub(crate) use self::resolve::resolve;
pub(crate) use self::table::Asks;
#[cfg(test)]
pub(crate) use self::table::actions;
use self::table::{BINDINGS, Binding};

/// A line of the table with the keys that it has in this run.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) binding: &'static Binding,
    pub(crate) keys: Vec<Vec<Key>>,
}

/// The table with the keys that it has in this run.
#[derive(Debug)]
pub(crate) struct Keymap {
    pub(crate) sections: Vec<(&'static str, Vec<Bound>)>,
}

static USUAL: LazyLock<Keymap> = LazyLock::new(|| {
    let bound = |binding: &'static Binding| Bound {
        binding,
        keys: binding.keys.iter().map(|keys| keys.to_vec()).collect(),
    };
    let section = |(title, bindings): &(&'static str, &'static [Binding])| {
        (*title, bindings.iter().map(bound).collect())
    };
    Keymap {
        sections: BINDINGS.iter().map(section).collect(),
    }
});

/// The keys as the table has them.
impl Default for &'static Keymap {
    fn default() -> Self {
        &USUAL
    }
}

impl Keymap {
    pub(crate) fn bound(&self) -> impl Iterator<Item = &Bound> {
        self.sections.iter().flat_map(|(_, bound)| bound)
    }
}

#[cfg(test)]
mod tests;
