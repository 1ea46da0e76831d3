//! Calls that the kernel has skipped, of programs that have no second copy: each processor runs a program
//! once at a time, and reports the rest in `/proc/self/fdinfo/FD` only (since 5.12).

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;

use aya::Ebpf;

use super::hooks;

/// What the kernel says of these programs.
pub(super) struct Skipped {
    /// A program, and the one that makes good what it misses.
    programs: Vec<(File, Option<File>)>,
    seen: u64,
}

impl Skipped {
    /// Of the programs that are loaded.
    pub(super) fn of(ebpf: &Ebpf) -> Self {
        let fdinfo = |name: &str| {
            let fd = ebpf.program(name)?.fd().ok()?.as_fd().as_raw_fd();
            File::open(format!("/proc/self/fdinfo/{fd}")).ok()
        };
        let programs = hooks::SINGLE
            .into_iter()
            .filter_map(|(name, backup)| Some((fdinfo(name)?, backup.and_then(fdinfo))));
        Self {
            programs: programs.collect(),
            seen: 0,
        }
    }

    /// How many calls were skipped since the last time. What a backup sees is missed only where that was
    /// skipped too, so that the lesser number counts: it may have been other calls.
    pub(super) fn take(&mut self) -> u64 {
        let missed = |(program, backup): &(File, Option<File>)| {
            let missed = recursion_misses(program);
            let by_backup = backup.as_ref().map(recursion_misses);
            by_backup.map_or(missed, |by_backup| missed.min(by_backup))
        };
        let total: u64 = self.programs.iter().map(missed).sum();
        // A file that can't be read just now counts nothing, and later all at once.
        let new = total.saturating_sub(self.seen);
        self.seen = self.seen.max(total);
        new
    }
}

/// The line `recursion_misses:` of a program's `fdinfo`.
fn recursion_misses(fdinfo: &File) -> u64 {
    let mut text = [0; 1024];
    let read = fdinfo.read_at(&mut text, 0).unwrap_or_default();
    String::from_utf8_lossy(&text[..read])
        .lines()
        .find_map(|line| line.strip_prefix("recursion_misses:")?.trim().parse().ok())
        .unwrap_or_default()
}
