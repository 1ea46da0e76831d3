//! A key, and how it is written.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// A key with or without Ctrl. Shift is part of the character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    code: KeyCode,
    pub(super) ctrl: bool,
}

pub(super) const fn key(code: KeyCode) -> Key {
    Key { code, ctrl: false }
}

pub(super) const fn ch(c: char) -> Key {
    key(KeyCode::Char(c))
}

pub(super) const fn ctrl(c: char) -> Key {
    Key {
        code: KeyCode::Char(c),
        ctrl: true,
    }
}

impl Key {
    /// The key of a terminal's event; those with Alt and the like have no meaning here.
    pub(super) fn of(event: KeyEvent) -> Option<Self> {
        let rest = event.modifiers - KeyModifiers::SHIFT - KeyModifiers::CONTROL;
        (event.kind != KeyEventKind::Release && rest.is_empty()).then_some(Self {
            code: event.code,
            ctrl: event.modifiers.contains(KeyModifiers::CONTROL),
        })
    }
}

/// As the documentation writes keys: `j`, `^d`, `PgDn`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("^")?;
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("Space"),
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            KeyCode::Esc => f.write_str("Esc"),
            KeyCode::F(n) => write!(f, "F{n}"),
            other => write!(f, "{other:?}"),
        }
    }
}

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
pub(super) fn sequence(text: &str) -> Result<Vec<Key>, String> {
    let keys: Option<Vec<Key>> = text.split_whitespace().map(Key::named).collect();
    let keys = keys.filter(|keys| (1..=2).contains(&keys.len()));
    keys.ok_or_else(|| {
        format!("`{text}` is no key: write j, ^d, Space, Enter, PgDn, F5, or two such as `g g`")
    })
}

#[cfg(test)]
mod tests {
    use super::super::Keymap;
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
}
