//! The configuration: a file of TOML, every key of which has a default.
//!
//! `tui/config.toml` is a sample with all of them, which a test keeps true.

mod edit;
mod findings;
mod keep;
mod mistyped;
mod read;
mod set;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use collector::model::{Limits, Thresholds};

pub(crate) use self::edit::{set_columns, write};
use crate::action::Tab;
use crate::home;
use crate::keymap::Keymap;
use crate::theme::Theme;

/// What a configuration says, checked.
#[derive(Debug)]
pub(crate) struct Config {
    /// The file, also if it is not there.
    pub(crate) file: Option<PathBuf>,
    pub(crate) theme: &'static Theme,
    pub(crate) mouse: bool,
    /// Filters are kept for later runs.
    pub(crate) history: bool,
    /// The columns of the views; none are the usual ones.
    pub(crate) events: Vec<String>,
    pub(crate) connections: Vec<String>,
    pub(crate) lists: Vec<(Tab, Vec<String>)>,
    pub(crate) limits: Limits,
    /// From when on something is a finding.
    pub(crate) thresholds: Thresholds,
    /// Filters with names.
    pub(crate) presets: Vec<(String, String)>,
    pub(crate) keymap: Keymap,
}

/// What is wrong with a configuration, and in which line, the first being 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Config {
    /// Reads the file that was named, or the usual one if there is one.
    ///
    /// # Errors
    /// If the file that was named is not there, if one cannot be read, or something is wrong in
    /// it: one sentence, with the line.
    pub(crate) fn load(named: Option<&Path>) -> anyhow::Result<Self> {
        let file = named.map(Path::to_owned).or_else(home::config_file);
        let text = match &file {
            None => String::new(),
            Some(path) => match std::fs::read_to_string(path) {
                Ok(text) => text,
                Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => {
                    String::new()
                }
                Err(error) => {
                    let what = format!("cannot read the configuration {}", path.display());
                    return Err(error).context(what);
                }
            },
        };
        let config = Self::parse(&text).map_err(|Fault { line, message }| {
            let path = file.as_deref().unwrap_or(Path::new("")).display();
            anyhow!("{path}, line {line}: {message}")
        })?;
        Ok(Self { file, ..config })
    }

    /// Reads a text.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        read::config(text)
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
