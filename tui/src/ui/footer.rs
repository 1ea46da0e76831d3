//! The keys that work now, or what somebody has to be told first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::{App, Tone};
use crate::text;

/// Cells between two keys with their words.
const GAP: u16 = 2;

/// How many at the end are always there.
const LAST: usize = 2;

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
    let mut words = app.mode().footer();
    let cells = |(key, word): &(String, &str)| text::width(key) + 1 + text::width(word);
    // How to get help, and how to leave, stand at the end and are there whatever else is.
    while words.len() > LAST && total(words.iter().map(cells)) > usize::from(area.right() - x) {
        words.remove(words.len() - 1 - LAST);
    }
    for (key, word) in words {
        let room = usize::from(area.right().saturating_sub(x));
        x = buffer.set_stringn(x, area.y, key, room, theme.key).0 + 1;
        let room = usize::from(area.right().saturating_sub(x));
        x = buffer
            .set_stringn(x.min(area.right()), area.y, word, room, Style::new())
            .0;
        x = x.saturating_add(GAP).min(area.right());
    }
}

/// The cells of words, with what stands between them.
fn total(words: impl ExactSizeIterator<Item = usize>) -> usize {
    let gaps = words.len().saturating_sub(1) * usize::from(GAP);
    words.sum::<usize>() + gaps
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
