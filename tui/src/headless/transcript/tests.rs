use std::sync::Arc;

use collector::export::{Layout, Table};
use collector::filter::Filter;
use collector::model::{EventType, HookKind, NodeState, Origin, Timestamp, Via};
use collector::testing::{event, open_socket};
use collector::wire::Encoder;

use super::*;

fn json() -> Options {
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

fn columns() -> Options {
    let names = ["t", "comm"];
    Options {
        writing: Writing::Table(Table::with_columns(Layout::Columns, &names).expect("columns")),
        ..json()
    }
}

fn hello(seeded: u64) -> Update {
    Update::Hello(Hello {
        node: "host1".into(),
        version: Some("0.1.0".into()),
        kernel: "6.18.44".into(),
        accept_hook: Some(HookKind::Syscall),
        filter: None,
        degraded: Vec::new(),
        seeded,
        ts: Timestamp(0),
    })
}

fn batch(events: Vec<Event>, lost: Vec<Lost>) -> Update {
    Update::Batch(Batch {
        node: "host1".into(),
        events,
        lost,
    })
}

fn state(state: SourceState) -> Update {
    Update::State(NodeState {
        node: "host1".into(),
        state,
        via: None,
    })
}

fn ring(n: u64) -> Lost {
    Lost::new(LossKind::Ring, n)
}

fn closed() -> Event {
    Event {
        kind: Some(EventType::Close),
        ..event()
    }
}

/// What is written, told and decided.
fn run(options: Options, updates: Vec<Update>) -> (Vec<String>, Vec<String>, Vec<Step>) {
    let mut transcript = Transcript::new(options);
    let (mut out, mut notes, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    for update in updates {
        steps.push(transcript.update(update, &mut out));
        notes.extend(transcript.notes());
    }
    transcript.finish(&mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    (text.lines().map(str::to_owned).collect(), notes, steps)
}

fn kinds(lines: &[String]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line.split('"').nth(3).unwrap_or_default())
        .collect()
}

#[test]
fn a_stream_of_json_has_a_beginning_and_an_end() {
    let updates = vec![
        state(SourceState::Connecting),
        hello(1),
        state(SourceState::Live),
        batch(vec![open_socket(), event()], vec![ring(2)]),
        batch(vec![closed()], vec![ring(3)]),
        state(SourceState::Ended),
    ];
    let (lines, notes, steps) = run(json(), updates);
    assert_eq!(kinds(&lines), ["hello", "ev", "lost", "ev", "lost", "bye"]);
    assert_eq!(
        lines[5],
        r#"{"t":"bye","events":2,"lost":5,"reason":null,"retry_ms":null}"#
    );
    assert_eq!(notes, [""; 0]);
    assert_eq!(steps[1], Step::Began);
}

#[test]
fn a_snapshot_lists_what_was_open_and_is_enough() {
    let options = Options {
        snapshot: true,
        ..json()
    };
    let updates = vec![
        hello(2),
        batch(vec![open_socket(), event()], vec![]),
        batch(vec![closed(), open_socket()], vec![]),
    ];
    let (lines, _, steps) = run(options, updates);
    assert_eq!(kinds(&lines), ["hello", "open", "open", "bye"]);
    assert_eq!(steps, [Step::Began, Step::More, Step::Enough]);
}

#[test]
fn a_snapshot_of_nothing_is_enough_at_once() {
    for options in [json(), columns()] {
        let snapshot = Options {
            snapshot: true,
            ..options
        };
        let (lines, _, steps) = run(snapshot, vec![hello(0)]);
        assert_eq!(steps, [Step::Enough]);
        assert!(matches!(lines.len(), 1 | 2), "{lines:?}");
    }
}

#[test]
fn the_filter_holds_for_both_and_a_filtered_snapshot_ends() {
    let other = Event {
        process: None,
        ..open_socket()
    };
    let options = Options {
        snapshot: true,
        filter: Filter::parse("comm:curl").expect("a filter"),
        ..json()
    };
    let (lines, _, steps) = run(
        options,
        vec![hello(2), batch(vec![other, open_socket()], vec![])],
    );
    assert_eq!(kinds(&lines), ["hello", "open", "bye"]);
    assert_eq!(steps, [Step::Began, Step::Enough]);

    let options = Options {
        filter: Filter::parse("type:x").expect("a filter"),
        ..json()
    };
    let (lines, ..) = run(
        options,
        vec![hello(0), batch(vec![event(), closed()], vec![])],
    );
    assert_eq!(kinds(&lines), ["hello", "ev", "bye"]);
    assert!(lines[2].contains(r#""events":1"#));
}

#[test]
fn the_count_is_of_lines_written() {
    let options = Options {
        count: Some(2),
        filter: Filter::parse("type:c").expect("a filter"),
        ..json()
    };
    let events = vec![event(), closed(), event(), event()];
    let (lines, _, steps) = run(options, vec![hello(0), batch(events, vec![])]);
    assert_eq!(kinds(&lines), ["hello", "ev", "ev", "bye"]);
    assert_eq!(steps, [Step::Began, Step::Enough]);
}

#[test]
fn a_table_has_one_header_and_loss_is_told_beside_it() {
    let updates = vec![
        hello(0),
        hello(0),
        batch(vec![event(), open_socket()], vec![ring(12_345)]),
    ];
    let (lines, notes, _) = run(columns(), updates.clone());
    assert_eq!(lines, ["T COMM", "C curl"]);
    assert_eq!(
        notes,
        [
            "12,345 events were lost on host1 (ring): a larger --buffer, or a faster reader, loses less"
        ]
    );
    let bare = Options {
        headers: false,
        ..columns()
    };
    assert_eq!(run(bare, updates).0, ["C curl"]);
}

#[test]
fn a_source_that_fails_before_it_began_writes_nothing() {
    let why = SourceState::Lost("no privileges".to_owned());
    for options in [json(), columns()] {
        let (lines, notes, _) = run(
            options,
            vec![state(SourceState::Connecting), state(why.clone())],
        );
        assert_eq!((lines.len(), notes.len()), (0, 0));
    }
}

#[test]
fn a_failure_on_the_way_is_told_and_is_the_reason_of_the_end() {
    let why = SourceState::Lost("out of memory".to_owned());
    let (lines, notes, _) = run(json(), vec![hello(0), state(why.clone())]);
    assert!(
        lines[1].contains(r#""reason":"out of memory""#),
        "{lines:?}"
    );
    assert_eq!(notes, ["out of memory"]);

    let recovered = vec![hello(0), state(why), state(SourceState::Live)];
    assert!(run(json(), recovered).0[1].contains(r#""reason":null"#));
}

#[test]
fn waiting_for_a_pod_where_there_is_none_is_told_once() {
    let bare = Event {
        origin: Arc::new(Origin::default()),
        ..open_socket()
    };
    let asks = |text| Options {
        filter: Filter::parse(text).expect("a filter"),
        ..json()
    };
    let nothing = vec![
        hello(1),
        batch(vec![bare.clone()], vec![]),
        batch(vec![bare], vec![]),
    ];
    assert_eq!(run(asks("pod:cart-*"), nothing.clone()).1.len(), 1);
    assert_eq!(run(asks("comm:curl"), nothing.clone()).1.len(), 0);
    assert_eq!(
        run(asks("container:app"), nothing).1,
        ["no container has a connection on this host so far: nothing matches --container"]
    );
    let pods = vec![hello(1), batch(vec![open_socket()], vec![])];
    assert_eq!(run(asks("pod:nonsense"), pods).1.len(), 0);
}

fn of_node(name: &str, state: SourceState) -> Update {
    Update::State(NodeState {
        node: name.into(),
        state,
        via: Some(Via::Proxy),
    })
}

fn greets(name: &str, seeded: u64) -> Update {
    let Update::Hello(hello) = hello(seeded) else {
        panic!("not a greeting");
    };
    Update::Hello(Hello {
        node: name.into(),
        ..hello
    })
}

#[test]
fn nodes_of_a_cluster_come_and_go_without_ending_the_run() {
    let options = Options {
        cluster: true,
        ..json()
    };
    let mut transcript = Transcript::new(options);
    let mut out = Vec::new();
    let lost = || SourceState::Lost("no BTF".to_owned());
    assert_eq!(
        transcript.update(of_node("n2", lost()), &mut out),
        Step::More
    );
    assert_eq!(transcript.failure(), Some("no BTF"));
    assert!(out.is_empty(), "the greeting is the first line");
    assert_eq!(transcript.update(greets("n1", 0), &mut out), Step::Began);
    transcript.update(of_node("n1", SourceState::Live), &mut out);
    transcript.update(of_node("n2", lost()), &mut out);
    assert_eq!(transcript.failure(), None);
    assert_eq!(transcript.notes(), ["n2: no BTF"]);
    let text = String::from_utf8(out).expect("UTF-8");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].starts_with(r#"{"t":"hello""#));
    let live = r#"{"t":"node","node":"n1","state":"live","why":null,"via":"proxy"}"#;
    assert_eq!(lines[2], live);
}

#[test]
fn a_snapshot_of_a_cluster_waits_for_every_node() {
    let options = Options {
        cluster: true,
        snapshot: true,
        ..json()
    };
    let mut transcript = Transcript::new(options);
    let mut out = Vec::new();
    for node in ["n1", "n2"] {
        let step = transcript.update(of_node(node, SourceState::Connecting), &mut out);
        assert_eq!(step, Step::More);
    }
    assert_eq!(transcript.update(greets("n1", 1), &mut out), Step::Began);
    assert_eq!(
        transcript.update(batch(vec![open_socket()], vec![]), &mut out),
        Step::More
    );
    let lost = SourceState::Lost("no BTF".to_owned());
    assert_eq!(
        transcript.update(of_node("n2", lost), &mut out),
        Step::Enough
    );
}
