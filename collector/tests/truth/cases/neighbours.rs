//! Two tracers side by side: each says everything, and neither leaves anything behind.

use collector::model::Reason;

use super::cases;
use super::remembered::fdinfo;
use crate::actor::{Actor, V4};
use crate::case::{Case, Fallible, failed};
use crate::story::{self, Story};
use crate::trace::Tracer;

cases! { "neighbours":
    both_say_everything,
}

fn both_say_everything(case: &Case) -> Fallible<()> {
    let second = Tracer::start().or_else(failed)?;
    let since = second.log().events.len();
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    let c = client.connects(listener.addr)?;
    let a = server.accepts(listener)?;
    client.sends(c.fd, 10)?;
    server.receives(a.fd, 10)?;
    let x = client.closes(c.fd)?;
    server.drains(a.fd)?;
    let y = server.closes(a.fd)?;
    let stories = [
        Story::connected(&c)
            .closed(&x, Reason::FinLocal)
            .bytes(10, 0),
        Story::accepted(&a, &c)
            .closed(&y, Reason::FinRemote)
            .bytes(0, 10),
    ];
    case.expect(&stories)?;
    story::check(&second, since, &stories)?;
    let with_both = programs()?;
    drop(second);
    let with_one = programs()?;
    if with_one < with_both {
        return case.expect(&stories);
    }
    failed(format!("{with_both} programs, and then {with_one}"))
}

/// How many eBPF programs this process holds.
fn programs() -> Fallible<usize> {
    let of_program = fdinfo()?
        .into_iter()
        .filter(|fields| fields.contains_key("prog_id"));
    Ok(of_program.count())
}
