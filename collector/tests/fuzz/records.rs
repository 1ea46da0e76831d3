//! Bytes from the ring, one record after the other: to events, to lines, and back.

use std::sync::Arc;

use collector::model::{Event, Origin};
use collector::probe::{Clock, Interpreter, Origins, Output};
use collector::wire::{Decoder, Encoder, Record};

use super::load::Host;
use super::mutate::play;

struct Anywhere;

impl Origins for Anywhere {
    fn origin(&mut self, _: u64) -> Arc<Origin> {
        Arc::new(Origin {
            node: "n1".into(),
            ..Origin::default()
        })
    }
}

/// Records, each behind a byte that tells how long it is.
fn joined(records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        bytes.push(u8::try_from(record.len()).expect("records are short"));
        bytes.extend_from_slice(record);
    }
    bytes
}

fn check(mut bytes: &[u8]) {
    let (mut interpreter, mut events) = (Interpreter::default(), Vec::new());
    let mut out = Output {
        events: &mut events,
        origins: &mut Anywhere,
        clock: Clock::with_offset(1_767_323_045_000_000_000),
    };
    let mut last = 0;
    while let Some((len, rest)) = bytes.split_first() {
        let (record, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        last = interpreter.bytes(record, &mut out).unwrap_or(last);
        interpreter.expire(last, &mut out);
        bytes = rest;
    }
    let half = interpreter.half_closed();
    interpreter.gone(half.iter().map(|half| half.conn));
    let due = interpreter.next_due_ns();
    interpreter.expire(due.unwrap_or_default(), &mut out);
    interpreter.finish(&mut out);
    assert_eq!(interpreter.next_due_ns(), None);
    events.iter().for_each(is_read_again);
}

fn is_read_again(event: &Event) {
    let mut line = Vec::new();
    Encoder::default().event(event, &mut line);
    match Decoder::default().line(&line) {
        // As they are shown: of a name that is no text more is not kept.
        Ok(Some(Record::Event(read))) => assert_eq!(format!("{read:?}"), format!("{event:?}")),
        other => panic!("{other:?}: {}", String::from_utf8_lossy(&line)),
    }
}

#[test]
fn fuzz_of_records() {
    let host = Host::new().expect("a host");
    // From the 64th on, one connection ends as the next one opens.
    let mut seeds: Vec<Vec<u8>> = (60..70).map(|i| joined(&host.records(i))).collect();
    let life = [host.records(6), host.records(70)].concat();
    seeds.push(joined(&life));
    play("records", seeds, &[], check);
}
