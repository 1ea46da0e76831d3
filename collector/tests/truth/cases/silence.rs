//! Peers that do not answer: time-outs, retransmissions, and connects that are given up.

use std::net::SocketAddr;

use collector::model::Reason;
use rustix::process::Signal;

use super::cases;
use super::connect::errno;
use super::ending::Pair;
use crate::actor::{Actor, Conn, Fd, Listener, Op, V4};
use crate::case::{Case, Fallible, no};
use crate::story::Story;

cases! { "silence":
    keepalive,
    retransmission,
    heard_again,
    connect_times_out_by_count,
    connect_times_out_by_user_timeout,
    connect_closed,
    connect_killed,
    connect_exited,
    stopped_in_connect_until_established,
    stopped_in_connect_until_refused,
    connect_again_after_refusal,
}

/// A listener that drops every packet.
fn deaf(server: &mut Actor) -> Fallible<Listener> {
    let listener = server.listens(V4)?;
    server.does(Op::Deafen { fd: listener.fd })?;
    Ok(listener)
}

/// A socket with a name, that blocks or not.
fn named(client: &mut Actor, flags: i32) -> Fallible<(Fd, SocketAddr)> {
    let fd = client.socket_with(V4, flags, libc::IPPROTO_TCP)?;
    let done = client.does(Op::Bind { fd, addr: V4 })?;
    Ok((fd, done.local.ok_or_else(no("name"))?))
}

fn keepalive(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    p.server.does(Op::Deafen { fd: p.a.fd })?;
    let fd = p.c.fd;
    p.client
        .sets(fd, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, 1)?;
    p.client
        .sets(fd, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, 1)?;
    p.client.sets(fd, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 1)?;
    let begin = p.client.sets(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)?;
    let gone = p.client.tries(Op::Recv { fd, bytes: 1 })?;
    gone.fails_with(libc::ETIMEDOUT)?;
    p.server.does(Op::Hear { fd: p.a.fd })?;
    let y = p.server.closes(p.a.fd)?;
    case.expect(&[
        p.connected().ended(
            Some(&p.c.done.who),
            begin.window.until(gone.window),
            Reason::Keepalive,
            errno(libc::ETIMEDOUT),
        ),
        p.accepted().closed(&y, Reason::FinLocal),
    ])
}

fn retransmission(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    p.server.does(Op::Deafen { fd: p.a.fd })?;
    let fd = p.c.fd;
    p.client
        .sets(fd, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, 500)?;
    let begin = p.client.sends(fd, 9)?;
    let gone = p.client.tries(Op::Recv { fd, bytes: 1 })?;
    gone.fails_with(libc::ETIMEDOUT)?;
    p.server.does(Op::Hear { fd: p.a.fd })?;
    let y = p.server.closes(p.a.fd)?;
    case.expect(&[
        p.connected()
            .ended(
                Some(&p.c.done.who),
                begin.window.until(gone.window),
                Reason::Timeout,
                errno(libc::ETIMEDOUT),
            )
            .bytes(9, 0)
            .sent_again(),
        p.accepted().closed(&y, Reason::FinLocal),
    ])
}

/// What is lost is sent again, and counts once.
fn heard_again(case: &Case) -> Fallible<()> {
    const MUCH: usize = 100_000;
    let mut p = Pair::open()?;
    p.server.does(Op::Deafen { fd: p.a.fd })?;
    p.client.sends(p.c.fd, MUCH)?;
    // The timer of the first segments goes off at least once before the server hears.
    p.client.does(Op::SentAgain { fd: p.c.fd })?;
    p.server.does(Op::Hear { fd: p.a.fd })?;
    p.server.receives(p.a.fd, MUCH)?;
    let y = p.server.closes(p.a.fd)?;
    p.client.drains(p.c.fd)?;
    let x = p.client.closes(p.c.fd)?;
    case.expect(&[
        p.connected()
            .closed(&x, Reason::FinRemote)
            .bytes(MUCH as u64, 0)
            .sent_again(),
        p.accepted()
            .closed(&y, Reason::FinLocal)
            .bytes(0, MUCH as u64)
            .may_send_again(),
    ])
}

fn times_out(case: &Case, option: i32, value: i32) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = deaf(&mut server)?;
    let (fd, local) = named(&mut client, 0)?;
    client.sets(fd, libc::IPPROTO_TCP, option, value)?;
    let addr = listener.addr;
    let connect = client.tries(Op::Connect { fd, addr })?;
    connect.fails_with(libc::ETIMEDOUT)?;
    client.closes(fd)?;
    case.expect(&[Story::failed(
        &connect,
        local,
        addr,
        connect.window,
        Reason::Timeout,
        errno(libc::ETIMEDOUT),
    )])
}

fn connect_times_out_by_count(case: &Case) -> Fallible<()> {
    times_out(case, libc::TCP_SYNCNT, 1)
}

fn connect_times_out_by_user_timeout(case: &Case) -> Fallible<()> {
    times_out(case, libc::TCP_USER_TIMEOUT, 500)
}

/// Gives up in `SYN_SENT` by what `give_up` does.
fn given_up(
    case: &Case,
    give_up: impl FnOnce(&mut Actor, Fd) -> Fallible<crate::actor::Done>,
) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = deaf(&mut server)?;
    let (fd, local) = named(&mut client, libc::SOCK_NONBLOCK)?;
    let addr = listener.addr;
    let connect = client.tries(Op::Connect { fd, addr })?;
    connect.fails_with(libc::EINPROGRESS)?;
    let end = give_up(&mut client, fd)?;
    case.expect(&[
        Story::failed(&connect, local, addr, end.window, Reason::Aborted, None)
            .took_since(connect.window),
    ])
}

fn connect_closed(case: &Case) -> Fallible<()> {
    given_up(case, Actor::closes)
}

fn connect_killed(case: &Case) -> Fallible<()> {
    given_up(case, |client, _| client.is_killed(Signal::KILL))
}

fn connect_exited(case: &Case) -> Fallible<()> {
    given_up(case, |client, _| client.exits(3))
}

/// The process sleeps through the end of its own connect.
fn stopped_in_connect_until_established(case: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = deaf(&mut server)?;
    let fd = client.socket(V4)?;
    let addr = listener.addr;
    let connecting = client.begin(&Op::Connect { fd, addr })?;
    client.is_blocked_in(libc::SYS_connect)?;
    client.signal(Signal::STOP)?;
    server.does(Op::Hear { fd: listener.fd })?;
    let a = server.accepts(listener)?;
    client.signal(Signal::CONT)?;
    let c = Conn::new(fd, client.finish(connecting)?)?;
    let x = client.closes(fd)?;
    server.drains(a.fd)?;
    let y = server.closes(a.fd)?;
    case.expect(&[
        Story::connected(&c)
            .closed(&x, Reason::FinLocal)
            .may_send_again(),
        Story::accepted(&a, &c).closed(&y, Reason::FinRemote),
    ])
}

fn stopped_in_connect_until_refused(case: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = deaf(&mut server)?;
    let (fd, local) = named(&mut client, 0)?;
    let addr = listener.addr;
    let connecting = client.begin(&Op::Connect { fd, addr })?;
    client.is_blocked_in(libc::SYS_connect)?;
    client.signal(Signal::STOP)?;
    server.closes(listener.fd)?;
    let story = |connect: &crate::actor::Done| {
        Story::failed(
            connect,
            local,
            addr,
            connect.window,
            Reason::Refused,
            errno(libc::ECONNREFUSED),
        )
    };
    crate::case::until(|| client.has_no_socket(local, addr).unwrap_or(false))?;
    client.signal(Signal::CONT)?;
    let connect = client.finish(connecting)?;
    connect.fails_with(libc::ECONNREFUSED)?;
    case.expect(&[story(&connect)])
}

/// The same socket tries once more, and succeeds.
fn connect_again_after_refusal(case: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let (nobody, addr) = server.bound(V4)?;
    let (fd, local) = named(&mut client, 0)?;
    let refused = client.tries(Op::Connect { fd, addr })?;
    refused.fails_with(libc::ECONNREFUSED)?;
    server.does(Op::Listen {
        fd: nobody,
        backlog: 1,
    })?;
    let listener = Listener { fd: nobody, addr };
    let c = Conn::new(fd, client.does(Op::Connect { fd, addr })?)?;
    let a = server.accepts(listener)?;
    let x = client.closes(fd)?;
    server.drains(a.fd)?;
    let y = server.closes(a.fd)?;
    case.expect(&[
        Story::failed(
            &refused,
            local,
            addr,
            refused.window,
            Reason::Refused,
            errno(libc::ECONNREFUSED),
        ),
        Story::connected(&c).closed(&x, Reason::FinLocal),
        Story::accepted(&a, &c).closed(&y, Reason::FinRemote),
    ])
}
