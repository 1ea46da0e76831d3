//! From what the command line asks for to a stream of updates: one line for each source.

use anyhow::bail;
use collector::source::{Stop, Updates, poll};

use crate::cli::Source;

/// Starts a source.
///
/// # Errors
/// If it cannot start at all; what goes wrong later is said in the stream.
pub(crate) fn start(source: &Source) -> anyhow::Result<Updates> {
    match source {
        Source::Host(_probes) => bail!("the probes are not wired up"),
        Source::Poll => Ok(poll::start(poll::Options::default(), Stop::default())),
    }
}
