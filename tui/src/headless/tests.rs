use std::io::{self, ErrorKind};
use std::sync::mpsc as channel;

use collector::export::{Layout, Rows, Table};
use collector::filter::Filter;
use collector::model::{Batch, Hello, NodeState, SourceState, Timestamp};
use collector::testing::event;
use collector::wire::Encoder;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::ReceiverStream;

use super::options::Writing;
use super::*;

fn options() -> Options {
    Options {
        writing: Writing::Json(Encoder::default()),
        filter: Filter::all(),
        headers: true,
        duration: None,
        count: None,
        snapshot: false,
        cluster: false,
    }
}

fn hello() -> Update {
    Update::Hello(Hello {
        node: "host1".into(),
        version: Some("0.1.0".into()),
        kernel: "6.18.44".into(),
        accept_hook: None,
        filter: None,
        degraded: Vec::new(),
        seeded: 0,
        ts: Timestamp(0),
    })
}

fn one_event() -> Update {
    Update::Batch(Batch {
        node: "host1".into(),
        events: vec![event()],
        lost: Vec::new(),
    })
}

fn lost(why: &str) -> Update {
    Update::State(NodeState {
        node: "host1".into(),
        state: SourceState::Lost(why.to_owned()),
        via: None,
    })
}

/// Sends each piece on, and an empty one when it is flushed, or fails.
struct Sink(Result<channel::Sender<Vec<u8>>, ErrorKind>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Ok(pieces) => {
                let _ = pieces.send(bytes.to_vec());
                Ok(bytes.len())
            }
            Err(kind) => Err((*kind).into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Ok(pieces) = &self.0 {
            let _ = pieces.send(Vec::new());
        }
        Ok(())
    }
}

async fn run_with(
    updates: impl Stream<Item = Update> + Unpin,
    stop: &Stop,
    options: Options,
    fails: Option<ErrorKind>,
) -> (anyhow::Result<ExitCode>, String) {
    let (pieces, written) = channel::channel();
    let output = Output::start(Sink(fails.map_or(Ok(pieces), Err))).expect("a thread");
    let signals = Signals::new().expect("signals");
    let code = follow(updates, stop, options, signals, output).await;
    let bytes: Vec<u8> = written.try_iter().flatten().collect();
    (code, String::from_utf8(bytes).expect("UTF-8"))
}

async fn run_script(options: Options, updates: Vec<Update>) -> (anyhow::Result<ExitCode>, String) {
    run_with(tokio_stream::iter(updates), &Stop::default(), options, None).await
}

/// `ExitCode` has no equality of its own.
fn shown(code: &anyhow::Result<ExitCode>) -> String {
    format!("{code:?}")
}

fn done() -> String {
    shown(&Ok(ExitCode::SUCCESS))
}

#[tokio::test]
async fn it_ends_with_its_source() {
    let (code, text) = run_script(options(), vec![hello(), one_event()]).await;
    assert_eq!(shown(&code), done());
    assert_eq!(text.lines().count(), 3);
    assert!(text.ends_with("\"retry_ms\":null}\n"), "{text}");
}

#[tokio::test]
async fn a_source_that_cannot_start_is_a_failure_in_its_own_words() {
    let (code, text) = run_script(options(), vec![lost("no privileges")]).await;
    assert_eq!(code.expect_err("a failure").to_string(), "no privileges");
    assert_eq!(text, "");
    let (code, _) = run_script(options(), vec![]).await;
    assert!(code.is_err());
}

#[tokio::test]
async fn a_failure_on_the_way_is_not_told_again() {
    let (code, _) = run_script(options(), vec![hello(), lost("out of memory")]).await;
    assert_eq!(code.expect("told by a note"), ExitCode::FAILURE);
}

#[tokio::test]
async fn a_reader_who_has_gone_is_no_failure() {
    let (_keep, open) = mpsc::channel(1);
    let updates = tokio_stream::iter([hello(), one_event()]).chain(ReceiverStream::new(open));
    let (code, _) = run_with(
        updates,
        &Stop::default(),
        options(),
        Some(ErrorKind::BrokenPipe),
    )
    .await;
    assert_eq!(shown(&code), done());
}

#[tokio::test]
async fn a_full_disk_is_a_failure() {
    let full = Some(ErrorKind::StorageFull);
    let updates = tokio_stream::iter([hello(), one_event()]);
    let (code, _) = run_with(updates, &Stop::default(), options(), full).await;
    assert_eq!(
        code.expect_err("a failure").to_string(),
        "cannot write to stdout"
    );
}

#[tokio::test]
async fn the_count_ends_it_and_asks_the_source_to_stop() {
    let (_keep, open) = mpsc::channel(1);
    let script = tokio_stream::iter([hello(), one_event(), one_event(), one_event()]);
    let stop = Stop::default();
    let bounded = Options {
        count: Some(2),
        ..options()
    };
    let updates = script.chain(ReceiverStream::new(open));
    let (code, text) = run_with(updates, &stop, bounded, None).await;
    assert_eq!(shown(&code), done());
    assert_eq!(text.lines().count(), 4);
    stop.requested().await;
}

#[tokio::test(start_paused = true)]
async fn the_duration_runs_from_the_greeting_and_the_last_words_are_heard() {
    let (updates, stream) = mpsc::channel(8);
    let stop = Stop::default();
    let source = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let began = Instant::now();
        let _ = updates.send(hello()).await;
        stop.requested().await;
        let _ = updates.send(one_event()).await;
        drop(updates);
        began.elapsed()
    };
    let bounded = Options {
        duration: Some(Duration::from_secs(10)),
        ..options()
    };
    let run = run_with(ReceiverStream::new(stream), &stop, bounded, None);
    let (lasted, (code, text)) = tokio::join!(source, run);
    assert_eq!(shown(&code), done());
    assert_eq!(lasted.as_secs(), 10);
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_does_not_stop_is_left_behind() {
    let (updates, stream) = mpsc::channel(8);
    let _ = updates.send(hello()).await;
    let bounded = Options {
        duration: Some(Duration::from_secs(10)),
        ..options()
    };
    let (pieces, written) = channel::channel();
    let output = Output::start(Sink(Ok(pieces))).expect("a thread");
    let signals = Signals::new().expect("signals");
    let stop = Stop::default();
    let run = follow(ReceiverStream::new(stream), &stop, bounded, signals, output);
    // The time stands still while something blocks: until the greeting is taken, which is no last
    // word.
    let greeting = spawn_blocking(move || {
        let pieces = written.iter().take_while(|piece| !piece.is_empty());
        (pieces.count(), written)
    });
    let began = Instant::now();
    let (code, greeting) = tokio::join!(run, greeting);
    assert_eq!(shown(&code), done());
    assert_eq!(began.elapsed().as_secs(), 12);
    let (pieces, written) = greeting.expect("a reader");
    assert_eq!(pieces, 1);
    let last: Vec<u8> = written.try_iter().flatten().collect();
    assert_eq!(String::from_utf8(last).expect("UTF-8").lines().count(), 1);
}

#[tokio::test]
async fn tables_have_their_header_at_the_greeting() {
    let table = Options {
        writing: Writing::Table(Table::new(Layout::Csv, Rows::Events)),
        ..options()
    };
    let (code, text) = run_script(table, vec![hello(), one_event()]).await;
    assert_eq!(shown(&code), done());
    assert!(text.starts_with("SEQ,TS,NODE,"), "{text}");
    assert_eq!(text.lines().count(), 2);
}
