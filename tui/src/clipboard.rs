//! OSC 52: text for the clipboard of whoever sits before the terminal, however far away that is.

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

/// What is to be written to the terminal so that it takes the text.
pub(crate) fn sequence(text: &str, between: Between) -> String {
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
        // tmux takes it itself (`set-clipboard on`), or passes it on (`allow-passthrough on`):
        // whichever it is allowed.
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
