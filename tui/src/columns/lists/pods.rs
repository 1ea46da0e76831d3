//! One row per workload: a pod, else a container or unit, else a command.

use collector::export::peer as peer_name;
use collector::model::{Counts, EventType, Reason, Workload};

use super::{At, Item, ListColumn, Said, figure, word};

#[rustfmt::skip] // A table.
pub(super) const COLUMNS: [ListColumn; 13] = [
    word("NODE", [8, 12, 30], |i, _| of(i, |w| Said::text(Some(&*w.origin.node)))),
    word("NAMESPACE", [9, 12, 30], |i, _| of(i, |w| Said::text(w.origin.namespace.as_deref()))),
    word("WORKLOAD", [14, 30, 63], |i, _| of(i, name)),
    figure("OPEN", 5, |i, _| of(i, |w| Said::Count(w.open))),
    figure("C/s", 4, |i, at| rate(i, at, EventType::Connect)),
    figure("A/s", 4, |i, at| rate(i, at, EventType::Accept)),
    figure("X/s", 4, |i, at| rate(i, at, EventType::Close)),
    figure("U/s", 4, |i, at| rate(i, at, EventType::Unknown)),
    figure("FAILED", 6, |i, _| of(i, |w| Said::Bad(w.failures))),
    figure("TX", 7, |i, _| of(i, |w| Said::Bytes(w.tx_bytes))),
    figure("RX", 7, |i, _| of(i, |w| Said::Bytes(w.rx_bytes))),
    word("PEER", [12, 24, 48], |i, _| of(i, peer)),
    word("FAILURES", [16, 32, 60], |i, _| of(i, |w| failures(&w.counts))),
];

pub(super) const DROP: &[&str] = &["FAILURES", "NODE", "PEER", "NAMESPACE", "RX", "TX"];

fn of<'a>(item: Item<'a>, say: impl Fn(&'a Workload) -> Said<'a>) -> Said<'a> {
    match item {
        Item::Pod(workload) => say(workload),
        _ => Said::Unknown,
    }
}

pub(super) fn name(workload: &Workload) -> Said<'_> {
    let origin = &workload.origin;
    let name = origin.pod.as_deref().or(origin.container.as_deref());
    match (name, workload.comm) {
        (Some(name), _) => Said::Ends(name.into()),
        (None, Some(comm)) => Said::Text(comm.to_text().into_owned().into()),
        (None, None) => Said::Unknown,
    }
}

fn rate<'a>(item: Item<'a>, at: At<'_>, kind: EventType) -> Said<'a> {
    of(item, |w| Said::Count(w.rate(kind, at.moment.now).into()))
}

/// Whom most of its connections are with, if that is certain.
fn peer(workload: &Workload) -> Said<'_> {
    let Some(top) = workload.peers.top() else {
        return Said::Unknown;
    };
    match &top.peer {
        Some(peer) => Said::Ends(peer_name(peer)),
        None => Said::Text(top.addr.to_string().into()),
    }
}

/// `refused 12, reset-by-peer 3`: failed connects and endings that nobody wanted, most first.
fn failures(counts: &Counts) -> Said<'static> {
    let kinds = EventType::ALL;
    let of = |reason: Reason| {
        kinds
            .iter()
            .map(|kind| counts.failures(*kind, reason))
            .sum()
    };
    let mut failures: Vec<(u64, Reason)> = Reason::ALL.into_iter().map(|r| (of(r), r)).collect();
    failures.retain(|(n, _)| *n > 0);
    failures.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
    let texts = failures
        .iter()
        .map(|(n, reason)| format!("{} {n}", reason.word()));
    let text = texts.collect::<Vec<_>>().join(", ");
    Said::text((!text.is_empty()).then_some(text))
}
