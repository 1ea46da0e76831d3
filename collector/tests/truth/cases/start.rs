//! What was there before the tracer: each case has a tracer of its own, which starts in the middle.

use collector::model::Reason;

use super::cases;
use super::connect::errno;
use super::ending::Pair;
use crate::actor::{Acceptor, Actor, Conn, Op, V4};
use crate::case::{Case, Fallible, Stop};
use crate::story::Story;
use crate::trace::Tracer;

cases! { "start":
    closed_after,
    killed_after,
    reset_after,
    half_closed_before,
    queued_before_and_accepted_after,
    queued_before_closed_and_accepted_after,
    queued_before_reset_and_accepted_after,
    queued_before_and_never_accepted,
    connecting_before_and_established_after,
    connecting_before_and_refused_after,
}

fn tracer() -> Fallible<Tracer> {
    Tracer::start().map_err(Stop::Failed)
}

/// The stories of a pair without their openings.
fn both(p: &Pair) -> [Story; 2] {
    let netns = p.c.done.who.netns;
    [
        Story::of(netns, p.c.local, p.c.remote).before(&p.c.done.who),
        Story::of(netns, p.a.local, p.a.remote).before(&p.a.done.who),
    ]
}

fn closed_after(_: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    p.client.sends(p.c.fd, 4)?;
    p.server.receives(p.a.fd, 4)?;
    let tracer = tracer()?;
    p.client.sends(p.c.fd, 4)?;
    p.server.receives(p.a.fd, 4)?;
    let x = p.client.closes(p.c.fd)?;
    p.server.drains(p.a.fd)?;
    let y = p.server.closes(p.a.fd)?;
    let [c, a] = both(&p);
    Case::from_start(&tracer).expect(&[
        c.closed(&x, Reason::FinLocal).bytes(8, 0),
        a.closed(&y, Reason::FinRemote).bytes(0, 8),
    ])
}

fn killed_after(_: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    let tracer = tracer()?;
    let x = p.client.is_killed(rustix::process::Signal::KILL)?;
    p.server.drains(p.a.fd)?;
    let y = p.server.exits(0)?;
    let [c, a] = both(&p);
    Case::from_start(&tracer).expect(&[
        c.closed(&x, Reason::Killed),
        a.closed(&y, Reason::FinRemote),
    ])
}

/// The owner of a socket that ends without a call is known from the snapshot.
fn reset_after(_: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    let tracer = tracer()?;
    p.client.does(Op::Linger {
        fd: p.c.fd,
        seconds: 0,
    })?;
    let x = p.client.closes(p.c.fd)?;
    let gone = p.server.tries(Op::Recv {
        fd: p.a.fd,
        bytes: 1,
    })?;
    let [c, a] = both(&p);
    Case::from_start(&tracer).expect(&[
        c.closed(&x, Reason::ResetSent),
        a.ended(
            Some(&p.a.done.who),
            x.window.until(gone.window),
            Reason::ResetByPeer,
            errno(libc::ECONNRESET),
        ),
    ])
}

/// The FIN was before the start, and the socket still open for receiving.
fn half_closed_before(_: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    p.client.shuts(p.c.fd, libc::SHUT_WR)?;
    p.server.drains(p.a.fd)?;
    let tracer = tracer()?;
    let y = p.server.closes(p.a.fd)?;
    let end = p.client.drains(p.c.fd)?;
    p.client.closes(p.c.fd)?;
    let [c, a] = both(&p);
    Case::from_start(&tracer).expect(&[
        // When its FIN was sent is not known any more; the end is.
        c.closed_within(&p.c.done, y.window.until(end.window), Reason::FinLocal),
        a.closed(&y, Reason::FinRemote),
    ])
}

fn queued_before_and_accepted_after(_: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    let c = client.connects(listener.addr)?;
    let tracer = tracer()?;
    let a = server.accepts(listener)?;
    let x = client.closes(c.fd)?;
    server.drains(a.fd)?;
    let y = server.closes(a.fd)?;
    Case::from_start(&tracer).expect(&[
        Story::of(c.done.who.netns, c.local, c.remote)
            .before(&c.done.who)
            .closed(&x, Reason::FinLocal),
        Story::accepted(&a, &c)
            .since_unknown()
            .closed(&y, Reason::FinRemote),
    ])
}

/// The peer's FIN is the first that is seen of it.
fn queued_before_closed_and_accepted_after(_: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    let c = client.connects(listener.addr)?;
    let tracer = tracer()?;
    let x = client.closes(c.fd)?;
    let a = server.accepts(listener)?;
    server.drains(a.fd)?;
    let y = server.closes(a.fd)?;
    Case::from_start(&tracer).expect(&[
        Story::of(c.done.who.netns, c.local, c.remote)
            .before(&c.done.who)
            .closed(&x, Reason::FinLocal),
        Story::accepted(&a, &c)
            .since_unknown()
            .closed(&y, Reason::FinRemote),
    ])
}

/// It ends before it is accepted, and what ended was from before the start.
fn queued_before_reset_and_accepted_after(_: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    let c = client.connects(listener.addr)?;
    let tracer = tracer()?;
    client.does(Op::Linger {
        fd: c.fd,
        seconds: 0,
    })?;
    let x = client.closes(c.fd)?;
    let mut accepted = server.does(Op::Accept {
        fd: listener.fd,
        by: Acceptor::Accept,
    })?;
    (accepted.local, accepted.remote) = (Some(c.remote), Some(c.local));
    let a = Conn::new(crate::actor::as_fd(&accepted)?, accepted)?;
    server.closes(a.fd)?;
    Case::from_start(&tracer).expect(&[
        Story::of(c.done.who.netns, c.local, c.remote)
            .before(&c.done.who)
            .closed(&x, Reason::ResetSent),
        Story::accepted(&a, &c)
            .since_unknown()
            .ended(
                None,
                x.window.until(a.done.window),
                Reason::ResetByPeer,
                errno(libc::ECONNRESET),
            )
            .was_before()
            .any_order(),
    ])
}

fn queued_before_and_never_accepted(_: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    let c = client.connects(listener.addr)?;
    let tracer = tracer()?;
    let end = server.closes(listener.fd)?;
    let gone = client.tries(Op::Recv { fd: c.fd, bytes: 1 })?;
    let netns = c.done.who.netns;
    Case::from_start(&tracer).expect(&[
        Story::of(netns, c.local, c.remote)
            .before(&c.done.who)
            .ended(
                Some(&c.done.who),
                end.window.until(gone.window),
                Reason::ResetByPeer,
                errno(libc::ECONNRESET),
            ),
        Story::of(netns, c.remote, c.local)
            .before_by_nobody()
            .ended(None, end.window, Reason::ResetSent, None),
    ])
}

fn connecting_before_and_established_after(_: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    server.does(Op::Deafen { fd: listener.fd })?;
    let fd = client.socket(V4)?;
    let connecting = client.begin(&Op::Connect {
        fd,
        addr: listener.addr,
    })?;
    client.is_blocked_in(libc::SYS_connect)?;
    let tracer = tracer()?;
    server.does(Op::Hear { fd: listener.fd })?;
    let done = server.does(Op::Accept {
        fd: listener.fd,
        by: Acceptor::Accept,
    })?;
    let a = Conn::new(crate::actor::as_fd(&done)?, done)?;
    let c = Conn::new(fd, client.finish(connecting)?)?;
    let x = client.closes(fd)?;
    server.drains(a.fd)?;
    let y = server.closes(a.fd)?;
    Case::from_start(&tracer).expect(&[
        Story::connected(&c)
            .since_unknown()
            .closed(&x, Reason::FinLocal)
            .may_send_again(),
        Story::accepted(&a, &c).closed(&y, Reason::FinRemote),
    ])
}

fn connecting_before_and_refused_after(_: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    server.does(Op::Deafen { fd: listener.fd })?;
    let (fd, local) = client.bound(V4)?;
    let addr = listener.addr;
    let connecting = client.begin(&Op::Connect { fd, addr })?;
    client.is_blocked_in(libc::SYS_connect)?;
    let tracer = tracer()?;
    server.closes(listener.fd)?;
    let connect = client.finish(connecting)?;
    connect.fails_with(libc::ECONNREFUSED)?;
    Case::from_start(&tracer).expect(&[Story::failed(
        &connect,
        local,
        addr,
        connect.window,
        Reason::Refused,
        errno(libc::ECONNREFUSED),
    )
    .since_unknown()])
}
