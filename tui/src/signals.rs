//! The signals that end a run, but for those that were being ignored when we were started.

use std::future::pending;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The status of a program that was hung up on: 128 and the signal's number.
pub(crate) const HUNG_UP: u8 = 129;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caught {
    /// SIGINT, SIGTERM: to come to an end.
    Stop,
    /// SIGHUP: the same, and to say that it was this.
    HangUp,
}

/// Listens from the moment it is made.
pub(crate) struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hang_up: Option<Signal>,
}

impl Signals {
    /// Listens to the signals that nobody asked us to ignore: `nohup` does that with SIGHUP, and a
    /// shell without job control with SIGINT for what runs in the background.
    pub(crate) fn new() -> std::io::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let listen = |kind: SignalKind| {
            let ignored = is_ignored(&status, kind.as_raw_value());
            (!ignored).then(|| signal(kind)).transpose()
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Caught {
        tokio::select! {
            () = received(&mut self.interrupt) => Caught::Stop,
            () = received(&mut self.terminate) => Caught::Stop,
            () = received(&mut self.hang_up) => Caught::HangUp,
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            if signal.recv().await.is_none() {
                pending::<()>().await;
            }
        }
        None => pending().await,
    }
}

/// Whether the mask `SigIgn` of `proc_pid_status(5)` has this signal.
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default();
    u32::try_from(signal - 1).is_ok_and(|bit| mask.checked_shr(bit).unwrap_or_default() & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::is_ignored;

    #[test]
    fn the_mask_counts_from_signal_1() {
        let status = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\tffff\n";
        assert!(is_ignored(status, 1));
        assert!(is_ignored(status, 13));
        assert!(!is_ignored(status, 2));
        assert!(!is_ignored("", 1));
    }
}
