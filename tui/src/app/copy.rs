//! Copying the selected row, or one cell of it, to the clipboard.

use collector::export::Format;
use collector::format::count;
use collector::wire::Encoder;

use super::{App, Message, Sum};
use crate::action::Tab;
use crate::clipboard;
use crate::columns::Row;
use crate::job::Job;
use crate::text;
use crate::view::Rows;

/// Bytes of what was copied that are shown.
const SHOWN: usize = 40;

/// What of a row is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The cell in the column that the rows are sorted by.
    Cell,
    /// The whole row, as the record of it in JSON.
    Record,
}

impl App {
    pub(super) fn copy_selected(&mut self, what: What) {
        let copied = match (self.tab.is_list(), what) {
            (true, What::Cell) => self.cell_of_sum(),
            (true, What::Record) => self.selected_sum().map(|sum| self.record_of_sum(sum)),
            (false, What::Cell) => self.of_selected_row(|row| self.cell(row)),
            (false, What::Record) => self.of_selected_row(|row| Some(record(row))),
        };
        self.message = Some(match copied {
            None => Message::note("no row is selected: move first"),
            Some(text) if text.len() > clipboard::MOST => {
                let (n, most) = (text.len() as u64, clipboard::MOST as u64);
                let [n, most] = [n, most].map(count);
                Message::bad(format!(
                    "{n} bytes are too much to copy: {most} are the most"
                ))
            }
            Some(text) => {
                let shown = text::cut_end(&text::clean(&text), SHOWN).into_owned();
                self.jobs.push_back(Job::Copy(text));
                Message::good(format!("sent to the terminal's clipboard: {shown}"))
            }
        });
    }

    /// What is to be said of the selected row of the view.
    fn of_selected_row(&self, say: impl FnOnce(Row) -> Option<String>) -> Option<String> {
        let at = self.visible().selected?;
        match self.tab {
            Tab::Events => say(Row {
                event: &self.event(self.events.index.key(at)?)?,
                connection: None,
            }),
            Tab::Connections => {
                let connection = self.connection(self.connections.index.key(at)?)?;
                say(Row {
                    event: &connection.row,
                    connection: Some(connection),
                })
            }
            _ => None,
        }
    }

    /// The same for a list of sums.
    fn cell_of_sum(&self) -> Option<String> {
        let item = self.selected_sum().and_then(|sum| self.item(sum))?;
        let first = || self.choice().wide().into_iter().next();
        let sort = self.sort().map(|by| by.column);
        let column = sort.or_else(|| first().map(|(column, _)| column))?;
        Some(column.say(item, self.at()).cell(u16::MAX, self.moment()))
    }

    fn record_of_sum(&self, sum: Sum) -> String {
        let mut line = Vec::new();
        let sheet = self.sheet(self.tab, std::iter::once(sum));
        sheet.write(Format::Ndjson, &[], &mut line);
        String::from_utf8_lossy(line.trim_ascii_end()).into_owned()
    }

    /// The whole text of the cell in the column that the rows are sorted by.
    fn cell(&self, row: Row) -> Option<String> {
        let first = || self.choice().wide().into_iter().next();
        let sort = self.sort().map(|by| by.column);
        let column = sort.or_else(|| first().map(|(column, _)| column))?;
        Some(column.cell(row, u16::MAX, self.moment()).into_owned())
    }
}

fn record(row: Row) -> String {
    let mut line = Vec::new();
    match row.connection {
        Some(connection) => Encoder::default().connection(connection, &mut line),
        None => Encoder::default().event(row.event, &mut line),
    }
    String::from_utf8_lossy(line.trim_ascii_end()).into_owned()
}
