//! The keys that work now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::App;
use crate::text;

pub(super) fn draw(buffer: &mut Buffer, area: Rect, app: &App) {
    let theme = app.theme();
    let mut x = area.x;
    for (key, word) in app.mode().footer() {
        let key = key.to_string();
        let cells = text::width(&key) + 1 + text::width(word);
        if usize::from(area.right() - x) < cells {
            break;
        }
        x = buffer.set_stringn(x, area.y, key, cells, theme.key).0 + 1;
        x = buffer.set_stringn(x, area.y, word, cells, Style::new()).0;
        x = x.saturating_add(2).min(area.right());
    }
}
