//! From what the command line asks for to a stream of updates: one line for each source.

use anyhow::bail;
use collector::source::Updates;

use crate::cli::Source;

/// Starts a source.
///
/// # Errors
/// If it cannot start at all; what goes wrong later is said in the stream.
pub(crate) fn start(source: &Source) -> anyhow::Result<Updates> {
    match source {
        Source::Host(_probes) => bail!("the probes are not wired up"),
        Source::Poll => bail!("polling is not wired up"),
    }
}
