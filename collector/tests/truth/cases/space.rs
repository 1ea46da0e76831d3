//! Network namespaces: who is where, what can't be reached, and what is gone.

use std::net::SocketAddr;

use collector::model::Reason;

use super::cases;
use super::connect::errno;
use super::ending::Pair;
use crate::actor::{Actor, Conn, Op, V4, V6, domain};
use crate::case::{Case, Fallible};
use crate::story::Story;

cases! { "space":
    same_names_in_two_namespaces,
    gone_with_its_last_process,
    no_route,
    no_free_port,
    name_taken,
    unreachable,
    unreachable_v6,
    prohibited_by_icmp,
    prohibited_by_icmp_v6,
}

fn in_its_own() -> Fallible<Actor> {
    let mut actor = Actor::start()?;
    actor.does(Op::OwnNetwork)?;
    Ok(actor)
}

fn at(port: u16) -> SocketAddr {
    (V4.ip(), port).into()
}

/// The same four numbers twice, and two connections.
fn same_names_in_two_namespaces(case: &Case) -> Fallible<()> {
    let mut stories = Vec::new();
    for sent in [1, 2] {
        let (mut client, mut server) = Actor::pair_apart()?;
        let listener = server.listens(at(8080))?;
        let fd = client.socket(V4)?;
        client.does(Op::Bind { fd, addr: at(4040) })?;
        let connect = client.does(Op::Connect {
            fd,
            addr: listener.addr,
        })?;
        let c = Conn::new(fd, connect)?;
        let a = server.accepts(listener)?;
        client.sends(fd, sent)?;
        let x = client.closes(fd)?;
        server.drains(a.fd)?;
        let y = server.closes(a.fd)?;
        let sent = sent as u64;
        stories.push(
            Story::connected(&c)
                .closed(&x, Reason::FinLocal)
                .bytes(sent, 0),
        );
        stories.push(
            Story::accepted(&a, &c)
                .closed(&y, Reason::FinRemote)
                .bytes(0, sent),
        );
    }
    case.expect(&stories)
}

/// Both ends, the processes and the namespace end together.
fn gone_with_its_last_process(case: &Case) -> Fallible<()> {
    let (client, server) = Actor::pair_apart()?;
    let mut p = Pair::between(client, server)?;
    let x = p.client.is_killed(rustix::process::Signal::KILL)?;
    p.server.drains(p.a.fd)?;
    let y = p.server.is_killed(rustix::process::Signal::KILL)?;
    case.expect(&[
        p.connected().closed(&x, Reason::Killed),
        p.accepted().closed(&y, Reason::Killed),
    ])
}

/// Nothing was sent, and nothing is said.
fn no_route(case: &Case) -> Fallible<()> {
    let mut client = in_its_own()?;
    let (fd, local) = client.bound(V4)?;
    // A network for documentation, which nothing in this namespace leads to.
    let nowhere: SocketAddr = ([192, 0, 2, 1], 80).into();
    let connect = client.tries(Op::Connect { fd, addr: nowhere })?;
    if connect.result.is_ok() {
        return crate::case::failed("connected to nowhere");
    }
    case.expect(&[Story::of(connect.who.netns, local, nowhere)])
}

/// No local port is left for this destination: the kernel enters SYN_SENT, and sends nothing.
fn no_free_port(case: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair_apart()?;
    let listener = server.listens(at(8080))?;
    client.does(Op::WriteFile {
        path: "/proc/sys/net/ipv4/ip_local_port_range".into(),
        text: "40000 40000".into(),
    })?;
    let c = client.connects(listener.addr)?;
    let fd = client.socket(V4)?;
    let connect = client.tries(Op::Connect {
        fd,
        addr: listener.addr,
    })?;
    connect.fails_with(libc::EADDRNOTAVAIL)?;
    let a = server.accepts(listener)?;
    let x = client.closes(c.fd)?;
    server.drains(a.fd)?;
    let y = server.closes(a.fd)?;
    let netns = connect.who.netns;
    case.expect(&[
        Story::connected(&c).closed(&x, Reason::FinLocal),
        Story::accepted(&a, &c).closed(&y, Reason::FinRemote),
        Story::of(netns, at(0), listener.addr),
    ])
}

/// The local name was chosen, and there is such a connection already.
fn name_taken(case: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair_apart()?;
    let listener = server.listens(at(8080))?;
    let mut socket = || -> Fallible<i32> {
        let fd = client.socket(V4)?;
        client.sets(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        client.does(Op::Bind { fd, addr: at(4040) })?;
        Ok(fd)
    };
    let (first, second) = (socket()?, socket()?);
    let addr = listener.addr;
    let c = Conn::new(first, client.does(Op::Connect { fd: first, addr })?)?;
    let connect = client.tries(Op::Connect { fd: second, addr })?;
    connect.fails_with(libc::EADDRNOTAVAIL)?;
    let a = server.accepts(listener)?;
    let x = client.closes(c.fd)?;
    server.drains(a.fd)?;
    let y = server.closes(a.fd)?;
    case.expect(&[
        Story::connected(&c).closed(&x, Reason::FinLocal),
        Story::accepted(&a, &c).closed(&y, Reason::FinRemote),
    ])
}

/// Somebody on the way answers a SYN with an ICMP message.
fn answered_by_icmp(case: &Case, like: SocketAddr, code: u8, errno_of: i32) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair_apart()?;
    let listener = server.listens(like)?;
    server.does(Op::Deafen { fd: listener.fd })?;
    let domain = domain(like);
    let wire = server.does(Op::Tap { domain })?;
    let (fd, local) = client.bound(like)?;
    let addr = listener.addr;
    let connecting = client.begin(&Op::Connect { fd, addr })?;
    client.is_blocked_in(libc::SYS_connect)?;
    server.does(Op::AnswerByIcmp {
        tap: crate::actor::as_fd(&wire)?,
        port: local.port(),
        code,
    })?;
    let connect = client.finish(connecting)?;
    connect.fails_with(errno_of)?;
    case.expect(&[Story::failed(
        &connect,
        local,
        addr,
        connect.window,
        Reason::Unreachable,
        errno(errno_of),
    )])
}

fn unreachable(case: &Case) -> Fallible<()> {
    const ICMP_HOST_UNREACH: u8 = 1;
    answered_by_icmp(case, V4, ICMP_HOST_UNREACH, libc::EHOSTUNREACH)
}

fn prohibited_by_icmp(case: &Case) -> Fallible<()> {
    const ICMP_PKT_FILTERED: u8 = 13;
    answered_by_icmp(case, V4, ICMP_PKT_FILTERED, libc::EHOSTUNREACH)
}

fn unreachable_v6(case: &Case) -> Fallible<()> {
    const ICMPV6_ADDR_UNREACH: u8 = 3;
    answered_by_icmp(case, V6, ICMPV6_ADDR_UNREACH, libc::EHOSTUNREACH)
}

fn prohibited_by_icmp_v6(case: &Case) -> Fallible<()> {
    const ICMPV6_ADM_PROHIBITED: u8 = 1;
    answered_by_icmp(case, V6, ICMPV6_ADM_PROHIBITED, libc::EACCES)
}
