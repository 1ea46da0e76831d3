//! The pictures: what is started, what is pressed, and what has to be on the screen.

/// One picture.
pub(crate) struct Scene {
    /// Its file's name, without the extension.
    pub(crate) name: &'static str,
    /// Of the program.
    pub(crate) arguments: &'static [&'static str],
    /// Columns and rows.
    pub(crate) size: (u16, u16),
    pub(crate) steps: &'static [Step],
}

/// What happens before it is drawn.
pub(crate) enum Step {
    /// Waits for a text.
    See(&'static str),
    /// Waits until so many lines of the screen are in use.
    Lines(usize),
    Press(&'static str),
    /// Lets so many seconds go by, for the rates and the history.
    Watch(u64),
}

use Step::{Lines, Press, See, Watch};

const SIZE: (u16, u16) = (150, 34);

pub(crate) const SCENES: &[Scene] = &[
    Scene {
        name: "events",
        arguments: &[],
        size: SIZE,
        steps: &[
            Watch(12),
            See("refused"),
            See("reset-by-peer"),
            See("killed"),
        ],
    },
    Scene {
        name: "connections",
        arguments: &[],
        size: SIZE,
        steps: &[Watch(6), Press("2"), See("ESTABLISHED"), Lines(34)],
    },
    Scene {
        name: "filter",
        arguments: &[],
        size: SIZE,
        steps: &[Watch(8), Press("/type:c,u reason:re*"), See("refused")],
    },
    Scene {
        name: "help",
        arguments: &[],
        size: (100, 30),
        steps: &[Press("?"), See("Moving")],
    },
    Scene {
        name: "narrow",
        arguments: &[],
        size: (80, 24),
        steps: &[Watch(4), Lines(24), See("refused")],
    },
];
