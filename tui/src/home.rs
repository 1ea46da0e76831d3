//! Where files of the person who runs the program are: under sudo, of the one who called it.

use std::path::{Path, PathBuf};

use collector::private_file::invoking_user;
use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;
use nix::unistd::{Uid, User};

/// The folder in each of the others.
const OURS: &str = "tcpscope";

/// The home folder.
fn home() -> Option<PathBuf> {
    match invoking_user() {
        Some((uid, _)) => Some(User::from_uid(Uid::from_raw(uid)).ok()??.dir),
        None => etcetera::home_dir().ok(),
    }
}

/// A folder of the XDG base directories: what the variable says, where that is a whole path, or
/// else the folder in the home.
fn base(variable: &str, in_home: &str, usual: impl Fn(&Xdg) -> PathBuf) -> Option<PathBuf> {
    if invoking_user().is_none() {
        return Some(usual(&Xdg::new().ok()?));
    }
    // sudo takes the variables away, unless somebody wants them to stay.
    let said = std::env::var_os(variable).map(PathBuf::from);
    said.filter(|path| path.is_absolute())
        .or_else(|| Some(home()?.join(in_home)))
}

/// `$XDG_CONFIG_HOME/tcpscope/config.toml`.
pub(crate) fn config_file() -> Option<PathBuf> {
    let base = base("XDG_CONFIG_HOME", ".config", Xdg::config_dir)?;
    Some(base.join(OURS).join("config.toml"))
}

/// `$XDG_STATE_HOME/tcpscope/filters`.
pub(crate) fn history_file() -> Option<PathBuf> {
    let state = |xdg: &Xdg| xdg.state_dir().unwrap_or_else(|| xdg.data_dir());
    let base = base("XDG_STATE_HOME", ".local/state", state)?;
    Some(base.join(OURS).join("filters"))
}

/// A name as it was typed, with the home folder for a leading `~`.
pub(crate) fn expand(name: &str) -> PathBuf {
    let rest = name
        .strip_prefix('~')
        .filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match rest.zip(home()) {
        Some((rest, home)) => home.join(Path::new(rest.trim_start_matches('/'))),
        None => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ones_own_home_has_a_short_name() {
        assert_eq!(expand("~alice/x"), Path::new("~alice/x"));
        assert_eq!(expand("a/~/x"), Path::new("a/~/x"));
        assert!(expand("~/x").is_absolute());
    }

    #[test]
    fn files_of_ours_are_in_folders_of_ours() {
        assert!(config_file().is_some_and(|path| path.ends_with("tcpscope/config.toml")));
        assert!(history_file().is_some_and(|path| path.ends_with("tcpscope/filters")));
    }
}
