//! Giving actions other keys, and finding two for one key.

use super::key::{Key, sequence};
use super::mode::Mode;
use super::table::{Asks, When, actions};
use super::{Bound, Keymap};

impl Keymap {
    /// Gives an action other keys than it had, or none.
    ///
    /// # Errors
    /// If there is no such action, or no such key.
    pub(crate) fn rebind<S: AsRef<str>>(&mut self, action: &str, keys: &[S]) -> Result<(), String> {
        let keys = keys.iter().map(|keys| sequence(keys.as_ref()));
        let keys: Vec<Vec<Key>> = keys.collect::<Result<_, _>>()?;
        let mut found = false;
        for bound in self.sections.iter_mut().flat_map(|(_, bound)| bound) {
            if bound.binding.command.name() == action {
                bound.keys.clone_from(&keys);
                found = true;
            }
        }
        if found {
            Ok(())
        } else {
            let all = actions().join(" ");
            Err(format!("there is no action `{action}`: there are {all}"))
        }
    }

    /// The first key that means two things in one place, and what.
    pub(crate) fn conflict(&self) -> Option<(String, &'static str, &'static str)> {
        let all: Vec<(&Bound, &[Key])> = self
            .bound()
            .flat_map(|bound| bound.keys.iter().map(move |keys| (bound, &keys[..])))
            .collect();
        for (i, (one, keys)) in all.iter().enumerate() {
            for (other, others) in &all[i + 1..] {
                let meet = meet(one.binding.when, other.binding.when);
                let same = one.binding.command == other.binding.command;
                if meet && !same && (keys.starts_with(others) || others.starts_with(keys)) {
                    let key: Vec<String> = keys.iter().map(ToString::to_string).collect();
                    let names = (one.binding.command.name(), other.binding.command.name());
                    return Some((key.join(" "), names.0, names.1));
                }
            }
        }
        None
    }

    /// A copy to be changed.
    pub(crate) fn to_owned(&self) -> Self {
        Self {
            sections: self.sections.clone(),
        }
    }
}

/// There is a mode in which both work.
fn meet(one: When, other: When) -> bool {
    let prompts = [None].into_iter().chain(Asks::ALL.map(Some));
    let mut modes = prompts.flat_map(|prompt| [(prompt, false), (prompt, true)]);
    modes.any(|(prompt, asked)| {
        let mode = Mode {
            asked,
            prompt,
            records: true,
            replay: true,
            drill: true,
            closable: true,
            ..Mode::default()
        };
        mode.allows(one) && mode.allows(other)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_no_conflict_and_one_that_is_made_is_found() {
        let mut keymap = <&Keymap>::default().to_owned();
        assert_eq!(keymap.conflict(), None);
        keymap.rebind("pause", &["F2", "^p"]).unwrap();
        assert_eq!(keymap.conflict(), None);
        keymap.rebind("wide", &["g"]).unwrap();
        assert_eq!(keymap.conflict(), Some(("g g".into(), "first", "wide")));
        keymap.rebind("wide", &[] as &[&str]).unwrap();
        assert_eq!(keymap.conflict(), None);
        assert!(keymap.rebind("fly", &["f"]).is_err());
    }
}
