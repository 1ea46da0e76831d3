//! What the help says. The keys come from the key table, the commands from theirs.

use crate::commands::COMMANDS;
use crate::keymap::{Bound, Keymap};

/// Cells of one column of the help, the gap to the next one included.
pub(crate) const COLUMN: u16 = 40;

/// Cells in which the keys stand.
pub(crate) const KEYS: usize = 10;

/// What the letters mean, which no key says.
const LETTERS: (&str, &[(&str, &str)]) = (
    "Events",
    &[
        ("C", "connect: made, or failed"),
        ("A", "accept: handed to a process"),
        ("X", "closed by a process"),
        ("U", "no call of a process did it"),
        ("before", "open before the start"),
    ],
);

/// One line of the help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Blank,
    Title(&'static str),
    Entry { keys: String, text: &'static str },
}

/// All lines, one below the other.
fn all(keymap: &Keymap) -> Vec<Line> {
    let keys = |b: &Bound| {
        let sequence = |keys: &Vec<_>| {
            keys.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        b.keys.iter().map(sequence).collect::<Vec<_>>().join(", ")
    };
    let mut lines = Vec::new();
    for (title, bound) in &keymap.sections {
        lines.push(Line::Title(title));
        lines.extend(bound.iter().map(|b| Line::Entry {
            keys: keys(b),
            text: b.binding.help,
        }));
        lines.push(Line::Blank);
    }
    lines.push(Line::Title("Commands, with Tab"));
    lines.extend(COMMANDS.iter().filter_map(|command| {
        Some(Line::Entry {
            keys: format!(":{}", command.name),
            text: command.help?,
        })
    }));
    lines.push(Line::Blank);
    lines.push(Line::Title(LETTERS.0));
    lines.extend(LETTERS.1.iter().map(|(letter, text)| Line::Entry {
        keys: (*letter).to_owned(),
        text,
    }));
    lines
}

/// The lines in as many columns as a terminal of that width has room for.
pub(crate) fn columns(keymap: &Keymap, width: u16) -> Vec<Vec<Line>> {
    let lines = all(keymap);
    let columns = usize::from((width / COLUMN).max(1));
    let height = lines.len().div_ceil(columns);
    lines.chunks(height).map(<[Line]>::to_vec).collect()
}

/// How many lines the help has at that width.
pub(crate) fn lines(keymap: &Keymap, width: u16) -> usize {
    columns(keymap, width)
        .iter()
        .map(Vec::len)
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_binding_has_a_line_that_fits() {
        let keymap = <&Keymap>::default();
        let lines = all(keymap);
        let bindings = keymap.bound().count();
        let entries = lines.iter().filter(|l| matches!(l, Line::Entry { .. }));
        let commands = COMMANDS.iter().filter(|command| command.help.is_some());
        assert_eq!(
            entries.count(),
            bindings + commands.count() + LETTERS.1.len()
        );
        for line in lines {
            if let Line::Entry { keys, text } = line {
                assert!(keys.chars().count() < KEYS, "{keys}");
                assert!(text.len() + KEYS < usize::from(COLUMN) - 1, "{text}");
            }
        }
    }
}
