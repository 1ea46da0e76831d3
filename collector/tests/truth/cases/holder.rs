//! Who holds a socket at the moment when the other side ends its connection: not who opened it, if that
//! process has let go of it, or has another name by now.

use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU32, Ordering};

use collector::model::Reason;
use rustix::process::Signal;

use super::cases;
use super::connect::errno;
use super::ending::Pair;
use crate::actor::{Actor, Done, Op, V4, Who};
use crate::case::{Case, Fallible};
use crate::story::Story;

cases! { "holder":
    child_after_accept_and_fork,
    both_after_fork,
    heir_after_passing,
    heir_after_passing_and_exit,
    nobody_while_in_flight,
    under_a_new_name,
    in_a_new_cgroup,
    many_descriptors_before_it,
    named_as_if_it_were_ours,
}

/// The client resets, after `change` has said who has the server's end by now.
fn reset_of(case: &Case, change: impl FnOnce(&mut Pair) -> Fallible<Option<Who>>) -> Fallible<()> {
    let mut p = Pair::open()?;
    let holder = change(&mut p)?;
    p.client.does(Op::Linger {
        fd: p.c.fd,
        seconds: 0,
    })?;
    let x = p.client.closes(p.c.fd)?;
    let ending = p.accepted().ended(
        holder.as_ref(),
        x.window,
        Reason::ResetByPeer,
        errno(libc::ECONNRESET),
    );
    case.expect(&[p.connected().closed(&x, Reason::ResetSent), ending])
}

fn now(actor: &mut Actor) -> Fallible<Option<Who>> {
    Ok(Some(actor.does(Op::Hello)?.who))
}

/// A server that forks for each connection, and closes its own copy.
fn child_after_accept_and_fork(case: &Case) -> Fallible<()> {
    let mut child = None;
    reset_of(case, |p| {
        let mut forked = p.server.forks()?;
        p.server.closes(p.a.fd)?;
        let holder = now(&mut forked);
        child = Some(forked);
        holder
    })
}

/// It still has it, and its child has it too.
fn both_after_fork(case: &Case) -> Fallible<()> {
    let mut child = None;
    reset_of(case, |p| {
        child = Some(p.server.forks()?);
        now(&mut p.server)
    })
}

fn heir_after_passing(case: &Case) -> Fallible<()> {
    let mut heir = Actor::start()?;
    reset_of(case, |p| {
        p.server.passes(p.a.fd, &mut heir)?;
        p.server.closes(p.a.fd)?;
        now(&mut heir)
    })
}

fn heir_after_passing_and_exit(case: &Case) -> Fallible<()> {
    let mut heir = Actor::start()?;
    reset_of(case, |p| {
        p.server.passes(p.a.fd, &mut heir)?;
        p.server.exits(0)?;
        now(&mut heir)
    })
}

/// It was passed on, and not taken yet.
fn nobody_while_in_flight(case: &Case) -> Fallible<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("flight");
    let _flight = UnixListener::bind(&path)?;
    reset_of(case, |p| {
        p.server.does(Op::Pass { fd: p.a.fd, path })?;
        p.server.closes(p.a.fd)?;
        Ok(None)
    })
}

fn under_a_new_name(case: &Case) -> Fallible<()> {
    reset_of(case, |p| {
        p.server.does(Op::Rename {
            comm: b"renamed".to_vec(),
        })?;
        now(&mut p.server)
    })
}

fn in_a_new_cgroup(case: &Case) -> Fallible<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "tcpscope-held-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let said = reset_of(case, |p| {
        p.server.does(Op::OwnCgroup { name: name.clone() })?;
        now(&mut p.server)
    });
    super::owner::remove_cgroup(&name)?;
    said
}

/// The probes look through some hundred descriptors at the most; a client's is not known to them.
fn many_descriptors_before_it(case: &Case) -> Fallible<()> {
    const BEFORE: usize = 700;
    let (mut client, mut server) = Actor::pair()?;
    let first = client.socket(V4)?;
    for _ in 0..BEFORE {
        client.does(Op::Dup { fd: first })?;
    }
    let listener = server.listens(V4)?;
    let c = client.connects(listener.addr)?;
    let a = server.accepts(listener)?;
    server.does(Op::Linger {
        fd: a.fd,
        seconds: 0,
    })?;
    let y = server.closes(a.fd)?;
    case.expect(&[
        Story::connected(&c).ended(
            Some(&c.done.who),
            y.window,
            Reason::ResetByPeer,
            errno(libc::ECONNRESET),
        ),
        Story::accepted(&a, &c).closed(&y, Reason::ResetSent),
    ])
}

/// Whatever a program calls itself, its own closings are its own, and so is how it ended.
fn named_as_if_it_were_ours(case: &Case) -> Fallible<()> {
    for name in ["tcpscope-looks", "seed"] {
        let named = |actor: &mut Actor| -> Fallible<()> {
            let comm = name.into();
            actor.does(Op::Rename { comm }).map(drop)
        };
        let close = |p: &mut Pair| -> Fallible<(Done, Reason)> {
            named(&mut p.client)?;
            Ok((p.client.is_killed(Signal::KILL)?, Reason::Killed))
        };
        let by_child = |p: &mut Pair| -> Fallible<(Done, Reason)> {
            let mut child = p.client.forks()?;
            named(&mut child)?;
            p.client.closes(p.c.fd)?;
            Ok((child.closes(p.c.fd)?, Reason::FinLocal))
        };
        for end in [&close as &dyn Fn(&mut Pair) -> _, &by_child] {
            let mut p = Pair::open()?;
            let (x, reason) = end(&mut p)?;
            p.server.drains(p.a.fd)?;
            let y = p.server.closes(p.a.fd)?;
            case.expect(&[
                p.connected().closed(&x, reason),
                p.accepted().closed(&y, Reason::FinRemote),
            ])?;
        }
    }
    Ok(())
}
