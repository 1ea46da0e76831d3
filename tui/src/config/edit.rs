//! Changing a configuration, with its comments left as they are.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use collector::private_file::{Existing, Whole, create_folder, invoking_user};
use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::Config;

/// Writes the columns of a view into the file, which is made if it is not there.
///
/// # Errors
/// If it cannot be read or written, or is no configuration.
pub(crate) fn set_columns(path: &Path, view: &str, columns: &[String]) -> anyhow::Result<()> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let text = with_columns(&text, view, columns)?;
    write(path, &text)
}

pub(super) fn with_columns(text: &str, view: &str, columns: &[String]) -> anyhow::Result<String> {
    let mut document: DocumentMut = text.parse().context("it is not TOML")?;
    let table = document
        .entry("columns")
        .or_insert(Item::Table(Table::new()));
    let Some(table) = table.as_table_like_mut() else {
        bail!("`columns` is no table");
    };
    let names: Array = columns.iter().map(String::as_str).collect();
    match table.get_mut(view).and_then(Item::as_value_mut) {
        // What stands around it stays.
        Some(old) => {
            let decor = old.decor().clone();
            *old = names.into();
            *old.decor_mut() = decor;
        }
        None => drop(table.insert(view, value(names))),
    }
    let text = document.to_string();
    // Nothing is written that the next start would stumble over.
    Config::parse(&text).map_err(|fault| anyhow!("line {}: {}", fault.line, fault.message))?;
    Ok(text)
}

/// Writes a file of the user's own, in the place of the one that is there.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let path = followed(path);
    if let Some(folder) = path.parent() {
        let made = create_folder(folder);
        made.with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let mut whole = Whole::begin(&path, Existing::Replaced)?;
    let written = whole.file().write_all(text.as_bytes());
    written.with_context(|| format!("cannot write {}", path.display()))?;
    whole.keep()?;
    Ok(())
}

/// The file that a link stands for: many keep their configuration elsewhere. Not as root for
/// somebody else, whom the link would let choose what is written over.
fn followed(path: &Path) -> PathBuf {
    if invoking_user().is_some() {
        return path.to_owned();
    }
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_the_columns_stays() {
        let names = ["time", "comm"].map(str::to_owned);
        let text = "# mine\ntheme = \"light\" # day\n\n[columns]\nevents = [ \"pid\" ] # few\n";
        assert_eq!(
            with_columns(text, "events", &names).unwrap(),
            "# mine\ntheme = \"light\" # day\n\n[columns]\nevents = [\"time\", \"comm\"] # few\n"
        );
        assert_eq!(
            with_columns("", "connections", &names).unwrap(),
            "[columns]\nconnections = [\"time\", \"comm\"]\n"
        );
        assert!(with_columns("columns = 3", "events", &names).is_err());
        assert!(with_columns("colour = 3", "events", &names).is_err());
    }

    #[test]
    fn a_new_file_gets_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/config.toml");
        set_columns(&path, "events", &["time".to_owned()]).unwrap();
        let config = Config::load(Some(&path)).unwrap();
        assert_eq!(config.events, ["time"]);
    }
}
