//! A recording, the output of `-o json`, or an agent's stream, played as it happened.
//!
//! ```text
//! thread: file ─▶ records ─▶ thread: when due ─▶ batches ─▶ stream
//! ```
//!
//! Two threads, since a pipe may keep its reader waiting, and a recording that waits for its next
//! event must still hear that it is to stop.

mod control;
mod pace;
mod read;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

pub use self::control::{Control, Playing};
use self::pace::{Due, Pace};
pub use self::pace::{Speed, SpeedError};
use self::read::Lines;
use super::worker::{self, Gone, Reader};
use super::{Stop, Updates};
use crate::model::{
    Batch, Bye, Event, Hello, Lost, Meta, NodeState, SourceState, Timestamp, Update,
};
use crate::wire::Record;

/// What to play, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file; `-` is standard input.
    pub file: PathBuf,
    /// How fast, and what changes that.
    pub control: Control,
    /// Where to begin: what is before that is played at once.
    pub from: Option<Timestamp>,
}

/// How many records are read ahead at once.
const CHUNK: usize = 512;
/// How many such chunks wait to be played, and how many batches to be read.
const WAITING: usize = 4;
/// What is due within this time goes out together: no screen shows the difference.
const TOGETHER: Duration = Duration::from_millis(10);

/// Starts to play. The stream ends after the last record, and at once when it is asked to stop.
///
/// Each node is [`SourceState::Ended`] then. A file that can be read only in part is played as far
/// as that: then it is [`SourceState::Lost`] with a sentence that says which line is broken.
#[must_use]
pub fn start(options: Options, stop: Stop) -> Updates {
    let name: Arc<str> = options.file.to_string_lossy().into();
    worker::spawn(
        "replay",
        Arc::clone(&name),
        WAITING,
        move |reader| async move {
            let file = options.file.clone();
            let mut player = Player::new(name, &options, reader, stop);
            match read_ahead(file) {
                Ok(chunks) => player.play(chunks).await,
                Err(error) => {
                    let why = format!("cannot start a thread: {error}");
                    player.end(Some(why)).await
                }
            }
        },
    )
}

/// Whether the beginning of a recording names pods, so that a screen can be laid out for them before
/// anything is played. What can be read only once is not asked.
#[must_use]
pub fn names_pods(file: &Path) -> bool {
    const BEGINNING: u64 = 1 << 18;
    let mut text = Vec::new();
    let Ok(true) = file.metadata().map(|metadata| metadata.is_file()) else {
        return false;
    };
    let read = File::open(file).and_then(|file| file.take(BEGINNING).read_to_end(&mut text));
    let name = b"\"pod\":\"";
    read.is_ok() && text.windows(name.len()).any(|bytes| bytes == name)
}

/// Records as they were read, and the sentence after which there are no more.
#[derive(Default)]
struct Chunk {
    records: Vec<Record>,
    failure: Option<String>,
}

/// Reads on a thread of its own, which ends when nobody takes what it has read.
fn read_ahead(path: PathBuf) -> io::Result<mpsc::Receiver<Chunk>> {
    let (chunks, receiver) = mpsc::channel(WAITING);
    thread::Builder::new().name("read".into()).spawn(move || {
        let name = path.display().to_string();
        let failure = match open(&path) {
            Ok(input) => read(Lines::new(name, input), &chunks),
            Err(error) => Err(format!("cannot read {name}: {error}")),
        };
        if let Err(why) = failure {
            let last = Chunk {
                failure: Some(why),
                ..Chunk::default()
            };
            // Nobody listens any more: nobody need be told.
            let _ = chunks.blocking_send(last);
        }
    })?;
    Ok(receiver)
}

fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    Ok(if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path)?)
    })
}

fn read(mut lines: Lines<impl Read>, chunks: &mpsc::Sender<Chunk>) -> Result<(), String> {
    let mut any = false;
    loop {
        let mut chunk = Chunk::default();
        let more = loop {
            match lines.next() {
                Ok(Some(record)) => chunk.records.push(record),
                Ok(None) if any || !chunk.records.is_empty() => break false,
                Ok(None) => chunk.failure = Some(lines.no_records()),
                Err(why) => chunk.failure = Some(why),
            }
            if chunk.failure.is_some() {
                break false;
            }
            if chunk.records.len() >= CHUNK || !lines.is_ready() {
                break true;
            }
        };
        any |= !chunk.records.is_empty();
        if chunks.blocking_send(chunk).is_err() || !more {
            return Ok(());
        }
    }
}

/// Plays records.
struct Player {
    /// What the file is called, where no node can be named.
    file: Arc<str>,
    pace: Pace,
    playing: watch::Receiver<Playing>,
    reader: Reader,
    stop: Stop,
    /// What goes out next, all of one node.
    batch: Option<Batch>,
    nodes: BTreeMap<Arc<str>, Node>,
}

/// What was said of a node.
struct Node {
    live: bool,
    /// When its hooks were attached. An ending that was known then may be much older; it was not
    /// reported before that.
    greeted: Timestamp,
}

/// Whether it goes on.
enum Step {
    More,
    Stopped,
}

impl Player {
    fn new(file: Arc<str>, options: &Options, reader: Reader, stop: Stop) -> Self {
        let mut playing = options.control.listen();
        let begin = *playing.borrow_and_update();
        Self {
            file,
            pace: Pace::new(begin, options.from),
            playing,
            reader,
            stop,
            batch: None,
            nodes: BTreeMap::new(),
        }
    }

    async fn play(&mut self, mut chunks: mpsc::Receiver<Chunk>) -> Result<(), Gone> {
        loop {
            let chunk = tokio::select! {
                biased;
                () = self.stop.requested() => return self.end(None).await,
                () = self.reader.gone() => return Err(Gone),
                chunk = chunks.recv() => chunk,
            };
            let Some(Chunk { records, failure }) = chunk else {
                return self.end(None).await;
            };
            for record in records {
                if let Step::Stopped = self.wait(&record).await? {
                    return self.end(None).await;
                }
                self.record(record).await?;
            }
            if failure.is_some() {
                return self.end(failure).await;
            }
            self.flush().await?;
        }
    }

    /// Waits until a record is due.
    async fn wait(&mut self, record: &Record) -> Result<Step, Gone> {
        let Record::Event(event) = record else {
            return Ok(Step::More);
        };
        if event.kind.is_none() {
            return Ok(Step::More);
        }
        let greeted = self.nodes.get(&event.origin.node).map(|node| node.greeted);
        let ts = greeted.map_or(event.ts, |greeted| event.ts.max(greeted));
        loop {
            let now = Instant::now();
            let due = match self.pace.due(ts, now) {
                Due::At(at) if at > now + TOGETHER => Some(at),
                Due::Never => None,
                Due::Now | Due::At(_) => return Ok(Step::More),
            };
            self.flush().await?;
            tokio::select! {
                biased;
                () = self.stop.requested() => return Ok(Step::Stopped),
                () = self.reader.gone() => return Err(Gone),
                // An error says that nobody is left to change it.
                Ok(()) = self.playing.changed() => {
                    let playing = *self.playing.borrow_and_update();
                    self.pace.change(playing, Instant::now());
                }
                () = sleep_until(due.unwrap_or(now)), if due.is_some() => return Ok(Step::More),
                else => return Ok(Step::Stopped),
            }
        }
    }

    async fn record(&mut self, record: Record) -> Result<(), Gone> {
        match record {
            Record::Hello(hello) => self.hello(hello).await,
            Record::Event(event) => self.event(*event).await,
            Record::Lost(node, lost) => self.lost(node, lost).await,
            Record::Meta(meta) => self.meta(meta).await,
            Record::Node(state) => self.state(state).await,
            Record::Bye(bye) => self.bye(bye).await,
        }
    }

    async fn hello(&mut self, hello: Hello) -> Result<(), Gone> {
        self.flush().await?;
        let node = Arc::clone(&hello.node);
        let greeted = hello.ts;
        self.nodes.insert(
            Arc::clone(&node),
            Node {
                live: true,
                greeted,
            },
        );
        self.reader.send(Update::Hello(hello)).await?;
        self.reader.state(&node, SourceState::Live).await
    }

    async fn event(&mut self, event: Event) -> Result<(), Gone> {
        let node = Arc::clone(&event.origin.node);
        self.batch_of(&node, event.ts, false)
            .await?
            .events
            .push(event);
        Ok(())
    }

    async fn lost(&mut self, node: Arc<str>, lost: Lost) -> Result<(), Gone> {
        let ts = Timestamp::default();
        self.batch_of(&node, ts, true).await?.lost.push(lost);
        Ok(())
    }

    async fn meta(&mut self, meta: Meta) -> Result<(), Gone> {
        self.flush().await?;
        self.reader.send(Update::Meta(meta)).await
    }

    async fn state(&mut self, state: NodeState) -> Result<(), Gone> {
        self.flush().await?;
        self.note(&state.node, state.state == SourceState::Live);
        self.reader.send(Update::State(state)).await
    }

    async fn bye(&mut self, bye: Bye) -> Result<(), Gone> {
        self.flush().await?;
        let state = bye.reason.map_or(SourceState::Ended, SourceState::Lost);
        self.end_all(&state).await
    }

    /// The batch to which something of a node is to be added; losses come last in it.
    async fn batch_of(
        &mut self,
        node: &Arc<str>,
        ts: Timestamp,
        lost: bool,
    ) -> Result<&mut Batch, Gone> {
        let fits = |batch: &Batch| batch.node == *node && (lost || batch.lost.is_empty());
        if !self.batch.as_ref().is_some_and(fits) {
            self.flush().await?;
        }
        if !self.nodes.contains_key(node) {
            // Somebody has picked lines from the output: what is left is worth playing.
            self.hello(unknown(node, ts)).await?;
        }
        Ok(self.batch.get_or_insert_with(|| Batch {
            node: Arc::clone(node),
            events: Vec::new(),
            lost: Vec::new(),
        }))
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        match self.batch.take() {
            Some(batch) => self.reader.send(Update::Batch(batch)).await,
            None => Ok(()),
        }
    }

    /// The end, and why, if there should be more.
    async fn end(&mut self, failure: Option<String>) -> Result<(), Gone> {
        self.flush().await?;
        let Some(why) = failure else {
            return self.end_all(&SourceState::Ended).await;
        };
        let mut names = self.nodes.keys();
        let node = match (names.next(), names.next()) {
            (Some(only), None) => Arc::clone(only),
            _ => Arc::clone(&self.file),
        };
        self.note(&node, false);
        self.reader.state(&node, SourceState::Lost(why)).await?;
        self.end_all(&SourceState::Ended).await
    }

    async fn end_all(&mut self, state: &SourceState) -> Result<(), Gone> {
        for (name, node) in &mut self.nodes {
            if std::mem::take(&mut node.live) {
                self.reader.state(name, state.clone()).await?;
            }
        }
        Ok(())
    }

    fn note(&mut self, name: &Arc<str>, live: bool) {
        let unknown = || Node {
            live,
            greeted: Timestamp(i64::MIN),
        };
        let node = self.nodes.entry(Arc::clone(name)).or_insert_with(unknown);
        node.live = live;
    }
}

/// The greeting of a node that is only known from its events.
fn unknown(node: &Arc<str>, ts: Timestamp) -> Hello {
    Hello {
        node: Arc::clone(node),
        version: None,
        kernel: Arc::default(),
        accept_hook: None,
        filter: None,
        degraded: Vec::new(),
        seeded: 0,
        ts,
    }
}

#[cfg(test)]
mod tests;
