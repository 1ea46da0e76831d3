//! Where the events come from and whether they do, how many there are, what is lost.
//!
//! ```text
//! 1 events 2 conns 3 pods 4 types 5 problems 6 nodes   cluster prod  12 live 1 lost
//! C 12.3k  25/s ▁▂▃▅▂▁    A 9.1k  3/s ▁▁▂▁    X ...         U ...
//! ns shop  filter port:443                 lost 0   1,234/12,345   PAUSED +120
//! ```

use collector::filter::Key;
use collector::format::count as grouped;
use collector::model::{EventType, SourceState};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::app::App;
use crate::screen::{PROGRAM, views};
use crate::{format, text};

pub(super) fn draw(buffer: &mut Buffer, area: Rect, app: &App) {
    let line = |n: u16| Rect {
        y: area.y + n,
        height: 1,
        ..area
    };
    source(buffer, line(0), app);
    rates(buffer, line(1), app);
    shown(buffer, line(2), app);
}

/// The views, and the state of the source.
fn source(buffer: &mut Buffer, line: Rect, app: &App) {
    let theme = app.theme();
    let width = usize::from(line.width);
    let before = views(line.width).next().map_or(0, |(_, at, _)| at);
    buffer.set_stringn(line.x, line.y, PROGRAM, before.into(), theme.title);
    let mut x = line.x;
    for (tab, at, label) in views(line.width) {
        let style = if tab == app.tab() {
            theme.title.add_modifier(Modifier::UNDERLINED)
        } else {
            theme.faint
        };
        x = buffer
            .set_stringn(line.x + at, line.y, label, width, style)
            .0;
    }
    x += GAP;
    let mut parts = state(app);
    let room = usize::from(line.right().saturating_sub(x));
    // What is last says the least.
    while parts.len() > 2 && joined(&parts) > room {
        parts.pop();
    }
    let source = room.saturating_sub(joined(&parts[1..]) + usize::from(GAP));
    if let Some((text, _)) = parts.first_mut() {
        *text = text::cut_middle(text, source).into_owned();
    }
    let gap = || (" ".repeat(GAP.into()), Style::new());
    let mut spaced = Vec::new();
    for part in parts.into_iter().filter(|(text, _)| !text.is_empty()) {
        if !spaced.is_empty() {
            spaced.push(gap());
        }
        spaced.push(part);
    }
    super::right(buffer, line, &spaced);
}

/// Cells between two parts.
const GAP: u16 = 2;

/// The cells of parts with what stands between them.
fn joined(parts: &[(String, Style)]) -> usize {
    let gaps = parts.len().saturating_sub(1) * usize::from(GAP);
    gaps + parts
        .iter()
        .map(|(text, _)| text::width(text))
        .sum::<usize>()
}

/// The source, what it is doing, and what is to be known of it, the most important first.
fn state(app: &App) -> Vec<(String, Style)> {
    let theme = app.theme();
    let source = text::clean(app.source()).into_owned();
    let mut parts = vec![(source, Style::new())];
    let mut part = |text: String, style| parts.push((text::clean(&text).into_owned(), style));
    let nodes = app.store().nodes();
    match nodes {
        [] if app.is_over() => part("ended".into(), theme.note),
        [] => part("connecting".into(), theme.note),
        [node] => {
            let (word, style) = of_node(&node.state, app);
            part(word.into(), style);
            part(node.name.to_string(), Style::new());
            if let Some(hello) = &node.hello {
                part(hello.kernel.to_string(), theme.faint);
                let hook = hello
                    .accept_hook
                    .map(|hook| format!("accept by {}", hook.word()));
                part(hook.unwrap_or_default(), theme.faint);
            }
        }
        many => {
            let mut nodes = format!(" of {} nodes", grouped(many.len() as u64));
            for word in ["lost", "connecting", "live", "ended"] {
                let of = many.iter().map(|node| of_node(&node.state, app));
                let mut of = of.filter(|(said, _)| *said == word);
                let Some((_, style)) = of.next() else {
                    continue;
                };
                let n = 1 + of.count();
                if n == many.len() {
                    nodes.replace_range(.., " nodes");
                }
                part(format!("{}{nodes} {word}", grouped(n as u64)), style);
                nodes.clear();
            }
        }
    }
    parts
}

/// What a node is doing.
fn of_node(state: &SourceState, app: &App) -> (&'static str, Style) {
    let theme = app.theme();
    match state {
        SourceState::Connecting => ("connecting", theme.note),
        SourceState::Live if app.is_over() => ("ended", theme.note),
        SourceState::Live => ("live", theme.good),
        SourceState::Lost(_) => ("lost", theme.bad),
        SourceState::Ended => ("ended", theme.note),
    }
}

/// Which source is lost, and why, on as many lines as that takes.
pub(super) fn notice(buffer: &mut Buffer, area: Rect, app: &App) {
    let Some(notice) = app.notice() else { return };
    let width = usize::from(area.width);
    let style = if app.is_harmless() {
        app.theme().note
    } else {
        app.theme().bad
    };
    for (line, y) in text::wrapped(&notice, width)
        .iter()
        .zip(area.y..area.bottom())
    {
        buffer.set_stringn(area.x, y, line, width, style);
    }
}

/// Counts, rates and their last minute, type by type.
fn rates(buffer: &mut Buffer, line: Rect, app: &App) {
    let theme = app.theme();
    let rates = app.store().rates();
    let each = line.width / 4;
    for (i, kind) in (0_u16..).zip(EventType::ALL) {
        let x = line.x + i * each;
        let room = usize::from(each.saturating_sub(1));
        let style = theme.of_type(Some(kind));
        let count = format::count(app.store().counts().of(kind));
        let text = format!("{} {count:>4}", kind.letter());
        let after = buffer.set_stringn(x, line.y, text, room, style).0;
        if !app.sieve().shows(kind) {
            buffer.set_stringn(after + 1, line.y, "hidden", room, theme.note);
            continue;
        }
        let rate = format::count(u64::from(rates.of(kind).last(app.clock())));
        let rate = format!(" {rate:>4}/s ");
        let after = buffer
            .set_stringn(after, line.y, rate, room, Style::new())
            .0;
        let cells = usize::from((x + each).saturating_sub(after + 1));
        let spark = format::sparkline(&rates.of(kind).series(app.clock()), cells);
        buffer.set_stringn(after, line.y, spark, cells, style);
    }
}

/// The filter at the left; loss, what passes it, and whether the view moves, at the right.
fn shown(buffer: &mut Buffer, line: Rect, app: &App) {
    let theme = app.theme();
    let mut parts: Vec<(String, Style)> = Vec::new();
    let mut part = |text: String, style: Style| {
        let gap = if parts.is_empty() { "" } else { "  " };
        parts.push((gap.to_owned(), Style::new()));
        parts.push((text, style));
    };
    let losses = app.store().losses();
    if losses.total() == 0 {
        part("lost 0".into(), theme.faint);
    } else {
        let kinds: Vec<String> = losses
            .iter()
            .map(|(kind, n)| format!("{} {}", kind.word(), grouped(n)))
            .collect();
        part(format!("LOST {}", kinds.join(" ")), theme.bad);
    }
    if app.store().evicted() > 0 {
        part(
            format!("evicted {}", grouped(app.store().evicted())),
            theme.faint,
        );
    }
    if app.store().connections().untracked() > 0 {
        let n = grouped(app.store().connections().untracked());
        part(format!("untracked {n}"), theme.bad);
    }
    if app.is_recorded() {
        part("REC".into(), theme.note);
    }
    match app.marked() {
        (0, 0) => {}
        (n, 0) => part(format!("{} marked", grouped(n as u64)), theme.note),
        (n, gone) => {
            let [n, gone] = [n as u64, gone].map(grouped);
            part(format!("{n} marked, {gone} gone"), theme.note);
        }
    }
    let (shown, total) = app.shown_of_total();
    let [shown, total] = [shown, total].map(|n| grouped(n as u64));
    part(format!("{shown}/{total}"), Style::new());
    if let Some(by) = app.sort().filter(|_| !app.follows()) {
        let arrow = super::table::arrow(by);
        part(format!("sort {}{arrow}", by.column.name), Style::new());
    }
    if let Some(replay) = app.replay() {
        let at = replay
            .position()
            .map(|at| crate::columns::time_of_day(at, app.moment().tz));
        let speed = format!("{} {}", at.unwrap_or_default(), replay.playing.speed);
        part(speed.trim_start().to_owned(), Style::new());
    }
    if app.replay().is_some_and(|replay| replay.playing.held) {
        part("PAUSED".into(), theme.note);
    } else if let Some(missed) = app.paused() {
        part(format!("PAUSED +{}", grouped(missed as u64)), theme.note);
    } else if app.follows() {
        part("FOLLOW".into(), theme.good);
    }
    let start = super::right(buffer, line, &parts);

    asked(buffer, line, start, app);
}

/// What the rows are a part of, and which pass, up to a cell.
fn asked(buffer: &mut Buffer, line: Rect, start: u16, app: &App) {
    let theme = app.theme();
    let room = usize::from(start.saturating_sub(line.x + GAP));
    let mut parts: Vec<(String, Style)> = Vec::new();
    let mut part = |text: &str, style| parts.push((text::clean(text).into_owned(), style));
    let scope = app.sieve().scope.as_ref();
    if let Some(scope) = scope {
        part(&format!("in {}", scope.label), theme.title);
    }
    let filter = &app.sieve().filter;
    let mut rest = filter.clone();
    for (key, name) in [(Key::Namespace, "ns"), (Key::Pod, "pod")] {
        let term = filter.clone().only(key).to_string();
        rest = rest.without(key);
        match term
            .strip_prefix(name)
            .and_then(|term| term.strip_prefix(':'))
        {
            Some(value) => part(&format!("{name} {value}"), theme.note),
            None if app.has_pods() && key == Key::Namespace => part("ns all", theme.faint),
            None => {}
        }
    }
    if rest.is_all() {
        part("no filter", theme.faint);
    } else {
        let of_all = if app.tab().is_list() {
            " (sums are of all)"
        } else {
            ""
        };
        part(&format!("filter {rest}{of_all}"), theme.note);
    }
    // That nothing is asked for need not be said where there is no room for what is.
    if joined(&parts) > room {
        parts.retain(|(_, style)| *style != theme.faint);
    }
    // What the rows are a part of has what the others leave, and two thirds at the least.
    if let (Some(_), Some((label, others))) = (scope, parts.split_first_mut()) {
        let left = room.saturating_sub(joined(others) + usize::from(GAP));
        label.0 = text::cut_middle(&label.0, left.max(room * 2 / 3)).into_owned();
    }
    let mut x = line.x;
    for (text, style) in parts {
        let room = usize::from(start.saturating_sub(x + GAP));
        let text = text::cut_end(&text, room);
        x = buffer.set_stringn(x, line.y, text, room, style).0 + GAP;
    }
}

/// What to say where there are no rows: `yet` if there may still be, `all` if there are but none
/// passes the filter.
pub(super) fn nothing(app: &App, yet: &str, all: &str) -> (String, Style) {
    let theme = app.theme();
    let (_, total) = app.shown_of_total();
    if total > 0 {
        return (
            format!("{all} pass the filter, of {}", grouped(total as u64)),
            theme.faint,
        );
    }
    if app.is_over() && !app.tab().is_list() {
        (format!("{} ended", app.source()), theme.faint)
    } else {
        (yet.to_owned(), theme.faint)
    }
}
