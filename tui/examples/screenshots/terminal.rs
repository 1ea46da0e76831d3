//! A program in a pseudo-terminal: its screen, its keyboard.

use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::{Parser, Screen};

/// How long a screen is waited for.
const BOUND: Duration = Duration::from_secs(20);
/// A frame is whole when nothing more of it comes for so long: less than lies between two frames.
const WHOLE: Duration = Duration::from_millis(10);

/// A running program. It is ended when this is dropped.
pub(crate) struct Terminal {
    display: Arc<Display>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    /// The program gets a hang-up when this is gone.
    _master: Box<dyn MasterPty + Send>,
}

struct Display {
    parser: Mutex<Parser>,
    changed: Condvar,
}

impl Display {
    fn parser(&self) -> MutexGuard<'_, Parser> {
        self.parser.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Terminal {
    /// Starts a program in a terminal of this many columns and rows.
    pub(crate) fn start(
        command: CommandBuilder,
        (columns, rows): (u16, u16),
    ) -> anyhow::Result<Self> {
        let size = PtySize {
            rows,
            cols: columns,
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size)?;
        let child = pair.slave.spawn_command(command)?;
        let display = Arc::new(Display {
            parser: Mutex::new(Parser::new(rows, columns, 0)),
            changed: Condvar::new(),
        });
        let mut output = pair.master.try_clone_reader()?;
        let shown = Arc::clone(&display);
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            // The end of the program is an error (EIO) to read.
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                shown.parser().process(&buffer[..n]);
                shown.changed.notify_all();
            }
        });
        let keyboard = pair.master.take_writer()?;
        Ok(Self {
            display,
            keyboard,
            child,
            _master: pair.master,
        })
    }

    /// Types.
    pub(crate) fn press(&mut self, keys: &str) -> anyhow::Result<()> {
        self.keyboard.write_all(keys.as_bytes())?;
        Ok(self.keyboard.flush()?)
    }

    /// Waits until the screen, as a whole frame, is as it should be, and hands it to `then`.
    pub(crate) fn when<T>(
        &self,
        what: &str,
        is_so: impl Fn(&Screen) -> bool,
        then: impl FnOnce(&Screen) -> T,
    ) -> anyhow::Result<T> {
        let until = Instant::now() + BOUND;
        let mut parser = self.display.parser();
        loop {
            if Instant::now() > until {
                bail!(
                    "{what} did not come, the screen is:\n{}",
                    parser.screen().contents()
                );
            }
            let waited = self.display.changed.wait_timeout(parser, WHOLE);
            let (changed, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            parser = changed;
            if timeout.timed_out() && is_so(parser.screen()) {
                return Ok(then(parser.screen()));
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let ended = self
            .child
            .kill()
            .and_then(|()| self.child.wait())
            .context("the program did not end");
        if let Err(error) = ended {
            eprintln!("{error:#}");
        }
    }
}
