//! A list to pick from, over the rows. What is typed to narrow it stands at the prompt.
//!
//! ```text
//! namespaces (2 of 14)
//! > shop                     12,345 events
//!   shop-staging                 12 events
//! ```

use collector::format::count;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::table;
use crate::app::App;
use crate::picker::Picker;
use crate::text;

/// Cells for names, at most.
const NAMES: u16 = 72;

/// Cells for the count of events.
const EVENTS: usize = 22;

/// Draws the list; the first line of the area is its title.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, app: &App, many: &str, picker: &Picker) {
    let theme = app.theme();
    let width = usize::from(area.width);
    let (fitting, all) = picker.counts();
    let title = format!(
        "{many} ({} of {})",
        count(fitting as u64),
        count(all as u64)
    );
    buffer.set_style(Rect { height: 1, ..area }, theme.head);
    buffer.set_stringn(area.x, area.y, title, width, theme.head);
    let body = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    let names = usize::from(NAMES.min(area.width)).saturating_sub(EVENTS + 2);
    let height = usize::from(body.height);
    for (line, (choice, picked)) in table::lines(body).zip(picker.visible(height)) {
        let sign = if picked { "> " } else { "  " };
        buffer.set_stringn(line.x, line.y, sign, width, theme.key);
        let label = choice.label();
        let label = text::clean(&label);
        buffer.set_stringn(
            line.x + 2,
            line.y,
            text::cut_end(&label, names),
            names,
            Style::new(),
        );
        let s = if choice.events == 1 { " " } else { "s" };
        let events = format!("{:>15} event{s}", count(choice.events));
        let x = line.x + 2 + u16::try_from(names).unwrap_or_default();
        buffer.set_stringn(x, line.y, events, EVENTS, theme.faint);
        if picked {
            buffer.set_style(line, theme.selected);
        }
    }
    if fitting == 0 {
        table::empty(buffer, body, "nothing fits what was typed", theme.faint);
    }
}
