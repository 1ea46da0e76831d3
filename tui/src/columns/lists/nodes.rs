//! One row per node.

use collector::model::{Degraded, Hello, HookKind, Node, SourceState};

use super::{Item, ListColumn, Look, Said, figure, word};

#[rustfmt::skip] // A table.
pub(super) const COLUMNS: [ListColumn; 13] = [
    word("NODE", [12, 24, 40], |i, _| of(i, |n| Said::text(Some(&*n.name)))),
    word("STATE", [10, 10, 10], |i, _| of(i, state)),
    word("VIA", [5, 12, 12], |i, _| of(i, via)),
    figure("RATE", 5, |i, at| of(i, |n| Said::Count(n.rate.last(at.moment.now).into()))),
    word("MINUTE", [20, 60, 60], |i, at| of(i, |n| Said::Spark(Box::new(n.rate.series(at.moment.now))))),
    figure("EVENTS", 8, |i, _| of(i, |n| Said::Count(n.events))),
    figure("LOST", 7, |i, _| of(i, |n| Said::Bad(n.losses.total()))),
    word("VERSION", [8, 8, 16], |i, _| of(i, |n| Said::text(n.hello.as_ref().and_then(|h| h.version.as_deref())))),
    word("KERNEL", [12, 20, 32], |i, _| of(i, |n| Said::text(n.hello.as_ref().map(|h| &*h.kernel)))),
    word("HOOK", [9, 9, 9], |i, _| of(i, hook)),
    figure("SEEDED", 7, |i, _| of(i, |n| n.hello.as_ref().map_or(Said::Unknown, |h| Said::Count(h.seeded)))),
    word("LOSSES", [16, 40, 60], |i, _| of(i, losses)),
    word("WHY", [16, 60, 100], |i, _| of(i, why)),
];

pub(super) const DROP: &[&str] = &["LOSSES", "MINUTE", "SEEDED", "HOOK", "KERNEL", "VERSION"];

fn of<'a>(item: Item<'a>, say: impl Fn(&'a Node) -> Said<'a>) -> Said<'a> {
    match item {
        Item::Node(node) => say(node),
        _ => Said::Unknown,
    }
}

/// Those that are lost stand first.
fn state(node: &Node) -> Said<'_> {
    match node.state {
        SourceState::Lost(_) => Said::Letter("lost", 0, Look::Bad),
        SourceState::Connecting => Said::Letter("connecting", 1, Look::Note),
        SourceState::Live => Said::Letter("live", 2, Look::Good),
        SourceState::Ended => Said::Letter("ended", 3, Look::Note),
    }
}

/// The way that its events come, where there is more than one.
fn via(node: &Node) -> Said<'_> {
    node.via
        .map_or(Said::Unknown, |via| Said::Word(via.word(), Look::Plain))
}

/// The hook that sees accepts: `poll` where there are none.
fn hook(node: &Node) -> Said<'_> {
    let Some(hello) = &node.hello else {
        return Said::Unknown;
    };
    let word = hello.accept_hook.map(HookKind::word);
    word.map_or(Said::Unknown, |word| Said::Word(word, Look::Plain))
}

/// `ring 1,200 queue 7`.
fn losses(node: &Node) -> Said<'_> {
    let kinds = node.losses.iter();
    let texts = kinds.map(|(kind, n)| format!("{} {}", kind.word(), collector::format::count(n)));
    let text = texts.collect::<Vec<_>>().join(" ");
    Said::text((!text.is_empty()).then_some(text))
}

/// Of a node that is not lost: what is not known there.
fn degraded(hello: &Hello) -> Option<String> {
    let words: Vec<_> = hello.degraded.iter().map(Degraded::word).collect();
    (!words.is_empty()).then(|| format!("degraded: {}", words.join(", ")))
}

fn why(node: &Node) -> Said<'_> {
    match &node.state {
        SourceState::Lost(why) => Said::Text(why.into()),
        _ => Said::text(node.hello.as_ref().and_then(degraded)),
    }
}
