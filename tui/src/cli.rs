//! The command line: what is asked for, checked as far as the text alone allows.

mod cluster;
mod filters;
mod probes;
mod texts;
mod view;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use collector::source::replay::Speed;

use self::texts::EXAMPLES;

pub(crate) use self::cluster::{Access, Agent, Cluster, K8s, K8sCommand, Listen, Probe, Via};
pub(crate) use self::filters::lasting;
pub(crate) use self::probes::{AcceptHook, Probes};
#[cfg(test)]
pub(crate) use self::view::THEMES;
pub(crate) use self::view::{Format, View, When};

/// Live TCP connection inspection in the terminal.
///
/// Says who connects (C), accepts (A) and closes (X) TCP connections on this host, to whom, and
/// why a connection failed or ended; U is what no call of a process did.
#[derive(Debug, Parser)]
#[command(name = "tcpscope", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    view: View,
    #[command(flatten)]
    probes: Probes,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    files: Files,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Files of the program's own.
#[derive(Clone, Debug, Args)]
pub(crate) struct Files {
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help = "Read the screen's configuration from FILE \
                [default: $XDG_CONFIG_HOME/tcpscope/config.toml]"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Write a log of the program's own doings to FILE
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch this host without privileges
    ///
    /// The kernel's list of sockets is read once a second. What opens and closes between
    /// two readings is not seen, and who did what is known only in part: changes are type U.
    Poll(Box<View>),
    /// Play a recording
    ///
    /// FILE is what --record or `-o json` wrote, or the stream of an agent. Each event keeps its
    /// time, number and node. A line that cannot be read ends it, with a word on which, after
    /// what comes before that line. Needs no privileges.
    Replay(Box<Replay>),
    /// Show a cluster that is not there, with failures worth finding
    ///
    /// Three nodes of synthetic load: a shop, its databases, jobs, and what ails them. One backend
    /// refuses connects, a peer outside never answers, a service accepts slowly, another one never
    /// closes, a client opens a connection for each request, and one node's link loses segments.
    /// Opens no socket and needs no privileges.
    Demo(Box<Demo>),
    /// Serve this node's events to `tcpscope -k`
    ///
    /// What runs on each node of a cluster. Loads the probes as `tcpscope` does, and serves what
    /// they see over HTTP to those whose token is accepted. Ends by SIGTERM, with a word to those
    /// who listen.
    Agent(Agent),
    /// Put agents into a cluster, look after them, remove them
    K8s(K8s),
    /// Say what this host allows and what is missing, and how to mend it
    Check,
    /// Write a shell's completions to stdout
    ///
    /// For bash: `tcpscope completions bash > ~/.local/share/bash-completion/completions/tcpscope`
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual page to stdout
    ///
    /// To read it: `tcpscope man | man -l -`
    Man,
}

#[derive(Debug, Args)]
struct Replay {
    /// The recording; - is standard input
    file: PathBuf,
    /// How fast, such as 4x, 0.5x or max [default: 1x on the screen, max as text]
    #[arg(long, value_name = "SPEED", help_heading = "Source")]
    speed: Option<Speed>,
    #[command(flatten)]
    view: View,
}

#[derive(Debug, Args)]
struct Demo {
    /// The same number gives the same events, but for their times
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Source")]
    seed: u64,
    #[command(flatten)]
    view: View,
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// `agent`
    Agent(Agent, Probes),
    /// `k8s`
    K8s(K8sCommand),
    /// `check`
    Check,
    /// `completions`
    Completions(Shell),
    /// `man`
    Man,
    /// Show what a source says.
    Watch(Source, Box<View>),
}

/// Where events come from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The kernel's probes on this host.
    Host(Probes),
    /// The kernel's list of sockets, read again and again.
    Poll,
    /// A recording, and how fast, if that was said.
    Replay(PathBuf, Option<Speed>),
    /// Synthetic load from this seed.
    Demo(u64),
    /// The agents of a cluster.
    Cluster(Box<Cluster>),
}

/// The job that the command line asks for, and the files that go with any.
///
/// Ends the process with status 2 and a message where the usage is wrong, with 0 after `--help`.
pub(crate) fn parse() -> (Job, Files) {
    let cli = Cli::parse();
    let files = cli.files.clone();
    match cli.job(is_plugin(std::env::args_os().next())) {
        Ok(job) => (job, files),
        Err(error) => error.exit(),
    }
}

/// Whether this is run as `kubectl tcpscope`, which is about clusters by default.
fn is_plugin(program: Option<OsString>) -> bool {
    let program = program.map(PathBuf::from);
    let name = program.as_deref().and_then(Path::file_stem);
    name.is_some_and(|name| name == "kubectl-tcpscope")
}

/// The whole definition, for what is made from it.
pub(crate) fn definition() -> clap::Command {
    Cli::command()
}

/// A usage error about a value, with clap's own look and exit status 2.
pub(crate) fn usage(message: impl std::fmt::Display) -> clap::Error {
    Cli::command().error(ErrorKind::ValueValidation, message)
}

impl Cli {
    fn job(self, plugin: bool) -> Result<Job, clap::Error> {
        let conflict = |what, name| {
            let message = format!("{what} cannot be used with `{name}`");
            Err(Self::command().error(ErrorKind::ArgumentConflict, message))
        };
        let Some(command) = self.command else {
            self.view.check()?;
            let view = Box::new(self.view);
            if !self.cluster.kubernetes && !plugin {
                if self.cluster.any() {
                    let message = "--selector, --via and the options that name a cluster need -k";
                    let kind = ErrorKind::MissingRequiredArgument;
                    return Err(Self::command().error(kind, message));
                }
                return Ok(Job::Watch(Source::Host(self.probes), view));
            }
            if self.probes.any() {
                return conflict("--buffer, --no-seed and --accept-hook", "-k");
            }
            return Ok(Job::Watch(Source::Cluster(Box::new(self.cluster)), view));
        };
        let name = command.name();
        if self.cluster.any() {
            return conflict("-k and what belongs to it", name);
        }
        let (source, after) = match command {
            Command::Poll(view) => (Source::Poll, *view),
            Command::Replay(replay) => (Source::Replay(replay.file, replay.speed), replay.view),
            Command::Demo(demo) => (Source::Demo(demo.seed), demo.view),
            Command::Agent(_) if self.view != View::default() => {
                return conflict("an option for filters or output", name);
            }
            Command::Agent(agent) => return Ok(Job::Agent(agent, self.probes)),
            _ if self.probes.any() || self.view != View::default() => {
                return conflict("an option for filters, output or the source", name);
            }
            Command::K8s(k8s) => return Ok(Job::K8s(k8s.command)),
            Command::Check => return Ok(Job::Check),
            Command::Completions { shell } => return Ok(Job::Completions(shell)),
            Command::Man => return Ok(Job::Man),
        };
        if self.probes.any() {
            return conflict("--buffer, --no-seed and --accept-hook", name);
        }
        let view = self.view.with(after);
        view.check()?;
        Ok(Job::Watch(source, Box::new(view)))
    }
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Self::Poll(_) => "poll",
            Self::Replay(_) => "replay",
            Self::Demo(_) => "demo",
            Self::Agent(_) => "agent",
            Self::K8s(_) => "k8s",
            Self::Check => "check",
            Self::Completions { .. } => "completions",
            Self::Man => "man",
        }
    }
}

#[cfg(test)]
mod tests;
