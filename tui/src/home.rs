//! Where files of the person who runs the program are.

use std::path::{Path, PathBuf};

/// A name as it was typed, with the home folder for a leading `~`.
pub(crate) fn expand(name: &str) -> PathBuf {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    match name.strip_prefix('~') {
        Some("") => home().unwrap_or_else(|| name.into()),
        Some(rest) if rest.starts_with('/') => home().map_or_else(
            || Path::new(name).to_owned(),
            |home| home.join(rest.trim_start_matches('/')),
        ),
        _ => name.into(),
    }
}
