//! The machine, as far as figures depend on it.

use std::fs;

/// Processors, memory and kernel, in one line.
pub fn describe() -> String {
    let first = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or("unknown")
            .trim_start_matches([':', '\t', ' '])
            .trim()
            .to_owned()
    };
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{processors} × {}, {} memory, Linux {}",
        first("/proc/cpuinfo", "model name"),
        first("/proc/meminfo", "MemTotal:"),
        first("/proc/sys/kernel/osrelease", ""),
    )
}
