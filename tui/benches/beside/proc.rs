//! What the kernel says of a process and of the programs that it has loaded.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context;

/// Whether the kernel counts what programs take.
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// The kernel's statistics, which are on until this is dropped.
pub struct Statistics {
    before: String,
}

impl Statistics {
    pub fn on() -> anyhow::Result<Self> {
        let before = fs::read_to_string(STATISTICS)?;
        fs::write(STATISTICS, "1").context("cannot turn the kernel's statistics on")?;
        Ok(Self { before })
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        let _ = fs::write(STATISTICS, self.before.trim());
    }
}

/// What a process has of the kernel's at one moment.
#[derive(Default)]
pub struct Held {
    /// Programs, each once: nanoseconds in them so far.
    programs: BTreeMap<u64, u64>,
    /// Maps, each once: bytes.
    maps: BTreeMap<u64, u64>,
}

impl Held {
    pub fn by(pid: u32) -> Self {
        let mut held = Self::default();
        // A descriptor may be gone before it is looked at.
        let files = fs::read_dir(format!("/proc/{pid}/fdinfo"))
            .into_iter()
            .flatten();
        let texts = files.filter_map(|file| fs::read_to_string(file.ok()?.path()).ok());
        for text in texts {
            let number = |key| number(&text, key);
            match (
                number("run_time_ns:"),
                number("prog_id:"),
                number("map_id:"),
            ) {
                (Some(ns), Some(id), _) => {
                    held.programs.insert(id, ns);
                }
                (None, _, Some(id)) => {
                    let bytes = number("memlock:").unwrap_or_default();
                    held.maps.insert(id, bytes);
                }
                _ => {}
            }
        }
        held
    }

    pub fn has_programs(&self) -> bool {
        !self.programs.is_empty()
    }

    /// Nanoseconds in all programs, as long as the statistics were on.
    #[allow(
        clippy::cast_precision_loss,
        reason = "of seconds, nanoseconds do not matter"
    )]
    pub fn run_time_ns(&self) -> f64 {
        self.programs.values().sum::<u64>() as f64
    }

    /// Memory of all maps, in MiB.
    #[allow(
        clippy::cast_precision_loss,
        reason = "of gigabytes, bytes do not matter"
    )]
    pub fn maps_mib(&self) -> f64 {
        self.maps.values().sum::<u64>() as f64 / f64::from(1 << 20)
    }
}

fn number(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Peak resident memory in MiB.
#[allow(
    clippy::cast_precision_loss,
    reason = "of gigabytes, bytes do not matter"
)]
pub fn peak_mib(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = number(&status, "VmHWM:").context("the kernel tells no peak of memory")?;
    Ok(kib as f64 / 1024.0)
}

/// Seconds of a processor so far, in hundredths.
#[allow(
    clippy::cast_precision_loss,
    reason = "of days, hundredths of a second do not matter"
)]
pub fn cpu_s(pid: u32) -> anyhow::Result<f64> {
    /// As `proc(5)` counts them from 1, and behind the name in parentheses.
    const UTIME: usize = 14;
    const HERTZ: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, behind_name) = stat.rsplit_once(')').context("no name in stat")?;
    let fields = behind_name.split_whitespace().skip(UTIME - 3).take(2);
    let ticks = fields.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(ticks as f64 / HERTZ)
}
