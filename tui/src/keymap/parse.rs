//! Keys as a configuration writes them, which is how the documentation and the help do.

use crossterm::event::KeyCode;

use super::{Asks, BINDINGS, Bound, Key, Keymap, Mode, When};

/// Names of keys that are no characters. Of two for one key, the first is the help's.
const NAMES: [(&str, KeyCode); 23] = [
    ("Space", KeyCode::Char(' ')),
    ("↑", KeyCode::Up),
    ("↓", KeyCode::Down),
    ("←", KeyCode::Left),
    ("→", KeyCode::Right),
    ("Up", KeyCode::Up),
    ("Down", KeyCode::Down),
    ("Left", KeyCode::Left),
    ("Right", KeyCode::Right),
    ("PgUp", KeyCode::PageUp),
    ("PgDn", KeyCode::PageDown),
    ("PageUp", KeyCode::PageUp),
    ("PageDown", KeyCode::PageDown),
    ("Home", KeyCode::Home),
    ("End", KeyCode::End),
    ("Esc", KeyCode::Esc),
    ("Enter", KeyCode::Enter),
    ("Tab", KeyCode::Tab),
    ("BackTab", KeyCode::BackTab),
    ("Backspace", KeyCode::Backspace),
    ("Delete", KeyCode::Delete),
    ("Insert", KeyCode::Insert),
    ("Null", KeyCode::Null),
];

impl Key {
    /// The key of a name, such as `j`, `^d`, `Space` or `F5`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (ctrl, rest) = match name.strip_prefix('^') {
            Some(rest) if !rest.is_empty() => (true, rest),
            _ => (false, name),
        };
        let mut chars = rest.chars();
        let known = || NAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(rest));
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) if known().is_none() => KeyCode::Char(c),
            _ => match known() {
                Some((_, code)) => *code,
                None => KeyCode::F(rest.strip_prefix('F')?.parse().ok()?),
            },
        };
        Some(Self { code, ctrl })
    }
}

/// The keys of a sequence, such as `g g`.
fn sequence(text: &str) -> Result<Vec<Key>, String> {
    let keys: Option<Vec<Key>> = text.split_whitespace().map(Key::named).collect();
    let keys = keys.filter(|keys| (1..=2).contains(&keys.len()));
    keys.ok_or_else(|| {
        format!("`{text}` is no key: write j, ^d, Space, Enter, PgDn, F5, or two such as `g g`")
    })
}

/// The names of all actions, in the order of the table.
pub(crate) fn actions() -> Vec<&'static str> {
    let mut names = Vec::new();
    for (_, bindings) in &BINDINGS {
        for binding in *bindings {
            let name = binding.command.name();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

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
    fn every_key_of_the_table_is_read_as_it_is_written() {
        for bound in <&Keymap>::default().bound() {
            for keys in &bound.keys {
                let written: Vec<String> = keys.iter().map(ToString::to_string).collect();
                assert_eq!(sequence(&written.join(" ")).as_ref(), Ok(keys));
            }
        }
        assert_eq!(Key::named("^").map(|k| k.to_string()).as_deref(), Some("^"));
        assert_eq!(
            Key::named("F5").map(|k| k.to_string()).as_deref(),
            Some("F5")
        );
        assert!(sequence("hyper").is_err() && sequence("").is_err() && sequence("a b c").is_err());
    }

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
