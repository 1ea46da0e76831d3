//! The events as they happen, the newest at the bottom.
//!
//! ```text
//! TIME         T     PID COMM     SADDR           DADDR           DPORT REASON
//! before       -     812 sshd     10.0.0.5        10.0.0.9        50512 ESTABLISHED
//! 15:04:05.123 C   16266 wget     172.17.0.3      188.114.97.3      443
//! 15:04:05.201 X   16266 wget     172.17.0.3      188.114.97.3      443 fin-local
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::table;
use crate::app::App;
use crate::columns::Row;

pub(super) fn draw(buffer: &mut Buffer, titles: Rect, rows: Rect, app: &App) {
    let columns = table::place(titles, app);
    table::titles(buffer, titles, &columns, app);
    let visible = app.visible();
    let mut drawn = 0;
    for (line, id) in table::lines(rows).zip(app.visible_events()) {
        if let Some(event) = app.event(id) {
            let row = Row {
                event: &event,
                connection: None,
            };
            table::row(buffer, line, &columns, row, app);
        } else {
            let gone = "(evicted while paused)";
            let width = usize::from(line.width);
            buffer.set_stringn(line.x, line.y, gone, width, app.theme().faint);
        }
        if app.is_marked_event(id) {
            table::mark(buffer, line, &columns, app);
        }
        if visible.selected == Some(visible.top + drawn) {
            table::select(buffer, line, app);
        }
        drawn += 1;
    }
    if drawn == 0 {
        let (text, style) = super::header::nothing(app, "no events yet", "no events");
        table::empty(buffer, rows, &text, style);
    }
}
