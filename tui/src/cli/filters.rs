//! The filter that the options make.

use collector::filter::{Filter, FilterError};
use unicode_width::UnicodeWidthStr;

use super::usage;
use super::view::{Format, View};

/// A filter of all that agents watch.
///
/// # Errors
/// A usage error with the column.
pub(crate) fn lasting(expression: &str) -> Result<Filter, clap::Error> {
    Filter::lasting(expression).map_err(|error| {
        let below = pointer(expression, error.column);
        usage(format_args!("invalid value for --filter: {error}{below}"))
    })
}

impl View {
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
}

/// The expression on a line of its own, and a caret below the column, where it fits on a line.
fn pointer(expression: &str, column: usize) -> String {
    if expression.contains(char::is_control) {
        return String::new();
    }
    let before: String = expression.chars().take(column).collect();
    format!("\n\n    {expression}\n    {:1$}^", "", before.width())
}
