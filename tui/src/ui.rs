//! The screen: a panel a file. They read the state and change nothing.

mod connections;
mod detail;
mod events;
mod footer;
mod header;
mod help;
mod lists;
mod picker;
mod prompt;
mod table;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::action::Tab;
use crate::app::App;
use crate::screen::{MIN_HEIGHT, MIN_WIDTH};
use crate::text;

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame, app: &App) {
    // Of the frame, not of the state: the terminal may have shrunk a moment ago, and nothing must be
    // written outside.
    let area = frame.area();
    let Some(panels) = app.panels_of(area.as_size()) else {
        too_small(frame);
        return;
    };
    let buffer = frame.buffer_mut();
    header::draw(buffer, panels.header, app);
    header::notice(buffer, panels.notice, app);
    if let Some(line) = app.help() {
        help::draw(buffer, panels.titles.union(panels.rows), app, line);
    } else if let Some((many, picker)) = app.picker() {
        let area = panels.titles.union(panels.rows);
        picker::draw(buffer, area, app, many, picker);
    } else if let Some((lines, first)) = app.detail() {
        let area = panels.titles.union(panels.rows);
        detail::draw(buffer, area, app, &lines, first);
    } else {
        match app.tab() {
            Tab::Events => events::draw(buffer, panels.titles, panels.rows, app),
            Tab::Connections => connections::draw(buffer, panels.titles, panels.rows, app),
            _ => lists::draw(buffer, panels.titles, panels.rows, app),
        }
    }
    footer::draw(buffer, panels.footer, app);
    prompt::draw(frame, &panels, app);
}

/// Says what is needed, as far as there is room to say it.
fn too_small(frame: &mut Frame) {
    let area = frame.area();
    let has = format!("this terminal has {} x {}", area.width, area.height);
    let needs = format!("tcpscope needs {MIN_WIDTH} x {MIN_HEIGHT}");
    for (y, line) in (area.y..area.bottom()).zip([needs, has]) {
        let line = text::cut_end(&line, usize::from(area.width)).into_owned();
        let buffer = frame.buffer_mut();
        buffer.set_stringn(area.x, y, line, usize::from(area.width), Style::new());
    }
}

/// Writes text that stands at the right end of a line; what does not fit is left out.
///
/// Returns the first cell of it.
fn right(buffer: &mut ratatui::buffer::Buffer, line: Rect, parts: &[(String, Style)]) -> u16 {
    let cells: usize = parts.iter().map(|(text, _)| text::width(text)).sum();
    let mut x = line
        .right()
        .saturating_sub(u16::try_from(cells).unwrap_or(u16::MAX));
    x = x.max(line.x);
    let start = x;
    for (text, style) in parts {
        let room = usize::from(line.right().saturating_sub(x));
        x = buffer.set_stringn(x, line.y, text, room, *style).0;
    }
    start
}

#[cfg(test)]
mod tests;
