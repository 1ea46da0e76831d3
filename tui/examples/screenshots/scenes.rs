//! The pictures: what is started, what is pressed, and what has to be on the screen.

use crate::svg::{DARK, LIGHT, Paper};

/// One picture.
pub(crate) struct Scene {
    /// Its file's name, without the extension.
    pub(crate) name: &'static str,
    /// Of the program.
    pub(crate) arguments: &'static [&'static str],
    /// Columns and rows.
    pub(crate) size: (u16, u16),
    pub(crate) paper: Paper,
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

/// Pods, and what ails them.
const DEMO: &[&str] = &["demo"];

pub(crate) const SCENES: &[Scene] = &[
    Scene {
        name: "events",
        arguments: &[],
        size: SIZE,
        paper: DARK,
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
        paper: DARK,
        steps: &[Watch(6), Press("2"), Lines(34), See("open   ")],
    },
    Scene {
        name: "detail",
        arguments: &[],
        size: SIZE,
        paper: DARK,
        steps: &[
            Watch(3),
            Press("/comm:nginx port:8080 type:x\r"),
            Watch(2),
            Press("k\r"),
            See("Other end"),
            See("executable"),
        ],
    },
    Scene {
        name: "pods",
        arguments: DEMO,
        size: SIZE,
        paper: DARK,
        steps: &[
            Press("3"),
            Watch(20),
            Press("lllll"),
            See("sort FAILED"),
            Press("jj"),
        ],
    },
    Scene {
        name: "types",
        arguments: DEMO,
        size: SIZE,
        paper: DARK,
        steps: &[Press("4"), Watch(45), See("reset-by-peer"), See("timeout")],
    },
    Scene {
        name: "problems",
        arguments: DEMO,
        size: SIZE,
        paper: DARK,
        steps: &[Watch(30), Press("5"), See("refused"), Press("jj")],
    },
    Scene {
        name: "proof",
        arguments: DEMO,
        size: SIZE,
        paper: DARK,
        steps: &[
            Watch(20),
            Press("5/port:5432\r"),
            See("filter port:5432"),
            See("refused"),
            Press("gg\r"),
            See("in refused"),
            Press("Pgg jj v"),
            See("marked"),
        ],
    },
    Scene {
        name: "nodes",
        arguments: DEMO,
        size: (120, 24),
        paper: DARK,
        steps: &[Watch(30), Press("6"), See("demo-3"), Press("j")],
    },
    Scene {
        name: "pick",
        arguments: DEMO,
        size: (120, 24),
        paper: DARK,
        steps: &[Watch(5), Press("pca"), See("pods (")],
    },
    Scene {
        name: "filter",
        arguments: DEMO,
        size: SIZE,
        paper: DARK,
        steps: &[
            Watch(10),
            Press("/type:c reason:refused,timeout ns:sh\t"),
            See("ns:shop"),
        ],
    },
    Scene {
        name: "light",
        arguments: &["demo", "--theme", "light"],
        size: (120, 24),
        paper: LIGHT,
        steps: &[Watch(8), Press("kk")],
    },
    Scene {
        name: "help",
        arguments: &[],
        size: (120, 46),
        paper: DARK,
        steps: &[Press("?"), See("Moving")],
    },
    Scene {
        name: "narrow",
        arguments: DEMO,
        size: (80, 24),
        paper: DARK,
        steps: &[Watch(4), Lines(24)],
    },
];
