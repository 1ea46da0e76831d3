use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::*;
use crate::model::{Batch, Event, Hello, LossKind, Lost, Meta, Origin, Timestamp};
use crate::source::replay::{self, Speed};
use crate::testing::{any_event, event};

fn hello(node: &str) -> Update {
    Update::Hello(Hello {
        node: node.into(),
        version: Some("0.1.0".into()),
        kernel: "6.12.9".into(),
        accept_hook: None,
        filter: None,
        degraded: Vec::new(),
        seeded: 0,
        ts: Timestamp(0),
    })
}

fn state(node: &str, state: SourceState) -> Update {
    let node = node.into();
    Update::State(NodeState {
        node,
        state,
        via: None,
    })
}

fn batch(node: &str, mut events: Vec<Event>, lost: Vec<Lost>) -> Update {
    for event in &mut events {
        Arc::make_mut(&mut event.origin).node = node.into();
    }
    let node = node.into();
    Update::Batch(Batch { node, events, lost })
}

fn lost(why: &str) -> SourceState {
    SourceState::Lost(why.to_owned())
}

/// Records all the updates, and gives them back with the path.
async fn recorded(path: &Path, all: Vec<Update>) -> Vec<Update> {
    let recording = Recording::create(path).expect("a new file");
    let source = Box::pin(tokio_stream::iter(all));
    let (updates, failure) = recording.tee(source, Stop::default()).expect("a thread");
    let passed = updates.collect().await;
    assert_eq!(failure.why(), None);
    passed
}

async fn lines(all: Vec<Update>) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("rec.jsonl");
    assert_eq!(
        recorded(&path, all.clone()).await,
        all,
        "passed on as it is"
    );
    let text = std::fs::read_to_string(&path).expect("UTF-8");
    assert!(text.ends_with('\n'));
    let short = |line: &str| line.chars().take(40).collect();
    text.lines().map(short).collect()
}

#[tokio::test]
async fn a_session_of_one_node_is_greeting_rows_farewell() {
    let ring = Lost::new(LossKind::Ring, 7);
    let written = lines(vec![
        state("host1", SourceState::Connecting),
        hello("host1"),
        state("host1", SourceState::Live),
        batch("host1", vec![event()], vec![ring]),
        state("host1", SourceState::Ended),
    ]);
    assert_eq!(
        written.await,
        [
            r#"{"t":"hello","proto":1,"version":"0.1.0""#,
            r#"{"t":"ev","seq":17,"ts":"2026-01-02T03:0"#,
            r#"{"t":"lost","src":"ring","n":7,"node":"h"#,
            r#"{"t":"bye","events":1,"lost":7,"reason":"#,
        ]
    );
}

#[tokio::test]
async fn what_comes_after_its_end_is_passed_on_and_not_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("rec.jsonl");
    let recording = Recording::create(&path).expect("a new file");
    let (tell, source) = mpsc::unbounded_channel();
    let source = Box::pin(UnboundedReceiverStream::new(source));
    let (mut updates, taping) = recording.tee(source, Stop::default()).expect("a thread");
    let mut pass = async |update: Update| {
        tell.send(update.clone()).expect("it listens");
        assert_eq!(updates.next().await, Some(update));
    };
    pass(hello("host1")).await;
    taping.end();
    // An update that was on its way is written before the end is seen.
    let written = || std::fs::read_to_string(&path).expect("UTF-8");
    while !written().contains(r#"{"t":"bye","#) {
        pass(batch("host1", vec![event()], vec![])).await;
    }
    let whole = written();
    assert!(whole.ends_with('\n'));
    pass(batch("host1", vec![event()], vec![])).await;
    drop(updates);
    assert_eq!(written(), whole);
    assert_eq!(taping.why(), None);
}

#[tokio::test]
async fn states_that_greeting_and_farewell_do_not_imply_are_written() {
    let written = lines(vec![
        hello("a"),
        hello("b"),
        state("a", lost("x")),
        state("a", SourceState::Live),
        state("b", SourceState::Ended),
        batch("a", vec![event()], vec![]),
        state("a", SourceState::Ended),
    ]);
    assert_eq!(
        written.await[2..],
        [
            r#"{"t":"node","node":"a","state":"lost","w"#,
            r#"{"t":"node","node":"a","state":"live","w"#,
            r#"{"t":"node","node":"b","state":"lost","w"#,
            r#"{"t":"ev","seq":17,"ts":"2026-01-02T03:0"#,
            r#"{"t":"bye","events":1,"lost":0,"reason":"#,
        ]
    );
}

#[tokio::test]
async fn a_reader_who_leaves_gets_the_last_words_into_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("rec.jsonl");
    let stop = Stop::default();
    let (sender, source) = mpsc::unbounded_channel();
    let source = Box::pin(UnboundedReceiverStream::new(source));
    let recording = Recording::create(&path).expect("a new file");
    let (mut updates, _) = recording.tee(source, stop.clone()).expect("a thread");
    sender.send(hello("host1")).expect("heard");
    assert_eq!(updates.next().await, Some(hello("host1")));

    // A source: one more batch when it is asked to stop, and its end.
    let source = tokio::spawn(async move {
        stop.requested().await;
        sender.send(batch("host1", vec![event()], vec![])).is_ok()
    });
    tokio::task::spawn_blocking(move || drop(updates))
        .await
        .expect("dropped");
    assert!(source.await.expect("the source"));
    let text = std::fs::read_to_string(&path).expect("UTF-8");
    let kinds: Vec<_> = text.lines().map(|line| &line[..9]).collect();
    assert_eq!(kinds, [r#"{"t":"hel"#, r#"{"t":"ev""#, r#"{"t":"bye"#]);
}

#[tokio::test]
async fn a_full_disk_is_told_once_and_the_session_goes_on() {
    let full = Recording {
        hellos: Vec::new(),
        file: File::options()
            .write(true)
            .open("/dev/full")
            .expect("Linux has it"),
        path: "/dev/full".into(),
    };
    let all = vec![
        hello("host1"),
        batch("host1", vec![event()], vec![]),
        batch("host1", vec![event()], vec![]),
    ];
    let source = Box::pin(tokio_stream::iter(all.clone()));
    let (updates, failure) = full.tee(source, Stop::default()).expect("a thread");
    let mut passed: Vec<_> = updates.collect().await;
    let why = failure.why().expect("said");
    assert!(
        why.starts_with("cannot write /dev/full (No space left on device"),
        "{why}"
    );
    assert_eq!(passed.remove(1), state(NODE, lost(why)));
    assert_eq!(passed, all);
}

/// What a recording keeps: which batch an event came in is not part of it, nor are states that
/// greetings and the end imply.
#[derive(Debug, PartialEq)]
enum Kept {
    Hello(Arc<str>),
    Event(Box<Event>),
    Lost(Arc<str>, Lost),
    Meta(Meta),
    State(NodeState),
}

fn kept(updates: &[Update]) -> Vec<Kept> {
    let mut live = std::collections::HashSet::new();
    let mut all = Vec::new();
    for update in updates {
        match update {
            Update::Hello(hello) => {
                live.insert(hello.node.clone());
                all.push(Kept::Hello(hello.node.clone()));
            }
            Update::State(s) => match s.state {
                SourceState::Connecting => {}
                SourceState::Live if !live.insert(s.node.clone()) => {}
                SourceState::Live => all.push(Kept::State(s.clone())),
                SourceState::Lost(_) | SourceState::Ended => {
                    live.remove(&s.node);
                    all.push(Kept::State(s.clone()));
                }
            },
            Update::Note(_) => {}
            Update::Meta(meta) => all.push(Kept::Meta(meta.clone())),
            Update::Batch(batch) => {
                let events = batch.events.iter().cloned();
                all.extend(events.map(|event| Kept::Event(Box::new(event))));
                let lost = batch.lost.iter().cloned();
                all.extend(lost.map(|lost| Kept::Lost(batch.node.clone(), lost)));
            }
        }
    }
    // At the end of a recording everything ends.
    let ended = |k: &Kept| matches!(k, Kept::State(s) if s.state == SourceState::Ended);
    while all.last().is_some_and(ended) {
        all.pop();
    }
    all
}

fn meta(node: &str) -> Update {
    Update::Meta(Meta {
        cgroup: 804,
        origin: Arc::new(Origin {
            node: node.into(),
            ..Origin::default()
        }),
        pod_uid: None,
        container_id: Some("8f2b".into()),
    })
}

/// Sessions: each node is greeted before it has events.
fn any_session() -> impl Strategy<Value = Vec<Update>> {
    let node = || select(&["a", "b"][..]);
    let loss = (select(&LossKind::ALL[..]), 1..9_u64).prop_map(|(kind, n)| Lost::new(kind, n));
    let step = prop_oneof![
        4 => (node(), vec(any_event(), 0..4), vec(loss, 0..2)).prop_map(|(n, e, l)| batch(n, e, l)),
        1 => node().prop_map(hello),
        1 => node().prop_map(meta),
        1 => (node(), select(vec![
            SourceState::Connecting,
            SourceState::Live,
            SourceState::Ended,
            lost("no route"),
        ])).prop_map(|(n, s)| state(n, s)),
    ];
    vec(step, 0..12).prop_map(|steps| [vec![hello("a"), hello("b")], steps].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_recording_replays_as_the_session_was(session in any_session()) {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("rec.jsonl");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let replayed: Vec<Update> = runtime.block_on(async {
            let passed = recorded(&file, session.clone()).await;
            assert_eq!(passed, session);
            let control = replay::Control::new(replay::Playing::at(Speed::Max));
            let options = replay::Options { file, control, from: None };
            replay::start(options, Stop::default()).collect().await
        });
        prop_assert_eq!(kept(&replayed), kept(&session));
    }
}

#[test]
fn in_the_middle_of_a_session_it_begins_with_what_was_said() {
    let recording = Recording::create(&tempfile::tempdir().expect("a directory").path().join("r"));
    let hello = Hello {
        node: "n1".into(),
        version: Some("0.1.0".into()),
        kernel: "6.12".into(),
        accept_hook: None,
        filter: None,
        degraded: Vec::new(),
        seeded: 0,
        ts: Timestamp(0),
    };
    let recording = recording.expect("a file").after(vec![hello]);
    let tape = Tape::new(recording, Taping::default());
    assert!(tape.buffer.starts_with(b"{\"t\":\"hello\""));
}
