//! FILTERS and OUTPUT: what is to be shown, and how.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, ValueEnum};
use collector::units;

use super::Cli;
use super::texts::FILTER_HELP;

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

impl View {
    /// Leaves the namespace to whoever has one to offer, if none was asked for.
    pub(crate) fn default_namespace(&mut self, namespace: &str) {
        if self.namespace.is_empty() && !self.all_namespaces {
            self.context_namespace = Some(namespace.to_owned());
        }
    }

    /// What was said before the subcommand, with what was said after it: lists add, and of two
    /// single values the later holds.
    pub(super) fn with(mut self, after: Self) -> Self {
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
    pub(super) fn check(&self) -> Result<(), clap::Error> {
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

fn duration(text: &str) -> Result<Duration, units::UnitError> {
    units::parse_duration(text).map(Duration::from_micros)
}
