//! The ring that the probes write to.

use std::ops::ControlFlow;

use aya::maps::{MapData, RingBuf};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::unix::AsyncFd;

/// The reading end of the ring.
pub struct Ring(AsyncFd<RingBuf<MapData>>);

impl Ring {
    /// Registers the ring with the runtime that this is called in.
    ///
    /// # Errors
    /// If the runtime can't watch it.
    #[allow(unsafe_code)]
    pub fn new(ring: RingBuf<MapData>) -> std::io::Result<Self> {
        // SAFETY: the ring owns its descriptor as long as it lives, always gives the same one, and
        // its trait implementations have no other effect.
        unsafe { AsyncFd::register(ring) }
            .map(Self)
            .map_err(Into::into)
    }

    /// Waits until something is written into an empty ring.
    pub async fn readable(&self) {
        // An error means that the runtime is shutting down: there is nothing to wait for.
        if let Ok(mut ready) = self.0.readable().await {
            ready.clear_ready();
        }
    }

    /// Hands the records that are there to `take`, until it says that it has enough.
    pub fn drain(&mut self, mut take: impl FnMut(&[u8]) -> ControlFlow<()>) -> ControlFlow<()> {
        let ring = self.0.get_mut();
        while let Some(record) = ring.next() {
            take(&record)?;
        }
        ControlFlow::Continue(())
    }

    /// Whether nothing is in the ring. One that is not empty and gives no record has one in front that
    /// is being written: its processor was interrupted, or taken away from the machine.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        const NOW: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut ring = [PollFd::new(self.0.get_ref(), PollFlags::IN)];
        poll(&mut ring, Some(&NOW)) == Ok(0)
    }
}
