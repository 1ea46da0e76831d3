//! Sums: a row per pod, per type and reason, per problem, or per node.
//!
//! ```text
//! ! PROBLEM          COUNT RATE WHO               WHOM                       LAST
//! ! refused             12    3 shop/cart-7c9d8   -> svc/shop/payments:80    15:04:05
//! - reset by peer        1    0 shop/web-5b6f7    <- 10.0.0.9 at 8080        15:03:59
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::table;
use crate::action::Tab;
use crate::app::App;
use crate::columns::Look;
use crate::theme::Theme;

pub(super) fn draw(buffer: &mut Buffer, titles: Rect, rows: Rect, app: &App) {
    let columns = table::place(titles, app);
    table::titles(buffer, titles, &columns, app);
    let visible = app.visible();
    let mut drawn = 0;
    for (line, sum) in table::lines(rows).zip(app.visible_sums()) {
        if let Some(item) = app.item(sum) {
            for placed in &columns {
                let said = placed.column.say(item, app.at());
                let text = said.cell(placed.width, app.moment());
                table::cell(
                    buffer,
                    line.y,
                    placed,
                    &text,
                    style(app.theme(), said.look()),
                );
            }
        }
        if visible.selected == Some(visible.top + drawn) {
            table::select(buffer, line, app);
        }
        drawn += 1;
    }
    if drawn == 0 {
        let (yet, all) = match app.tab() {
            Tab::Problems => ("no failure and no finding, so far", "no problems"),
            Tab::Types => ("no events yet", "no types"),
            Tab::Nodes => ("no node was heard of yet", "no nodes"),
            _ => ("nobody has a connection yet", "no pods"),
        };
        let (text, style) = super::header::nothing(app, yet, all);
        table::empty(buffer, rows, &text, style);
    }
}

fn style(theme: &Theme, look: Look) -> Style {
    match look {
        Look::Plain => Style::new(),
        Look::Faint => theme.faint,
        Look::Good => theme.good,
        Look::Note => theme.note,
        Look::Bad => theme.bad,
        Look::Type(kind) => theme
            .types
            .get(usize::from(kind))
            .copied()
            .unwrap_or_default(),
    }
}
