//! Titles and rows of a table. Only the rows on the screen are looked at.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::App;
use crate::columns::{Align, Column, Kind, Row};
use crate::text;

/// Stands at a marked row.
const MARK: &str = "*";

/// A column where it stands on the screen.
pub(super) struct Placed {
    column: Column,
    x: u16,
    width: u16,
}

/// Where the columns of the view stand in an area.
pub(super) fn place(area: Rect, app: &App) -> Vec<Placed> {
    let columns = match app.wide() {
        None => app.choice().fit(area.width),
        Some(first) => app.choice().wide().split_off(first),
    };
    let mut x = area.x;
    let mut placed = Vec::with_capacity(columns.len());
    for (column, width) in columns {
        let room = area.right().saturating_sub(x);
        // At the right end of the wide layout: a column that is cut to nothing tells nothing.
        if room < width && !column.is_of_use_in(room) {
            break;
        }
        let width = width.min(room);
        placed.push(Placed { column, x, width });
        x += width + 1;
    }
    placed
}

/// The line of titles.
pub(super) fn titles(buffer: &mut Buffer, area: Rect, columns: &[Placed], style: Style) {
    buffer.set_style(area, style);
    for placed in columns {
        cell(buffer, area.y, placed, placed.column.name, style);
    }
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

fn cell(buffer: &mut Buffer, y: u16, placed: &Placed, text: &str, style: Style) {
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
