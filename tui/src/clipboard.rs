//! OSC 52: text for the clipboard of whoever sits before the terminal, however far away that is.

use std::io::{self, Write};
use std::process::{self, Stdio};

use crossterm::Command;
use crossterm::clipboard::CopyToClipboard;

/// Bytes of text that common terminals take: their sequences end at 100,000 bytes, in base64.
pub(crate) const MOST: usize = 74_994;

/// Bytes in one string of GNU screen.
const PIECE: usize = 240;

const ESCAPE: &str = "\x1b";
const BELL: &str = "\x07";
/// Begins a string that a multiplexer passes on, and ends it.
const PASS: &str = "\x1bP";
const END: &str = "\x1b\\";

/// What is between the program and the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Between {
    Nothing,
    Tmux,
    Screen,
}

impl Between {
    /// What is there by the environment.
    pub(crate) fn of_environment() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match () {
            () if set("TMUX") => Self::Tmux,
            () if set("STY") => Self::Screen,
            () => Self::Nothing,
        }
    }
}

/// Hands a text over, in whichever way what is between takes it.
///
/// # Errors
/// If the terminal does not take what is written.
pub(crate) fn copy(text: &str, between: Between, terminal: &mut impl Write) -> io::Result<()> {
    if between == Between::Tmux && load_buffer(text).is_ok_and(|loaded| loaded) {
        return Ok(());
    }
    terminal.write_all(sequence(text, between).as_bytes())?;
    terminal.flush()
}

/// Asks tmux to keep it, and to pass it on to its own terminal: as tmux is set up at first, it takes
/// no such sequence from a program. Says whether it did; tmux knows how since 3.2.
fn load_buffer(text: &str) -> io::Result<bool> {
    let mut tmux = process::Command::new("tmux")
        .args(["load-buffer", "-w", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = tmux.stdin.take() {
        // What it does not take is seen in how it ends.
        let _ = input.write_all(text.as_bytes());
    }
    Ok(tmux.wait()?.success())
}

/// What is to be written to the terminal so that it takes the text.
fn sequence(text: &str, between: Between) -> String {
    let mut plain = String::new();
    // A String takes all that is written.
    let _ = CopyToClipboard::to_clipboard_from(text).write_ansi(&mut plain);
    // What passes through a multiplexer must not contain the end of what it is passed in.
    let belled = || match plain.strip_suffix(END) {
        Some(body) => format!("{body}{BELL}"),
        None => plain.clone(),
    };
    match between {
        Between::Nothing => plain,
        // A tmux that does not take it by `load-buffer` may take it itself (`set-clipboard on`), or
        // pass it on (`allow-passthrough on`): whichever it is allowed.
        Between::Tmux => {
            let doubled = belled().replace(ESCAPE, "\x1b\x1b");
            format!("{plain}{PASS}tmux;{doubled}{END}")
        }
        Between::Screen => {
            let belled = belled();
            let bytes = belled.as_bytes().chunks(PIECE);
            // It is all ASCII.
            bytes.fold(String::new(), |passed, piece| {
                passed + PASS + &String::from_utf8_lossy(piece) + END
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_gets_it_in_base64() {
        let plain = sequence("10.0.0.1", Between::Nothing);
        assert!(plain.starts_with("\x1b]52;c;MTAuMC4wLjE="), "{plain:?}");
    }

    #[test]
    fn tmux_may_take_it_or_pass_it_on() {
        assert_eq!(
            sequence("a", Between::Tmux),
            "\x1b]52;c;YQ==\x1b\\\x1bPtmux;\x1b\x1b]52;c;YQ==\x07\x1b\\"
        );
    }

    #[test]
    fn screen_passes_on_short_strings() {
        let text = "x".repeat(1_000);
        let whole = sequence(&text, Between::Screen);
        let pieces: Vec<&str> = whole.split_terminator(END).collect();
        assert!(
            pieces
                .iter()
                .all(|p| p.starts_with(PASS) && p.len() <= PIECE + 2)
        );
        let joined: String = pieces.iter().map(|p| &p[PASS.len()..]).collect();
        assert!(joined.starts_with("\x1b]52;c;eHh4") && joined.ends_with(BELL));
    }
}
