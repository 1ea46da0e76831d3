//! One row per event type and reason.

use collector::model::{EventType, Kind, KindTally, Phase};

use super::{Item, ListColumn, Look, Said, figure, word};
use crate::words;

#[rustfmt::skip] // A table.
pub(super) const COLUMNS: [ListColumn; 8] = [
    word("T", [1, 1, 1], |i, _| of(i, |k, _| letter(k.kind))),
    word("REASON", [13, 13, 13], |i, _| of(i, |k, _| reason(k))),
    figure("COUNT", 11, |i, _| of(i, |_, t| Said::Count(t.count))),
    figure("RATE", 5, |i, at| of(i, |_, t| Said::Count(t.rate.last(at.moment.now).into()))),
    word("MINUTE", [20, 60, 60], |i, at| of(i, |_, t| Said::Spark(Box::new(t.rate.series(at.moment.now))))),
    figure("FIRST", 12, |i, _| of(i, |_, t| Said::Time(t.first))),
    figure("LAST", 12, |i, _| of(i, |_, t| Said::Time(t.last))),
    word("MEANS", [24, 60, 60], |i, _| of(i, |k, _| Said::Word(meaning(k), Look::Faint))),
];

pub(super) const DROP: &[&str] = &["MEANS", "FIRST"];

fn of<'a>(item: Item<'a>, say: impl Fn(Kind, &'a KindTally) -> Said<'a>) -> Said<'a> {
    match item {
        Item::Type(kind, tally) => say(kind, tally),
        _ => Said::Unknown,
    }
}

fn letter(kind: EventType) -> Said<'static> {
    Said::Letter(kind.letter(), kind as u8, Look::Type(kind as u8))
}

fn reason(kind: Kind) -> Said<'static> {
    let look = |failure| if failure { Look::Bad } else { Look::Plain };
    match kind.reason {
        Some(reason) => Said::Word(reason.word(), look(is_failure(kind))),
        None => Said::Unknown,
    }
}

/// As for an event: a connect with a reason has failed, and other reasons are those of endings.
fn is_failure(kind: Kind) -> bool {
    match kind.kind {
        EventType::Connect => kind.reason.is_some(),
        _ => kind
            .reason
            .is_some_and(collector::model::Reason::is_unwanted),
    }
}

fn meaning(kind: Kind) -> &'static str {
    let opens = kind.kind == EventType::Connect;
    let phase = if opens { Phase::Open } else { Phase::End };
    let reason = words::reason_of(kind.reason, Some(kind.kind), Some(phase));
    reason.unwrap_or(match kind.kind {
        EventType::Connect => "connected",
        EventType::Accept => "accepted by a process",
        EventType::Close => "closed by a process",
        EventType::Unknown => "established or ended, by no call of a process",
    })
}
