//! A list of sums as a file: the rows and columns that stand on the screen.

use serde_json::{Map, Value};

use super::document::{Format, note};
use super::table::{csv_line, guarded, line, markdown_line};
use crate::model::Lost;
use crate::wire;

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// As it is shown.
    pub shown: String,
    /// What it is: null, a number, a text, or a series of numbers.
    pub raw: Value,
}

/// The rows of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// What the rows are: the `t` of their records.
    pub what: &'static str,
    /// The columns' names.
    pub columns: Vec<&'static str>,
    /// A cell for each column.
    pub rows: Vec<Vec<Cell>>,
}

impl Sheet {
    /// Appends all of it; `lost` is what is missing in the sums, by node.
    pub fn write(&self, format: Format, lost: &[(&str, Lost)], out: &mut Vec<u8>) {
        match format {
            Format::Ndjson | Format::Json => self.records(format, lost, out),
            Format::Csv => {
                csv_line(out, self.columns.iter().map(|name| (*name).into()));
                for row in &self.rows {
                    csv_line(out, row.iter().map(|cell| raw(&cell.raw).into()));
                }
            }
            Format::Markdown => {
                markdown_line(out, self.columns.iter().map(|name| (*name).into()));
                line(out, self.columns.iter().map(|_| "---".into()));
                for row in &self.rows {
                    markdown_line(out, row.iter().map(|cell| cell.shown.as_str().into()));
                }
                note(lost, out);
            }
        }
    }

    /// An object for each row, the keys being the columns' names.
    fn records(&self, format: Format, lost: &[(&str, Lost)], out: &mut Vec<u8>) {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        for row in &self.rows {
            let cells = self.columns.iter().map(|name| key(name)).zip(row);
            let mut record = Map::new();
            record.insert("t".to_owned(), self.what.into());
            record.extend(cells.map(|(key, cell)| (key, cell.raw.clone())));
            lines.push(Value::Object(record).to_string().into_bytes());
        }
        for (node, lost) in lost {
            let mut line = Vec::new();
            wire::lost(node, lost, &mut line);
            lines.push(line.trim_ascii_end().to_vec());
        }
        match format {
            Format::Json => {
                out.extend_from_slice(b"[\n");
                out.extend(lines.join(&b",\n"[..]));
                out.extend_from_slice(b"\n]\n");
            }
            _ => out.extend(
                lines
                    .into_iter()
                    .flat_map(|line| [line, b"\n".to_vec()].concat()),
            ),
        }
    }
}

fn key(name: &str) -> String {
    match name {
        "!" => "finding".to_owned(),
        name => name.to_lowercase(),
    }
}

/// A value by itself; text that a spreadsheet would take for a formula gets a leading `'`.
fn raw(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => guarded(text.as_str().into()).into_owned(),
        Value::Array(values) => values.iter().map(raw).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LossKind;

    fn cell(shown: &str, raw: impl Into<Value>) -> Cell {
        Cell {
            shown: shown.to_owned(),
            raw: raw.into(),
        }
    }

    fn written(format: Format) -> String {
        let sheet = Sheet {
            what: "pod",
            columns: vec!["!", "POD", "TX"],
            rows: vec![
                vec![cell("!", "!"), cell("a|b", "=a|b"), cell("1.0K", 1_024)],
                vec![
                    cell("-", Value::Null),
                    cell("c", "c"),
                    cell("1 2", vec![1, 2]),
                ],
            ],
        };
        let lost = Lost::new(LossKind::Ring, 7);
        let mut out = Vec::new();
        sheet.write(format, &[("n1", lost)], &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_format_has_all_cells_and_what_was_lost() {
        let pod = r#"{"finding":"!","pod":"=a|b","t":"pod","tx":1024}"#;
        let other = r#"{"finding":null,"pod":"c","t":"pod","tx":[1,2]}"#;
        let lost = r#"{"t":"lost","src":"ring","n":7,"node":"n1"}"#;
        let lines: Vec<Value> = [pod, other, lost]
            .map(|line| serde_json::from_str(line).unwrap())
            .to_vec();
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let ndjson = written(Format::Ndjson);
        assert_eq!(ndjson.lines().map(parsed).collect::<Vec<_>>(), lines);
        assert_eq!(parsed(&written(Format::Json)), Value::Array(lines));
        assert_eq!(written(Format::Csv), "!,POD,TX\n!,'=a|b,1024\n,c,1 2\n");
        assert_eq!(
            written(Format::Markdown),
            "| ! | POD | TX |\n| --- | --- | --- |\n| ! | a\\|b | 1.0K |\n| - | c | 1 2 |\n\
             \nLost: ring 7.\n"
        );
    }
}
