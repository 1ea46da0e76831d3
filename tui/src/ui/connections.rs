//! The connections: those that are open, then those that ended.
//!
//! ```text
//! STATE     AGE     PID COMM     DADDR           DPORT REASON             TX
//! open    1m03s   16266 wget     188.114.97.3      443 -                   -
//! ended   250ms     812 nginx    10.0.0.9        40112 fin-remote     1.20K
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
    for (line, key) in table::lines(rows).zip(app.visible_connections()) {
        if let Some(connection) = app.connection(key) {
            let row = Row {
                event: &connection.row,
                connection: Some(connection),
            };
            table::row(buffer, line, &columns, row, app);
        }
        if app.is_marked_connection(key) {
            table::mark(buffer, line, &columns, app);
        }
        if visible.selected == Some(visible.top + drawn) {
            table::select(buffer, line, app);
        }
        drawn += 1;
    }
    if drawn == 0 {
        let (text, style) = super::header::nothing(app, "no connections yet", "no connections");
        table::empty(buffer, rows, &text, style);
    }
}
