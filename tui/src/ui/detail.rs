//! One connection: what happened to it, its two ends, and who they are.
//!
//! ```text
//! Connection
//!   state       ended after 250ms
//!   reason      fin-local: this side closed first
//!   sent        312B
//!
//! Timeline
//!   15:04:05.123456  C  connected by wget (16266)
//!   15:04:05.373456  X  closed by wget (16266): fin-local, 250ms later
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::App;
use crate::detail::{INDENT, Line, Look, cells_before};

pub(super) fn draw(buffer: &mut Buffer, area: Rect, app: &App, lines: &[Line], first: usize) {
    let theme = app.theme();
    let shown = lines.iter().skip(first);
    let below = lines.len().saturating_sub(first + usize::from(area.height));
    for (line, y) in shown.zip(area.y..area.bottom()) {
        match line {
            Line::Blank => {}
            Line::Title(title) => {
                buffer.set_stringn(area.x, y, title, usize::from(area.width), theme.title);
            }
            Line::Entry { label, text, look } => {
                let style = match look {
                    Look::Plain => Style::new(),
                    Look::Bad => theme.bad,
                    Look::Faint => theme.faint,
                };
                let room = usize::from(area.width.saturating_sub(INDENT));
                let x = area.x + INDENT;
                buffer.set_stringn(x, y, label, room, theme.faint);
                let shift = cells_before(label);
                let room = room.saturating_sub(shift.into());
                buffer.set_stringn(x + shift, y, text, room, style);
            }
        }
    }
    if below > 0 {
        let more = format!(" {below} more lines below ");
        let y = area.bottom().saturating_sub(1);
        let line = Rect {
            y,
            height: 1,
            ..area
        };
        super::right(buffer, line, &[(more, theme.note)]);
    }
}
