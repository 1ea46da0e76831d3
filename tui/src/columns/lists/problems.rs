//! One row per problem: failures between two of a kind, and findings.

use collector::export::peer as peer_name;
use collector::model::findings::Problem;
use collector::model::{Direction, Scoped, Store};

use super::{Item, ListColumn, Look, Said, figure, pods, word};

#[rustfmt::skip] // A table.
pub(super) const COLUMNS: [ListColumn; 9] = [
    word("!", [1, 1, 1], |i, _| of(i, mark)),
    word("PROBLEM", [15, 15, 15], |i, _| of(i, |p| Said::Word(p.word, Look::Bad))),
    figure("COUNT", 6, |i, _| of(i, |p| Said::Count(p.count))),
    figure("RATE", 4, |i, _| of(i, |p| Said::Count(p.rate.into()))),
    word("WHO", [16, 28, 50], |i, at| of(i, |p| who(p, at.store))),
    word("WHOM", [22, 32, 60], |i, at| of(i, |p| Said::Ends(whom(p, at.store).into()))),
    figure("FIRST", 8, |i, _| of(i, |p| Said::Time(p.first))),
    figure("LAST", 8, |i, _| of(i, |p| Said::Time(p.last))),
    word("MEANS", [24, 108, 108], |i, _| of(i, |p| Said::text(p.check.map(|c| c.explanation)))),
];

pub(super) const DROP: &[&str] = &["MEANS", "FIRST"];

fn of<'a>(item: Item<'a>, say: impl Fn(&'a Problem) -> Said<'a>) -> Said<'a> {
    match item {
        Item::Problem(problem) => say(problem),
        _ => Said::Unknown,
    }
}

/// A finding, or failures of which there are few.
fn mark(problem: &Problem) -> Said<'_> {
    match problem.check {
        Some(_) => Said::Letter("!", 0, Look::Bad),
        None => Said::Letter("-", 1, Look::Faint),
    }
}

fn who<'a>(problem: &Problem, store: &'a Store) -> Said<'a> {
    let workload = store.workloads().get(problem.pair.who);
    match (pods::name(workload), &workload.origin.namespace) {
        (Said::Ends(name), Some(namespace)) => Said::Ends(format!("{namespace}/{name}").into()),
        (said, _) => said,
    }
}

/// `-> svc/shop/cart:443` of connects, `<- 10.0.0.9 at 80` of accepts, `-- 10.0.0.9` where the
/// opening was not seen.
pub(crate) fn whom(problem: &Problem, store: &Store) -> String {
    let key = &problem.pair;
    let addr = Scoped::new(key.addr, key.scope);
    let named = store.pairs().get(key).and_then(|pair| pair.peer.clone());
    let name = named.as_ref().map(|peer| peer_name(peer).into_owned());
    match (key.direction, key.port, name) {
        (Direction::Out, Some(port), Some(name)) => format!("-> {name}:{port}"),
        (Direction::Out, Some(port), None) => {
            format!("-> {}", addr.with_port(port))
        }
        (Direction::In, Some(port), name) => {
            format!("<- {} at {port}", name.unwrap_or_else(|| addr.to_string()))
        }
        (_, _, name) => format!("-- {}", name.unwrap_or_else(|| addr.to_string())),
    }
}
