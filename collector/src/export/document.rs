//! A file of rows, from its first line to its last: pure, from rows to bytes.
//!
//! What was lost is part of it wherever the format has a place for it: as records in both kinds of
//! JSON, as a line under the table in Markdown. CSV has no such place.

use std::borrow::Cow;
use std::path::Path;

use super::columns::Column;
use super::table::{Layout, Rows, Table};
use crate::format::count;
use crate::model::{Bye, Connection, Event, Hello, LossKind, Lost, Timestamp};
use crate::wire;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The records of `-o json`, one a line.
    Ndjson,
    /// The same records in one array.
    Json,
    /// RFC 4180, with raw values.
    Csv,
    /// A table of GitHub Flavored Markdown.
    Markdown,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Ndjson, Self::Json, Self::Csv, Self::Markdown];

    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Markdown => "markdown",
        }
    }

    /// What files of it end in, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Markdown => "md",
            other => other.word(),
        }
    }

    /// The format of that name.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.word() == word)
    }

    /// The format that a file's name tells of.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        let is = |format: &Self| extension.eq_ignore_ascii_case(format.extension());
        let other = extension.eq_ignore_ascii_case("jsonl");
        let found = Self::ALL.into_iter().find(is);
        found.or(other.then_some(Self::Ndjson))
    }
}

/// What the rows of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Events, and sockets that were open before the start.
    Events,
    /// Connections.
    Connections,
}

/// A row of a file.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    /// An event, or a socket that was open before the start.
    Event(&'a Event),
    /// A connection.
    Connection(&'a Connection),
}

/// What stands before an event's columns where the rows are connections.
const LIFE: [&str; 3] = ["STATE", "OPENED", "ENDED"];

/// A file as far as it is written.
#[derive(Debug)]
pub struct Document {
    format: Format,
    of: Of,
    encoder: wire::Encoder,
    table: Table,
    line: Vec<u8>,
    /// Records, or rows.
    written: u64,
    /// Those of them that happened, and were not only there at the start.
    events: u64,
}

impl Document {
    /// A file of rows; `columns` are those of a table in Markdown, of which such as there are not
    /// in a text are left out. The other formats have all there are.
    #[must_use]
    pub fn new(format: Format, of: Of, columns: &[&str]) -> Self {
        // Of the table's columns the state is a socket's that was open before the start.
        let usual = match of {
            Of::Events => Rows::Open,
            Of::Connections => Rows::Events,
        };
        let columns = columns.iter().copied();
        let known = columns.filter(|name| *name != "STATE" && Column::named(name).is_some());
        let state = (of == Of::Events).then_some("STATE");
        let known: Vec<&str> = known.chain(state).collect();
        let table = match format {
            Format::Markdown => Table::with_columns(Layout::Markdown, &known),
            Format::Ndjson | Format::Json | Format::Csv => Ok(Table::new(Layout::Csv, usual)),
        };
        Self {
            format,
            of,
            encoder: wire::Encoder::default(),
            table: table.unwrap_or_else(|_| Table::new(Layout::Markdown, usual)),
            line: Vec::new(),
            written: 0,
            events: 0,
        }
    }

    /// Appends what stands above the rows; `hellos` are what the nodes said when they began.
    pub fn begin<'a>(&self, hellos: impl IntoIterator<Item = &'a Hello>, out: &mut Vec<u8>) {
        match self.format {
            // So that it is a recording, where it is of events.
            Format::Ndjson if self.of == Of::Events => {
                for hello in hellos {
                    wire::hello(hello, out);
                }
            }
            Format::Ndjson => {}
            Format::Json => out.push(b'['),
            Format::Csv => {
                self.life(LIFE.map(Cow::Borrowed), out);
                self.table.header(out);
            }
            Format::Markdown => {
                let mut header = Vec::new();
                self.table.header(&mut header);
                let above = [LIFE, ["---"; 3]];
                for (line, life) in header.split_inclusive(|b| *b == b'\n').zip(above) {
                    self.life(life.map(Cow::Borrowed), out);
                    out.extend_from_slice(line);
                }
            }
        }
    }

    /// Appends a row.
    pub fn row(&mut self, row: Row, out: &mut Vec<u8>) {
        match self.format {
            Format::Ndjson => self.record(row, out),
            Format::Json => {
                let mut line = std::mem::take(&mut self.line);
                line.clear();
                self.record(row, &mut line);
                self.element(&line, out);
                self.line = line;
            }
            Format::Csv | Format::Markdown => {
                let event = match row {
                    Row::Event(event) => event,
                    Row::Connection(connection) => {
                        self.life(life(connection), out);
                        &connection.row
                    }
                };
                self.table.row(event, out);
            }
        }
        self.written += 1;
        let Row::Event(event) = row else { return };
        self.events += u64::from(event.kind.is_some());
    }

    /// Appends what stands below the rows; `lost` is what is missing between them, by node.
    pub fn finish(&mut self, lost: &[(&str, Lost)], out: &mut Vec<u8>) {
        match self.format {
            Format::Ndjson => {
                for (node, lost) in lost {
                    wire::lost(node, lost, out);
                }
                if self.of == Of::Events {
                    let bye = Bye {
                        events: self.events,
                        lost: lost.iter().map(|(_, lost)| lost.n).sum(),
                        ..Bye::default()
                    };
                    wire::bye(&bye, out);
                }
            }
            Format::Json => {
                for (node, lost) in lost {
                    let mut line = Vec::new();
                    wire::lost(node, lost, &mut line);
                    self.element(&line, out);
                    self.written += 1;
                }
                out.extend_from_slice(b"\n]\n");
            }
            Format::Markdown => note(lost, out),
            Format::Csv => {}
        }
    }

    /// A record of the JSON formats, with its line's end.
    fn record(&mut self, row: Row, out: &mut Vec<u8>) {
        match row {
            Row::Event(event) => self.encoder.event(event, out),
            Row::Connection(connection) => self.encoder.connection(connection, out),
        }
    }

    fn element(&self, line: &[u8], out: &mut Vec<u8>) {
        let before: &[u8] = if self.written == 0 { b"\n" } else { b",\n" };
        out.extend_from_slice(before);
        out.extend_from_slice(line.trim_ascii_end());
    }

    /// The cells before an event's; none of them needs quotes.
    fn life(&self, cells: [Cow<'static, str>; 3], out: &mut Vec<u8>) {
        if self.of == Of::Events {
            return;
        }
        for cell in cells {
            match self.format {
                Format::Markdown => {
                    let cell = if cell.is_empty() { "-" } else { &cell };
                    out.extend_from_slice(format!("| {cell} ").as_bytes());
                }
                _ => out.extend_from_slice(format!("{cell},").as_bytes()),
            }
        }
    }
}

/// Appends the line under a table that says what was lost, if anything was.
pub(super) fn note(lost: &[(&str, Lost)], out: &mut Vec<u8>) {
    if lost.is_empty() {
        return;
    }
    let sum = |kind: LossKind| {
        let of = lost.iter().filter(|(_, lost)| lost.kind == kind);
        of.map(|(_, lost)| lost.n).sum::<u64>()
    };
    let kinds = LossKind::ALL.map(|kind| (kind.word(), sum(kind)));
    let kinds = kinds.iter().filter(|(_, n)| *n > 0);
    let said: Vec<_> = kinds.map(|(w, n)| format!("{w} {}", count(*n))).collect();
    out.extend_from_slice(format!("\nLost: {}.\n", said.join(", ")).as_bytes());
}

fn life(connection: &Connection) -> [Cow<'static, str>; 3] {
    let time = |ts: Option<Timestamp>| ts.map_or(Cow::Borrowed(""), |ts| ts.to_string().into());
    [
        connection.state.word().into(),
        time(connection.opened),
        time(connection.ended),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::{Batch, Limits, Store, Update};
    use crate::testing::{event, open_socket};

    fn lost() -> [(&'static str, Lost); 2] {
        let lost = |kind, n| ("host1", Lost::new(kind, n));
        [lost(LossKind::Ring, 12), lost(LossKind::Evicted, 1_234)]
    }

    fn of_events(format: Format, lost: &[(&str, Lost)]) -> String {
        let mut document = Document::new(format, Of::Events, &["TIME", "T", "COMM", "AGE"]);
        let mut out = Vec::new();
        document.begin([], &mut out);
        for event in [event(), open_socket()] {
            document.row(Row::Event(&event), &mut out);
        }
        document.finish(lost, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    fn connection() -> Connection {
        let mut store = Store::new(Limits::default());
        let batch = Batch {
            node: "host1".into(),
            events: vec![event()],
            lost: vec![],
        };
        store.apply(Update::Batch(batch), event().ts);
        let (_, connection) = store.connections().iter().next().expect("a connection");
        connection.clone()
    }

    fn of_connections(format: Format) -> String {
        let mut document = Document::new(format, Of::Connections, &["STATE", "AGE", "COMM"]);
        let mut out = Vec::new();
        document.begin([], &mut out);
        document.row(Row::Connection(&connection()), &mut out);
        document.finish(&[], &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn records_stand_one_a_line_with_what_was_lost() {
        let text = of_events(Format::Ndjson, &lost());
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let kinds: Vec<_> = lines.iter().map(|line| line["t"].as_str()).collect();
        assert_eq!(kinds, ["ev", "open", "lost", "lost", "bye"].map(Some));
        assert_eq!(lines[3]["src"], "evicted");
        assert_eq!(lines[4]["events"], 1);
        assert_eq!(lines[4]["lost"], 1_246);
    }

    #[test]
    fn an_array_is_one_value() {
        let text = of_events(Format::Json, &lost());
        let array: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        assert_eq!(array.len(), 4);
        assert_eq!(array[2]["t"], "lost");

        let mut empty = Document::new(Format::Json, Of::Events, &[]);
        let mut out = Vec::new();
        empty.begin([], &mut out);
        empty.finish(&[], &mut out);
        let nothing: Vec<Value> = serde_json::from_slice(&out).expect("JSON");
        assert!(nothing.is_empty());
    }

    #[test]
    fn csv_has_every_key_and_the_state_of_what_was_open() {
        let text = of_events(Format::Csv, &lost());
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let states: Vec<String> = reader
            .records()
            .map(|row| row.expect("a row")[0].to_owned())
            .collect();
        assert_eq!(states, ["", "ESTABLISHED"]);
    }

    #[test]
    fn markdown_says_below_the_table_what_was_lost() {
        assert_eq!(
            of_events(Format::Markdown, &lost()),
            "| TIME | T | COMM | STATE |\n\
             | --- | --- | --- | --- |\n\
             | 2026-01-02T03:04:05.123456789Z | C | curl | - |\n\
             | 2026-01-02T03:04:05.123456789Z | - | curl | ESTABLISHED |\n\
             \nLost: ring 12, evicted 1,234.\n"
        );
        assert!(!of_events(Format::Markdown, &[]).contains("Lost"));
    }

    #[test]
    fn a_connection_has_its_life_in_every_format() {
        let line: Value = serde_json::from_str(&of_connections(Format::Ndjson)).expect("JSON");
        assert_eq!(line["t"], "conn");
        assert_eq!(line["state"], "open");
        assert_eq!(line["opened"], "2026-01-02T03:04:05.123456789Z");
        assert_eq!(line["ended"], Value::Null);
        assert_eq!(line["comm"], "curl");
        assert_eq!(line["seq"], Value::Null);

        let text = of_connections(Format::Csv);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let headers = reader.headers().expect("headers").clone();
        assert_eq!(&headers[0], "STATE");
        assert_eq!(headers.iter().filter(|name| *name == "STATE").count(), 1);
        let row = reader.records().next().expect("a row").expect("a row");
        assert_eq!(row.len(), headers.len());
        assert_eq!(&row[0], "open");

        assert_eq!(
            of_connections(Format::Markdown),
            "| STATE | OPENED | ENDED | COMM |\n\
             | --- | --- | --- | --- |\n\
             | open | 2026-01-02T03:04:05.123456789Z | - | curl |\n"
        );
    }

    #[test]
    fn a_name_tells_the_format() {
        for (name, format) in [
            ("a.ndjson", Some(Format::Ndjson)),
            ("a.jsonl", Some(Format::Ndjson)),
            ("a.JSON", Some(Format::Json)),
            ("a.csv", Some(Format::Csv)),
            ("a.md", Some(Format::Markdown)),
            ("a.txt", None),
            ("csv", None),
        ] {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
    }
}
