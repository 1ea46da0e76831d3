//! `--record`: what a source sends goes into a file on its way, before any filter of the view.
//!
//! ```text
//! source ─▶ thread: lines ─▶ file
//!                └─▶ the same updates ─▶ screen or text
//! ```
//!
//! It works on a thread of its own, so that a slow disk slows the source, which counts what it
//! loses, and not the keys.

mod lines;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt};

use self::lines::Lines;
use crate::model::{Hello, NodeState, SourceState, Update};
use crate::private_file::{self, CreateError};
use crate::source::{Stop, Updates};

/// Under this name a recording that fails says so among the states of the nodes.
pub const NODE: &str = "recording";

/// How many updates may wait for a slow reader.
const WAITING: usize = 4;

/// How long a source has to say its last words when nobody but the recording wants them.
const GRACE: Duration = Duration::from_secs(1);

/// A file that is to hold a session.
#[derive(Debug)]
pub struct Recording {
    file: File,
    path: PathBuf,
    hellos: Vec<Hello>,
}

impl Recording {
    /// Makes the file, which nobody else may read.
    ///
    /// # Errors
    /// If there is a file of that name already, and if it cannot be made.
    pub fn create(path: &Path) -> Result<Self, CreateError> {
        Ok(Self {
            file: private_file::create(path)?,
            path: path.to_owned(),
            hellos: Vec::new(),
        })
    }

    /// Begins in the middle of a session: the file begins with these greetings, which have been
    /// heard already.
    #[must_use]
    pub fn after(mut self, hellos: Vec<Hello>) -> Self {
        self.hellos = hellos;
        self
    }

    /// Passes the updates on and writes them down.
    ///
    /// When the reader has had enough it drops the stream: that asks the source to stop, writes
    /// its last words and the farewell, and takes a second at the most if the source is slow. A
    /// write that fails ends the recording and not the session: it is told once as a state of the
    /// node [`NODE`], and kept for the end of the run in the [`Taping`], by which it can be ended.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn tee(self, updates: Updates, stop: Stop) -> io::Result<(Updates, Taping)> {
        let taping = Taping::default();
        let tape = Tape::new(self, taping.clone());
        let (sender, receiver) = mpsc::channel(WAITING);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let thread = thread::Builder::new()
            .name("record".into())
            .spawn(move || runtime.block_on(pass_on(tape, updates, &sender, &stop)))?;
        let tee = Tee {
            receiver,
            thread: Some(thread),
        };
        Ok((Box::pin(tee), taping))
    }
}

/// A recording that goes on, or is over.
#[derive(Clone, Debug, Default)]
pub struct Taping {
    failure: Arc<OnceLock<String>>,
    end: Arc<Notify>,
}

impl Taping {
    /// Ends it: what comes from now on is passed on and not written.
    pub fn end(&self) {
        self.end.notify_one();
    }

    /// Why the recording is not whole, if it is not.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}

async fn pass_on(mut tape: Tape, mut updates: Updates, reader: &mpsc::Sender<Update>, stop: &Stop) {
    let taping = tape.taping.clone();
    loop {
        let update = tokio::select! {
            biased;
            () = reader.closed() => break,
            () = taping.end.notified() => {
                if let Some(failure) = tape.finish() {
                    let _ = reader.send(failure).await;
                }
                continue;
            }
            update = updates.next() => update,
        };
        let Some(update) = update else { break };
        let failure = tape.write(&update);
        // A reader who has gone by now is seen above.
        let _ = reader.send(update).await;
        if let Some(failure) = failure {
            let _ = reader.send(failure).await;
        }
    }
    if reader.is_closed() {
        stop.request();
        let last_words = async {
            while let Some(update) = updates.next().await {
                tape.write(&update);
            }
        };
        if timeout(GRACE, last_words).await.is_err() {
            tracing::warn!("the source does not end; the recording does");
        }
    }
    if let Some(failure) = tape.finish() {
        let _ = reader.send(failure).await;
    }
}

/// The file, as long as it can be written to.
struct Tape {
    file: Option<File>,
    path: PathBuf,
    lines: Lines,
    /// Lines on their way to the file.
    buffer: Vec<u8>,
    /// What is in the file, in bytes: whole lines.
    written: u64,
    taping: Taping,
}

impl Tape {
    fn new(recording: Recording, taping: Taping) -> Self {
        let (mut lines, mut buffer) = (Lines::default(), Vec::new());
        for hello in recording.hellos {
            lines.update(&Update::Hello(hello), &mut buffer);
        }
        Self {
            file: Some(recording.file),
            path: recording.path,
            lines,
            buffer,
            written: 0,
            taping,
        }
    }

    /// Writes an update's lines. The state to be told if that failed.
    fn write(&mut self, update: &Update) -> Option<Update> {
        if self.file.is_some() {
            let before = self.lines.events();
            self.lines.update(update, &mut self.buffer);
            return self.flush(before);
        }
        None
    }

    /// Writes the farewell; nothing is written after it.
    fn finish(&mut self) -> Option<Update> {
        let before = self.lines.events();
        self.lines.finish(&mut self.buffer);
        let failure = self.flush(before);
        self.file = None;
        failure
    }

    fn flush(&mut self, events_before: u64) -> Option<Update> {
        let file = self.file.as_mut()?;
        let Err(error) = file.write_all(&self.buffer) else {
            self.written += self.buffer.len() as u64;
            self.buffer.clear();
            return None;
        };
        // So that it ends in a whole line.
        let cut = file.set_len(self.written);
        self.file = None;
        self.buffer = Vec::new();
        let path = self.path.display();
        let why = match cut {
            Ok(()) => {
                format!("cannot write {path} ({error}): it ends after {events_before} events")
            }
            Err(_) => format!("cannot write {path} ({error}): its last line may be cut"),
        };
        tracing::error!("{why}");
        let _ = self.taping.failure.set(why.clone());
        Some(Update::State(NodeState {
            node: Arc::from(NODE),
            state: SourceState::Lost(why),
            via: None,
        }))
    }
}

/// The reader's end.
struct Tee {
    receiver: mpsc::Receiver<Update>,
    thread: Option<JoinHandle<()>>,
}

impl Stream for Tee {
    type Item = Update;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Update>> {
        self.receiver.poll_recv(cx)
    }
}

/// Waits for the farewell.
impl Drop for Tee {
    fn drop(&mut self) {
        self.receiver.close();
        while self.receiver.try_recv().is_ok() {}
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the recording has no end");
        }
    }
}

#[cfg(test)]
mod tests;
