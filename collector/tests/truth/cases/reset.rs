//! Resets: sent, received, and made by a third party.

use collector::model::Reason;

use super::cases;
use super::connect::errno;
use super::ending::Pair;
use crate::actor::{Actor, Op, V4};
use crate::case::{Case, Fallible};
use crate::story::Story;

cases! { "reset":
    by_linger,
    by_unread_data,
    by_exit_with_unread_data,
    after_the_fin,
    by_disconnect,
    by_sock_destroy,
    of_a_half_closed_socket,
}

const RESET: i32 = libc::ECONNRESET;

fn by_linger(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    p.client.sends(p.c.fd, 7)?;
    p.server.receives(p.a.fd, 7)?;
    p.client.does(Op::Linger {
        fd: p.c.fd,
        seconds: 0,
    })?;
    let x = p.client.closes(p.c.fd)?;
    let gone = p.server.tries(Op::Recv {
        fd: p.a.fd,
        bytes: 1,
    })?;
    gone.fails_with(RESET)?;
    case.expect(&[
        p.connected().closed(&x, Reason::ResetSent).bytes(7, 0),
        p.accepted()
            .ended(
                Some(&p.a.done.who),
                x.window.until(gone.window),
                Reason::ResetByPeer,
                errno(RESET),
            )
            .bytes(0, 7),
    ])
}

fn by_unread_data(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    p.client.sends(p.c.fd, 7)?;
    p.server.waits_for_data(p.a.fd)?;
    let y = p.server.closes(p.a.fd)?;
    let gone = p.client.tries(Op::Recv {
        fd: p.c.fd,
        bytes: 1,
    })?;
    gone.fails_with(RESET)?;
    case.expect(&[
        p.connected()
            .ended(
                Some(&p.c.done.who),
                y.window.until(gone.window),
                Reason::ResetByPeer,
                errno(RESET),
            )
            .bytes(7, 0),
        p.accepted().closed(&y, Reason::ResetSent).bytes(0, 7),
    ])
}

fn by_exit_with_unread_data(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    p.client.sends(p.c.fd, 7)?;
    p.server.waits_for_data(p.a.fd)?;
    let y = p.server.exits(0)?;
    let gone = p.client.tries(Op::Recv {
        fd: p.c.fd,
        bytes: 1,
    })?;
    gone.fails_with(RESET)?;
    case.expect(&[
        p.connected()
            .ended(
                Some(&p.c.done.who),
                y.window.until(gone.window),
                Reason::ResetByPeer,
                errno(RESET),
            )
            .bytes(7, 0),
        p.accepted().closed(&y, Reason::ResetSent).bytes(0, 7),
    ])
}

/// The server has closed, and answers with a reset to what the client still sends: `EPIPE`.
fn after_the_fin(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    let y = p.server.closes(p.a.fd)?;
    p.client.drains(p.c.fd)?;
    let sent = p.client.sends(p.c.fd, 6)?;
    let gone = p.client.tries(Op::Send {
        fd: p.c.fd,
        bytes: 1,
    })?;
    gone.fails_with(libc::EPIPE)?;
    case.expect(&[
        p.connected()
            .ended(
                Some(&p.c.done.who),
                sent.window.until(gone.window),
                Reason::ResetByPeer,
                errno(libc::EPIPE),
            )
            .bytes(6, 0),
        p.accepted().closed(&y, Reason::FinLocal),
    ])
}

/// `connect()` with `AF_UNSPEC` resets, and the same socket connects again.
fn by_disconnect(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    let x = p.client.does(Op::Disconnect { fd: p.c.fd })?;
    let gone = p.server.tries(Op::Recv {
        fd: p.a.fd,
        bytes: 1,
    })?;
    gone.fails_with(RESET)?;
    let first = Pair::open()?;
    let mut other = first.server;
    let listener = other.listens(V4)?;
    let again = p.client.does(Op::Connect {
        fd: p.c.fd,
        addr: listener.addr,
    })?;
    let again = crate::actor::Conn::new(p.c.fd, again)?;
    let a = other.accepts(listener)?;
    let z = p.client.closes(p.c.fd)?;
    other.drains(a.fd)?;
    let w = other.closes(a.fd)?;
    case.expect(&[
        p.connected().closed(&x, Reason::ResetSent),
        p.accepted().ended(
            Some(&p.a.done.who),
            x.window.until(gone.window),
            Reason::ResetByPeer,
            errno(RESET),
        ),
        Story::connected(&again).closed(&z, Reason::FinLocal),
        Story::accepted(&a, &again).closed(&w, Reason::FinRemote),
    ])
}

/// A third process ends the client's socket through `sock_diag`, as `ss -K` does.
fn by_sock_destroy(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    let mut third = Actor::start()?;
    let destroy = third.tries(Op::Destroy {
        local: p.c.local,
        remote: p.c.remote,
    })?;
    if destroy.result == Err(libc::EOPNOTSUPP) {
        return crate::case::lacking("CONFIG_INET_DIAG_DESTROY is not set");
    }
    destroy.ok()?;
    let gone = p.server.tries(Op::Recv {
        fd: p.a.fd,
        bytes: 1,
    })?;
    gone.fails_with(RESET)?;
    case.expect(&[
        p.connected().ended(
            Some(&p.c.done.who),
            destroy.window,
            Reason::Aborted,
            errno(libc::ECONNABORTED),
        ),
        p.accepted().ended(
            Some(&p.a.done.who),
            destroy.window.until(gone.window),
            Reason::ResetByPeer,
            errno(RESET),
        ),
    ])
}

/// The client has sent its FIN, and gets a reset instead of the server's. It had closed one way
/// only, and the other one it did not close.
fn of_a_half_closed_socket(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    p.client.shuts(p.c.fd, libc::SHUT_WR)?;
    p.server.drains(p.a.fd)?;
    p.server.does(Op::Linger {
        fd: p.a.fd,
        seconds: 0,
    })?;
    let y = p.server.closes(p.a.fd)?;
    let gone = p.client.tries(Op::Recv {
        fd: p.c.fd,
        bytes: 1,
    })?;
    gone.fails_with(RESET)?;
    case.expect(&[
        p.connected().ended(
            Some(&p.c.done.who),
            y.window.until(gone.window),
            Reason::ResetByPeer,
            errno(RESET),
        ),
        p.accepted().closed(&y, Reason::ResetSent),
    ])
}
