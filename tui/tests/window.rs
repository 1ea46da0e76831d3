//! A window that is closed. By itself: while tests run side by side, each may hold the others' windows
//! open, through a child that it has just started.

#![expect(clippy::unwrap_used, reason = "a test fails where it goes wrong")]

mod terminal;

use terminal::Terminal;

#[test]
fn it_ends_with_its_window() {
    let mut terminal = Terminal::tcpscope(&["demo"], &[]);
    terminal.wait_for("FOLLOW");
    assert_eq!(terminal.close().exit_code(), 129);
}
