//! A program in a terminal that answers no question: its screen, its keyboard.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// Within this, whatever a test waits for must be there.
const BOUND: Duration = Duration::from_secs(20);

pub struct Terminal {
    /// `None` after the window was closed.
    master: Option<Box<dyn MasterPty + Send>>,
    child: Box<dyn Child + Send + Sync>,
    input: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    pub screen: vt100::Parser,
    /// All that was ever written to it.
    written: Vec<u8>,
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize {
        rows,
        cols,
        pixel_width: 0,
        pixel_height: 0,
    }
}

impl Terminal {
    /// Runs a program in a terminal of 24 lines of 80 cells.
    pub fn run(program: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let pair = native_pty_system().openpty(size(24, 80)).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        command.env_remove("TMUX");
        command.env_remove("STY");
        // Not the configuration of whoever runs the tests.
        command.env_remove("SUDO_UID");
        command.env("XDG_CONFIG_HOME", "/nonexistent");
        for (name, value) in env {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            input: pair.master.take_writer().unwrap(),
            master: Some(pair.master),
            child,
            output,
            screen: vt100::Parser::new(24, 80, 0),
            written: Vec::new(),
        }
    }

    pub fn tcpscope(args: &[&str], env: &[(&str, &str)]) -> Self {
        Self::run(env!("CARGO_BIN_EXE_tcpscope"), args, env)
    }

    pub fn keys(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    pub fn resize(&mut self, rows: u16, cols: u16) {
        let master = self.master.as_ref().unwrap();
        master.resize(size(rows, cols)).unwrap();
        self.screen.screen_mut().set_size(rows, cols);
    }

    fn take_in(&mut self, bytes: &[u8]) {
        self.written.extend_from_slice(bytes);
        self.screen.process(bytes);
    }

    /// Waits until the screen is as it should be.
    pub fn wait(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let until = Instant::now() + BOUND;
        while !is_so(self) {
            let left = until.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.take_in(&bytes),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no {what} on the screen:\n{}", self.text());
                }
            }
        }
    }

    pub fn wait_for(&mut self, text: &str) {
        self.wait(text, |t| t.text().contains(text));
    }

    pub fn text(&self) -> String {
        self.screen.screen().contents()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.process_id().unwrap().to_string();
        let kill = std::process::Command::new("kill")
            .args(["-s", name, &pid])
            .status();
        assert!(kill.unwrap().success());
    }

    /// Waits for the end; the terminal must be as it was before.
    pub fn end(mut self) -> ExitStatus {
        let status = self.status();
        // What it wrote last is still on its way.
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_secs(1)) {
            self.take_in(&bytes);
        }
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen(), "the screen is still its own");
        assert!(!screen.hide_cursor(), "the cursor is still hidden");
        assert!(!screen.bracketed_paste());
        let mouse = screen.mouse_protocol_mode();
        assert_eq!(mouse, vt100::MouseProtocolMode::None);
        status
    }

    pub fn wrote(&self, bytes: &str) -> usize {
        let mut windows = self.written.windows(bytes.len());
        let mut count = 0;
        while windows.any(|w| w == bytes.as_bytes()) {
            count += 1;
        }
        count
    }
}

impl Terminal {
    /// The selected row: the line that is reversed from end to end, but for the titles.
    pub fn selected(&self) -> Option<String> {
        let screen = self.screen.screen();
        let (_, cols) = screen.size();
        let reversed =
            |y: u16| (0..cols).all(|x| screen.cell(y, x).is_some_and(vt100::Cell::inverse));
        let (y, line) = (0_u16..)
            .zip(screen.rows(0, cols))
            .find(|(y, _)| reversed(*y))?;
        (y > 3).then_some(line)
    }

    /// Closes the window: nobody is left to draw for, or to type. The status of the program.
    pub fn close(mut self) -> ExitStatus {
        // Who reads for us ends with the next that is written, and is the last to hold the window.
        self.output = channel().1;
        self.resize(30, 100);
        self.input = Box::new(std::io::sink());
        self.master = None;
        self.status()
    }

    /// Waits for the end of the program.
    fn status(&mut self) -> ExitStatus {
        let until = Instant::now() + BOUND;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end:\n{}", self.text());
            if let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(10)) {
                self.take_in(&bytes);
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // This child only, by its id; it is gone already where the test went well.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
