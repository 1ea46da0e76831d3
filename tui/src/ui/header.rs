//! Where the events come from and whether they do, how many there are, what is lost.
//!
//! ```text
//! 1 events 2 conns 3 pods 4 types 5 problems 6 nodes        host1 live  6.12.9
//! C 12.3k  25/s ▁▂▃▅▂▁    A 9.1k  3/s ▁▁▂▁    X ...         U ...
//! filter port:443                          lost 0   1,234/12,345   PAUSED +120
//! ```

use collector::format::count as grouped;
use collector::model::{EventType, Node, SourceState};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::action::Tab;
use crate::app::App;
use crate::{format, text};

/// Cells in which the name of the program and all of the views have room beside the source.
const WIDE: u16 = 120;

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
    let narrow = line.width < WIDE;
    let mut x = line.x;
    let gap = if narrow { 1 } else { 2 };
    if !narrow {
        x = buffer
            .set_stringn(x, line.y, "tcpscope", width, theme.title)
            .0
            + gap;
    }
    for (number, tab) in (1..).zip(Tab::ALL) {
        let style = if tab == app.tab() {
            theme.title.add_modifier(Modifier::UNDERLINED)
        } else {
            theme.faint
        };
        let title = match tab {
            Tab::Connections if narrow => "conns",
            tab => tab.title(),
        };
        let label = format!("{number} {title}");
        x = buffer.set_stringn(x, line.y, label, width, style).0 + gap;
    }
    x += 1;
    let room = line.right().saturating_sub(x);
    let mut state = state(app);
    // One of many clusters, whose name no node tells.
    if !narrow && app.store().nodes().len() > 1 {
        state.0 = format!("{}  {}", app.source(), state.0);
    }
    let cut: String = text::cut_end(&text::clean(&state.0), usize::from(room)).into_owned();
    super::right(buffer, line, &[(cut, state.1)]);
}

/// What the source is doing, for all its nodes.
fn state(app: &App) -> (String, Style) {
    let theme = app.theme();
    let nodes = app.store().nodes();
    match nodes {
        [] if app.is_over() => (format!("{} ended", app.source()), theme.note),
        [] => (format!("{} connecting", app.source()), theme.note),
        [node] => one(node, app),
        many => {
            let count = |is: fn(&SourceState) -> bool| many.iter().filter(|n| is(&n.state)).count();
            let live = count(|s| matches!(s, SourceState::Live));
            let connecting = count(|s| matches!(s, SourceState::Connecting));
            let lost = count(|s| matches!(s, SourceState::Lost(_)));
            let mut text = format!("{} nodes  {live} live", many.len());
            let mut style = theme.good;
            if connecting > 0 {
                text = format!("{text}  {connecting} connecting");
                style = theme.note;
            }
            if lost > 0 {
                text = format!("{text}  {lost} lost");
                style = theme.bad;
            }
            (text, style)
        }
    }
}

fn one(node: &Node, app: &App) -> (String, Style) {
    let theme = app.theme();
    let name = &node.name;
    let about = node.hello.as_ref().map(|hello| match hello.accept_hook {
        Some(hook) => format!("  {}  accept by {}", hello.kernel, hook.word()),
        None => format!("  {}", hello.kernel),
    });
    let about = about.unwrap_or_default();
    match &node.state {
        SourceState::Connecting => (format!("{name} connecting"), theme.note),
        SourceState::Live if app.is_over() => (format!("{name} ended"), theme.note),
        SourceState::Live => (format!("{name} live{about}"), theme.good),
        SourceState::Lost(_) => (format!("{name} lost"), theme.bad),
        SourceState::Ended => (format!("{name} ended"), theme.note),
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
        let rate = format::count(u64::from(rates.of(kind).last(app.now())));
        let rate = format!(" {rate:>4}/s ");
        let after = buffer
            .set_stringn(after, line.y, rate, room, Style::new())
            .0;
        let cells = usize::from((x + each).saturating_sub(after + 1));
        let spark = format::sparkline(&rates.of(kind).series(app.now()), cells);
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
    if app.tab().is_list() {
        part(format!("{total} rows"), Style::new());
    } else {
        part(format!("{shown}/{total}"), Style::new());
    }
    if let Some(by) = app.sort().filter(|_| !app.follows()) {
        let arrow = super::table::arrow(by);
        part(format!("sort {}{arrow}", by.column.name), Style::new());
    }
    if let Some(missed) = app.paused() {
        part(format!("PAUSED +{}", grouped(missed as u64)), theme.note);
    } else if app.follows() {
        part("FOLLOW".into(), theme.good);
    }
    let start = super::right(buffer, line, &parts);

    let mut line = line;
    if let Some(scope) = &app.sieve().scope {
        let label = format!("in {}", text::clean(&scope.label));
        let room = usize::from(start.saturating_sub(line.x + 2)) * 2 / 3;
        let x = buffer
            .set_stringn(
                line.x,
                line.y,
                text::cut_end(&label, room),
                room,
                theme.title,
            )
            .0;
        line.x = x + 2;
    }
    let room = usize::from(start.saturating_sub(line.x + 2));
    let filter = app.sieve().filter.to_string();
    if filter.is_empty() {
        buffer.set_stringn(line.x, line.y, "no filter", room, theme.faint);
    } else {
        let all = if app.tab().is_list() {
            " (sums are of all)"
        } else {
            ""
        };
        let text = format!("filter {}{all}", text::clean(&filter));
        buffer.set_stringn(line.x, line.y, text::cut_end(&text, room), room, theme.note);
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
    if app.is_over() {
        (format!("{} ended", app.source()), theme.faint)
    } else {
        (yet.to_owned(), theme.faint)
    }
}
