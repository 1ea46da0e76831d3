//! Which keys work now, and what they mean.

use super::Keymap;
use super::key::Key;
use super::table::{Asks, Binding, When, prefix_word};
use crate::action::{Action, Command};

/// What the keys depend on.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own"
)]
pub(crate) struct Mode {
    /// A prompt is open.
    pub(crate) prompt: Option<Asks>,
    /// A question is to be answered.
    pub(crate) asked: bool,
    /// Something covers the rows.
    pub(crate) covered: bool,
    /// The rows are events or connections.
    pub(crate) records: bool,
    /// What is shown is a recording.
    pub(crate) replay: bool,
    /// There is something behind what is shown or selected.
    pub(crate) drill: bool,
    /// There is something that Esc closes.
    pub(crate) closable: bool,
    /// The key before, if it only means something with this one.
    pub(crate) begun: Option<Key>,
    /// The keys of this run.
    pub(crate) keymap: &'static Keymap,
}

impl Mode {
    pub(super) fn allows(self, when: When) -> bool {
        match when {
            When::Asked => self.asked,
            _ if self.asked => false,
            When::Prompt => self.prompt.is_some(),
            When::Text => matches!(self.prompt, Some(Asks::Filter | Asks::Command)),
            When::At(asks) => self.prompt == Some(asks),
            _ if self.prompt.is_some() => false,
            When::Always => true,
            When::Rows => !self.covered,
            When::Records => !self.covered && self.records,
            When::Replay => !self.covered && self.replay,
            When::Drill => self.drill,
            When::Closable => self.closable,
        }
    }

    /// The bindings that work now, each with the keys of it that are still to be pressed.
    pub(super) fn working(self) -> impl Iterator<Item = (&'static Binding, &'static [Key])> {
        let bound = self.keymap.bound();
        bound
            .filter(move |bound| self.allows(bound.binding.when))
            .flat_map(|bound| bound.keys.iter().map(|keys| (bound.binding, &keys[..])))
            .filter_map(move |(b, keys)| match self.begun {
                None => Some((b, keys)),
                Some(begun) if keys[0] == begun && keys.len() > 1 => Some((b, &keys[1..])),
                Some(_) => None,
            })
    }

    /// What stands in the footer: keys and words, what is needed first in front.
    pub(crate) fn footer(self) -> Vec<(String, &'static str)> {
        let mut out: Vec<(u8, Command, String, &'static str)> = Vec::new();
        for (binding, keys) in self.working() {
            let choices = prefix_word(binding.command).filter(|_| keys.len() > 1);
            let word = match binding.footer {
                None if self.begun.is_some() => Some((binding.help, 0)),
                word => word.map(|(word, rank)| (choices.unwrap_or(word), rank)),
            };
            let Some((word, rank)) = word else { continue };
            // Of keys that begin with the same one, and have a word for all of them, that one.
            let shown = if choices.is_some() { &keys[..1] } else { keys };
            let shown: Vec<String> = shown.iter().map(ToString::to_string).collect();
            let shown = shown.join(" ");
            match out.iter_mut().find(|(.., known)| *known == word) {
                // Of several keys for one thing, the first; of both ways of one thing, both.
                Some((_, command, keys, _)) => {
                    if choices.is_none() && *command != binding.command {
                        *command = binding.command;
                        *keys = format!("{keys}/{shown}");
                    }
                }
                None => out.push((rank, binding.command, shown, word)),
            }
        }
        out.sort_by_key(|(rank, ..)| *rank);
        out.into_iter()
            .map(|(_, _, keys, word)| (keys, word))
            .collect()
    }

    /// What a key means.
    pub(super) fn press(self, key: Key) -> Option<Action> {
        let mut prefix = false;
        for (binding, keys) in self.working() {
            if keys[0] == key {
                if keys.len() == 1 {
                    return Some(Action::Command(binding.command));
                }
                prefix = true;
            }
        }
        match (prefix, self.begun) {
            (true, None) => Some(Action::Begin(key)),
            (_, Some(_)) => Some(Action::Cancel),
            (false, None) => None,
        }
    }
}
