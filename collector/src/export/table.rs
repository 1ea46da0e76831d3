//! Rows as text: aligned, as CSV, or as a table in a Markdown document.

use std::borrow::Cow;

use thiserror::Error;
use unicode_width::UnicodeWidthStr;

use super::columns::{Align, COLUMNS, Column, cell};
use crate::format::plain;
use crate::model::Event;

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Aligned, the columns that a narrow terminal takes.
    Columns,
    /// Aligned, with the peer and the figures.
    Wide,
    /// RFC 4180, with raw values.
    Csv,
    /// A table of GitHub Flavored Markdown.
    Markdown,
}

/// What the rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Events.
    Events,
    /// Sockets that were open before the start.
    Open,
}

/// A name that no column has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no column `{name}`: there are {}", all_names())]
pub struct UnknownColumn {
    /// The name.
    pub name: String,
}

fn all_names() -> String {
    let names: Vec<String> = COLUMNS.iter().map(|c| c.name.to_lowercase()).collect();
    names.join(" ")
}

const EVENTS: [&str; 13] = [
    "NODE",
    "NAMESPACE",
    "POD",
    "CONTAINER",
    "T",
    "PID",
    "COMM",
    "IP",
    "SADDR",
    "DADDR",
    "SPORT",
    "DPORT",
    "REASON",
];
const EVENTS_WIDE: [&str; 8] = ["PHASE", "PEER", "LAT", "DUR", "TX", "RX", "RTT", "RETR"];
const OPEN: [&str; 12] = [
    "NODE",
    "NAMESPACE",
    "POD",
    "CONTAINER",
    "STATE",
    "PID",
    "COMM",
    "IP",
    "SADDR",
    "DADDR",
    "SPORT",
    "DPORT",
];
const OPEN_WIDE: [&str; 5] = ["PEER", "TX", "RX", "RTT", "RETR"];

/// A table: some columns in some layout.
#[derive(Clone, Debug)]
pub struct Table {
    layout: Layout,
    columns: Vec<&'static Column>,
}

impl Table {
    /// The table with the columns that the layout has by itself.
    #[must_use]
    pub fn new(layout: Layout, rows: Rows) -> Self {
        let (narrow, wide): (&[&str], &[&str]) = match rows {
            Rows::Events => (&EVENTS, &EVENTS_WIDE),
            Rows::Open => (&OPEN, &OPEN_WIDE),
        };
        let named = |names: &[&str]| {
            names
                .iter()
                .filter_map(|name| Column::named(name))
                .collect()
        };
        let columns = match layout {
            Layout::Csv => {
                let skipped = usize::from(rows == Rows::Events); // STATE, which events lack.
                COLUMNS.iter().skip(skipped).collect()
            }
            Layout::Wide => named(&[narrow, wide].concat()),
            Layout::Columns | Layout::Markdown => named(narrow),
        };
        Self { layout, columns }
    }

    /// The table with these columns, whose names may be in any case.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn with_columns<S: AsRef<str>>(layout: Layout, names: &[S]) -> Result<Self, UnknownColumn> {
        let column = |name: &S| {
            let name = name.as_ref();
            Column::named(name).ok_or_else(|| UnknownColumn {
                name: name.to_owned(),
            })
        };
        let columns = names.iter().map(column).collect::<Result<_, _>>()?;
        Ok(Self { layout, columns })
    }

    /// The same with `TIME` as the first column. CSV has its own place for it.
    #[must_use]
    pub fn timestamps(mut self) -> Self {
        if self.layout != Layout::Csv || !self.has("TIME") {
            self.columns.retain(|column| column.name != "TIME");
            self.columns.splice(0..0, Column::named("TIME"));
        }
        self
    }

    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// Appends the line, or in Markdown the two lines, above the rows.
    pub fn header(&self, out: &mut Vec<u8>) {
        match self.layout {
            Layout::Csv => csv_line(out, self.columns.iter().map(|c| c.key.into())),
            Layout::Columns | Layout::Wide => self.aligned(out, |column| column.name.into()),
            Layout::Markdown => {
                markdown_line(out, self.columns.iter().map(|c| c.name.into()));
                let rule = |c: &&Column| match c.align {
                    Align::Left => "---".into(),
                    Align::Right => "---:".into(),
                };
                line(out, self.columns.iter().map(rule));
            }
        }
    }

    /// Appends the line of an event.
    pub fn row(&self, event: &Event, out: &mut Vec<u8>) {
        match self.layout {
            Layout::Csv => csv_line(out, self.columns.iter().map(|c| csv_cell(c, event))),
            Layout::Columns | Layout::Wide => self.aligned(out, |column| cell(column, event)),
            Layout::Markdown => {
                markdown_line(out, self.columns.iter().map(|c| cell(c, event)));
            }
        }
    }

    /// Cells at their columns' widths; what is longer pushes, so that nothing is lost.
    fn aligned<'a>(&self, out: &mut Vec<u8>, cell: impl Fn(&Column) -> Cow<'a, str>) {
        let start = out.len();
        for (i, column) in self.columns.iter().enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            let text = cell(column);
            let padding = column.width.saturating_sub(text.width());
            let (before, after) = match column.align {
                Align::Left => (0, padding),
                Align::Right => (padding, 0),
            };
            spaces(out, before);
            out.extend_from_slice(text.as_bytes());
            spaces(out, after);
        }
        let end = out.len()
            - out[start..]
                .iter()
                .rev()
                .take_while(|b| **b == b' ')
                .count();
        out.truncate(end);
        out.push(b'\n');
    }
}

fn spaces(out: &mut Vec<u8>, n: usize) {
    out.resize(out.len() + n, b' ');
}

/// A raw value.
fn csv_cell<'a>(column: &Column, event: &'a Event) -> Cow<'a, str> {
    let raw = column.raw(event).unwrap_or_default();
    if column.foreign { guarded(raw) } else { raw }
}

/// Text from elsewhere; where a spreadsheet would take it for a formula it gets a leading `'`.
pub(super) fn guarded(raw: Cow<'_, str>) -> Cow<'_, str> {
    let formula = raw.starts_with(['=', '+', '-', '@', '\t', '\r']);
    match (formula, raw) {
        (true, raw) => format!("'{}", plain(&raw)).into(),
        (false, Cow::Borrowed(raw)) => plain(raw),
        (false, Cow::Owned(raw)) => plain(&raw).into_owned().into(),
    }
}

pub(super) fn csv_line<'a>(out: &mut Vec<u8>, cells: impl Iterator<Item = Cow<'a, str>>) {
    let mut writer = csv::Writer::from_writer(out);
    // A Vec takes all that is written, and one record has no other to differ from in length.
    let _ = writer.write_record(cells.map(Cow::into_owned));
    let _ = writer.flush();
}

pub(super) fn markdown_line<'a>(out: &mut Vec<u8>, cells: impl Iterator<Item = Cow<'a, str>>) {
    line(out, cells.map(|cell| escaped(&cell).into()));
}

/// A row whose cells are Markdown already.
pub(super) fn line<'a>(out: &mut Vec<u8>, cells: impl Iterator<Item = Cow<'a, str>>) {
    for cell in cells {
        out.extend_from_slice(b"| ");
        out.extend_from_slice(cell.as_bytes());
        out.push(b' ');
    }
    out.extend_from_slice(b"|\n");
}

/// Text that reads the same in Markdown.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\`*_[]<>|~&".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{Comm, Origin, Process};
    use crate::testing::{any_event, event, link_local, open_socket};

    fn lines(table: &Table, events: &[Event]) -> String {
        let mut out = Vec::new();
        table.header(&mut out);
        for event in events {
            table.row(event, &mut out);
        }
        String::from_utf8(out).expect("UTF-8")
    }

    fn called(comm: &str) -> Event {
        let process = event().process.map(|process| {
            Arc::new(Process {
                comm: Comm::from_text(comm),
                ..Process::clone(&process)
            })
        });
        Event { process, ..event() }
    }

    #[test]
    fn columns_are_aligned_and_push() {
        let long = Event {
            origin: Arc::new(Origin {
                node: "a-node-with-a-long-name".into(),
                ..Origin::default()
            }),
            ..event()
        };
        assert_eq!(
            lines(&Table::new(Layout::Columns, Rows::Events), &[event(), long]),
            "\
NODE             NAMESPACE        POD                            CONTAINER        T     PID COMM             IP SADDR           DADDR           SPORT DPORT REASON
host1            shop             cart-1                         app              C    4242 curl              4 10.0.0.3        192.0.2.1       34878   443 -
a-node-with-a-long-name -                -                              -                C    4242 curl              4 10.0.0.3        192.0.2.1       34878   443 -
"
        );
    }

    #[test]
    fn wide_cells_are_measured_as_a_terminal_does() {
        let table = Table::with_columns(Layout::Columns, &["comm", "dport"]).expect("columns");
        assert_eq!(
            lines(&table, &[called("日本"), called("a")]),
            "COMM             DPORT\n日本               443\na                  443\n"
        );
    }

    #[test]
    fn the_columns_of_each_layout_are_the_documented_ones() {
        let header = |layout, rows| {
            let mut out = Vec::new();
            Table::new(layout, rows).header(&mut out);
            let text = String::from_utf8(out).expect("UTF-8");
            text.split([' ', ',', '|', '\n'])
                .filter(|t| !t.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let narrow = "NODE NAMESPACE POD CONTAINER T PID COMM IP SADDR DADDR SPORT DPORT REASON";
        assert_eq!(header(Layout::Columns, Rows::Events), narrow);
        assert_eq!(
            header(Layout::Wide, Rows::Events),
            format!("{narrow} PHASE PEER LAT DUR TX RX RTT RETR")
        );
        assert!(
            header(Layout::Csv, Rows::Events)
                .starts_with("SEQ TS NODE NAMESPACE POD CONTAINER T PID")
        );
        assert!(header(Layout::Csv, Rows::Open).starts_with("STATE SEQ TS NODE"));
        assert!(header(Layout::Columns, Rows::Open).contains(" STATE PID "));
    }

    #[test]
    fn timestamps_come_first() {
        let table = Table::with_columns(Layout::Columns, &["pid", "time"]).expect("columns");
        assert!(
            lines(&table.timestamps(), &[event()])
                .ends_with("2026-01-02T03:04:05.123456789Z    4242\n")
        );
        let csv = Table::new(Layout::Csv, Rows::Events).timestamps();
        assert!(lines(&csv, &[]).starts_with("SEQ,TS,"));
    }

    #[test]
    fn csv_has_raw_values_and_empty_cells() {
        let names = ["T", "pid", "lat", "dur", "conn", "before", "ts", "peer"];
        let table = Table::with_columns(Layout::Csv, &names).expect("columns");
        assert_eq!(
            lines(&table, &[event(), open_socket()]),
            "T,PID,LAT_US,DUR_US,CONN,BEFORE,TS,PEER\n\
             C,4242,1423,,9f3c000000000001,false,2026-01-02T03:04:05.123456789Z,\n\
             ,4242,,,9f3c000000000001,true,2026-01-02T03:04:05.123456789Z,\n"
        );
    }

    #[test]
    fn a_link_local_address_has_its_zone_in_every_layout() {
        let names = ["saddr", "dport", "scope", "thread"];
        let zoned = |layout| {
            let table = Table::with_columns(layout, &names).expect("columns");
            lines(&table, &[link_local("eth0")])
        };
        let aligned = "\
SADDR           DPORT SCOPE           THREAD
fe80::1%eth0      443 eth0            -
";
        assert_eq!(zoned(Layout::Columns), aligned);
        assert_eq!(zoned(Layout::Wide), aligned);
        assert_eq!(
            zoned(Layout::Csv),
            "SADDR,DPORT,SCOPE,THREAD\nfe80::1%eth0,443,eth0,\n"
        );
        assert!(zoned(Layout::Markdown).ends_with("| fe80::1%eth0 | 443 | eth0 | - |\n"));
        let csv = Table::new(Layout::Csv, Rows::Events);
        assert!(lines(&csv, &[]).ends_with(",PEER,SCOPE,THREAD\n"));
    }

    #[test]
    fn csv_runs_no_formula() {
        let table = Table::with_columns(Layout::Csv, &["comm", "pid"]).expect("columns");
        for (comm, cell) in [
            ("=1+1", "'=1+1"),
            ("+x", "'+x"),
            ("-x", "'-x"),
            ("@x", "'@x"),
            ("a=b", "a=b"),
            ("a,\"b", "\"a,\"\"b\""),
        ] {
            assert_eq!(
                lines(&table, &[called(comm)]),
                format!("COMM,PID\n{cell},4242\n")
            );
        }
    }

    #[test]
    fn markdown_shows_the_text_and_nothing_else() {
        let table = Table::with_columns(Layout::Markdown, &["comm", "pid"]).expect("columns");
        assert_eq!(
            lines(&table, &[called("a|<b>_c")]),
            "| COMM | PID |\n| --- | ---: |\n| a\\|\\<b\\>\\_c | 4242 |\n"
        );
    }

    #[test]
    fn an_unknown_column_comes_with_the_list() {
        let error = Table::with_columns(Layout::Csv, &["pid", "x"]).expect_err("no x");
        assert!(
            error
                .to_string()
                .starts_with("there is no column `x`: there are state seq time")
        );
    }

    proptest! {
        #[test]
        fn a_row_is_a_line_whatever_is_in_it(event in any_event()) {
            for layout in [Layout::Columns, Layout::Wide, Layout::Csv, Layout::Markdown] {
                for rows in [Rows::Events, Rows::Open] {
                    let mut out = Vec::new();
                    Table::new(layout, rows).row(&event, &mut out);
                    let text = String::from_utf8(out).expect("UTF-8");
                    prop_assert!(text.ends_with('\n'));
                    prop_assert!(!text.trim_end_matches('\n').contains(char::is_control), "{:?}", text);
                }
            }
        }

        #[test]
        fn csv_reads_back(event in any_event()) {
            let table = Table::new(Layout::Csv, Rows::Open);
            let text = lines(&table, std::slice::from_ref(&event));
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let record = reader.records().next().expect("a row").expect("of CSV");
            prop_assert_eq!(record.len(), COLUMNS.len());
            prop_assert_eq!(&record[1], event.seq.map(|seq| seq.to_string()).unwrap_or_default());
        }
    }
}
