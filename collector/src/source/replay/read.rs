//! The records of a file, one after the other, as far as it can be read.

use std::io::{self, BufRead, BufReader, Read};

use serde_json::error::Category;

use crate::wire::{Decoder, Record, WireError};

/// No record is longer, so that a file without lines does not fill the memory.
const LINE_MAX: usize = 1 << 20;

/// Reads a file's lines.
pub(super) struct Lines<R> {
    /// What it is called in a sentence.
    name: String,
    input: BufReader<R>,
    decoder: Decoder,
    /// The number of the line that was read last.
    number: u64,
    line: Vec<u8>,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(name: String, input: R) -> Self {
        Self {
            name,
            input: BufReader::with_capacity(1 << 16, input),
            decoder: Decoder::default(),
            number: 0,
            line: Vec::new(),
        }
    }

    /// Whether the next record is there without waiting for whoever writes to a pipe.
    pub(super) fn is_ready(&self) -> bool {
        self.input.buffer().contains(&b'\n')
    }

    /// The next record that is known; `None` at the end.
    ///
    /// # Errors
    /// A sentence that says which line is broken, or why the file cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Record>, String> {
        loop {
            match self.next_line() {
                Err(error) => return Err(format!("cannot read {}: {error}", self.name)),
                Ok(false) => return Ok(None),
                Ok(true) => {}
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            if self.line.len() > LINE_MAX {
                return Err(self.broken("it is longer than 1 MiB"));
            }
            match self.decoder.line(&self.line) {
                Ok(None) => {}
                Ok(record) => return Ok(record),
                Err(error) => return Err(self.broken(&why(&error))),
            }
        }
    }

    /// The sentence for a file in which there are none.
    pub(super) fn no_records(&self) -> String {
        format!("{} is no recording: there are no records in it", self.name)
    }

    fn next_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        self.number += 1;
        let most = LINE_MAX as u64 + 1;
        let mut input = self.input.by_ref().take(most);
        Ok(input.read_until(b'\n', &mut self.line)? > 0)
    }

    fn broken(&self, why: &str) -> String {
        let Self { name, number, .. } = self;
        match number {
            1 => format!("{name} is no recording: line 1: {why}"),
            _ => format!("{name} is broken at line {number}: {why}"),
        }
    }
}

/// A line is all that serde sees, so that its line is always the first: the column remains.
fn why(error: &WireError) -> String {
    match error {
        WireError::Json(json) if json.classify() == Category::Eof => "it is cut off".to_owned(),
        WireError::Json(json) => {
            let text = json.to_string();
            let what = text
                .rsplit_once(" at line ")
                .map_or(&*text, |(what, _)| what);
            format!("{what}, column {}", json.column())
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::event;
    use crate::wire::Encoder;

    fn read(text: &[u8]) -> (usize, Option<String>) {
        let mut lines = Lines::new("rec.jsonl".to_owned(), text);
        let mut records = 0;
        loop {
            match lines.next() {
                Ok(Some(_)) => records += 1,
                Ok(None) => return (records, None),
                Err(why) => return (records, Some(why)),
            }
        }
    }

    fn line() -> Vec<u8> {
        let mut line = Vec::new();
        Encoder::default().event(&event(), &mut line);
        line
    }

    #[test]
    fn empty_lines_and_records_of_a_new_kind_are_skipped() {
        let text = [b"\n{\"t\":\"weather\"}\n \r\n", &line()[..], b"\n"].concat();
        assert_eq!(read(&text), (1, None));
        assert_eq!(read(b""), (0, None));
    }

    #[test]
    fn the_last_line_needs_no_end() {
        let text = line();
        assert_eq!(read(&text[..text.len() - 1]), (1, None));
    }

    #[test]
    fn what_is_broken_is_said_with_its_line() {
        let (good, cut) = (line(), line()[..50].to_vec());
        let after = |bad: &[u8]| read(&[&good, &good, bad].concat());
        let broken = |why: &str| {
            let text = format!("rec.jsonl is broken at line 3: {why}");
            (2, Some(text))
        };
        assert_eq!(after(&cut), broken("it is cut off"));
        assert_eq!(after(b"{}\n"), broken("`t` is missing"));
        assert_eq!(
            after(b"{\"t\":\"hello\",\"proto\":1,\"ts\":3}\n"),
            broken("invalid type: integer `3`, expected a string, column 29")
        );
        assert_eq!(
            read(b"NODE,NAMESPACE\n").1.as_deref(),
            Some("rec.jsonl is no recording: line 1: expected value, column 1")
        );
    }

    #[test]
    fn a_file_without_lines_does_not_fill_the_memory() {
        let mut lines = Lines::new("zero".to_owned(), io::repeat(b'x'));
        let said = lines.next().expect_err("no end");
        assert_eq!(
            said,
            "zero is no recording: line 1: it is longer than 1 MiB"
        );
    }
}
