//! Every key of the table, in the real program, on a recording of a hundred events.

#![expect(clippy::unwrap_used, reason = "a test fails where it goes wrong")]

mod terminal;

use std::fmt::Write;

use tempfile::NamedTempFile;
use terminal::Terminal;

const UP: &str = "\x1b[A";
const DOWN: &str = "\x1b[B";
const RIGHT: &str = "\x1b[C";
const LEFT: &str = "\x1b[D";
const HOME: &str = "\x1b[H";
const END: &str = "\x1b[F";
const PAGE_UP: &str = "\x1b[5~";
const PAGE_DOWN: &str = "\x1b[6~";
const BACK_TAB: &str = "\x1b[Z";
const ESC: &str = "\x1b";

const CTRL_B: &str = "\x02";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_F: &str = "\x06";
const CTRL_L: &str = "\x0c";
const CTRL_N: &str = "\x0e";
const CTRL_P: &str = "\x10";
const CTRL_S: &str = "\x13";
const CTRL_U: &str = "\x15";
const CTRL_SPACE: &str = "\0";

/// A hundred connects, a second between each two, to the ports from 1000 on: every tenth is refused.
/// Those of one pod in each of two namespaces, and one other in turn.
fn recording() -> NamedTempFile {
    let mut text = String::from(
        "{\"t\":\"hello\",\"proto\":1,\"version\":\"0.1.0\",\"node\":\"n1\",\"kernel\":\"6.12.9\",\
         \"accept_hook\":null,\"seeded\":0,\"ts\":\"2026-01-02T03:00:00Z\"}\n",
    );
    for n in 0..100_u32 {
        let pod = ["cart", "web", "cron"][n as usize % 3];
        let namespace = if pod == "cron" { "ops" } else { "shop" };
        let reason = if n % 10 == 0 { "\"refused\"" } else { "null" };
        writeln!(
            text,
            "{{\"t\":\"ev\",\"seq\":{n},\"ts\":\"2026-01-02T03:{:02}:{:02}Z\",\"node\":\"n1\",\
             \"namespace\":\"{namespace}\",\"pod\":\"{pod}-1\",\"container\":\"app\",\"type\":\"C\",\
             \"pid\":{},\"comm\":\"{pod}d\",\"family\":4,\"saddr\":\"10.1.0.1\",\"daddr\":\"10.2.0.1\",\
             \"sport\":{},\"dport\":{},\"conn\":\"{n:x}\",\"phase\":\"open\",\"reason\":{reason},\
             \"before\":false}}",
            n / 60,
            n % 60,
            100 + n % 3,
            20_000 + n,
            1_000 + n,
        )
        .unwrap();
    }
    let file = NamedTempFile::with_suffix(".ndjson").unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn replay(file: &NamedTempFile, speed: &str) -> Terminal {
    let path = file.path().to_str().unwrap();
    Terminal::tcpscope(&["replay", path, "--speed", speed], &[])
}

/// What is to be seen after a key.
enum Then {
    /// The row of the event to this port is selected.
    On(u16),
    /// This is on the screen.
    Is(&'static str),
    /// This is no longer there.
    Gone(&'static str),
}

use Then::{Gone, Is, On};

/// Keys one after the other, and what each leads to.
const STEPS: &[(&str, Then)] = &[
    // Moving: 19 rows are on the screen.
    ("k", On(1099)),
    (UP, On(1098)),
    ("j", On(1099)),
    ("gg", On(1000)),
    (DOWN, On(1001)),
    (HOME, On(1000)),
    (CTRL_D, On(1009)),
    (CTRL_U, On(1000)),
    (PAGE_DOWN, On(1019)),
    (PAGE_UP, On(1000)),
    (CTRL_F, On(1019)),
    (CTRL_B, On(1000)),
    ("G", Is("FOLLOW")),
    ("gg", Gone("FOLLOW")),
    (END, Is("FOLLOW")),
    // Sorting.
    ("l", Is("sort POD")),
    (RIGHT, Is("sort T↑")),
    ("h", Is("sort POD")),
    (LEFT, Gone("sort POD")),
    ("i", Is("sort TIME↓")),
    ("G", Is("FOLLOW")),
    // The filter, its history, its completion, its errors.
    ("/", Is("Enter ok")),
    ("dport:1007x", Is("^ `1007x` is")),
    ("\x7f\r", Is("filter dport:1007")),
    (ESC, Is("no filter")),
    ("/", Is("Enter ok")),
    (UP, Is("/ dport:1007")),
    (DOWN, Gone("/ dport:1007")),
    (CTRL_P, Is("/ dport:1007")),
    (CTRL_N, Gone("/ dport:1007")),
    ("reason:ref\t", Is("/ reason:refused")),
    ("\r", Is("10/100")),
    (ESC, Is("100/100")),
    ("/comm:\t", Is("comm:cartd")),
    ("\t", Is("comm:crond")),
    (BACK_TAB, Is("comm:cartd")),
    (ESC, Is("no filter")),
    // Pickers.
    ("n", Is("namespaces (2 of 2)")),
    (DOWN, Is("> ops")),
    (UP, Is("> shop")),
    ("op", Is("> ops")),
    ("\r", Is("ns ops")),
    ("0", Is("ns all")),
    ("p", Is("pods (3 of 3)")),
    ("webx", Is("nothing fits")),
    ("\x7f\r", Is("ns shop  pod web-1")),
    (ESC, Is("ns all")),
    // Commands.
    (":the\t", Is(": theme")),
    (" \t\t\r", Gone("Enter ok")),
    (":fly\r", Is("no command `fly`")),
    (ESC, Gone("no command `fly`")),
    (":sort dport\r", Is("sort DPORT")),
    ("G", Is("FOLLOW")),
    // Types.
    ("t", Is("u unknown")),
    ("z", Gone("u unknown")),
    ("tc", Is("no events pass")),
    ("tc", Gone("no events pass")),
    ("ta", Is("hidden")),
    ("ta", Gone("hidden")),
    ("tx", Is("hidden")),
    ("tx", Gone("hidden")),
    ("tu", Is("hidden")),
    ("tu", Gone("hidden")),
    // Views.
    ("2", Is("STATE")),
    ("3", Is("WORKLOAD")),
    ("4", Is("MINUTE")),
    ("5", Is("PROBLEM")),
    ("6", Is("VERSION")),
    ("1", Is("DADDR")),
    ("\t", Is("STATE")),
    (BACK_TAB, Gone("STATE")),
    (BACK_TAB, Is("VERSION")),
    (":conn\t\r", Is("STATE")),
    (":pods\r", Is("WORKLOAD")),
    ("1", Gone("WORKLOAD")),
    // Into a row and back.
    ("gg\r", Is("Timeline")),
    (ESC, Gone("Timeline")),
    ("3gg\r", Is("in pod ")),
    ("gg\r", Is("Timeline")),
    (ESC, Gone("Timeline")),
    (ESC, Gone("in pod ")),
    // Marks.
    ("1gg ", Is("1 marked")),
    ("jjv", Is("3 marked")),
    ("V", Gone("marked")),
    (" j", Is("1 marked")),
    (CTRL_SPACE, Is("2 marked")),
    (ESC, Gone("marked")),
    // Files and the clipboard.
    ("s", Is("100 rows as ndjson to tcpscope-events-")),
    ("\t", Is("rows as json to")),
    (ESC, Gone("rows as")),
    (CTRL_S, Is("100 rows as ndjson to")),
    (ESC, Gone("rows as")),
    ("y", Is("sent to the terminal's clipboard: ")),
    ("V", Gone("clipboard")),
    ("Y", Is("clipboard: {\"t\":\"ev\"")),
    // Layout and help.
    ("w", Is("NAMESPACE")),
    ("w", Gone("NAMESPACE")),
    ("?", Is("Moving")),
    ("j", Gone("Moving")),
    ("?", Gone("Help (")),
    ("P", Is("PAUSED")),
    ("P", Gone("PAUSED")),
    (">", Is("played at max")),
    ("<", Is("played at 64x")),
    ("[", Is("FOLLOW")),
    ("]", Is("FOLLOW")),
];

#[test]
fn every_key_does_what_the_table_says() {
    let file = recording();
    let mut terminal = replay(&file, "max");
    terminal.wait_for("FOLLOW");
    terminal.wait_for(" 1099");
    for (at, (keys, then)) in STEPS.iter().enumerate() {
        terminal.keys(keys);
        let what = format!("effect of step {at}, {keys:?}");
        match then {
            On(port) => {
                let port = format!(" {port} ");
                let is = |t: &Terminal| t.selected().is_some_and(|row| row.contains(&port));
                terminal.wait(&format!("{what}: {port}"), is);
            }
            Is(text) => terminal.wait(&format!("{what}: {text}"), |t| t.text().contains(text)),
            Gone(text) => {
                terminal.wait(&format!("{what}: no {text}"), |t| !t.text().contains(text));
            }
        }
    }
    let frames = terminal.wrote("no filter");
    terminal.keys(CTRL_L);
    terminal.wait("frame", |t| t.wrote("no filter") > frames);
    terminal.keys(CTRL_C);
    assert_eq!(terminal.end().exit_code(), 0);
}

#[test]
fn a_recording_is_held_searched_and_sped_up() {
    let file = recording();
    let mut terminal = replay(&file, "0.001x");
    terminal.wait_for(" 1000 ");
    terminal.keys("P");
    terminal.wait_for("PAUSED");
    for (keys, last, not) in [
        ("]", " 1010 ", " 1011 "),
        ("]", " 1020 ", " 1021 "),
        ("[", " 1010 ", " 1011 "),
        (":seek +1m\r", " 1070 ", " 1071 "),
        (":seek 03:00:30\r", " 1030 ", " 1031 "),
        (":seek -5s\r", " 1025 ", " 1026 "),
    ] {
        // What is before a moment is played at once, the event at it waits.
        let last = last.trim().parse::<u16>().unwrap() - 1;
        let last = format!(" {last} ");
        terminal.keys(keys);
        terminal.wait(&format!("{keys:?}: {last}"), |t| {
            t.text().contains(&last) && !t.text().contains(not)
        });
        terminal.wait_for("PAUSED");
    }
    terminal.keys("P:speed 1000x\r");
    terminal.wait_for(" 1099 ");
    terminal.wait_for("ended");
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
}

#[test]
fn a_storm_of_sizes_leaves_a_whole_screen() {
    let file = recording();
    let mut terminal = replay(&file, "max");
    terminal.wait_for(" 1099 ");
    for n in 0..200_u16 {
        terminal.resize(5 + n * 7 % 60, 20 + n * 13 % 200);
    }
    terminal.resize(5, 20);
    terminal.wait_for("tcpscope needs 80 x");
    terminal.resize(30, 100);
    terminal.wait_for(" 1099 ");
    terminal.keys("gg");
    terminal.wait("first row", |t| {
        t.selected().is_some_and(|row| row.contains(" 1000 "))
    });
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
}

#[test]
fn the_mouse_selects_scrolls_and_sorts() {
    let file = recording();
    let mut terminal = replay(&file, "max");
    terminal.wait_for(" 1099 ");
    // Cells of the mouse count from 1: line 5 is the first row.
    let press = |button: u8, x: u16, y: u16| format!("\x1b[<{button};{x};{y}M");
    terminal.keys(&press(0, 3, 5));
    terminal.wait("row", |t| {
        t.selected().is_some_and(|row| row.contains(" 1081 "))
    });
    terminal.keys(&press(64, 3, 5));
    terminal.wait("scrolled rows", |t| t.text().contains(" 1078 "));
    terminal.keys(&press(0, 2, 4));
    terminal.wait_for("sort TIME↓");
    terminal.keys(&press(0, 12, 1));
    terminal.wait_for("STATE");
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);

    let path = file.path().to_str().unwrap();
    let mut terminal = Terminal::tcpscope(&["replay", path, "--no-mouse"], &[]);
    terminal.wait_for("q quit");
    assert_eq!(terminal.wrote("\x1b[?1000h"), 0);
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
}
