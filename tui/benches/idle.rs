//! What the screen costs while nothing happens: the processor's time and the wake-ups of all threads.
//!
//! ```text
//! sudo cargo bench -p tcpscope --bench idle
//! ```
//!
//! The host should be quiet: a connection that comes or goes is not nothing.

use std::fs;
use std::io::Read;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

/// Until all is attached, and what was open is on the screen.
const SETTLE: Duration = Duration::from_secs(10);
const MEASURE: Duration = Duration::from_secs(60);

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` only wants to know whether it runs.
    let test = std::env::args().any(|arg| arg == "--test");
    let measure = if test { Duration::ZERO } else { MEASURE };
    let pty = native_pty_system().openpty(PtySize {
        rows: 50,
        cols: 200,
        ..PtySize::default()
    })?;
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_tcpscope"));
    command.env("TERM", "xterm-256color");
    let mut child = pty.slave.spawn_command(command)?;
    let mut screen = pty.master.try_clone_reader()?;
    // A terminal that nobody reads makes its writer wait.
    let drawn = thread::spawn(move || {
        let (mut buffer, mut drawn) = (vec![0; 65_536], 0);
        while let Ok(n @ 1..) = screen.read(&mut buffer) {
            drawn += n;
        }
        drawn
    });
    thread::sleep(if test { Duration::ZERO } else { SETTLE });
    let pid = child.process_id().context("the screen has ended")?;
    let before = Usage::of(pid)?;
    thread::sleep(measure);
    let after = Usage::of(pid)?;
    child.kill()?;
    child.wait()?;
    drop(pty);
    let drawn = drawn.join().unwrap_or_default();
    ensure!(drawn > 0, "nothing was drawn");
    let seconds = measure.as_secs_f64().max(1.0);
    println!(
        "{:.2} % of a processor, {:.1} wake-ups a second",
        (after.processor_ns - before.processor_ns) / seconds / 1e7,
        (after.wakeups - before.wakeups) / seconds,
    );
    Ok(())
}

/// What all threads of a process have used so far.
#[derive(Default)]
struct Usage {
    processor_ns: f64,
    wakeups: f64,
}

impl Usage {
    fn of(pid: u32) -> anyhow::Result<Self> {
        let mut sum = Self::default();
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = thread?.path();
            let times = fs::read_to_string(thread.join("schedstat"))?;
            let status = fs::read_to_string(thread.join("status"))?;
            let wakeups = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            sum.processor_ns += number(times.split(' ').next())?;
            sum.wakeups += number(wakeups)?;
        }
        Ok(sum)
    }
}

fn number(text: Option<&str>) -> anyhow::Result<f64> {
    let text = text.context("the kernel does not say")?;
    Ok(text.trim().parse()?)
}
