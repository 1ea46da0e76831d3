//! The keys that work now, or what somebody has to be told first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::{App, Tone};
use crate::text;

pub(super) fn draw(buffer: &mut Buffer, area: Rect, app: &App) {
    let theme = app.theme();
    let mut x = area.x;
    if let Some((text, style)) = said(app) {
        // A question leaves room for its answers.
        let answers = if app.question().is_some() { 16 } else { 0 };
        let room = usize::from(area.width).saturating_sub(answers);
        let text = text::clean(&text);
        let text = text::cut_middle(&text, room);
        x = buffer.set_stringn(x, area.y, text, room, style).0 + 2;
        if answers == 0 {
            return;
        }
    }
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

/// A question, or what became of what was done last.
fn said(app: &App) -> Option<(String, Style)> {
    let theme = app.theme();
    if let Some(question) = app.question() {
        return Some((question.text(), theme.note));
    }
    let message = app.message()?;
    let style = match message.tone {
        Tone::Good => theme.good,
        Tone::Note => theme.note,
        Tone::Bad => theme.bad,
    };
    Some((message.text.clone(), style))
}
