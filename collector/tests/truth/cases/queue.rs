//! Connections that nobody accepts, or that are over before somebody does.

use collector::model::Reason;

use super::cases;
use super::connect::errno;
use crate::actor::{Actor, Conn, Listener, Op, V4};
use crate::case::{Case, Fallible};
use crate::story::Story;

cases! { "queue":
    listener_closed,
    listener_killed,
    reset_while_queued,
    reset_while_queued_and_accepted,
    closed_while_queued_and_accepted,
    closed_while_queued_and_listener_closed,
}

const RESET: i32 = libc::ECONNRESET;

fn queued() -> Fallible<(Actor, Actor, Listener, Conn)> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    let c = client.connects(listener.addr)?;
    Ok((client, server, listener, c))
}

fn never_accepted(c: &Conn) -> Story {
    Story::opened_by_nobody(c.done.who.netns, c.remote, c.local, c.done.window)
}

fn linger(client: &mut Actor, c: &Conn) -> Fallible<crate::actor::Done> {
    client.does(Op::Linger {
        fd: c.fd,
        seconds: 0,
    })?;
    client.closes(c.fd)
}

fn listener_ends(
    case: &Case,
    end: impl FnOnce(&mut Actor, Listener) -> Fallible<crate::actor::Done>,
) -> Fallible<()> {
    let (mut client, mut server, listener, c) = queued()?;
    client.sends(c.fd, 5)?;
    let end = end(&mut server, listener)?;
    let gone = client.tries(Op::Recv { fd: c.fd, bytes: 1 })?;
    gone.fails_with(RESET)?;
    case.expect(&[
        Story::connected(&c)
            .ended(
                Some(&c.done.who),
                end.window.until(gone.window),
                Reason::ResetByPeer,
                errno(RESET),
            )
            .bytes(5, 0),
        never_accepted(&c)
            .ended(None, end.window, Reason::ResetSent, None)
            .bytes(0, 5),
    ])
}

fn listener_closed(case: &Case) -> Fallible<()> {
    listener_ends(case, |server, listener| server.closes(listener.fd))
}

fn listener_killed(case: &Case) -> Fallible<()> {
    listener_ends(case, |server, _| {
        server.is_killed(rustix::process::Signal::KILL)
    })
}

fn reset_while_queued(case: &Case) -> Fallible<()> {
    let (mut client, mut server, listener, c) = queued()?;
    let x = linger(&mut client, &c)?;
    // A reset is handled before the next packet: a connection through the same queue is behind it.
    let after = client.connects(listener.addr)?;
    let end = server.closes(listener.fd)?;
    let gone = client.tries(Op::Recv {
        fd: after.fd,
        bytes: 1,
    })?;
    gone.fails_with(RESET)?;
    case.expect(&[
        Story::connected(&c).closed(&x, Reason::ResetSent),
        never_accepted(&c)
            .ended(
                None,
                x.window.until(after.done.window),
                Reason::ResetByPeer,
                errno(RESET),
            )
            .any_order(),
        Story::connected(&after).ended(
            Some(&c.done.who),
            end.window.until(gone.window),
            Reason::ResetByPeer,
            errno(RESET),
        ),
        never_accepted(&after).ended(None, end.window, Reason::ResetSent, None),
    ])
}

fn reset_while_queued_and_accepted(case: &Case) -> Fallible<()> {
    let (mut client, mut server, listener, c) = queued()?;
    let x = linger(&mut client, &c)?;
    let mut accepted = server.tries(Op::Accept {
        fd: listener.fd,
        by: crate::actor::Acceptor::Accept,
    })?;
    let fd = crate::actor::as_fd(&accepted)?;
    // A socket that is over has no peer's name any more.
    (accepted.local, accepted.remote) = (Some(c.remote), Some(c.local));
    let a = Conn::new(fd, accepted)?;
    server.closes(fd)?;
    case.expect(&[
        Story::connected(&c).closed(&x, Reason::ResetSent),
        Story::accepted(&a, &c)
            .ended(
                None,
                x.window.until(a.done.window),
                Reason::ResetByPeer,
                errno(RESET),
            )
            .any_order(),
    ])
}

/// The peer has come and gone, and that is an ordinary connection.
fn closed_while_queued_and_accepted(case: &Case) -> Fallible<()> {
    let (mut client, mut server, listener, c) = queued()?;
    client.sends(c.fd, 5)?;
    let x = client.closes(c.fd)?;
    let a = server.accepts(listener)?;
    server.drains(a.fd)?;
    let y = server.closes(a.fd)?;
    case.expect(&[
        Story::connected(&c)
            .closed(&x, Reason::FinLocal)
            .bytes(5, 0),
        Story::accepted(&a, &c)
            .closed(&y, Reason::FinRemote)
            .bytes(0, 5),
    ])
}

fn closed_while_queued_and_listener_closed(case: &Case) -> Fallible<()> {
    let (mut client, mut server, listener, c) = queued()?;
    client.sends(c.fd, 5)?;
    let x = client.closes(c.fd)?;
    let end = server.closes(listener.fd)?;
    case.expect(&[
        Story::connected(&c)
            .closed(&x, Reason::FinLocal)
            .bytes(5, 0),
        never_accepted(&c)
            .ended(None, end.window, Reason::ResetSent, None)
            .bytes(0, 5),
    ])
}
