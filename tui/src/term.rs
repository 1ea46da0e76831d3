//! The terminal: taken when the screen opens, given back however the program ends.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::style::{Print, ResetColor, force_color_output};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::layout::{Rect, Size};

use crate::app::App;
use crate::clipboard::{self, Between};
use crate::ui;

/// Buttons and the wheel, with positions of any size. crossterm's own command also asks for every
/// movement of the mouse, each of which would wake the program for nothing.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";

/// The terminal is taken. Global because a panic has nothing else to ask.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal, taken until this is dropped.
pub(crate) struct Term {
    // Not stdout itself, which would write a frame in pieces of a kilobyte. Not dropped: ratatui
    // would show the cursor, which `give_back` does, and panic where a terminal that is gone takes
    // neither that nor the complaint about it.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<File>>>>,
    mouse: bool,
}

impl Term {
    /// Takes the terminal.
    ///
    /// # Errors
    /// If stdout is none, or does not take what is written.
    pub(crate) fn take(mouse: bool) -> io::Result<Self> {
        restore_on_panic();
        // Which colours there are is the theme's business. crossterm, under NO_COLOR, turns each
        // change of colour into a reset, which takes reverse and bold with it.
        force_color_output(true);
        let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, stdout));
        let mut term = Self {
            terminal: ManuallyDrop::new(Terminal::new(backend)?),
            mouse,
        };
        term.claim()?;
        Ok(term)
    }

    /// Takes the terminal, again if it was given back.
    ///
    /// # Errors
    /// If it does not take what is written.
    pub(crate) fn claim(&mut self) -> io::Result<()> {
        TAKEN.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        let mouse = if self.mouse { MOUSE_ON } else { "" };
        execute!(
            self.terminal.backend_mut(),
            EnterAlternateScreen,
            Hide,
            EnableBracketedPaste,
            Print(mouse),
        )
    }

    /// The size of the terminal.
    ///
    /// # Errors
    /// If it cannot say.
    pub(crate) fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    /// Draws what has changed, all at once where the terminal can do that.
    ///
    /// # Errors
    /// If the terminal does not take what is written, or a panic elsewhere has given it back.
    pub(crate) fn draw(&mut self, app: &App) -> io::Result<()> {
        if !TAKEN.load(Ordering::SeqCst) {
            return Err(io::Error::other("a part of the program has panicked"));
        }
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| ui::draw(frame, app))?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// Hands text to the clipboard of whoever sits before the terminal.
    ///
    /// # Errors
    /// If the terminal does not take what is written.
    pub(crate) fn copy(&mut self, text: &str) -> io::Result<()> {
        clipboard::copy(text, Between::of_environment(), self.terminal.backend_mut())
    }

    /// Makes the next drawing draw everything.
    ///
    /// # Errors
    /// If the terminal does not take what is written.
    pub(crate) fn forget(&mut self) -> io::Result<()> {
        // Not `clear`, which asks the terminal where the cursor is, and fails if nobody answers.
        let size = self.terminal.backend().size()?;
        self.terminal
            .resize(Rect::from((ratatui::layout::Position::ORIGIN, size)))
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        give_back();
    }
}

/// Whether something failed because the terminal is gone: its window was closed.
pub(crate) fn is_gone(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    let number = cause.and_then(io::Error::raw_os_error);
    matches!(number, Some(libc::EIO | libc::EPIPE | libc::ENXIO))
}

/// Gives the terminal back as it was, if it is taken.
pub(crate) fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // Whether it works or not, there is nothing left to do about it: the terminal may be gone.
    let _ = execute!(
        io::stdout(),
        EndSynchronizedUpdate,
        ResetColor,
        Print(MOUSE_OFF),
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show,
    );
    let _ = disable_raw_mode();
    let _ = io::stdout().flush();
}

/// A panic's message would be lost with the screen that it is written on.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
    });
}

/// Stops the whole process group, as ^z does where the terminal still sees to it.
pub(crate) fn stop() {
    #[expect(
        unsafe_code,
        reason = "there is no safe call that signals one's own group"
    )]
    // SAFETY: kill touches no memory of this process; 0 is the caller's own process group.
    let _ = unsafe { libc::kill(0, libc::SIGTSTP) };
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use portable_pty::{CommandBuilder, PtySize, native_pty_system};

    use super::*;

    #[test]
    #[ignore = "run in a terminal by the test below"]
    fn panics_with_the_terminal_taken() {
        let mut term = Term::take(true).unwrap();
        term.forget().unwrap();
        panic!("something went wrong here");
    }

    #[test]
    fn a_panic_gives_the_terminal_back_and_is_read() {
        let pair = native_pty_system().openpty(PtySize::default()).unwrap();
        let before = pair.master.get_termios();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "--nocapture"]);
        command.arg("term::tests::panics_with_the_terminal_taken");
        command.env("RUST_BACKTRACE", "0");
        let mut child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        // The slave stays open, so that the terminal's settings outlive the child; its output ends
        // with the words of the test harness.
        let mut screen = vt100::Parser::new(24, 80, 0);
        let mut written = Vec::new();
        let mut bytes = [0; 4096];
        let ended = b"test result: FAILED";
        while !written.windows(ended.len()).any(|w| w == ended) {
            let n = reader.read(&mut bytes).unwrap();
            written.extend_from_slice(&bytes[..n]);
            screen.process(&bytes[..n]);
        }
        child.wait().unwrap();
        let taken = b"\x1b[?1049h";
        assert!(written.windows(taken.len()).any(|w| w == taken));
        assert!(!screen.screen().alternate_screen());
        assert!(!screen.screen().hide_cursor());
        assert!(
            screen
                .screen()
                .contents()
                .contains("something went wrong here")
        );
        assert_eq!(pair.master.get_termios(), before);
    }
}
