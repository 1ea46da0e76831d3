//! Exporting and copying with keys, up to the file.

use std::path::Path;

use collector::wire::{Decoder, Record};
use serde_json::Value;

use super::*;
use crate::view::Rows as _;

impl Desk {
    /// Does what is to be done outside, and tells the app.
    fn work(&mut self) {
        while self.app.is_behind() {
            self.happen(Action::CatchUp);
        }
        while let Some(job) = self.app.next_job() {
            if let Job::Export(export) = job {
                let outcome = export.run();
                self.happen(Action::Done(Done::Exported(outcome)));
            }
        }
    }

    /// Exports to a file of that name, and returns what is in it.
    pub(super) fn export(&mut self, dir: &Path, name: &str) -> String {
        let path = dir.join(name);
        self.keys("s");
        self.ctrl('u');
        self.keys(&format!("{}\n", path.display()));
        self.work();
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// Everything in the view, from the top to the bottom.
    fn all_ports(&self) -> Vec<u16> {
        let index = &self.app.events.index;
        let events = (0..index.len()).filter_map(|at| self.app.event(index.key(at)?));
        events.map(|event| event.local.port).collect()
    }
}

/// The local ports in a file of CSV.
pub(super) fn written_ports(text: &str) -> Vec<u16> {
    let mut lines = text.lines();
    let titles = lines.next().unwrap_or_default().split(',');
    let Some(at) = titles.into_iter().position(|title| title == "SPORT") else {
        return Vec::new();
    };
    lines
        .map(|line| line.split(',').nth(at).unwrap().parse().unwrap())
        .collect()
}

fn ports(text: &str) -> Vec<u16> {
    let mut decoder = Decoder::default();
    let mut ports = Vec::new();
    for line in text.lines() {
        if let Some(Record::Event(event)) = decoder.line(line.as_bytes()).unwrap() {
            ports.push(event.local.port);
        }
    }
    ports
}

#[test]
fn what_is_written_is_what_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::new();
    desk.connect(0, 60);
    desk.keys("/port:10,20,30,40\n");
    let text = desk.export(dir.path(), "rows.ndjson");
    assert_eq!(ports(&text), desk.all_ports());
    assert_eq!(ports(&text), [10, 20, 30, 40]);
    let path = dir.path().join("rows.ndjson");
    let said = format!("wrote 4 rows to {}", path.display());
    assert_eq!(desk.message(), said);

    // The next key takes the message away.
    desk.keys("\x1b");
    assert_eq!(desk.message(), "");
    let text = desk.export(dir.path(), "all.ndjson");
    assert_eq!(ports(&text), desk.all_ports());
    assert_eq!(ports(&text).len(), 60);
}

#[test]
fn marked_rows_are_all_that_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::new();
    desk.connect(0, 60);
    desk.keys("gg jjjj k ");
    let text = desk.export(dir.path(), "rows.csv");
    let mut reader = text.lines();
    assert!(reader.next().unwrap().starts_with("STATE,SEQ,TS,NODE"));
    assert_eq!(reader.count(), 3);
    // Also those that the filter hides.
    desk.keys("/port:4\n");
    let text = desk.export(dir.path(), "rows.ndjson");
    assert_eq!(ports(&text), [4, 0, 3]);
}

#[test]
fn what_is_frozen_is_written_even_if_it_was_evicted() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::new();
    desk.connect(0, 15);
    desk.keys("P");
    desk.connect(15, 400);
    let text = desk.export(dir.path(), "rows.ndjson");
    assert_eq!(ports(&text), (0..15).collect::<Vec<_>>());
    // What was not on the screen is gone, and that is said.
    let mut desk = Desk::new();
    desk.connect(0, 40);
    desk.keys("P");
    desk.connect(40, 140);
    let text = desk.export(dir.path(), "more.ndjson");
    assert_eq!(ports(&text), (21..40).collect::<Vec<_>>());
    assert!(desk.message().ends_with("; 21 more were evicted before"));
}

#[test]
fn what_was_lost_is_written_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::new();
    desk.connect(0, 103);
    let lost = Lost::new(LossKind::Ring, 7);
    desk.happen(Action::Update(Update::Batch(Batch {
        node: "host1".into(),
        events: vec![],
        lost: vec![lost],
    })));
    let text = desk.export(dir.path(), "rows.json");
    let records: Vec<Value> = serde_json::from_str(&text).unwrap();
    let lost = records.iter().filter(|record| record["t"] == "lost");
    let lost: Vec<_> = lost.map(|r| (r["src"].as_str(), r["n"].as_u64())).collect();
    assert_eq!(
        lost,
        [("ring", 7), ("evicted", 3)].map(|(s, n)| (Some(s), Some(n)))
    );
    assert_eq!(records.len(), 102);

    desk.export(dir.path(), "rows.csv");
    assert!(
        desk.message()
            .ends_with("; CSV has no place for what was lost: 10")
    );
}

#[test]
fn a_file_is_replaced_only_after_a_yes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rows.md"), "mine").unwrap();
    let mut desk = Desk::new();
    desk.connect(0, 5);
    assert_eq!(desk.export(dir.path(), "rows.md"), "mine");
    let question = desk.app.question().map(Question::text).unwrap();
    assert!(question.ends_with("rows.md exists: overwrite it?"));
    // Nothing else is heard meanwhile.
    desk.keys("P/jn");
    assert!(desk.app.paused().is_none() && desk.app.question().is_none());
    assert_eq!(desk.message(), "nothing was written");

    desk.export(dir.path(), "rows.md");
    desk.keys("y");
    desk.work();
    assert!(desk.message().starts_with("wrote 5 rows to "));
    let text = std::fs::read_to_string(dir.path().join("rows.md")).unwrap();
    assert!(text.starts_with("| TIME | NODE | T | PID |"));
    assert_eq!(text.lines().count(), 7);
}

#[test]
fn what_cannot_be_written_is_said() {
    let mut desk = Desk::new();
    desk.keys("s");
    assert_eq!(desk.message(), "there are no rows to export");
    desk.connect(0, 5);
    desk.export(Path::new("/nonexistent"), "rows.csv");
    assert_eq!(
        desk.message(),
        "nothing was written: cannot create /nonexistent/rows.csv: \
         No such file or directory (os error 2)"
    );
    desk.keys("s");
    desk.ctrl('u');
    desk.keys("\n");
    let error = desk.app.prompt().and_then(|p| p.error.clone()).unwrap();
    assert_eq!(error.message, "the name of a file is missing");
    desk.keys("\x1b");
    assert!(desk.app.prompt().is_none());
}

#[test]
fn the_name_and_the_format_go_together() {
    let mut desk = Desk::new();
    desk.connect(0, 5);
    desk.ctrl('s');
    let name = |desk: &Desk| desk.app.prompt().unwrap().input.value().to_owned();
    let format = |desk: &Desk| match desk.app.prompt().unwrap().asking {
        Asking::Export { format } => format.word(),
        _ => panic!("not the prompt for a file"),
    };
    assert_eq!(name(&desk), "tcpscope-events-20260102-030405.ndjson");
    for word in ["json", "csv", "markdown"] {
        desk.press(KeyCode::Tab);
        assert_eq!(format(&desk), word);
    }
    assert_eq!(name(&desk), "tcpscope-events-20260102-030405.md");
    desk.press(KeyCode::BackTab);
    assert_eq!(format(&desk), "csv");
    desk.ctrl('u');
    desk.keys("a.json");
    assert_eq!(format(&desk), "json");
    // A name that tells nothing keeps the format.
    desk.ctrl('u');
    desk.keys("rows");
    assert_eq!(format(&desk), "json");
    desk.press(KeyCode::Tab);
    assert_eq!((name(&desk).as_str(), format(&desk)), ("rows", "csv"));
}

#[test]
fn connections_are_written_with_their_lives() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::new();
    desk.happen(Action::Update(sample::batch(vec![
        sample::connect(1),
        sample::connect(2),
        sample::close(1),
    ])));
    desk.keys("2");
    let text = desk.export(dir.path(), "rows.ndjson");
    let records: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let told: Vec<_> = records
        .iter()
        .map(|r| (r["state"].as_str(), r["sport"].as_u64()))
        .collect();
    assert_eq!(told, [(Some("open"), Some(2)), (Some("ended"), Some(1))]);
}

#[test]
fn leaving_during_an_export_takes_two_keys() {
    let mut desk = Desk::new();
    desk.connect(0, 5);
    desk.keys("s\n");
    assert!(desk.app.next_job().is_some());
    desk.keys("s");
    assert!(desk.message().starts_with("an export is being written"));
    desk.keys("q");
    assert_eq!(desk.effect, Effect::Draw);
    assert!(desk.message().contains("quit again"));
    desk.keys("q");
    assert_eq!(desk.effect, Effect::Quit);
}

#[test]
fn a_cell_and_a_row_are_copied() {
    let mut desk = Desk::new();
    desk.connect(0, 5);
    let copied = |desk: &mut Desk| match desk.app.next_job() {
        Some(Job::Copy(text)) => text,
        other => panic!("{other:?}"),
    };
    desk.keys("y");
    assert!(desk.message().starts_with("no row is selected"));
    desk.keys("ky");
    assert_eq!(copied(&mut desk), "03:04:05.123456");
    assert_eq!(
        desk.message(),
        "sent to the terminal's clipboard: 03:04:05.123456"
    );
    desk.keys("Y");
    let record: Value = serde_json::from_str(&copied(&mut desk)).unwrap();
    assert_eq!((&record["t"], &record["sport"]), (&"ev".into(), &4.into()));
    desk.keys("2jY");
    let record: Value = serde_json::from_str(&copied(&mut desk)).unwrap();
    assert_eq!(record["t"], "conn");
}
