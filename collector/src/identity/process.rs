//! What `/proc` says of a process that an event is credited to, if it is still there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::format::plain;
use crate::model::Timestamp;

/// A process that is still there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Living {
    /// Its executable; `None` without the right to see it, and for threads of the kernel.
    pub exe: Option<PathBuf>,
    /// Its command line, words parted by spaces.
    pub command_line: Option<String>,
    /// Its parent's process id and command name.
    pub parent: Option<(u32, String)>,
    /// The name of its real user on this host.
    pub user: Option<String>,
}

/// The start of a process is known in ticks of a hundredth of a second.
const TICK_NANOS: i64 = 10_000_000;

/// Looks a process up, by its id in this `/proc`. `None` if it is gone, or if another one has its id
/// now: one that began after `seen`, when an event was credited to it.
#[must_use]
pub fn look_up(pid: u32, seen: Timestamp) -> Option<Living> {
    let process = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?;
    let stat = process.stat().ok()?;
    if !began_before(stat.starttime, seen) {
        return None;
    }
    let words = process.cmdline().ok().filter(|words| !words.is_empty());
    let parent = u32::try_from(stat.ppid).ok().filter(|pid| *pid > 0);
    Some(Living {
        exe: process.exe().ok(),
        command_line: words.map(|words| plain(&words.join(" ")).into_owned()),
        parent: parent.map(|pid| (pid, comm(pid).unwrap_or_default())),
        user: process.status().ok().and_then(|status| user(status.ruid)),
    })
}

/// The inode number of a process's mount namespace, if it is there and may be asked.
pub(crate) fn mntns(pid: u32) -> Option<u32> {
    let namespace = fs::metadata(format!("/proc/{pid}/ns/mnt")).ok()?;
    u32::try_from(namespace.ino()).ok()
}

/// Whether a process that began so many ticks after the kernel's start was there at a moment, as far as
/// ticks can tell.
pub(crate) fn began_before(ticks: u64, moment: Timestamp) -> bool {
    started(ticks).is_some_and(|began| began.0.saturating_sub(TICK_NANOS) <= moment.0)
}

/// The moment that is so many ticks after the kernel's start.
fn started(ticks: u64) -> Option<Timestamp> {
    let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let up = boot.tv_sec.checked_mul(1_000_000_000)? + boot.tv_nsec;
    let per_second = procfs::ticks_per_second();
    let after = u128::from(ticks) * 1_000_000_000 / u128::from(per_second.max(1));
    let booted = Timestamp::now().0.checked_sub(up)?;
    Some(Timestamp(booted.checked_add(i64::try_from(after).ok()?)?))
}

fn comm(pid: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(plain(text.trim_end()).into_owned())
}

/// The name that this host has for a user.
fn user(uid: u32) -> Option<String> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    name.map(|name| plain(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_began_later_is_another_one() {
        let pid = std::process::id();
        let found = look_up(pid, Timestamp::now()).expect("this process is there");
        assert_eq!(found.exe, std::env::current_exe().ok());
        assert!(
            found
                .parent
                .is_some_and(|(pid, comm)| pid > 0 && !comm.is_empty())
        );
        assert_eq!(look_up(pid, Timestamp(0)), None);
    }
}
