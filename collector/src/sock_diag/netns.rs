//! Network namespaces: finding them, and asking a question in one.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use procfs::process::Process;
use rustc_hash::FxHashMap;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace that is kept open, and so alive.
#[derive(Debug)]
pub struct Netns {
    inum: u32,
    file: File,
}

impl Netns {
    /// Opens the namespace behind a path such as `/proc/PID/ns/net` or `/run/netns/NAME`.
    ///
    /// # Errors
    /// When the path can't be opened; another user's `/proc/PID/ns` needs `CAP_SYS_PTRACE`.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = File::open(path)?;
        let inum = u32::try_from(file.metadata()?.ino()).map_err(io::Error::other)?;
        Ok(Self { inum, file })
    }

    /// The namespace of the calling thread.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub fn own() -> io::Result<Self> {
        Self::open("/proc/thread-self/ns/net")
    }

    /// The namespace's inode number, which names it on this host.
    #[must_use]
    pub fn inum(&self) -> u32 {
        self.inum
    }

    /// Runs `f` on a thread of its own inside this namespace and waits for it. The thread ends
    /// there, so that no other thread of the program ever finds itself in a foreign namespace.
    ///
    /// # Errors
    /// Without `CAP_SYS_ADMIN`, or when no thread can be made.
    pub fn enter<T: Send>(&self, f: impl FnOnce() -> T + Send) -> io::Result<T> {
        thread::scope(|scope| {
            let inside = thread::Builder::new()
                .name("netns".into())
                .spawn_scoped(scope, || {
                    let network = Some(LinkNameSpaceType::Network);
                    move_into_link_name_space(self.file.as_fd(), network)?;
                    Ok(f())
                })?;
            match inside.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

/// Runs `f` in the network namespace behind `path`, see [`Netns::enter`].
///
/// # Errors
/// As [`Netns::open`] and [`Netns::enter`].
pub fn in_netns<T: Send>(path: impl AsRef<Path>, f: impl FnOnce() -> T + Send) -> io::Result<T> {
    Netns::open(path)?.enter(f)
}

/// Every network namespace in which a process lives or which is mounted somewhere (`ip netns`,
/// container runtimes). One that is held by nothing but an open descriptor, or by a single thread
/// beside its process's own namespace, is not found. What vanishes meanwhile is left out.
#[must_use]
pub fn all() -> Vec<Netns> {
    let mut found = FxHashMap::default();
    for path in process_links().chain(mounts()) {
        // Thousands of processes share a few namespaces: the link is read first, since an open
        // costs more.
        let known = fs::read_link(&path).ok().as_deref().and_then(inum_of_link);
        if known.is_some_and(|inum| found.contains_key(&inum)) {
            continue;
        }
        if let Ok(netns) = Netns::open(&path) {
            found.entry(netns.inum).or_insert(netns);
        }
    }
    found.into_values().collect()
}

/// The network namespace of a process, which is a path such as `/proc/PID`.
#[must_use]
pub fn of(process: impl AsRef<Path>) -> Option<u32> {
    let link = fs::read_link(process.as_ref().join("ns/net")).ok()?;
    inum_of_link(&link)
}

/// A process in a network namespace, as a path such as `/proc/PID`.
#[must_use]
pub fn process_in(inum: u32) -> Option<PathBuf> {
    processes().find(|process| of(process) == Some(inum))
}

fn process_links() -> impl Iterator<Item = PathBuf> {
    processes().map(|process| process.join("ns/net"))
}

fn processes() -> impl Iterator<Item = PathBuf> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .as_encoded_bytes()
                .iter()
                .all(u8::is_ascii_digit)
        })
        .map(|entry| entry.path())
}

fn mounts() -> impl Iterator<Item = PathBuf> {
    Process::myself()
        .and_then(|me| me.mountinfo())
        .into_iter()
        .flatten()
        .filter(|mount| mount.fs_type == "nsfs" && mount.root.starts_with("net:["))
        .map(|mount| mount.mount_point)
}

/// The number in `net:[4026531840]`.
fn inum_of_link(link: &Path) -> Option<u32> {
    let number = link.to_str()?.strip_prefix("net:[")?.strip_suffix(']')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_its_namespace() {
        assert_eq!(
            inum_of_link(Path::new("net:[4026531840]")),
            Some(4_026_531_840)
        );
        assert_eq!(inum_of_link(Path::new("mnt:[4026531841]")), None);
        assert_eq!(inum_of_link(Path::new("/run/netns/x")), None);
    }

    #[test]
    fn the_own_namespace_is_among_all() {
        let own = Netns::own().unwrap().inum();
        assert_eq!(all().iter().filter(|netns| netns.inum() == own).count(), 1);
        assert_eq!(process_in(own).and_then(of), Some(own));
        assert_eq!(process_in(0), None);
    }
}
