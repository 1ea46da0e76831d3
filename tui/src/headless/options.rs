//! What is asked of the text output.

use std::time::Duration;

use collector::export::{Layout, Rows, Table};
use collector::filter::Filter;
use collector::wire;

use crate::cli::{self, Format, Source, View};

/// What to write, and when it is enough.
#[derive(Debug)]
pub(crate) struct Options {
    /// How rows are written.
    pub(super) writing: Writing,
    /// Which rows are.
    pub(super) filter: Filter,
    /// Whether tables have a header.
    pub(super) headers: bool,
    /// When it is enough, from the first greeting.
    pub(super) duration: Option<Duration>,
    /// How many rows are enough.
    pub(super) count: Option<u64>,
    /// Only what was open at the start.
    pub(super) snapshot: bool,
    /// Whether there are many nodes, each with a way and a state of its own.
    pub(super) cluster: bool,
}

/// How rows are written.
#[derive(Debug)]
pub(super) enum Writing {
    /// One JSON object a line, with greetings, losses and a farewell.
    Json(wire::Encoder),
    /// A row a line.
    Table(Table),
}

impl Options {
    /// What the command line asks for.
    ///
    /// # Errors
    /// A usage error, if it names a column that there is none of.
    pub(crate) fn new(
        source: &Source,
        view: &View,
        format: Format,
        filter: Filter,
    ) -> Result<Self, clap::Error> {
        let writing = match layout(format) {
            Some(layout) => Writing::Table(table(view, layout)?),
            None => Writing::Json(wire::Encoder::default()),
        };
        Ok(Self {
            writing,
            filter,
            headers: !view.no_headers,
            duration: view.duration,
            count: view.count,
            snapshot: view.snapshot,
            cluster: matches!(source, Source::Cluster(_)),
        })
    }
}

fn layout(format: Format) -> Option<Layout> {
    match format {
        Format::Columns => Some(Layout::Columns),
        Format::Wide => Some(Layout::Wide),
        Format::Csv => Some(Layout::Csv),
        Format::Markdown => Some(Layout::Markdown),
        Format::Json | Format::Tui => None,
    }
}

fn table(view: &View, layout: Layout) -> Result<Table, clap::Error> {
    let rows = if view.snapshot {
        Rows::Open
    } else {
        Rows::Events
    };
    let table = if view.columns.is_empty() {
        Table::new(layout, rows)
    } else {
        Table::with_columns(layout, &view.columns)
            .map_err(|error| cli::usage(format_args!("invalid value for --columns: {error}")))?
    };
    Ok(if view.timestamps {
        table.timestamps()
    } else {
        table
    })
}
