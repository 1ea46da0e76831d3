//! Endings in order: who closed first, by which call, and the bytes that had passed by then.

use collector::model::Reason;

use super::cases;
use crate::actor::{Actor, Conn, Op, V4};
use crate::case::{Case, Fallible};
use crate::story::Story;

cases! { "ending":
    closed_by_the_server,
    half_closed_by_the_client,
    half_closed_by_the_server,
    half_closed_until_the_peer_closes_too,
    half_closed_and_closed_while_the_peer_is_silent,
    shut_down_without_close,
    shut_down_for_receiving_first,
    both_at_once,
    bytes,
    ten_mebibytes_each_way,
    queued_when_the_peer_does_not_read,
}

/// A connected pair, accepted.
pub struct Pair {
    pub client: Actor,
    pub server: Actor,
    pub c: Conn,
    pub a: Conn,
}

impl Pair {
    pub fn open() -> Fallible<Self> {
        let (client, server) = Actor::pair()?;
        Self::between(client, server)
    }

    pub fn between(mut client: Actor, mut server: Actor) -> Fallible<Self> {
        let listener = server.listens(V4)?;
        let c = client.connects(listener.addr)?;
        let a = server.accepts(listener)?;
        server.closes(listener.fd)?;
        Ok(Self {
            client,
            server,
            c,
            a,
        })
    }

    /// The client's story so far.
    pub fn connected(&self) -> Story {
        Story::connected(&self.c)
    }

    /// The server's story so far.
    pub fn accepted(&self) -> Story {
        Story::accepted(&self.a, &self.c)
    }
}

fn closed_by_the_server(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    let y = p.server.closes(p.a.fd)?;
    p.client.drains(p.c.fd)?;
    let x = p.client.closes(p.c.fd)?;
    case.expect(&[
        p.connected().closed(&x, Reason::FinRemote),
        p.accepted().closed(&y, Reason::FinLocal),
    ])
}

fn half_closed_by_the_client(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    p.client.sends(p.c.fd, 3)?;
    let x = p.client.shuts(p.c.fd, libc::SHUT_WR)?;
    p.server.drains(p.a.fd)?;
    p.server.sends(p.a.fd, 5)?;
    let y = p.server.closes(p.a.fd)?;
    p.client.drains(p.c.fd)?;
    p.client.closes(p.c.fd)?;
    case.expect(&[
        p.connected().closed(&x, Reason::FinLocal).bytes(3, 5),
        p.accepted().closed(&y, Reason::FinRemote).bytes(5, 3),
    ])
}

fn half_closed_by_the_server(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    let y = p.server.shuts(p.a.fd, libc::SHUT_WR)?;
    p.client.drains(p.c.fd)?;
    p.client.sends(p.c.fd, 70_000)?;
    let x = p.client.closes(p.c.fd)?;
    p.server.drains(p.a.fd)?;
    p.server.closes(p.a.fd)?;
    case.expect(&[
        p.connected().closed(&x, Reason::FinRemote).bytes(70_000, 0),
        p.accepted().closed(&y, Reason::FinLocal).bytes(0, 70_000),
    ])
}

/// Nothing at all is said as long as one way is open, however long that is.
fn half_closed_until_the_peer_closes_too(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    let x = p.client.shuts(p.c.fd, libc::SHUT_WR)?;
    p.server.drains(p.a.fd)?;
    // Longer than an ending is held back for its bytes, by the kernel's clock.
    p.client.waits_in_vain(p.c.fd, 1500)?;
    case.expect(&[p.connected(), p.accepted()])?;
    let y = p.server.shuts(p.a.fd, libc::SHUT_WR)?;
    case.expect(&[
        p.connected().closed(&x, Reason::FinLocal),
        p.accepted().closed(&y, Reason::FinRemote),
    ])
}

/// The FIN is never acknowledged, so that the socket outlives its process: it has ended all the same
/// once both ways are closed, and not before.
fn half_closed_and_closed_while_the_peer_is_silent(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    p.client.sends(p.c.fd, 6)?;
    p.server.receives(p.a.fd, 6)?;
    p.server.does(Op::Deafen { fd: p.a.fd })?;
    let x = p.client.shuts(p.c.fd, libc::SHUT_WR)?;
    case.expect(&[p.connected(), p.accepted()])?;
    p.client.closes(p.c.fd)?;
    case.expect(&[
        p.connected()
            .closed(&x, Reason::FinLocal)
            .bytes(6, 0)
            .may_send_again(),
        p.accepted(),
    ])
}

fn shut_down_without_close(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    let x = p.client.shuts(p.c.fd, libc::SHUT_RDWR)?;
    p.server.drains(p.a.fd)?;
    let y = p.server.shuts(p.a.fd, libc::SHUT_RDWR)?;
    let stories = [
        p.connected().closed(&x, Reason::FinLocal),
        p.accepted().closed(&y, Reason::FinRemote),
    ];
    case.expect(&stories)?;
    p.client.closes(p.c.fd)?;
    p.server.closes(p.a.fd)?;
    case.expect(&stories)
}

/// Closed for receiving: the peer can't know, and nothing has ended.
fn shut_down_for_receiving_first(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    p.client.shuts(p.c.fd, libc::SHUT_RD)?;
    p.client.sends(p.c.fd, 4)?;
    let x = p.client.closes(p.c.fd)?;
    p.server.drains(p.a.fd)?;
    let y = p.server.closes(p.a.fd)?;
    case.expect(&[
        p.connected().closed(&x, Reason::FinLocal).bytes(4, 0),
        p.accepted().closed(&y, Reason::FinRemote).bytes(0, 4),
    ])
}

/// Neither hears the other's FIN until both have sent theirs.
fn both_at_once(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    p.client.sends(p.c.fd, 2)?;
    p.server.receives(p.a.fd, 2)?;
    p.client.does(Op::Deafen { fd: p.c.fd })?;
    p.server.does(Op::Deafen { fd: p.a.fd })?;
    let x = p.client.shuts(p.c.fd, libc::SHUT_WR)?;
    let y = p.server.shuts(p.a.fd, libc::SHUT_WR)?;
    p.client.does(Op::Hear { fd: p.c.fd })?;
    p.server.does(Op::Hear { fd: p.a.fd })?;
    p.client.drains(p.c.fd)?;
    p.server.drains(p.a.fd)?;
    p.client.closes(p.c.fd)?;
    p.server.closes(p.a.fd)?;
    // Which of the FINs had to be repeated is up to the timers.
    case.expect(&[
        p.connected()
            .closed(&x, Reason::FinLocal)
            .bytes(2, 0)
            .may_send_again(),
        p.accepted()
            .closed(&y, Reason::FinLocal)
            .bytes(0, 2)
            .may_send_again(),
    ])
}

/// A byte one way and ten the other.
fn bytes(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    p.client.sends(p.c.fd, 1)?;
    p.server.receives(p.a.fd, 1)?;
    p.server.sends(p.a.fd, 10)?;
    p.client.receives(p.c.fd, 10)?;
    let x = p.client.closes(p.c.fd)?;
    p.server.drains(p.a.fd)?;
    let y = p.server.closes(p.a.fd)?;
    case.expect(&[
        p.connected().closed(&x, Reason::FinLocal).bytes(1, 10),
        p.accepted().closed(&y, Reason::FinRemote).bytes(10, 1),
    ])
}

fn ten_mebibytes_each_way(case: &Case) -> Fallible<()> {
    const MUCH: usize = 10 << 20;
    let mut p = Pair::open()?;
    let sending = p.client.begin(&Op::Send {
        fd: p.c.fd,
        bytes: MUCH,
    })?;
    p.server.receives(p.a.fd, MUCH)?;
    p.client.finish(sending)?.ok()?;
    let sending = p.server.begin(&Op::Send {
        fd: p.a.fd,
        bytes: MUCH,
    })?;
    p.client.receives(p.c.fd, MUCH)?;
    p.server.finish(sending)?.ok()?;
    let x = p.client.closes(p.c.fd)?;
    p.server.drains(p.a.fd)?;
    let y = p.server.closes(p.a.fd)?;
    let much = MUCH as u64;
    case.expect(&[
        p.connected()
            .closed(&x, Reason::FinLocal)
            .bytes(much, much)
            .may_send_again(),
        p.accepted()
            .closed(&y, Reason::FinRemote)
            .bytes(much, much)
            .may_send_again(),
    ])
}

/// The peer reads only after the ending was said: what was queued counts as sent, and then it is.
fn queued_when_the_peer_does_not_read(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    p.client.does(Op::NonBlocking { fd: p.c.fd })?;
    let queued = p.client.sends(p.c.fd, 64 << 20)?.ok()?.unsigned_abs();
    let x = p.client.closes(p.c.fd)?;
    let first = p
        .connected()
        .closed(&x, Reason::FinLocal)
        .bytes(queued, 0)
        .may_send_again();
    case.expect(&[first.clone(), p.accepted()])?;
    let all = p.server.drains(p.a.fd)?.ok()?.unsigned_abs();
    let y = p.server.closes(p.a.fd)?;
    if all != queued {
        return crate::case::failed(format!("{queued} bytes were sent, and {all} received"));
    }
    case.expect(&[
        first,
        p.accepted().closed(&y, Reason::FinRemote).bytes(0, all),
    ])
}
