//! `--log FILE`: the program's own doings, for whoever debugs it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use tracing::Level;

/// Appends to `path`, which only its owner may read, from now on.
///
/// # Errors
/// If the file cannot be opened for writing.
pub(crate) fn start(path: &Path) -> anyhow::Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write the log to {}", path.display()))?;
    tracing_subscriber::fmt()
        .with_max_level(Level::DEBUG)
        .with_ansi(false)
        .with_writer(Mutex::new(file))
        .init();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "start");
    Ok(())
}
