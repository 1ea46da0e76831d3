//! The real binary with text output, through the source that needs no privileges.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything here may take.
const BOUND: Duration = Duration::from_secs(20);

fn tcpscope(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcpscope"));
    command.args(args).stdin(Stdio::null());
    command
}

fn finished(args: &[&str]) -> Output {
    tcpscope(args).output().expect("the binary runs")
}

/// A program that is running, with its stdout; it is ended by its id if the test gives up.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        let mut child = tcpscope(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, lines }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).expect("JSON")
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// The exit status, and what stdout had left.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("text");
        (self.status(), rest)
    }

    fn status(&mut self) -> Option<i32> {
        let began = Instant::now();
        while began.elapsed() < BOUND {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            std::thread::yield_now();
        }
        panic!("it does not end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both ends of a connection on loopback.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let here = TcpStream::connect(listener.local_addr().expect("an address")).expect("a peer");
    let (there, _) = listener.accept().expect("a connection");
    (here, there)
}

#[test]
fn wrong_usage_is_status_2_and_says_where() {
    let output = finished(&["poll", "--filter", "port:443 lta>5ms"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("column 10: unknown field `lta`: did you mean `lat`?"),
        "{said}"
    );
    assert!(
        said.contains("\n    port:443 lta>5ms\n             ^\n"),
        "{said}"
    );
    assert_eq!(output.stdout, b"");

    let output = finished(&["poll", "-o", "csv", "--columns", "pid,nonsense"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_snapshot_has_a_beginning_what_is_open_and_an_end() {
    let (here, _there) = connection();
    let port = here.local_addr().expect("an address").port();
    let filter = format!("sport:{port}");
    let output = finished(&["poll", "--snapshot", "-o", "json", "--filter", &filter]);
    assert_eq!(output.status.code(), Some(0));
    let lines: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line["t"].as_str()).collect();
    assert_eq!(kinds, ["hello", "open", "bye"]);
    assert_eq!(lines[1]["state"], "ESTABLISHED");
    assert_eq!(lines[1]["sport"], port);
    assert_eq!(lines[1]["pid"], std::process::id());
}

#[test]
fn a_signal_ends_it_with_a_farewell() {
    for (name, code) in [("TERM", 0), ("HUP", 129)] {
        let mut running = Running::start(&["poll", "-o", "json"]);
        assert_eq!(running.line()["t"], "hello");
        running.signal(name);
        let (status, rest) = running.end();
        assert_eq!(status, Some(code), "{name}");
        assert!(
            rest.lines()
                .last()
                .is_some_and(|bye| bye.contains("\"bye\"")),
            "{rest}"
        );
    }
}

#[test]
fn a_reader_who_goes_ends_it_at_once_and_quietly() {
    // No event is to come: that the reader has gone must be seen without one.
    let mut running = Running::start(&["poll", "-o", "json", "--filter", "comm:\"no such thing\""]);
    assert_eq!(running.line()["t"], "hello");
    let stdout = std::mem::replace(&mut running.lines, empty());
    drop(stdout);
    assert_eq!(running.status(), Some(0));
    let mut said = String::new();
    let stderr = running.child.stderr.as_mut().expect("a pipe");
    stderr.read_to_string(&mut said).expect("text");
    assert_eq!(said, "");
}

/// The output of a program that has none.
fn empty() -> BufReader<ChildStdout> {
    let mut child = Command::new("true")
        .stdout(Stdio::piped())
        .spawn()
        .expect("true");
    let stdout = child.stdout.take().expect("a pipe");
    let _ = child.wait();
    BufReader::new(stdout)
}

#[test]
fn the_count_ends_it_and_lines_are_of_the_filter() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let filter = format!("dport:{}", address.port());
    let mut running = Running::start(&["poll", "-o", "json", "--count", "1", "--filter", &filter]);
    assert_eq!(running.line()["t"], "hello");
    let (_other, _connection) = (connection(), TcpStream::connect(address).expect("a peer"));
    let event = running.line();
    assert_eq!(
        (&event["t"], &event["dport"]),
        (&"ev".into(), &address.port().into())
    );
    let (status, rest) = running.end();
    assert_eq!(status, Some(0));
    assert!(rest.starts_with(r#"{"t":"bye","events":1,"#), "{rest}");
}
