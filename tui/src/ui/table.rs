//! Titles and rows of a table. Only the rows on the screen are looked at.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::{App, By};
use crate::columns::{Align, Kind, Placed, Row, placed};
use crate::text;

/// Stands at a marked row.
const MARK: &str = "*";

/// Where the columns of the view stand in an area.
pub(super) fn place(area: Rect, app: &App) -> Vec<Placed> {
    let mut columns = placed(app.choice(), app.wide(), area.width);
    for placed in &mut columns {
        placed.x += area.x;
    }
    columns
}

/// The line of titles; that of the column which the rows are sorted by stands out, and where there
/// is room for it, an arrow says which way.
pub(super) fn titles(buffer: &mut Buffer, area: Rect, columns: &[Placed], app: &App) {
    let theme = app.theme();
    buffer.set_style(area, theme.head);
    let sort = app.sort();
    for placed in columns {
        let name = placed.column.name;
        match sort.filter(|by| by.column.name == name) {
            Some(by) => {
                let title = format!("{name}{}", arrow(by));
                let fits = text::width(&title) <= usize::from(placed.width);
                let title = if fits { &title } else { name };
                cell(buffer, area.y, placed, title, theme.sorted);
            }
            None => cell(buffer, area.y, placed, name, theme.head),
        }
    }
}

/// Which way the rows are sorted.
pub(super) fn arrow(by: By) -> char {
    if by.inverted { '↓' } else { '↑' }
}

/// One row.
pub(super) fn row(buffer: &mut Buffer, line: Rect, columns: &[Placed], row: Row, app: &App) {
    let theme = app.theme();
    let listed = row.event.kind.is_none() && row.connection.is_none();
    let base = if listed { theme.faint } else { Style::new() };
    for placed in columns {
        let text = placed.column.cell(row, placed.width, app.moment());
        let style = match placed.column.kind {
            Kind::Type => theme.of_type(row.event.kind),
            Kind::Reason | Kind::State if row.event.is_failure() => theme.bad,
            _ if text == "-" => theme.faint,
            Kind::State if is_open(row) => theme.good,
            _ => base,
        };
        cell(buffer, line.y, placed, &text, style);
    }
}

fn is_open(row: Row) -> bool {
    use collector::model::ConnState;
    row.connection.is_some_and(|c| c.state == ConnState::Open)
}

/// Shows that a row is marked: behind its first cell, where otherwise nothing stands, so that no
/// column moves for it.
pub(super) fn mark(buffer: &mut Buffer, line: Rect, columns: &[Placed], app: &App) {
    let Some(first) = columns.first() else { return };
    let gap = (first.x + first.width).min(line.right().saturating_sub(1));
    buffer.set_stringn(gap, line.y, MARK, 1, app.theme().note);
}

/// Lays the look of the selection over a row.
pub(super) fn select(buffer: &mut Buffer, line: Rect, app: &App) {
    buffer.set_style(line, app.theme().selected);
}

pub(super) fn cell(buffer: &mut Buffer, y: u16, placed: &Placed, text: &str, style: Style) {
    let width = usize::from(placed.width);
    let text = text::cut_end(text, width);
    let shift = match placed.column.align {
        Align::Left => 0,
        Align::Right => width.saturating_sub(text::width(&text)),
    };
    let x = placed.x + u16::try_from(shift).unwrap_or_default();
    buffer.set_stringn(x, y, text, width, style);
}

/// The lines of an area, from the top.
pub(super) fn lines(area: Rect) -> impl Iterator<Item = Rect> {
    (area.y..area.bottom()).map(move |y| Rect {
        y,
        height: 1,
        ..area
    })
}

/// A sentence where there are no rows.
pub(super) fn empty(buffer: &mut Buffer, area: Rect, text: &str, style: Style) {
    let width = usize::from(area.width);
    let y = area.y + area.height / 3;
    let text = text::clean(text);
    let text = text::cut_end(&text, width);
    let shift = (width - text::width(&text)) / 2;
    let x = area.x + u16::try_from(shift).unwrap_or_default();
    if y < area.bottom() {
        buffer.set_stringn(x, y, text, width, style);
    }
}
