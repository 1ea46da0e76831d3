//! Colours as data. None of them carries a meaning alone: a letter, a glyph or a word says it too.

use collector::model::EventType;
use ratatui::style::{Color, Modifier, Style};

/// How each kind of thing on the screen looks. None sets a background, except where `selected` does:
/// the screen stands on the terminal's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Theme {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// The name of the program, the active view.
    pub(crate) title: Style,
    /// What stands back: unknown cells, hints, what was there before the start.
    pub(crate) faint: Style,
    /// The row of column titles.
    pub(crate) head: Style,
    /// The title of the column that the rows are sorted by.
    pub(crate) sorted: Style,
    /// The selected row; laid over the styles of its cells.
    pub(crate) selected: Style,
    /// A key in the footer and in the help.
    pub(crate) key: Style,
    /// Failures, loss, errors.
    pub(crate) bad: Style,
    /// Things to take note of: paused, connecting.
    pub(crate) note: Style,
    /// Things as they should be: live, open.
    pub(crate) good: Style,
    /// The letters C A X U, and their sparklines.
    pub(crate) types: [Style; EventType::ALL.len()],
}

const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
// Not a grey of its own: which grey is readable depends on the background, and DIM follows it.
const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
const HEAD: Style = Style::new().add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED));
const SORTED: Style = HEAD.add_modifier(Modifier::REVERSED);
const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// All themes; the first is the default.
pub(crate) const THEMES: [Theme; 4] = [
    // The 16 colours that the terminal's user has chosen, without those that vanish on black or
    // on white in common palettes (white, black, yellow, blue).
    Theme {
        name: "default",
        title: BOLD.fg(Color::Cyan),
        faint: FAINT,
        head: HEAD,
        sorted: SORTED,
        selected: REVERSED,
        key: BOLD.fg(Color::Cyan),
        bad: BOLD.fg(Color::Red),
        note: BOLD.fg(Color::Magenta),
        good: PLAIN.fg(Color::Green),
        types: [
            PLAIN.fg(Color::Green),
            PLAIN.fg(Color::Cyan),
            PLAIN,
            BOLD.fg(Color::Magenta),
        ],
    },
    // Dark tones of the 256 colours, for a light background whatever the palette.
    Theme {
        name: "light",
        title: BOLD.fg(Color::Indexed(25)),
        faint: PLAIN.fg(Color::Indexed(242)),
        head: HEAD,
        sorted: SORTED,
        selected: REVERSED,
        key: BOLD.fg(Color::Indexed(25)),
        bad: BOLD.fg(Color::Indexed(124)),
        note: BOLD.fg(Color::Indexed(90)),
        good: PLAIN.fg(Color::Indexed(22)),
        types: [
            PLAIN.fg(Color::Indexed(22)),
            PLAIN.fg(Color::Indexed(25)),
            PLAIN,
            BOLD.fg(Color::Indexed(90)),
        ],
    },
    // The tones of Okabe and Ito that hold on dark and on light ground.
    Theme {
        name: "colorblind",
        title: BOLD.fg(Color::Indexed(32)),
        faint: FAINT,
        head: HEAD,
        sorted: SORTED,
        selected: REVERSED,
        key: BOLD.fg(Color::Indexed(32)),
        bad: BOLD.fg(Color::Indexed(166)),
        note: BOLD.fg(Color::Indexed(175)),
        good: PLAIN.fg(Color::Indexed(32)),
        types: [
            PLAIN.fg(Color::Indexed(32)),
            PLAIN.fg(Color::Indexed(36)),
            PLAIN,
            BOLD.fg(Color::Indexed(166)),
        ],
    },
    Theme {
        name: "mono",
        title: BOLD,
        faint: FAINT,
        head: HEAD,
        sorted: SORTED,
        selected: REVERSED,
        key: BOLD,
        bad: BOLD,
        note: BOLD,
        good: PLAIN,
        types: [PLAIN, PLAIN, PLAIN, BOLD],
    },
];

/// The theme without colours.
pub(crate) const MONO: &Theme = &THEMES[3];

impl Theme {
    /// The theme of that name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        THEMES.iter().find(|theme| theme.name == name)
    }

    /// The style of an event type; plain for what has none.
    pub(crate) fn of_type(&self, kind: Option<EventType>) -> Style {
        kind.map_or(self.faint, |kind| self.types[kind as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn styles(theme: &Theme) -> Vec<Style> {
        let mut all = theme.types.to_vec();
        all.extend([
            theme.title,
            theme.faint,
            theme.head,
            theme.sorted,
            theme.selected,
            theme.key,
            theme.bad,
            theme.note,
            theme.good,
        ]);
        all
    }

    #[test]
    fn mono_has_no_colour() {
        assert_eq!(MONO.name, "mono");
        for style in styles(MONO) {
            assert_eq!(
                (style.fg, style.bg, style.underline_color),
                (None, None, None)
            );
        }
    }

    #[test]
    fn the_selection_shows_without_colour_and_the_ground_is_the_terminals() {
        for theme in &THEMES {
            assert!(theme.selected.add_modifier.contains(Modifier::REVERSED));
            assert!(styles(theme).iter().all(|style| style.bg.is_none()));
        }
    }

    #[test]
    fn the_command_line_knows_the_same_names() {
        assert_eq!(THEMES.map(|theme| theme.name), crate::cli::THEMES);
    }
}
