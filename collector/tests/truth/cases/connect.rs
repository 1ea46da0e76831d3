//! Connects: how they work out, and how they fail.

use collector::model::Reason;

use super::cases;
use crate::actor::{ANY6, Acceptor, Actor, Conn, Op, V4, V6, as_fd};
use crate::case::{Case, Fallible, until};
use crate::story::Story;
use std::net::SocketAddr;

cases! { "connect":
    blocking,
    non_blocking,
    ipv6,
    v4_mapped,
    refused,
    refused_non_blocking,
    refused_v6,
    refused_v4_mapped,
}

/// Connects, accepts, and closes the client's end first.
fn open_and_close(
    case: &Case,
    listen: SocketAddr,
    connect: impl FnOnce(u16) -> SocketAddr,
) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(listen)?;
    let c = client.connects(connect(listener.addr.port()))?;
    let a = server.accepts(listener)?;
    let x = client.closes(c.fd)?;
    server.drains(a.fd)?;
    let y = server.closes(a.fd)?;
    case.expect(&[
        Story::connected(&c).closed(&x, Reason::FinLocal),
        Story::accepted(&a, &c).closed(&y, Reason::FinRemote),
    ])
}

fn blocking(case: &Case) -> Fallible<()> {
    open_and_close(case, V4, |port| (V4.ip(), port).into())
}

fn ipv6(case: &Case) -> Fallible<()> {
    open_and_close(case, V6, |port| (V6.ip(), port).into())
}

/// A listener for both families, and a client whose IPv6 socket connects to an IPv4 address.
fn v4_mapped(case: &Case) -> Fallible<()> {
    open_and_close(case, ANY6, mapped)
}

fn mapped(port: u16) -> SocketAddr {
    (std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), port).into()
}

fn non_blocking(case: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    let fd = client.socket_with(V4, libc::SOCK_NONBLOCK, libc::IPPROTO_TCP)?;
    let connect = client.tries(Op::Connect {
        fd,
        addr: listener.addr,
    })?;
    connect.fails_with(libc::EINPROGRESS)?;
    let over = client.does(Op::Connected { fd })?;
    let mut c = Conn::new(fd, over.clone())?;
    c.done.window = connect.window;
    let accept = server.does(Op::Accept {
        fd: listener.fd,
        by: Acceptor::Accept4,
    })?;
    let a = Conn::new(as_fd(&accept)?, accept)?;
    let y = server.closes(a.fd)?;
    client.does(Op::Connected { fd })?;
    until(|| {
        client
            .does(Op::State { fd })
            .is_ok_and(|s| s.result == Ok(8))
    })?;
    let x = client.closes(c.fd)?;
    case.expect(&[
        Story::connected_within(&c, &over).closed(&x, Reason::FinRemote),
        Story::accepted_since(&a, connect.window.until(over.window)).closed(&y, Reason::FinLocal),
    ])
}

/// A port at which nobody listens: that of a socket which is bound, and no more.
fn refused_at(case: &Case, bind: SocketAddr, to: impl Fn(u16) -> SocketAddr) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let (_, nobody) = server.bound(bind)?;
    let (fd, local) = client.bound(to(0))?;
    let addr = to(nobody.port());
    let connect = client.tries(Op::Connect { fd, addr })?;
    connect.fails_with(libc::ECONNREFUSED)?;
    client.closes(fd)?;
    case.expect(&[Story::failed(
        &connect,
        local,
        addr,
        connect.window,
        Reason::Refused,
        errno(libc::ECONNREFUSED),
    )])
}

fn refused(case: &Case) -> Fallible<()> {
    refused_at(case, V4, |port| (V4.ip(), port).into())
}

fn refused_v6(case: &Case) -> Fallible<()> {
    refused_at(case, V6, |port| (V6.ip(), port).into())
}

fn refused_v4_mapped(case: &Case) -> Fallible<()> {
    refused_at(case, V4, mapped)
}

fn refused_non_blocking(case: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let (_, nobody) = server.bound(V4)?;
    let fd = client.socket_with(V4, libc::SOCK_NONBLOCK, libc::IPPROTO_TCP)?;
    let local = bind(&mut client, fd)?;
    let connect = client.tries(Op::Connect { fd, addr: nobody })?;
    connect.fails_with(libc::EINPROGRESS)?;
    let over = client.does(Op::Connected { fd })?;
    assert_eq!(over.result, Ok(libc::ECONNREFUSED.into()));
    case.expect(&[Story::failed(
        &connect,
        local,
        nobody,
        connect.window.until(over.window),
        Reason::Refused,
        errno(libc::ECONNREFUSED),
    )])
}

fn bind(actor: &mut Actor, fd: i32) -> Fallible<SocketAddr> {
    let done = actor.does(Op::Bind { fd, addr: V4 })?;
    done.local.ok_or_else(crate::case::no("name"))
}

/// As the kernel has it in a row.
pub fn errno(errno: i32) -> Option<u16> {
    errno.try_into().ok()
}
