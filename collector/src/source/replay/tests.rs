use std::time::Instant;

use tokio::time::timeout;
use tokio_stream::StreamExt;

use super::*;
use crate::model::{ConnId, LossKind, TcpState};
use crate::testing::{event, open_socket};
use crate::wire::{self, Encoder};

const BOUND: Duration = Duration::from_secs(20);
const MS: i64 = 1_000_000;

fn hello(node: &str) -> Hello {
    Hello {
        node: node.into(),
        version: Some("0.1.0".into()),
        kernel: "6.12.9".into(),
        accept_hook: None,
        filter: None,
        degraded: Vec::new(),
        seeded: 1,
        ts: event().ts,
    }
}

fn on(node: &str, conn: u64, ms: i64) -> Event {
    let mut event = event();
    let origin = Arc::make_mut(&mut event.origin);
    origin.node = node.into();
    event.ts.0 += ms * MS;
    event.conn = ConnId(conn);
    event
}

/// A file with what the closure writes.
fn file(write: impl FnOnce(&mut Vec<u8>, &mut Encoder)) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut text = Vec::new();
    write(&mut text, &mut Encoder::default());
    std::fs::write(file.path(), text).expect("written");
    file
}

fn options(path: &Path, speed: Speed) -> Options {
    Options {
        file: path.to_owned(),
        control: Control::new(Playing::at(speed)),
        from: None,
    }
}

async fn play(path: &Path, speed: Speed) -> Vec<Update> {
    let all = start(options(path, speed), Stop::default()).collect();
    timeout(BOUND, all).await.expect("it ends")
}

fn state(node: &str, state: SourceState) -> Update {
    let node = node.into();
    Update::State(NodeState {
        node,
        state,
        via: None,
    })
}

fn batch(node: &str, events: Vec<Event>, lost: Vec<Lost>) -> Update {
    let node = node.into();
    Update::Batch(Batch { node, events, lost })
}

#[tokio::test]
async fn every_kind_of_record_is_played_in_its_place() {
    let ring = |n| Lost::new(LossKind::Ring, n);
    let gone = SourceState::Lost("no route".to_owned());
    let file = file(|out, encoder| {
        wire::hello(&hello("host1"), out);
        encoder.event(&open_socket(), out);
        encoder.event(&on("host1", 1, 0), out);
        wire::lost("host1", &ring(7), out);
        encoder.event(&on("host1", 2, 1), out);
        wire::hello(&hello("n2"), out);
        encoder.event(&on("n2", 1, 0), out);
        out.extend_from_slice(b"{\"t\":\"hb\",\"seq\":3}\n");
        encoder.event(&on("host1", 3, 2), out);
        let lost = NodeState {
            node: "n2".into(),
            state: gone.clone(),
            via: None,
        };
        wire::node(&lost, out);
        wire::bye(&Bye::default(), out);
    });
    assert_eq!(open_socket().state, Some(TcpState::Established));
    let live = SourceState::Live;
    assert_eq!(
        play(file.path(), Speed::Max).await,
        [
            Update::Hello(hello("host1")),
            state("host1", live.clone()),
            batch(
                "host1",
                vec![open_socket(), on("host1", 1, 0)],
                vec![ring(7)]
            ),
            batch("host1", vec![on("host1", 2, 1)], vec![]),
            Update::Hello(hello("n2")),
            state("n2", live),
            batch("n2", vec![on("n2", 1, 0)], vec![]),
            batch("host1", vec![on("host1", 3, 2)], vec![]),
            state("n2", gone),
            state("host1", SourceState::Ended),
        ]
    );
}

#[tokio::test]
async fn what_comes_before_a_broken_line_is_played() {
    let file = file(|out, encoder| {
        wire::hello(&hello("host1"), out);
        encoder.event(&on("host1", 1, 0), out);
        out.extend_from_slice(b"{\"t\":\"ev\",\"seq\":1");
    });
    let updates = play(file.path(), Speed::Max).await;
    let path = file.path().display();
    let why = format!("{path} is broken at line 3: it is cut off");
    assert_eq!(
        updates[2..],
        [
            batch("host1", vec![on("host1", 1, 0)], vec![]),
            state("host1", SourceState::Lost(why))
        ]
    );
}

#[tokio::test]
async fn a_file_that_says_nothing_is_named() {
    let empty = file(|_, _| {});
    let path = empty.path().to_string_lossy();
    let why = SourceState::Lost(format!(
        "{path} is no recording: there are no records in it"
    ));
    assert_eq!(play(empty.path(), Speed::Max).await, [state(&path, why)]);

    let nowhere = "/nonexistent/rec.jsonl";
    let why = "cannot read /nonexistent/rec.jsonl: No such file or directory (os error 2)";
    assert_eq!(
        play(Path::new(nowhere), Speed::Max).await,
        [state(nowhere, SourceState::Lost(why.to_owned()))]
    );
}

#[tokio::test]
async fn lines_without_their_greeting_are_played_too() {
    let file = file(|out, encoder| encoder.event(&on("host1", 1, 0), out));
    let updates = play(file.path(), Speed::Max).await;
    assert!(matches!(&updates[0], Update::Hello(h) if &*h.node == "host1" && h.seeded == 0));
    assert_eq!(updates[2], batch("host1", vec![on("host1", 1, 0)], vec![]));
}

#[tokio::test]
async fn a_reason_in_the_farewell_is_why_it_ended() {
    let why = "the agent is shutting down";
    let file = file(|out, _| {
        wire::hello(&hello("host1"), out);
        let bye = Bye {
            reason: Some(why.to_owned()),
            ..Bye::default()
        };
        wire::bye(&bye, out);
    });
    let updates = play(file.path(), Speed::Max).await;
    assert_eq!(
        updates[2..],
        [state("host1", SourceState::Lost(why.to_owned()))]
    );
}

#[tokio::test]
async fn gaps_last_as_long_as_the_speed_says() {
    let file = file(|out, encoder| {
        wire::hello(&hello("host1"), out);
        for n in 0..3 {
            encoder.event(&on("host1", 1, 200 * n), out);
        }
    });
    let began = Instant::now();
    let fast = play(file.path(), Speed::Thousandths(4000)).await;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(90), "{took:?}");
    assert_eq!(fast.len(), 6, "each event by itself: {fast:?}");
    let took = {
        let began = Instant::now();
        play(file.path(), Speed::NORMAL).await;
        began.elapsed()
    };
    assert!(took >= Duration::from_millis(390), "{took:?}");
}

#[tokio::test]
async fn it_stops_at_once_in_the_middle_of_a_gap() {
    let file = file(|out, encoder| {
        wire::hello(&hello("host1"), out);
        for n in 0..2 {
            encoder.event(&on("host1", 1, n * 3_600_000), out);
        }
    });
    let stop = Stop::default();
    let mut updates = start(options(file.path(), Speed::NORMAL), stop.clone());
    let mut next = async || timeout(BOUND, updates.next()).await.expect("in time");
    while !matches!(next().await, Some(Update::Batch(_))) {}
    stop.request();
    assert_eq!(next().await, Some(state("host1", SourceState::Ended)));
    assert_eq!(next().await, None);
}

#[tokio::test]
async fn it_can_be_held_and_played_faster_and_from_somewhere() {
    let file = file(|out, encoder| {
        wire::hello(&hello("host1"), out);
        for n in 0..4_u32 {
            encoder.event(&on("host1", n.into(), i64::from(n) * 3_600_000), out);
        }
    });
    let control = Control::new(Playing {
        speed: Speed::NORMAL,
        held: true,
    });
    let options = Options {
        control: control.clone(),
        from: Some(on("host1", 2, 2 * 3_600_000).ts),
        ..options(file.path(), Speed::NORMAL)
    };
    let mut updates = start(options, Stop::default());
    let mut conns = async || loop {
        match timeout(BOUND, updates.next()).await.expect("in time") {
            Some(Update::Batch(batch)) => {
                return batch.events.iter().map(|e| e.conn.0).collect();
            }
            Some(_) => {}
            None => return Vec::new(),
        }
    };
    // Two hours are over at once, and there it is held.
    assert_eq!(conns().await, [0, 1]);
    control.set(Playing::at(Speed::NORMAL));
    assert_eq!(conns().await, [2]);
    control.set(Playing::at(Speed::Max));
    assert_eq!(conns().await, [3]);
}

#[test]
fn pods_are_found_in_the_beginning_of_a_file() {
    let with = file(|out, encoder| encoder.event(&event(), out));
    assert!(names_pods(with.path()));
    let without = file(|out, encoder| {
        let mut event = event();
        Arc::make_mut(&mut event.origin).pod = None;
        encoder.event(&event, out);
    });
    assert!(!names_pods(without.path()));
    assert!(!names_pods(Path::new("/dev/zero")));
    assert!(!names_pods(Path::new("/nonexistent")));
}
