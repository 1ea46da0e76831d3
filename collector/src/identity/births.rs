//! Cgroups as they are made and removed, by inotify.
//!
//! A walk finds what is there when it comes by. A container that lives for half a second may be gone
//! by then, and on a node with thousands of cgroups a walk cannot come by often.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustc_hash::FxHashMap;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

/// Bytes that are read at once: a hundred names of some length.
const READ: usize = 16 << 10;

/// Follows the directories that it is told of.
#[derive(Debug)]
pub(super) struct Births {
    inotify: OwnedFd,
    followed: FxHashMap<i32, Followed>,
}

#[derive(Debug)]
struct Followed {
    id: u64,
    path: String,
}

/// What has happened.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// The paths of cgroups that were made. They may be gone by now, or have others below them that
    /// were made before anybody followed them.
    pub(super) made: Vec<String>,
    /// The ids of cgroups that were followed and are gone.
    pub(super) gone: Vec<u64>,
    /// More has happened than the kernel keeps.
    pub(super) overran: bool,
}

impl Births {
    pub(super) fn new() -> std::io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self {
            inotify,
            followed: FxHashMap::default(),
        })
    }

    /// Follows what is made in the directory of a cgroup. Once is as good as twice.
    ///
    /// # Errors
    /// If it is gone, or there are as many watches as the user may have.
    pub(super) fn follow(&mut self, directory: &Path, id: u64, path: &str) -> std::io::Result<()> {
        let flags = WatchFlags::CREATE | WatchFlags::ONLYDIR;
        let watch = inotify::add_watch(&self.inotify, directory, flags)?;
        let path = path.to_owned();
        self.followed.insert(watch, Followed { id, path });
        Ok(())
    }

    /// What has happened since it was asked last.
    pub(super) fn news(&mut self) -> News {
        let mut news = News::default();
        let mut buffer = [std::mem::MaybeUninit::uninit(); READ];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return news,
                Err(error) => {
                    tracing::warn!("cgroups can't be followed: {error}");
                    news.overran = true;
                    return news;
                }
            };
            let (watch, what) = (event.wd(), event.events());
            news.overran |= what.contains(ReadFlags::QUEUE_OVERFLOW);
            if what.contains(ReadFlags::IGNORED) {
                news.gone.extend(self.followed.remove(&watch).map(|f| f.id));
            } else if what.contains(ReadFlags::ISDIR)
                && let Some(name) = event.file_name()
                && let Some(above) = self.followed.get(&watch)
            {
                let above = above.path.trim_end_matches('/');
                news.made
                    .push(format!("{above}/{}", name.to_string_lossy()));
            }
        }
    }
}

impl AsFd for Births {
    /// Readable when there are news.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_made_and_what_is_removed_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut births = Births::new().unwrap();
        births.follow(dir.path(), 1, "/").unwrap();
        births.follow(dir.path(), 1, "/").unwrap();
        let below = dir.path().join("kubepods");
        fs::create_dir(&below).unwrap();
        fs::write(dir.path().join("cgroup.procs"), "").unwrap();
        births.follow(&below, 2, "/kubepods").unwrap();
        fs::create_dir(below.join("pod")).unwrap();
        fs::remove_dir(below.join("pod")).unwrap();
        fs::remove_dir(&below).unwrap();
        let news = births.news();
        assert_eq!(news.made, ["/kubepods", "/kubepods/pod"]);
        assert_eq!((news.gone, news.overran), (vec![2], false));
        assert_eq!(births.news(), News::default());
        assert!(births.follow(&below, 2, "/kubepods").is_err());
    }
}
