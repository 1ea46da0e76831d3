//! In tmux, as it is set up at first.

#![expect(clippy::unwrap_used, reason = "a test fails where it goes wrong")]

use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const BOUND: Duration = Duration::from_secs(20);

/// A server of its own, which ends with the test.
struct Tmux(TempDir);

impl Tmux {
    fn run(&self, args: &[&str]) -> String {
        let socket = self.0.path().join("tmux");
        let output = Command::new("tmux")
            .arg("-S")
            .arg(socket)
            .args(args)
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }

    fn wait(&self, what: &[&str], so: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + BOUND;
        loop {
            let said = self.run(what);
            if so(&said) {
                return;
            }
            assert!(Instant::now() < deadline, "{what:?}: {said}");
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

#[test]
fn what_is_copied_is_in_its_buffer() {
    if Command::new("tmux").arg("-V").output().is_err() {
        println!("skipped: {}: there is no tmux", module_path!());
        return;
    }
    let tmux = Tmux(tempfile::tempdir().unwrap());
    let session = ["new-session", "-d", "-x", "80", "-y", "24"];
    let plain = ["-e", "XDG_CONFIG_HOME=/nonexistent"];
    let program = [env!("CARGO_BIN_EXE_tcpscope"), "demo"];
    let no_configuration = ["-f", "/dev/null"];
    tmux.run(&[&no_configuration[..], &session, &plain, &program].concat());
    tmux.wait(&["capture-pane", "-p"], |screen| screen.contains(" C "));
    tmux.run(&["send-keys", "kY"]);
    tmux.wait(&["show-buffer"], |buffer| buffer.starts_with("{\"t\":"));
}
