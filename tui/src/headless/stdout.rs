//! Writing on a thread of its own, so that a reader who does not read cannot keep us from signals.

use std::future::pending;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};

/// How many pieces wait for the reader. When they are full nothing more is read from the source,
/// whose own queues then fill and count what they lose.
const QUEUE: usize = 4;

/// The way to the thread.
pub(super) struct Output {
    pieces: mpsc::Sender<Vec<u8>>,
    result: oneshot::Receiver<std::io::Result<()>>,
    /// The other end's going away, where the kernel tells of it.
    reader: Option<AsyncFd<OwnedFd>>,
    progress: Progress,
}

/// How many bytes the reader has taken since it was last asked for.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicUsize>);

impl Progress {
    /// Whether the reader has taken anything since this was last asked.
    pub(super) fn was_made(&self) -> bool {
        self.0.swap(0, Ordering::Relaxed) > 0
    }

    /// What the reader has taken so far does not count.
    pub(super) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Tells of the progress that it makes.
struct Told<W>(W, Progress);

impl<W: Write> Write for Told<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        /// As much as a pipe holds: more in one call would be one step, however long it takes.
        const STEP: usize = 1 << 16;
        let written = self.0.write(bytes.get(..STEP).unwrap_or(bytes))?;
        self.1.0.fetch_add(written, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Output {
    /// Starts to write to stdout.
    pub(super) fn stdout() -> std::io::Result<Self> {
        let stdout = std::io::stdout();
        // A file has no reader to watch: epoll refuses it.
        let reader = stdout.as_fd().try_clone_to_owned()?;
        #[expect(
            deprecated,
            reason = "sound with an owned descriptor, and the other call is unsafe"
        )]
        let reader = AsyncFd::with_interest(reader, Interest::ERROR).ok();
        let output = Self::start(stdout)?;
        Ok(Self { reader, ..output })
    }

    /// Starts to write to `sink`.
    pub(super) fn start(sink: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (pieces, queue) = mpsc::channel(QUEUE);
        let (done, result) = oneshot::channel();
        let progress = Progress::default();
        let sink = Told(sink, progress.clone());
        std::thread::Builder::new()
            .name("stdout".into())
            .spawn(move || done.send(write_all(sink, queue)))?;
        Ok(Self {
            pieces,
            result,
            reader: None,
            progress,
        })
    }

    /// What the reader takes.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Hands over the lines as soon as there is room, and leaves none. False if nobody takes them.
    ///
    /// Nothing is lost if it is dropped before it is ready.
    pub(super) async fn send(&self, lines: &mut Vec<u8>) -> bool {
        match self.pieces.reserve().await {
            Ok(room) => {
                room.send(std::mem::take(lines));
                true
            }
            Err(_) => false,
        }
    }

    /// Ready when nothing can be written any more. That the reader of a pipe has gone is noticed
    /// at once, not only when there is something to write: `tcpscope | head` ends after its lines.
    pub(super) async fn closed(&self) {
        let reader_gone = async {
            match &self.reader {
                Some(reader) => reader.ready(Interest::ERROR).await.map(drop),
                None => pending().await,
            }
        };
        tokio::select! {
            () = self.pieces.closed() => {}
            _ = reader_gone => {}
        }
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// If it could not be. A reader who has gone is none.
    pub(super) async fn finish(self) -> std::io::Result<()> {
        drop(self.pieces);
        match self.result.await {
            Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

/// Each piece is as many whole lines as came at once, and is flushed.
fn write_all(mut sink: impl Write, mut queue: mpsc::Receiver<Vec<u8>>) -> std::io::Result<()> {
    while let Some(piece) = queue.blocking_recv() {
        sink.write_all(&piece)?;
        sink.flush()?;
    }
    Ok(())
}
