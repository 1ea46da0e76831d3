//! The command line: what is asked for, checked as far as the text alone allows.

mod cluster;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use collector::filter::{Filter, FilterError};
use collector::model::HookKind;
use collector::source::replay::Speed;
use collector::units;
use unicode_width::UnicodeWidthStr;

pub(crate) use cluster::{Access, Agent, Cluster, K8s, K8sCommand, Listen, Probe, Via};

const EXAMPLES: &str = "\
Examples:
  tcpscope                                     watch this host, fullscreen
  tcpscope -p 'cart-*' --failed                only what failed in these pods
  tcpscope --filter 'type:c lat>50ms !dst:10.0.0.0/8'
  tcpscope --filter 'port:443 reason:refused,timeout curl'
  tcpscope -o json --duration 10s | jq -r 'select(.t==\"ev\").comm' | sort | uniq -c
  tcpscope --snapshot -o csv > open.csv        the sockets that are open now
  tcpscope --record rec.jsonl                  watch, and keep what is seen
  tcpscope replay rec.jsonl --speed 4x         see it again, filtered otherwise if you like
  tcpscope poll                                without privileges, with less to tell
  tcpscope demo                                a cluster that is not there, for a first look
  tcpscope k8s deploy --wait                   put an agent on each node of a cluster
  tcpscope -k -A                               watch all of it, through its API server

Needs root, or CAP_BPF and CAP_PERFMON; `tcpscope check` says what is missing.
Exit status: 0 done, 1 failed, 2 wrong usage, 129 hung up.";

const FILTER_HELP: &str = "\
Show only what matches EXPR. Terms are and-ed:

  port:443 dst:10.0.0.0/8    a field and its whole value; `*` globs, CIDRs for addresses
  type:c,x  comm:\"a b\"       `,` is or; quotes where a value has a space, comma or quote
  pod:~^cart-[0-9]           a regular expression
  lat>50ms tx>=1MiB pid=1    numbers, durations (us ms s m h) and sizes (B KiB MiB GiB)
  !node:a  is:failed         negation; failures of any kind
  curl  192.0.2.0/24         a part of any text, in any case; an address, either end

Fields are the keys of `-o json`, and: ns src dst lat dur tx rx rtt retr port addr";

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

/// FILTERS and OUTPUT: one set for every source, before or after the subcommand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct View {
    /// Only these Kubernetes namespaces; commas and repeats add
    #[arg(short, long, value_name = "NS", help_heading = "Filters")]
    pub(crate) namespace: Vec<String>,
    /// All namespaces: the default on a host; with -k it is the context's
    #[arg(
        short = 'A',
        long,
        conflicts_with = "namespace",
        help_heading = "Filters"
    )]
    pub(crate) all_namespaces: bool,
    /// Only these pods: `-p 'cart-*'`
    #[arg(short, long, value_name = "POD", help_heading = "Filters")]
    pub(crate) pod: Vec<String>,
    /// Only these containers
    #[arg(short, long, value_name = "NAME", help_heading = "Filters")]
    pub(crate) container: Vec<String>,
    /// Only these nodes
    #[arg(long, value_name = "NODE", help_heading = "Filters")]
    pub(crate) node: Vec<String>,
    /// Only these event types: connect, accept, close, unknown
    #[arg(
        long = "type",
        value_name = "T",
        value_delimiter = ',',
        ignore_case = true,
        value_parser = ["C", "A", "X", "U"],
        help_heading = "Filters"
    )]
    pub(crate) types: Vec<String>,
    /// Only failed connects, and endings that nobody wanted
    #[arg(long, help_heading = "Filters")]
    pub(crate) failed: bool,
    /// Show only what matches EXPR, such as `port:443 lat>50ms`
    #[arg(long, value_name = "EXPR", long_help = FILTER_HELP, help_heading = "Filters")]
    pub(crate) filter: Option<String>,

    /// The screen, or text on stdout [default: tui on a terminal, else columns]
    #[arg(
        short,
        long,
        value_enum,
        value_name = "FORMAT",
        help_heading = "Output"
    )]
    pub(crate) output: Option<Format>,
    /// Columns by name, in this order, such as `time,comm,daddr,dport,reason`
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        help_heading = "Output"
    )]
    pub(crate) columns: Vec<String>,
    /// Leave out the line of headers
    #[arg(long, help_heading = "Output")]
    pub(crate) no_headers: bool,
    /// Put the TIME column first
    #[arg(long, help_heading = "Output")]
    pub(crate) timestamps: bool,
    /// Stop after this time, such as 500ms, 10s or 5m [text output]
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Output")]
    pub(crate) duration: Option<Duration>,
    /// Stop after this many events [text output]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Output")]
    pub(crate) count: Option<u64>,
    /// Keep what the source sends, whatever the filters, in a new FILE for `tcpscope replay`
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) record: Option<PathBuf>,
    /// List the sockets that are open now, and exit [text output]
    #[arg(long, conflicts_with_all = ["duration", "count"], help_heading = "Output")]
    pub(crate) snapshot: bool,
    /// Colours on the screen [default: auto]
    #[arg(long, value_enum, value_name = "WHEN", help_heading = "Output")]
    pub(crate) color: Option<When>,
    /// Colours of the screen [default: default]
    #[arg(long, value_name = "NAME", value_parser = THEMES, help_heading = "Output")]
    pub(crate) theme: Option<String>,
    /// Leave the mouse to the terminal
    #[arg(long, help_heading = "Output")]
    pub(crate) no_mouse: bool,
    /// The namespace of the kubeconfig's context, where none was named
    #[arg(skip)]
    pub(crate) context_namespace: Option<String>,
}

/// The names that `--theme` takes.
pub(crate) const THEMES: [&str; 4] = ["default", "light", "colorblind", "mono"];

/// SOURCE: how the probes are loaded.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct Probes {
    /// Size of the kernel's ring buffer, a power of two [default: 16MiB]
    #[arg(long, value_name = "SIZE", value_parser = ring, help_heading = "Source")]
    pub(crate) buffer: Option<u32>,
    /// Begin with an empty picture: leave out the sockets that are open already
    #[arg(long, conflicts_with = "snapshot", help_heading = "Source")]
    pub(crate) no_seed: bool,
    /// The hook that sees the return of `accept()` [default: auto, the best that the kernel allows]
    #[arg(long, value_name = "HOOK", value_parser = accept_hook(), help_heading = "Source")]
    pub(crate) accept_hook: Option<AcceptHook>,
}

/// A choice of `--accept-hook`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptHook {
    /// The best that the kernel allows.
    Auto,
    /// This one, or an error.
    Only(HookKind),
}

/// A choice of `--output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Fullscreen
    Tui,
    /// A table
    Columns,
    /// A table with names and figures of the peer
    Wide,
    /// One JSON object a line
    Json,
    /// Every key, with a header
    Csv,
    /// A table for a document
    Markdown,
}

/// A choice of `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// If the terminal has them and `NO_COLOR` is not set
    Auto,
    /// In any case
    Always,
    /// In no case
    Never,
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

impl Probes {
    fn any(&self) -> bool {
        self.buffer.is_some() || self.no_seed || self.accept_hook.is_some()
    }
}

impl View {
    /// Leaves the namespace to whoever has one to offer, if none was asked for.
    pub(crate) fn default_namespace(&mut self, namespace: &str) {
        if self.namespace.is_empty() && !self.all_namespaces {
            self.context_namespace = Some(namespace.to_owned());
        }
    }

    /// What agents are asked for. For text that is the filter, as far as agents know what it is
    /// about. On a screen, where others may be wanted next, and in a recording, it is the nodes and
    /// workloads that were named.
    ///
    /// # Errors
    /// As [`View::filter`].
    pub(crate) fn scope(&self, format: Format) -> Result<Filter, clap::Error> {
        if format != Format::Tui && self.record.is_none() {
            return Ok(self.filter()?.without_peers());
        }
        let scope = Self {
            namespace: self.namespace.clone(),
            pod: self.pod.clone(),
            container: self.container.clone(),
            node: self.node.clone(),
            ..Self::default()
        };
        scope.filter()
    }

    /// What was said before the subcommand, with what was said after it: lists add, and of two
    /// single values the later holds.
    fn with(mut self, after: Self) -> Self {
        // Without `..`, so that the compiler asks about a new option.
        let Self {
            namespace,
            all_namespaces,
            pod,
            container,
            node,
            types,
            failed,
            filter,
            output,
            columns,
            no_headers,
            timestamps,
            duration,
            count,
            record,
            snapshot,
            color,
            theme,
            no_mouse,
            context_namespace,
        } = after;
        self.namespace.extend(namespace);
        self.all_namespaces |= all_namespaces;
        self.pod.extend(pod);
        self.container.extend(container);
        self.node.extend(node);
        self.types.extend(types);
        self.failed |= failed;
        self.filter = filter.or(self.filter);
        self.output = output.or(self.output);
        self.columns.extend(columns);
        self.no_headers |= no_headers;
        self.timestamps |= timestamps;
        self.duration = duration.or(self.duration);
        self.count = count.or(self.count);
        self.record = record.or(self.record);
        self.snapshot |= snapshot;
        self.color = color.or(self.color);
        self.theme = theme.or(self.theme);
        self.no_mouse |= no_mouse;
        self.context_namespace = context_namespace.or(self.context_namespace);
        self
    }

    /// What clap cannot know of: options on both sides of the subcommand, and what an output lacks.
    fn check(&self) -> Result<(), clap::Error> {
        let conflict =
            |message: &str| Err(Cli::command().error(ErrorKind::ArgumentConflict, message));
        if self.all_namespaces && !self.namespace.is_empty() {
            return conflict("--all-namespaces cannot be used with --namespace");
        }
        if self.snapshot && (self.duration.is_some() || self.count.is_some()) {
            return conflict("--snapshot cannot be used with --duration or --count");
        }
        match self.output {
            Some(Format::Tui) if self.bounded() => {
                conflict("--duration, --count and --snapshot need text output, such as -o columns")
            }
            Some(Format::Json) if !self.columns.is_empty() => {
                conflict("--columns cannot be used with -o json, which has every key")
            }
            _ => Ok(()),
        }
    }

    /// The filter that all the options for filters make together.
    ///
    /// # Errors
    /// A usage error with the option, and the column in its value.
    pub(crate) fn filter(&self) -> Result<Filter, clap::Error> {
        let wrong = |option: &str, error: FilterError| {
            usage(format_args!("invalid value for --{option}: {error}"))
        };
        let context: Vec<String> = self.context_namespace.iter().cloned().collect();
        let terms = [
            ("namespace", &context),
            ("namespace", &self.namespace),
            ("pod", &self.pod),
            ("container", &self.container),
            ("node", &self.node),
            ("type", &self.types),
        ];
        let mut filter = Filter::all();
        for (option, values) in terms {
            let term = Filter::term(option, values).map_err(|error| wrong(option, error))?;
            filter = filter.and(term);
        }
        if self.failed {
            filter = filter.and(Filter::failed());
        }
        let expression = self.filter.as_deref().unwrap_or_default();
        let parsed = Filter::parse(expression).map_err(|error| {
            let below = pointer(expression, error.column);
            usage(format_args!("invalid value for --filter: {error}{below}"))
        })?;
        Ok(filter.and(parsed))
    }

    /// Whether the run is to end by itself, which only text output does.
    fn bounded(&self) -> bool {
        self.snapshot || self.duration.is_some() || self.count.is_some()
    }

    /// The output that was asked for, or the one that fits: the screen on a terminal.
    pub(crate) fn format(&self, stdout_is_terminal: bool) -> Format {
        match self.output {
            Some(format) => format,
            None if stdout_is_terminal && !self.bounded() => Format::Tui,
            None => Format::Columns,
        }
    }
}

/// The expression on a line of its own, and a caret below the column, where it fits on a line.
fn pointer(expression: &str, column: usize) -> String {
    if expression.contains(char::is_control) {
        return String::new();
    }
    let before: String = expression.chars().take(column).collect();
    format!("\n\n    {expression}\n    {:1$}^", "", before.width())
}

fn duration(text: &str) -> Result<Duration, units::UnitError> {
    units::parse_duration(text).map(Duration::from_micros)
}

/// The sizes that the kernel takes for a ring buffer, within reason.
fn ring(text: &str) -> Result<u32, String> {
    let bytes = units::parse_size(text).map_err(|e| e.to_string())?;
    match u32::try_from(bytes) {
        Ok(bytes @ 0x1_0000..=0x4000_0000) if bytes.is_power_of_two() => Ok(bytes),
        _ => Err("it takes a power of two from 64KiB to 1GiB, such as 4MiB or 16MiB".to_owned()),
    }
}

fn accept_hook() -> impl TypedValueParser<Value = AcceptHook> {
    let words = HookKind::ALL.map(HookKind::word);
    PossibleValuesParser::new(["auto"].into_iter().chain(words)).map(|word| {
        HookKind::ALL
            .into_iter()
            .find(|hook| hook.word() == word)
            .map_or(AcceptHook::Auto, AcceptHook::Only)
    })
}

#[cfg(test)]
mod tests;
