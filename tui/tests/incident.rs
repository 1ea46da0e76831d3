//! Somebody who knows k9s and has read nothing but the header, the footer and `?`: whose connects to
//! port 5432 are refused? They are found, marked and exported, in the demo and on live data.

#![expect(clippy::unwrap_used, reason = "a test fails where it goes wrong")]

mod terminal;

use std::io::Write;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use terminal::Terminal;

/// From the first screen to a file with two rows of it.
fn investigate(terminal: &mut Terminal, filter: &str) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("refused.ndjson");
    // The header names the views, the footer what can be done in them.
    terminal.wait_for("5 problems");
    terminal.wait_for("/ filter");
    terminal.keys("5");
    terminal.wait_for("PROBLEM");
    terminal.keys(&format!("/{filter}\r"));
    terminal.wait_for("filter port:5432");
    terminal.wait_for("refused");
    terminal.wait_for("Enter open");
    terminal.keys("gg\r");
    terminal.wait_for("in refused ");
    let two = |t: &Terminal| t.text().matches(" refused").count() >= 3;
    terminal.wait("two rows", two);
    for said in ["Space mark", "s export", "P pause"] {
        terminal.wait_for(said);
    }
    terminal.keys("Pgg j ");
    terminal.wait_for("2 marked");
    terminal.keys("s");
    terminal.wait_for("2 marked rows as ndjson to ");
    terminal.keys(&format!("\x15{}\r", path.display()));
    terminal.wait_for("wrote 2 rows to ");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let events: Vec<Value> = lines.filter(|line| line["t"] == "ev").collect();
    assert_eq!(events.len(), 2, "{text}");
    for event in &events {
        assert_eq!(event["dport"], 5432, "{event}");
        assert_eq!(event["reason"], "refused", "{event}");
    }
    events
}

#[test]
fn refused_connects_are_found_in_the_demo() {
    let mut terminal = Terminal::tcpscope(&["demo"], &[]);
    // A service of a node is refused as well: it is in no pod.
    let events = investigate(&mut terminal, "port:5432 pod:*");
    for event in events {
        let pod = event["pod"].as_str().unwrap();
        assert!(pod.starts_with("checkout-"), "{event}");
    }
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
}

/// A network of its own, where nobody listens on any port.
struct Alone(Child);

impl Alone {
    fn new() -> Self {
        let script = "ip link set lo up; \
                      while read -r _; do (exec 3<>/dev/tcp/127.0.0.1/5432) 2>/dev/null; done";
        let child = Command::new("unshare")
            .args(["--net", "bash", "-c", script])
            .stdin(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    /// Connects, in vain, so many times.
    fn connect(&mut self, times: usize) {
        let input = self.0.stdin.as_mut().unwrap();
        input.write_all("\n".repeat(times).as_bytes()).unwrap();
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn refused_connects_are_found_on_live_data() {
    let check = Command::new(env!("CARGO_BIN_EXE_tcpscope"))
        .arg("check")
        .output();
    if !check.unwrap().status.success() {
        println!("skipped: {}: probes can't be loaded here", module_path!());
        return;
    }
    let mut alone = Alone::new();
    let mut terminal = Terminal::tcpscope(&[], &[]);
    terminal.wait_for(" live ");
    alone.connect(5);
    let events = investigate(&mut terminal, "port:5432");
    for event in events {
        assert_eq!(event["comm"], "bash", "{event}");
    }
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
}
