//! The tools, and one of them beside the load.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::proc::{Held, cpu_s, peak_mib};
use crate::{Options, load};

/// A tracer.
pub struct Tool {
    pub name: &'static str,
    pub title: &'static str,
    program: &'static str,
    args: &'static [&'static str],
    /// What else a line must have to be an event of the load.
    marked: &'static str,
    /// How many lines it should write about a connection: two sockets.
    lines: u32,
}

/// Says as much as can be had without a hook for accepts: openings and endings.
const BPFTRACE: &str = r#"
tracepoint:sock:inet_sock_set_state
/args->protocol == 6 && (args->newstate == 1 || args->newstate == 7) && args->oldstate != 10/
{
    printf("%llu %d %s %d>%d %s:%d %s:%d\n", nsecs, pid, comm, args->oldstate, args->newstate,
        ntop(args->saddr), args->sport, ntop(args->daddr), args->dport);
}"#;

/// A line of tcpscope's that is an event.
const EVENT: &str = r#""t":"ev""#;

pub const TOOLS: [Tool; 6] = [
    Tool {
        name: "tcpscope",
        title: "tcpscope -o json",
        program: env!("CARGO_BIN_EXE_tcpscope"),
        args: &["-o", "json"],
        marked: EVENT,
        lines: 4,
    },
    Tool {
        name: "openings",
        title: "tcpscope -o json --type C,A: no endings",
        program: env!("CARGO_BIN_EXE_tcpscope"),
        args: &["-o", "json", "--type", "C,A"],
        marked: EVENT,
        lines: 2,
    },
    Tool {
        name: "others",
        title: "tcpscope -o json --filter port:1: none of these",
        program: env!("CARGO_BIN_EXE_tcpscope"),
        args: &["-o", "json", "--filter", "port:1"],
        marked: EVENT,
        lines: 0,
    },
    Tool {
        name: "tcplife",
        title: "tcplife (libbpf-tools): endings",
        program: "/usr/sbin/tcplife",
        args: &[],
        marked: "",
        lines: 2,
    },
    Tool {
        name: "tcpstates",
        title: "tcpstates (libbpf-tools): all transitions",
        program: "/usr/sbin/tcpstates",
        args: &[],
        marked: "->",
        lines: 10,
    },
    Tool {
        name: "bpftrace",
        title: "bpftrace: openings and endings, no accepts",
        program: "/usr/bin/bpftrace",
        args: &["-e", BPFTRACE],
        marked: ">",
        lines: 4,
    },
];

/// What came of a load with a tool beside it.
pub struct Beside {
    /// Connections per second without the tool, just before.
    alone: f64,
    /// Connections per second.
    pub rate: f64,
    /// Events there were.
    pub expected: f64,
    /// Of these, how many the tool did not write.
    pub lost: f64,
    pub cpu_s: f64,
    pub memory_mib: f64,
    pub kernel_mib: f64,
    /// In the tool's programs; 0 without the kernel's statistics.
    pub kernel_ns: f64,
}

impl Beside {
    pub fn ratio(&self) -> f64 {
        self.rate / self.alone
    }
}

/// How long a tool may take to start, to write its last words, or to end.
const BOUND: Duration = Duration::from_secs(20);

impl Tool {
    pub fn is_there(&self) -> bool {
        let there = Path::new(self.program).exists();
        if !there {
            eprintln!("{} is left out: there is no {}", self.name, self.program);
        }
        there
    }

    pub fn beside(&self, options: &Options, alone: f64) -> anyhow::Result<Beside> {
        let lines = tempfile::NamedTempFile::new_in(&options.folder)?;
        let errors = tempfile::tempfile_in(&options.folder)?;
        let mut tool = Running(
            Command::new(self.program)
                .args(self.args)
                .stdin(Stdio::null())
                .stdout(lines.reopen()?)
                .stderr(errors)
                .spawn()
                .with_context(|| format!("cannot start {}", self.program))?,
        );
        tool.wait_until_attached()?;
        let before = Held::by(tool.pid()).run_time_ns();

        let load = load::start(options.connections)?;
        if let Some(stall) = options.stall {
            tool.stall(Duration::from_millis(stall))?;
        }
        let rate = load.rate()?;
        tool.wait_until_idle()?;
        let held = Held::by(tool.pid());
        let (cpu_s, memory_mib) = (cpu_s(tool.pid())?, peak_mib(tool.pid())?);
        tool.end()?;

        let expected = f64::from(self.lines * options.connections);
        Ok(Beside {
            alone,
            rate,
            expected,
            lost: expected - f64::from(self.count(lines.path())?),
            cpu_s,
            memory_mib,
            kernel_mib: held.maps_mib(),
            kernel_ns: held.run_time_ns() - before,
        })
    }

    /// Lines about the load. Its listeners' own are none: they have no other end.
    fn count(&self, lines: &Path) -> anyhow::Result<u32> {
        let mut reader = BufReader::new(File::open(lines)?);
        let (mut line, mut n) = (String::new(), 0);
        while reader.read_line(&mut line)? != 0 {
            let ours = line.contains(load::ADDRESS) && line.contains(self.marked);
            let listener = line.contains("LISTEN") && !line.contains("SYN_RECV");
            n += u32::from(ours && !listener);
            line.clear();
        }
        Ok(n)
    }
}

/// A tool that runs; ended when it is dropped.
struct Running(Child);

impl Running {
    fn pid(&self) -> u32 {
        self.0.id()
    }

    /// It has programs, and has gone to sleep.
    fn wait_until_attached(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while !Held::by(self.pid()).has_programs() {
            if let Some(status) = self.0.try_wait()? {
                bail!("it ended before it was attached: {status}");
            }
            ensure!(
                began.elapsed() < BOUND,
                "it has loaded nothing in {BOUND:?}"
            );
            sleep(Duration::from_millis(20));
        }
        self.wait_until_idle()
    }

    /// It has used no processor for a while: whatever it had to do is done.
    fn wait_until_idle(&self) -> anyhow::Result<()> {
        const QUIET: Duration = Duration::from_millis(600);
        let began = Instant::now();
        let (mut used, mut since) = (cpu_s(self.pid())?, Instant::now());
        while since.elapsed() < QUIET {
            ensure!(began.elapsed() < BOUND, "it is still busy after {BOUND:?}");
            sleep(Duration::from_millis(50));
            let now = cpu_s(self.pid())?;
            // One hundredth may be a look at the clock.
            if now > used + 0.015 {
                (used, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    /// Lets it read nothing for a while, once the load has begun.
    fn stall(&self, long: Duration) -> anyhow::Result<()> {
        sleep(Duration::from_millis(200));
        self.signal("STOP")?;
        sleep(long);
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> anyhow::Result<()> {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status()?;
        ensure!(status.success(), "cannot send SIG{name} to {pid}");
        Ok(())
    }

    fn end(&mut self) -> anyhow::Result<()> {
        self.signal("INT")?;
        let began = Instant::now();
        while began.elapsed() < BOUND {
            if let Some(status) = self.0.try_wait()? {
                ensure!(
                    status.success() || status.signal().is_some() || status.code() == Some(1),
                    "it ended with {status}"
                );
                return Ok(());
            }
            sleep(Duration::from_millis(20));
        }
        bail!("it does not end by SIGINT");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
