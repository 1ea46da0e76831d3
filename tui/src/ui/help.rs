//! The help, in as many columns as there is room for.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::App;
use crate::help::{COLUMN, KEYS, Line, columns, lines};

/// Draws the help from its line `first` on; the first line of the area is its title.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, app: &App, first: usize) {
    let theme = app.theme();
    let body = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    let title = Rect { height: 1, ..area };
    buffer.set_style(title, theme.head);
    let below = lines(app.keymap(), area.width).saturating_sub(first + usize::from(body.height));
    let title_text = match below {
        0 => "Help".to_owned(),
        below => format!("Help ({below} more lines below)"),
    };
    buffer.set_stringn(
        area.x,
        area.y,
        title_text,
        usize::from(area.width),
        theme.head,
    );
    for (column, x) in columns(app.keymap(), area.width)
        .iter()
        .zip((area.x..).step_by(usize::from(COLUMN)))
    {
        for (line, y) in column.iter().skip(first).zip(body.y..body.bottom()) {
            let width = usize::from(COLUMN - 1);
            match line {
                Line::Blank => {}
                Line::Title(title) => {
                    buffer.set_stringn(x, y, title, width, theme.title);
                }
                Line::Entry { keys, text } => {
                    buffer.set_stringn(x, y, keys, KEYS, theme.key);
                    let at = x + u16::try_from(KEYS).unwrap_or_default();
                    buffer.set_stringn(at, y, text, width - KEYS, Style::new());
                }
            }
        }
    }
}
