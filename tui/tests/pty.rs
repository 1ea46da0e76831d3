//! The real program in a terminal of its own. The terminal answers no question, as a slow or a dumb
//! one does: nothing may wait for an answer.

#![expect(clippy::unwrap_used, reason = "a test fails where it goes wrong")]

mod terminal;

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;

use terminal::Terminal;

const CTRL_Z: &str = "\x1a";

impl Terminal {
    fn poll(env: &[(&str, &str)]) -> Self {
        Self::tcpscope(&["poll"], env)
    }
}

/// A connection on loopback, held open.
fn connection() -> (TcpListener, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener, stream)
}

#[test]
fn it_starts_filters_pauses_and_follows_the_size() {
    let mut terminal = Terminal::poll(&[]);
    terminal.wait_for("1 events");
    terminal.wait_for("live");

    let (listener, stream) = connection();
    let port = stream.local_addr().unwrap().port();
    terminal.keys(&format!("/port:{port}"));
    terminal.wait_for(&format!("/ port:{port}"));
    terminal.keys("\r");
    terminal.wait_for(&format!("filter port:{port}"));
    let row = format!(" {} ", listener.local_addr().unwrap().port());
    terminal.wait(&row, |t| t.text().contains(&row));

    terminal.keys("P");
    terminal.wait_for("PAUSED +");
    terminal.keys("P");
    terminal.wait_for("FOLLOW");

    terminal.resize(30, 160);
    terminal.wait_for("SPORT DPORT REASON");
    terminal.resize(5, 20);
    terminal.wait_for("tcpscope needs 80 x");
    terminal.resize(24, 80);
    terminal.wait_for("q quit");

    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
}

#[test]
fn a_terminal_that_answers_nothing_is_asked_nothing() {
    let mut terminal = Terminal::poll(&[]);
    terminal.wait_for("q quit");
    // ^l draws everything again.
    terminal.keys("\x0c");
    terminal.wait("second frame", |t| t.wrote("no filter") == 2);
    for query in [
        "\x1b[6n",
        "\x1b[c",
        "\x1b[?u",
        "\x1b[5n",
        "\x1b[>c",
        "\x1b]11;?",
    ] {
        assert_eq!(terminal.wrote(query), 0, "{query:?}");
    }
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
}

#[test]
fn without_colour_the_selection_shows() {
    // Open from before the start, so that there is a row.
    let connection = connection();
    let mut terminal = Terminal::poll(&[("NO_COLOR", "1")]);
    terminal.wait_for("before ");
    terminal.keys("k");
    let is_line = |screen: &vt100::Screen, y| {
        (0..80).all(|x| screen.cell(y, x).is_some_and(vt100::Cell::inverse))
    };
    terminal.wait("selection", |t| {
        (4..23).any(|y| is_line(t.screen.screen(), y))
    });
    let screen = terminal.screen.screen();
    for (y, x) in (0..24).flat_map(|y| (0..80).map(move |x| (y, x))) {
        let cell = screen.cell(y, x).unwrap();
        assert_eq!(cell.fgcolor(), vt100::Color::Default);
        assert_eq!(cell.bgcolor(), vt100::Color::Default);
    }
    drop(connection);
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
}

#[test]
fn signals_end_it_and_give_the_terminal_back() {
    for (signal, status) in [("TERM", 0), ("INT", 0), ("HUP", 129)] {
        let mut terminal = Terminal::poll(&[]);
        terminal.wait_for("q quit");
        terminal.signal(signal);
        assert_eq!(terminal.end().exit_code(), status, "{signal}");
    }
}

#[test]
fn a_shell_suspends_it_and_brings_it_back() {
    let mut terminal = Terminal::run("sh", &["-i"], &[("PS1", "shell> "), ("ENV", "")]);
    terminal.wait_for("shell>");
    terminal.keys(concat!(env!("CARGO_BIN_EXE_tcpscope"), " poll\r"));
    terminal.wait_for("q quit");
    terminal.keys(CTRL_Z);
    terminal.wait("shell", |t| !t.screen.screen().alternate_screen());
    terminal.wait_for("Stopped");
    assert!(!terminal.screen.screen().hide_cursor());
    terminal.keys("fg\r");
    terminal.wait("screen", |t| t.screen.screen().alternate_screen());
    terminal.wait_for("q quit");
    terminal.keys("?");
    terminal.wait_for("Moving");
    terminal.keys("q");
    // What is typed before the shell has the terminal again comes to nothing.
    terminal.wait("shell", |t| t.text().matches("shell>").count() == 3);
    terminal.keys("exit 7\r");
    assert_eq!(terminal.end().exit_code(), 7);
}

#[test]
fn without_a_shell_it_comes_back_by_itself() {
    let mut terminal = Terminal::poll(&[]);
    terminal.wait_for("q quit");
    terminal.keys(CTRL_Z);
    terminal.wait("second frame", |t| {
        t.wrote("\x1b[?1049h") == 2 && t.text().contains("q quit")
    });
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
}

#[test]
fn rows_are_marked_written_and_copied() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.ndjson");
    // Open from before the start, so that there is a row.
    let connection = connection();
    let mut terminal = Terminal::poll(&[]);
    terminal.wait_for("before ");
    terminal.keys("P");
    terminal.wait_for("PAUSED");
    terminal.keys("k ");
    terminal.wait_for("1 marked");
    terminal.keys("s");
    terminal.wait_for("1 marked row as ndjson to tcpscope-events-");
    terminal.keys(&format!("\x15{}", path.display()));
    terminal.wait_for("rows.ndjson");
    terminal.keys("\r");
    terminal.wait_for("wrote 1 row to ");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("\"t\":\"open\"").count(), 1, "{text}");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // The same again is asked about.
    terminal.keys(&format!("s\x15{}\r", path.display()));
    terminal.wait_for("exists: overwrite it?");
    terminal.keys("n");
    terminal.wait_for("nothing was written");

    terminal.keys("Y");
    terminal.wait_for("sent to the terminal's clipboard");
    // `{"t":"open"` in base64.
    terminal.wait("sequence", |t| t.wrote("\x1b]52;c;eyJ0Ijoib3Blbi") == 1);
    drop(connection);
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
}

#[test]
fn commands_work_and_a_wrong_one_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let recording = dir.path().join("session.ndjson");
    let mut terminal = Terminal::poll(&[]);
    terminal.wait_for("q quit");
    terminal.keys(":fly\r");
    terminal.wait_for("no command `fly`: ns pod");
    terminal.keys("\x15fil\t port:\x15");
    terminal.keys("cols time,uid,dport\r");
    terminal.wait_for("UID DPORT");
    terminal.keys("p");
    terminal.wait_for("no pods on this host");
    terminal.keys(&format!(":record {}\r", recording.display()));
    terminal.wait_for("recording to ");
    terminal.wait_for(" REC ");
    terminal.keys(":record again\r");
    terminal.wait_for("it is recorded already");
    terminal.keys("\x15record\r");
    terminal.wait_for("the recording has ended");
    terminal.wait("end of it", |t| !t.text().contains(" REC "));
    terminal.keys(":quit\r");
    assert_eq!(terminal.end().exit_code(), 0);
    let text = std::fs::read_to_string(&recording).unwrap();
    assert!(text.starts_with("{\"t\":\"hello\""), "{text}");
    assert!(
        text.trim_end()
            .lines()
            .last()
            .unwrap()
            .starts_with("{\"t\":\"bye\"")
    );
}

#[test]
fn a_configuration_is_read_and_a_bad_one_is_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("tcpscope");
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("config.toml");
    let env = dir.path().to_str().unwrap().to_owned();
    let env = [("XDG_CONFIG_HOME", env.as_str())];

    std::fs::write(&path, "[keys]\nquit = [\"Z Z\"]\n").unwrap();
    let mut terminal = Terminal::poll(&env);
    terminal.wait_for("Z quit");
    terminal.keys(":cols time,uid,dport\r:cols save\r");
    terminal.wait_for("saved in ");
    terminal.keys("ZZ");
    assert_eq!(terminal.end().exit_code(), 0);
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "[keys]\nquit = [\"Z Z\"]\n\n[columns]\nevents = [\"time\", \"uid\", \"dport\"]\n"
    );

    std::fs::write(&path, "\ntheme = \"dark\"\n").unwrap();
    let mut terminal = Terminal::poll(&env);
    terminal.wait_for("config.toml, line 2: there is no theme `dark`");
    assert_eq!(terminal.end().exit_code(), 1);
}
