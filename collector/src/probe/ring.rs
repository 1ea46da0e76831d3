//! The ring that the probes write to.

use aya::maps::{MapData, RingBuf};
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
    pub fn drain(&mut self, mut take: impl FnMut(&[u8]) -> std::ops::ControlFlow<()>) {
        let ring = self.0.get_mut();
        while let Some(record) = ring.next() {
            if take(&record).is_break() {
                break;
            }
        }
    }
}
