//! Files that are made for the person who runs the program: nobody else may read them, and none
//! that is there already is touched.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a file was not made.
#[derive(Debug, Error)]
pub enum CreateError {
    /// There is one of that name, which may be worth more than this.
    #[error("{path} exists already, and is not overwritten: name another file", path = .0.display())]
    Exists(PathBuf),
    /// The system refused.
    #[error("cannot create {path}: {error}", path = .0.display(), error = .1)]
    Io(PathBuf, #[source] io::Error),
}

/// Makes a file with mode 0600 that belongs to the user, under sudo to the one who called it.
///
/// # Errors
/// If there is a file of that name, and if it cannot be made.
pub fn create(path: &Path) -> Result<File, CreateError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => CreateError::Exists(path.to_owned()),
        _ => CreateError::Io(path.to_owned(), error),
    };
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    if let Some((uid, gid)) = invoking_user() {
        // Where it is refused (on a file system without owners), root's file is better than none.
        if let Err(error) = fchown(&file, Some(uid), Some(gid)) {
            tracing::warn!("{} stays root's: {error}", path.display());
        }
    }
    Ok(file)
}

/// Who called sudo, if that is what made us root.
fn invoking_user() -> Option<(u32, u32)> {
    let id = |name| std::env::var(name).ok()?.parse().ok();
    let root = rustix::process::geteuid().is_root();
    if root {
        id("SUDO_UID").zip(id("SUDO_GID"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn only_the_owner_may_read_and_nothing_is_overwritten() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("rec.jsonl");
        let file = create(&path).expect("a new file");
        let mode = file.metadata().expect("metadata").mode();
        assert_eq!(mode & 0o777, 0o600);

        let again = create(&path).expect_err("it is there").to_string();
        assert!(again.ends_with("exists already, and is not overwritten: name another file"));
    }

    #[test]
    fn what_the_system_says_is_said() {
        let said = create(Path::new("/nonexistent/rec.jsonl")).expect_err("no such directory");
        assert_eq!(
            said.to_string(),
            "cannot create /nonexistent/rec.jsonl: No such file or directory (os error 2)"
        );
    }
}
