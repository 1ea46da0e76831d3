//! Files that are made for the person who runs the program: nobody else may read them, and none
//! that is there already is touched.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, fchown, lchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use thiserror::Error;

/// Why a file was not made.
#[derive(Debug, Error)]
pub enum CreateError {
    /// There is one of that name, which may be worth more than this.
    #[error("{path} exists already, and is not overwritten: name another file", path = .0.display())]
    Exists(PathBuf),
    /// What is there under that name is no file: a directory, a device.
    #[error("{path} is no file, and cannot be one", path = .0.display())]
    NoFile(PathBuf),
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
    let file = new(path).map_err(failed)?;
    give_to_user(&file, path);
    Ok(file)
}

fn new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and [`CreateError::Exists`] says so.
    Kept,
    /// It gives way.
    Replaced,
}

/// A file that is there under its name when it is whole, and not before: until then, and if it is
/// dropped instead, there is only a temporary file in the same folder, which goes.
#[derive(Debug)]
pub struct Whole {
    temporary: NamedTempFile,
    path: PathBuf,
    existing: Existing,
}

impl Whole {
    /// Begins a file with mode 0600 that belongs to the user, under sudo to the one who called it.
    ///
    /// # Errors
    /// If there is something under that name that is not to be replaced, or never can be, and if
    /// no file can be made in that folder.
    pub fn begin(path: &Path, existing: Existing) -> Result<Self, CreateError> {
        let failed = |error| CreateError::Io(path.to_owned(), error);
        // Not what a link points to: whoever made the link may have meant harm.
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(found) if !found.is_file() && !found.is_symlink() => {
                return Err(CreateError::NoFile(path.to_owned()));
            }
            Ok(_) if existing == Existing::Kept => {
                return Err(CreateError::Exists(path.to_owned()));
            }
            Ok(_) => {}
        }
        let temporary = tempfile::Builder::new()
            .prefix(".tcpscope-")
            .make_in(folder(path), new)
            .map_err(failed)?;
        give_to_user(temporary.as_file(), path);
        Ok(Self {
            temporary,
            path: path.to_owned(),
            existing,
        })
    }

    /// What is to be written to.
    pub fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// The file is whole: it gets its name, once all of it is on the disk.
    ///
    /// # Errors
    /// If that fails, or if a file of that name has appeared meanwhile that is to be kept.
    pub fn keep(self) -> Result<(), CreateError> {
        let path = self.path;
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => CreateError::Exists(path.clone()),
            _ => CreateError::Io(path.clone(), error),
        };
        self.temporary.as_file().sync_all().map_err(failed)?;
        let kept = match self.existing {
            Existing::Kept => self.temporary.persist_noclobber(&path),
            Existing::Replaced => self.temporary.persist(&path),
        };
        kept.map_err(|error| failed(error.error))?;
        // So that the name survives a crash as well. Where folders cannot be synced, it may not.
        if let Ok(folder) = File::open(folder(&path)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

/// Makes a folder and those above it that are not there, for nobody but the user, under sudo the
/// one who called it.
///
/// # Errors
/// If one of them cannot be made.
pub fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    create_folder(folder(path))?;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    if let Some((uid, gid)) = invoking_user() {
        let _ = lchown(path, Some(uid), Some(gid));
    }
    Ok(())
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn give_to_user(file: &File, path: &Path) {
    if let Some((uid, gid)) = invoking_user() {
        // Where it is refused (on a file system without owners), root's file is better than none.
        if let Err(error) = fchown(file, Some(uid), Some(gid)) {
            tracing::warn!("{} stays root's: {error}", path.display());
        }
    }
}

/// Who called sudo, as user and group, if that is what made us root.
#[must_use]
pub fn invoking_user() -> Option<(u32, u32)> {
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
    use std::fs;
    use std::io::Write;
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
    fn a_file_is_whole_or_not_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("rows.csv");
        let names = || {
            let entries = dir.path().read_dir().expect("a directory");
            entries.inspect(|e| assert!(e.is_ok())).count()
        };
        let mut given_up = Whole::begin(&path, Existing::Kept).expect("a file");
        given_up.file().write_all(b"PID\n").expect("written");
        assert_eq!(names(), 1);
        assert!(!path.exists());
        drop(given_up);
        assert_eq!(names(), 0);

        let mut whole = Whole::begin(&path, Existing::Kept).expect("a file");
        whole.file().write_all(b"PID\n1\n").expect("written");
        whole.keep().expect("kept");
        assert_eq!(fs::read(&path).expect("read"), b"PID\n1\n");
        let mode = path.metadata().expect("metadata").mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(names(), 1);
    }

    #[test]
    fn what_is_there_gives_way_only_if_it_may() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("rows.csv");
        let late = Whole::begin(&path, Existing::Kept).expect("a file");
        fs::write(&path, "mine").expect("written");
        let again = Whole::begin(&path, Existing::Kept);
        assert!(matches!(again, Err(CreateError::Exists(_))));
        assert!(matches!(late.keep(), Err(CreateError::Exists(_))));
        assert_eq!(fs::read(&path).expect("read"), b"mine");

        let new = Whole::begin(&path, Existing::Replaced).expect("a file");
        new.keep().expect("kept");
        assert_eq!(fs::read(&path).expect("read"), b"");
        assert_eq!(dir.path().read_dir().expect("a directory").count(), 1);

        let no_file = Whole::begin(dir.path(), Existing::Replaced);
        assert!(matches!(no_file, Err(CreateError::NoFile(_))));
    }

    #[test]
    fn a_link_gives_way_and_not_what_it_points_to() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, target) = (dir.path().join("rows.csv"), dir.path().join("precious"));
        fs::write(&target, "mine").expect("written");
        std::os::unix::fs::symlink(&target, &path).expect("a link");
        let new = Whole::begin(&path, Existing::Replaced).expect("a file");
        new.keep().expect("kept");
        assert_eq!(fs::read(&target).expect("read"), b"mine");
        assert!(path.symlink_metadata().expect("metadata").is_file());
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
