//! A terminal's screen as an SVG picture: crisp at any size, and small enough to be committed.
//!
//! Text is drawn in runs of one style, each placed at its first cell and as wide as its cells, so
//! that columns stand straight whichever monospace font the viewer has. Box drawing and block
//! elements are drawn as shapes, since fonts leave gaps between them.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

const FONT_SIZE: f64 = 14.0;
/// The advance of the widespread monospace fonts, 0.602 em.
const CELL_WIDTH: f64 = 8.43;
const CELL_HEIGHT: f64 = 17.0;
/// From the top of a cell.
const BASELINE: f64 = 13.0;
const MARGIN: f64 = 12.0;
const TITLE_HEIGHT: f64 = 30.0;

/// What a terminal paints where a program asks for no colour.
#[derive(Clone, Copy)]
pub(crate) struct Paper {
    background: Rgb,
    foreground: Rgb,
    /// Behind the window's title.
    title: Rgb,
}

pub(crate) const DARK: Paper = Paper {
    background: Rgb(0x16, 0x18, 0x1d),
    foreground: Rgb(0xd4, 0xd7, 0xdd),
    title: Rgb(0x2a, 0x2d, 0x35),
};
pub(crate) const LIGHT: Paper = Paper {
    background: Rgb(0xfb, 0xfb, 0xf8),
    foreground: Rgb(0x24, 0x29, 0x2e),
    title: Rgb(0xe1, 0xe4, 0xe8),
};
const BUTTONS: [Rgb; 3] = [
    Rgb(0xff, 0x5f, 0x57),
    Rgb(0xfe, 0xbc, 0x2e),
    Rgb(0x28, 0xc8, 0x40),
];
/// What a terminal shows for the sixteen colours that it may choose itself.
const PALETTE: [Rgb; 16] = [
    Rgb(0x2e, 0x32, 0x3a),
    Rgb(0xe0, 0x6c, 0x75),
    Rgb(0x98, 0xc3, 0x79),
    Rgb(0xe5, 0xc0, 0x7b),
    Rgb(0x61, 0xaf, 0xef),
    Rgb(0xc6, 0x78, 0xdd),
    Rgb(0x56, 0xb6, 0xc2),
    Rgb(0xab, 0xb2, 0xbf),
    Rgb(0x6b, 0x72, 0x80),
    Rgb(0xff, 0x85, 0x8d),
    Rgb(0xb5, 0xe0, 0x8c),
    Rgb(0xff, 0xd5, 0x8a),
    Rgb(0x80, 0xc4, 0xff),
    Rgb(0xdd, 0x95, 0xf0),
    Rgb(0x70, 0xd3, 0xde),
    Rgb(0xf2, 0xf4, 0xf8),
];

#[derive(Clone, Copy, PartialEq)]
struct Rgb(u8, u8, u8);

impl std::fmt::Display for Rgb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

impl Rgb {
    fn of(color: Color, default: Self) -> Self {
        /// The levels of xterm's colour cube.
        const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];
        match color {
            Color::Default => default,
            Color::Rgb(r, g, b) => Self(r, g, b),
            Color::Idx(n @ 0..16) => PALETTE[usize::from(n)],
            Color::Idx(n @ 16..232) => {
                let level = |step: u8| CUBE[usize::from((n - 16) / step % 6)];
                Self(level(36), level(6), level(1))
            }
            Color::Idx(n @ 232..) => {
                let gray = 8 + 10 * (n - 232);
                Self(gray, gray, gray)
            }
        }
    }

    /// Half-way to another.
    fn towards(self, other: Self) -> Self {
        Self(
            self.0.midpoint(other.0),
            self.1.midpoint(other.1),
            self.2.midpoint(other.2),
        )
    }
}

#[derive(Clone, Copy, PartialEq)]
struct Style {
    foreground: Rgb,
    background: Rgb,
    bold: bool,
    italic: bool,
    underline: bool,
}

impl Style {
    fn of(cell: &Cell, paper: Paper) -> Self {
        let mut foreground = Rgb::of(cell.fgcolor(), paper.foreground);
        let mut background = Rgb::of(cell.bgcolor(), paper.background);
        if cell.inverse() {
            std::mem::swap(&mut foreground, &mut background);
        }
        if cell.dim() {
            foreground = foreground.towards(background);
        }
        Self {
            foreground,
            background,
            bold: cell.bold(),
            italic: cell.italic(),
            underline: cell.underline(),
        }
    }
}

/// Cells of one row that are drawn together.
struct Run<'a> {
    column: u16,
    style: Style,
    texts: Vec<&'a str>,
}

/// Draws a screen in a window with a title.
pub(crate) fn draw(screen: &Screen, title: &str, paper: Paper) -> String {
    let (rows, columns) = screen.size();
    let width = f64::from(columns) * CELL_WIDTH + 2.0 * MARGIN;
    let height = f64::from(rows) * CELL_HEIGHT + TITLE_HEIGHT + 2.0 * MARGIN;
    let mut svg = Svg(String::new(), paper);
    svg.window(width, height, title);
    for row in 0..rows {
        let runs = runs(screen, row, columns, paper);
        for run in &runs {
            svg.background(row, run);
        }
        for run in &runs {
            svg.run(row, run);
        }
    }
    if !screen.hide_cursor() {
        svg.cursor(screen.cursor_position());
    }
    svg.0.push_str("</g>\n</svg>\n");
    svg.0
}

fn runs(screen: &Screen, row: u16, columns: u16, paper: Paper) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for column in 0..columns {
        let Some(cell) = screen
            .cell(row, column)
            .filter(|cell| !cell.is_wide_continuation())
        else {
            continue;
        };
        let style = Style::of(cell, paper);
        let text = if cell.has_contents() {
            cell.contents()
        } else {
            " "
        };
        // One text a cell: the second half of a wide character has an empty one.
        let texts: &[&str] = if cell.is_wide() { &[text, ""] } else { &[text] };
        match runs.last_mut() {
            Some(run) if run.style == style => run.texts.extend(texts),
            _ => runs.push(Run {
                column,
                style,
                texts: texts.to_vec(),
            }),
        }
    }
    runs
}

struct Svg(String, Paper);

/// Writing into a string does not fail.
macro_rules! put {
    ($svg:expr, $($format:tt)*) => { let _ = writeln!($svg.0, $($format)*); };
}

impl Svg {
    fn window(&mut self, width: f64, height: f64, title: &str) {
        let Paper {
            background,
            foreground,
            title: behind_title,
        } = self.1;
        put!(
            self,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}">"#
        );
        put!(self, "<style>text{{white-space:pre}}</style>");
        put!(
            self,
            r#"<rect width="100%" height="100%" rx="9" fill="{behind_title}"/>"#
        );
        put!(
            self,
            r#"<path d="M0 {TITLE_HEIGHT}H{width:.0}V{:.0}a9 9 0 0 1-9 9H9a9 9 0 0 1-9-9z" fill="{background}"/>"#,
            height - 9.0
        );
        for (x, button) in (0_u8..).zip(BUTTONS) {
            put!(
                self,
                r#"<circle cx="{}" cy="15" r="6" fill="{button}"/>"#,
                20 + 20 * u16::from(x)
            );
        }
        put!(
            self,
            r#"<text x="50%" y="20" text-anchor="middle" font-family="sans-serif" font-size="13" fill="{foreground}">{}</text>"#,
            escaped(title)
        );
        put!(
            self,
            r#"<g transform="translate({MARGIN} {:.0})" font-family="DejaVu Sans Mono,Menlo,Consolas,monospace" font-size="{FONT_SIZE}">"#,
            TITLE_HEIGHT + MARGIN
        );
    }

    fn background(&mut self, row: u16, run: &Run<'_>) {
        if run.style.background != self.1.background {
            self.rect(
                f64::from(run.column) * CELL_WIDTH,
                f64::from(row) * CELL_HEIGHT,
                run.texts.iter().map(|_| CELL_WIDTH).sum(),
                CELL_HEIGHT,
                run.style.background,
            );
        }
    }

    /// Words, and the shapes between them.
    fn run(&mut self, row: u16, run: &Run<'_>) {
        let top = f64::from(row) * CELL_HEIGHT;
        let mut word = String::new();
        let mut word_cells = 0_u16;
        for (column, text) in (run.column..).zip(run.texts.iter().copied().chain([" "])) {
            let left = f64::from(column) * CELL_WIDTH;
            let single = text.chars().next().unwrap_or_default();
            let is_shape = self.shape(left, top, single, run.style.foreground);
            if text != " " && !is_shape {
                word.push_str(text);
                word_cells += 1;
            } else if !word.is_empty() {
                self.word(
                    f64::from(column - word_cells) * CELL_WIDTH,
                    top,
                    word_cells,
                    &word,
                    run.style,
                );
                word.clear();
                word_cells = 0;
            }
        }
    }

    fn word(&mut self, left: f64, top: f64, cells: u16, text: &str, style: Style) {
        let width = f64::from(cells) * CELL_WIDTH;
        let mut more = String::new();
        if style.bold {
            more.push_str(r#" font-weight="bold""#);
        }
        if style.italic {
            more.push_str(r#" font-style="italic""#);
        }
        if style.underline {
            more.push_str(r#" text-decoration="underline""#);
        }
        put!(
            self,
            r#"<text x="{left:.2}" y="{:.2}" textLength="{width:.2}" lengthAdjust="spacingAndGlyphs" fill="{}"{more}>{}</text>"#,
            top + BASELINE,
            style.foreground,
            escaped(text)
        );
    }

    /// Draws the characters that have to touch their neighbours. False if this is none of them.
    fn shape(&mut self, left: f64, top: f64, c: char, color: Rgb) -> bool {
        if let Some((x, y, width, height)) = block(c) {
            self.rect(
                left + x * CELL_WIDTH,
                top + y * CELL_HEIGHT,
                width * CELL_WIDTH,
                height * CELL_HEIGHT,
                color,
            );
            return true;
        }
        let Some(arms) = box_arms(c) else {
            return false;
        };
        let (x, y) = (left + CELL_WIDTH / 2.0, top + CELL_HEIGHT / 2.0);
        let ends = [
            (x, top),
            (left + CELL_WIDTH, y),
            (x, top + CELL_HEIGHT),
            (left, y),
        ];
        let mut path = String::new();
        for ((end_x, end_y), _) in ends.into_iter().zip(arms).filter(|(_, drawn)| *drawn) {
            let _ = write!(path, "M{x:.2} {y:.2}L{end_x:.2} {end_y:.2}");
        }
        put!(
            self,
            r#"<path d="{path}" stroke="{color}" stroke-linecap="square"/>"#
        );
        true
    }

    fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, color: Rgb) {
        put!(
            self,
            r#"<rect x="{x:.2}" y="{y:.2}" width="{width:.2}" height="{height:.2}" fill="{color}" shape-rendering="crispEdges"/>"#
        );
    }

    fn cursor(&mut self, (row, column): (u16, u16)) {
        put!(
            self,
            r#"<rect x="{:.2}" y="{:.2}" width="{CELL_WIDTH}" height="{CELL_HEIGHT}" fill="{}" opacity="0.6"/>"#,
            f64::from(column) * CELL_WIDTH,
            f64::from(row) * CELL_HEIGHT,
            self.1.foreground
        );
    }
}

/// A block element's place in its cell, in cells: x, y, width, height.
fn block(c: char) -> Option<(f64, f64, f64, f64)> {
    let eighths = |from: char| f64::from(u32::from(c) - u32::from(from)) / 8.0;
    match c {
        '▀' => Some((0.0, 0.0, 1.0, 0.5)),
        '▁'..='█' => {
            let height = eighths('▀');
            Some((0.0, 1.0 - height, 1.0, height))
        }
        '▉'..='▏' => Some((0.0, 0.0, 1.0 - eighths('█'), 1.0)),
        '▐' => Some((0.5, 0.0, 0.5, 1.0)),
        _ => None,
    }
}

/// Which arms a box drawing character has: up, right, down, left.
fn box_arms(c: char) -> Option<[bool; 4]> {
    const ARMS: [(&str, [u8; 4]); 11] = [
        ("─━", [0, 1, 0, 1]),
        ("│┃", [1, 0, 1, 0]),
        ("┌╭", [0, 1, 1, 0]),
        ("┐╮", [0, 0, 1, 1]),
        ("└╰", [1, 1, 0, 0]),
        ("┘╯", [1, 0, 0, 1]),
        ("├", [1, 1, 1, 0]),
        ("┤", [1, 0, 1, 1]),
        ("┬", [0, 1, 1, 1]),
        ("┴", [1, 1, 0, 1]),
        ("┼", [1, 1, 1, 1]),
    ];
    let (_, arms) = ARMS.iter().find(|(characters, _)| characters.contains(c))?;
    Some(arms.map(|arm| arm == 1))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use vt100::Parser;

    use super::{DARK, draw};

    /// What is drawn, in the order of the file, without the window.
    fn shapes(bytes: &str) -> Vec<String> {
        let mut parser = Parser::new(1, 8, 0);
        parser.process(b"\x1b[?25l");
        parser.process(bytes.as_bytes());
        let svg = draw(parser.screen(), "title", DARK);
        let inside = svg.split("<g ").nth(1).expect("a group");
        inside
            .lines()
            .skip(1)
            .take_while(|line| *line != "</g>")
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn words_stand_at_their_cells_and_are_as_wide() {
        let shapes = shapes("ab  <c>");
        assert_eq!(shapes.len(), 2);
        assert!(shapes[0].contains(r#"x="0.00""#) && shapes[0].contains(r#"textLength="16.86""#));
        assert!(shapes[1].contains(r#"x="33.72""#) && shapes[1].contains(">&lt;c&gt;<"));
    }

    #[test]
    fn wide_characters_take_two_cells() {
        let shapes = shapes("日a b");
        assert!(shapes[0].contains(r#"textLength="25.29""#) && shapes[0].contains(">日a<"));
        assert!(shapes[1].contains(r#"x="33.72""#));
    }

    #[test]
    fn reverse_exchanges_the_colours() {
        let shapes = shapes("\x1b[31;7mx");
        assert!(shapes[0].starts_with("<rect") && shapes[0].contains("#e06c75"));
        assert!(shapes[1].starts_with("<text") && shapes[1].contains("#16181d"));
    }

    #[test]
    fn blocks_and_boxes_are_shapes() {
        let shapes = shapes("▂█─a");
        assert!(shapes[0].contains(r#"y="12.75" width="8.43" height="4.25""#));
        assert!(shapes[1].contains(r#"y="0.00" width="8.43" height="17.00""#));
        assert!(shapes[2].starts_with("<path"));
        assert!(shapes[3].contains(">a<"));
    }

    #[test]
    fn colours_beyond_sixteen_are_those_of_xterm() {
        assert!(shapes("\x1b[38;5;208mx")[0].contains("#ff8700"));
        assert!(shapes("\x1b[38;5;244mx")[0].contains("#808080"));
        assert!(shapes("\x1b[38;2;1;2;3mx")[0].contains("#010203"));
    }
}
