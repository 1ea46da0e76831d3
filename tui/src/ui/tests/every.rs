//! Every view at three sizes: what stands in its cells, and how they look in each theme.
//!
//! All texts from elsewhere are wide or hostile. A screen is drawn in all themes; the text must be
//! the same in each, and the map below it has a letter for each way in which the themes together
//! draw a cell.

use std::collections::BTreeMap;
use std::fmt::Write;

use ratatui::style::Style;

use super::lists::shop;
use super::*;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

/// What the screen is of.
#[derive(Clone, Copy)]
enum Of {
    /// Processes of one host.
    Host,
    /// Pods on two nodes.
    Pods,
}

/// A name, what it is of, and the keys that lead there.
const SCENES: [(&str, Of, &str); 18] = [
    ("events", Of::Pods, "kk"),
    ("events_of_a_host", Of::Host, ""),
    ("events_wide", Of::Pods, "wllllllllllllllllllk"),
    ("events_paused_and_marked", Of::Pods, "kk kkkkvP"),
    ("connections", Of::Pods, "2jj "),
    ("connections_of_a_host", Of::Host, "2"),
    ("pods", Of::Pods, "3j"),
    ("pods_behind", Of::Pods, "3j\n"),
    ("types", Of::Pods, "4j"),
    ("problems", Of::Pods, "5j"),
    ("problems_behind", Of::Pods, "5j\n"),
    ("nodes", Of::Pods, "6j"),
    ("detail", Of::Pods, "kkkk\n"),
    ("help", Of::Pods, "?"),
    ("filter", Of::Pods, "/pod:日本* comm:x prot:443"),
    ("picker", Of::Pods, "p"),
    ("command", Of::Pods, ":fly away\n"),
    ("export", Of::Pods, "k s"),
];

/// Texts that whoever names a pod or a command may choose.
const TEXTS: [&str; 7] = [
    "日本語サーバ",
    "a\x1b[31mred\x1b[0m",
    "\u{202e}drow",
    "e\u{301}te\u{301}",
    "👩\u{200d}👩\u{200d}👧",
    "tab\there\r\n",
    "",
];

/// The same, with names that whoever made them has chosen.
fn hostile(update: Update, of: Of) -> Update {
    let Update::Batch(mut batch) = update else {
        return update;
    };
    // Three of each are enough for a finding.
    let texts = TEXTS.iter().flat_map(|text| [text; 3]).cycle();
    for (event, text) in batch.events.iter_mut().zip(texts) {
        event.process = Some(process(u32::from(event.local.port), text));
        if let Of::Pods = of {
            let origin = Arc::make_mut(&mut event.origin);
            origin.pod = Some(format!("{text}-cart-7c9d8f6b5-x2x4q").into());
            origin.container = Some(text.repeat(3).into());
            if let Some(peer) = &mut event.peer {
                Arc::make_mut(peer).name = format!("payments-{text}").into();
            }
        }
    }
    Update::Batch(batch)
}

fn scene((_, of, script): (&str, Of, &str), size: (u16, u16), theme: &'static Theme) -> Buffer {
    let (width, height) = size;
    let mut app = app(width, height, theme, matches!(of, Of::Pods));
    let updates = match of {
        Of::Pods => shop(),
        Of::Host => vec![hello(), story()],
    };
    for update in updates {
        tell(&mut app, hostile(update, of));
    }
    keys(&mut app, script);
    screen(&mut app, width, height).backend().buffer().clone()
}

/// The lines of a screen, without the spaces at their ends.
fn lines(buffer: &Buffer, cell: impl Fn(&ratatui::buffer::Cell) -> String) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    let lines = buffer.content.chunks(width);
    let text = lines.map(|line| line.iter().map(&cell).collect::<String>());
    text.map(|line| line.trim_end().to_owned()).collect()
}

fn text(buffer: &Buffer) -> Vec<String> {
    // The cell after a wide character is a part of it.
    let mut skip = 0;
    let width = usize::from(buffer.area.width);
    let line = |line: &[ratatui::buffer::Cell]| {
        let mut out = String::new();
        for cell in line {
            if skip == 0 {
                out.push_str(cell.symbol());
                skip = crate::text::width(cell.symbol()).saturating_sub(1);
            } else {
                skip -= 1;
            }
        }
        skip = 0;
        out.trim_end().to_owned()
    };
    buffer.content.chunks(width).map(line).collect()
}

fn described(style: Style) -> String {
    let mut said = String::new();
    let color = |color: Option<Color>| color.filter(|color| *color != Color::Reset);
    for (name, color) in [("", color(style.fg)), ("on ", color(style.bg))] {
        if let Some(color) = color {
            let _ = write!(said, "{name}{color} ");
        }
    }
    for (name, _) in style.add_modifier.iter_names() {
        said.push_str(&name.to_lowercase());
        said.push(' ');
    }
    match said.trim_end() {
        "" => "plain".to_owned(),
        said => said.to_owned(),
    }
}

/// What is kept of a screen.
fn drawn(name: (&str, Of, &str), size: (u16, u16)) -> String {
    let buffers = THEMES.each_ref().map(|theme| scene(name, size, theme));
    let said = text(&buffers[0]);
    for (theme, buffer) in THEMES.iter().zip(&buffers) {
        assert_eq!(text(buffer), said, "{}", theme.name);
        let mut symbols = buffer.content.iter().map(ratatui::buffer::Cell::symbol);
        assert!(symbols.all(|symbol| !symbol.contains(char::is_control)));
    }
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').collect();
    let mut known: BTreeMap<String, char> = BTreeMap::new();
    let mut legend = String::new();
    let mut map = buffers[0].clone();
    for (at, cell) in map.content.iter_mut().enumerate() {
        let styles = buffers.each_ref().map(|b| described(b.content[at].style()));
        if styles.iter().all(|style| style == "plain") {
            cell.set_char(' ');
            continue;
        }
        let names = THEMES.iter().map(|theme| theme.name);
        let all: Vec<String> = names
            .zip(&styles)
            .map(|(n, s)| format!("{n}: {s}"))
            .collect();
        let next = letters.get(known.len()).copied().unwrap_or('?');
        let letter = *known.entry(all.join(", ")).or_insert_with(|| {
            let _ = writeln!(legend, "{next}  {}", all.join(", "));
            next
        });
        cell.set_char(letter);
    }
    let map = lines(&map, |cell| cell.symbol().to_owned());
    format!(
        "{}\n---\n{}\n---\n{legend}",
        said.join("\n"),
        map.join("\n")
    )
}

#[test]
fn every_view_at_every_size_in_every_theme() {
    for scene in SCENES {
        for (width, height) in SIZES {
            let name = format!("{}_{width}x{height}", scene.0);
            assert_snapshot!(name, drawn(scene, (width, height)));
        }
    }
}

/// Between the smallest screen and a large one nothing breaks, whatever is shown.
#[test]
fn no_view_minds_any_size() {
    for scene in SCENES {
        for size in [
            (1, 1),
            (20, 5),
            (79, 24),
            (80, 10),
            (81, 11),
            (132, 25),
            (255, 70),
        ] {
            let _ = self::scene(scene, size, &THEMES[0]);
        }
    }
}
