//! The real program: what it keeps, what it plays, and what it shows without privileges.
#![allow(clippy::unwrap_used)] // A helper that fails fails the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::Value;
use tempfile::TempDir;

/// Within this, whatever a test waits for must be there.
const BOUND: Duration = Duration::from_secs(30);

struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tcpscope"));
        command.args(line.split_whitespace());
        command.current_dir(&self.0).stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// The output of a run that must go well, and silently.
    fn text(&self, line: &str) -> String {
        let output = self.run(line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {said}");
        assert!(said.is_empty(), "{line}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The sentence of a run that must fail.
    fn failure(&self, line: &str) -> String {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(1), "{line}");
        String::from_utf8(output.stderr).unwrap()
    }
}

/// The records of a kind, as they were written.
fn lines<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let begin = format!("{{\"t\":\"{kind}\"");
    text.lines()
        .filter(|line| line.starts_with(&begin))
        .collect()
}

fn end(mut child: Child) -> Option<i32> {
    let until = Instant::now() + BOUND;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::yield_now();
    }
}

#[test]
fn what_is_recorded_is_played_as_it_was_written() {
    let dir = Dir::new();
    let shown = dir.text("demo -o json --duration 1s --type c --record rec.jsonl");
    let kept = std::fs::read_to_string(dir.path("rec.jsonl")).unwrap();
    let mode = std::fs::metadata(dir.path("rec.jsonl"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    assert_eq!(lines(&kept, "hello").len(), 3);
    assert!(
        !lines(&kept, "open").is_empty(),
        "what was open at the start"
    );
    assert_eq!(lines(&kept, "bye"), [kept.lines().last().unwrap()]);
    let connects: Vec<_> = lines(&kept, "ev");
    assert!(
        connects.iter().any(|line| line.contains(r#""type":"X""#)),
        "before the filter"
    );
    let connects: Vec<_> = connects
        .into_iter()
        .filter(|l| l.contains(r#""type":"C""#))
        .collect();
    assert_eq!(connects, lines(&shown, "ev"));

    // From the recording and from what was shown, and once more by way of standard input.
    for file in ["rec.jsonl", "shown.jsonl"] {
        std::fs::write(dir.path("shown.jsonl"), &shown).unwrap();
        let again = dir.text(&format!("replay {file} --type c -o json"));
        assert_eq!(lines(&again, "ev"), connects, "{file}");
    }
    let mut from_stdin = dir.command("replay - -o json --type c");
    let from_stdin = from_stdin.stdin(std::fs::File::open(dir.path("rec.jsonl")).unwrap());
    let again = String::from_utf8(from_stdin.output().unwrap().stdout).unwrap();
    assert_eq!(lines(&again, "ev"), connects);

    let open = dir.text("replay rec.jsonl --snapshot -o json");
    assert_eq!(lines(&open, "open"), lines(&kept, "open"));
    let first = dir.text("replay rec.jsonl -o csv --no-headers --count 2 --columns node,t,dport");
    assert_eq!(first.lines().count(), 2);
}

#[test]
fn nothing_is_overwritten() {
    let dir = Dir::new();
    std::fs::write(dir.path("rec.jsonl"), "precious").unwrap();
    let said = dir.failure("demo --record rec.jsonl -o columns --count 1");
    assert_eq!(
        said,
        "tcpscope: rec.jsonl exists already, and is not overwritten: name another file\n"
    );
    let kept = std::fs::read_to_string(dir.path("rec.jsonl")).unwrap();
    assert_eq!(kept, "precious");
}

#[test]
fn a_link_is_not_followed() {
    let dir = Dir::new();
    std::os::unix::fs::symlink("elsewhere", dir.path("rec.jsonl")).unwrap();
    let said = dir.failure("demo --record rec.jsonl -o columns --count 1");
    assert!(said.contains("exists already"), "{said}");
    assert!(!dir.path("elsewhere").exists());
}

#[test]
fn a_file_that_cannot_grow_ends_the_recording_and_not_the_session() {
    let dir = Dir::new();
    // Blocks of 512 bytes: the first rows fit, and what is written next is cut off.
    let script =
        "trap '' XFSZ; ulimit -f 64; exec \"$0\" demo -o json --count 200 --record rec.jsonl";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_tcpscope")]);
    let output = command.current_dir(&dir.0).output().unwrap();
    let (shown, said) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(lines(&shown, "ev").len(), 200, "{said}");
    assert_eq!(output.status.code(), Some(1), "the recording was asked for");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.starts_with("tcpscope: cannot write rec.jsonl (File too large"),
        "{said}"
    );

    let kept = std::fs::read_to_string(dir.path("rec.jsonl")).unwrap();
    assert!(kept.ends_with('\n'), "whole lines");
    let n = lines(&kept, "ev").len();
    assert!(
        said.ends_with(&format!("it ends after {n} events\n")),
        "{n}: {said}"
    );
    let again = dir.text("replay rec.jsonl -o json");
    assert_eq!(lines(&again, "ev"), lines(&kept, "ev"));
}

#[test]
fn a_broken_file_is_named_with_its_line_after_what_is_good() {
    let dir = Dir::new();
    dir.text("demo -o json --count 5 --record rec.jsonl");
    let text = std::fs::read_to_string(dir.path("rec.jsonl")).unwrap();
    let good = lines(&text, "ev");
    let hello = text.lines().next().unwrap();
    let cut = format!("{hello}\n{}\n{}", good[0], &good[1][..80]);
    std::fs::write(dir.path("cut.jsonl"), cut).unwrap();
    let output = dir.run("replay cut.jsonl -o json");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        lines(&String::from_utf8_lossy(&output.stdout), "ev"),
        [good[0]]
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        said,
        "tcpscope: cut.jsonl is broken at line 3: it is cut off\n"
    );

    std::fs::write(dir.path("x.csv"), "NODE,POD\n").unwrap();
    let said = dir.failure("replay x.csv -o columns");
    assert!(
        said.contains("x.csv is no recording: line 1: expected value, column 1\n"),
        "{said}"
    );
    let said = dir.failure("replay nowhere -o columns");
    assert_eq!(
        said,
        "tcpscope: cannot read nowhere: No such file or directory (os error 2)\n"
    );
}

#[test]
fn text_is_played_as_fast_as_it_can_be_unless_a_speed_is_given() {
    let dir = Dir::new();
    let text = dir.text("demo -o json --count 1 --record rec.jsonl");
    let mut event: Value = serde_json::from_str(lines(&text, "ev")[0]).unwrap();
    let mut hour = Vec::new();
    for hours in 0..3 {
        event["ts"] = format!("2026-01-02T0{hours}:00:00Z").into();
        writeln!(hour, "{event}").unwrap();
    }
    std::fs::write(dir.path("hours.jsonl"), hour).unwrap();
    let began = Instant::now();
    assert_eq!(
        dir.text("replay hours.jsonl -o columns --no-headers")
            .lines()
            .count(),
        3
    );
    assert!(began.elapsed() < BOUND);

    let slow = dir.text("replay hours.jsonl -o columns --no-headers --speed 1x --duration 100ms");
    assert_eq!(slow.lines().count(), 1, "{slow}");
}

#[test]
fn a_recording_that_is_told_to_stop_has_its_farewell() {
    let dir = Dir::new();
    for signal in ["TERM", "INT", "HUP"] {
        let name = format!("{signal}.jsonl");
        let mut command = dir.command(&format!("demo -o json --record {name}"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        stdout.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(end(child), Some(if signal == "HUP" { 129 } else { 0 }));
        ends_well(&dir.path(&name));
    }
}

/// A recording of whole lines with a farewell.
fn ends_well(path: &Path) {
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(kept.ends_with('\n'));
    let bye = kept.lines().last().unwrap();
    let events = lines(&kept, "ev").len();
    assert!(
        bye.starts_with(&format!(r#"{{"t":"bye","events":{events},"#)),
        "{bye}"
    );
}

#[test]
fn the_screen_shows_the_demo_and_its_recording() {
    let dir = Dir::new();
    let rec = dir.path("rec.jsonl").display().to_string();
    on_screen(&["demo", "--record", &rec], "3 nodes live");
    ends_well(Path::new(&rec));
    on_screen(&["replay", &rec, "--speed", "max"], "3 nodes ended");
}

/// Runs the program in a terminal until the text is there, and then presses `q`.
fn on_screen(args: &[&str], text: &str) {
    let size = PtySize {
        rows: 24,
        cols: 120,
        pixel_width: 0,
        pixel_height: 0,
    };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_tcpscope"));
    command.args(args);
    command.env("TERM", "xterm-256color");
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut input = pair.master.take_writer().unwrap();
    let mut reader = pair.master.try_clone_reader().unwrap();
    let (sender, output) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(n @ 1..) = reader.read(&mut bytes) {
            if sender.send(bytes[..n].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut screen = vt100::Parser::new(24, 120, 0);
    let until = Instant::now() + BOUND;
    let mut pressed = false;
    while child.try_wait().unwrap().is_none() {
        let contents = screen.screen().contents();
        if contents.contains(text) && !pressed {
            input.write_all(b"q").unwrap();
            pressed = true;
        }
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("no `{text}` on the screen:\n{contents}");
        }
        if let Ok(bytes) = output.recv_timeout(Duration::from_millis(10)) {
            screen.process(&bytes);
        }
    }
    assert!(pressed, "it ended by itself");
    assert!(child.wait().unwrap().success());
}

#[test]
fn completions_and_the_manual_name_every_subcommand() {
    let dir = Dir::new();
    let shells = ["bash", "elvish", "fish", "powershell", "zsh"];
    let mut texts: Vec<_> = shells.map(|s| dir.text(&format!("completions {s}"))).into();
    texts.push(dir.text("man"));
    for text in texts {
        for name in ["poll", "replay", "demo", "check", "completions", "man"] {
            assert!(text.contains(name), "{name} in {text}");
        }
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let dir = Dir::new();
    for line in ["man", "completions bash", "demo -o json"] {
        let mut child = dir.command(line).stdout(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::with_capacity(16, child.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        assert_eq!(end(child), Some(0), "{line}");
    }
}
