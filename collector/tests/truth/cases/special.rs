//! Openings that are not three segments: TCP Fast Open, simultaneous open, MPTCP.

use std::net::SocketAddr;

use collector::model::{Reason, TcpState};
use collector::sock_diag::{Socket, dump_all_netns};

use super::cases;
use crate::actor::{Actor, Conn, Listener, Op, V4, Window};
use crate::case::{Case, Fallible, now, until};
use crate::story::Story;

cases! { "special":
    fast_open_without_cookie,
    fast_open_with_cookie,
    fast_open_accepted_at_once,
    open_to_itself,
    simultaneous_open,
    mptcp,
    fast_open_with_the_first_write,
    restored_and_dropped,
    mptcp_to_plain,
    mptcp_with_a_joined_subflow,
}

/// A client and a server in a namespace of their own, in which Fast Open is allowed.
fn fast_open_pair() -> Fallible<(Actor, Actor, Listener)> {
    let (client, mut server) = Actor::pair_apart()?;
    server.does(Op::WriteFile {
        path: "/proc/sys/net/ipv4/tcp_fastopen".into(),
        text: "3".into(),
    })?;
    let listener = server.listens(V4)?;
    server.sets(listener.fd, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, 16)?;
    Ok((client, server, listener))
}

/// Sends 6 bytes with the SYN, or after it; reads and closes.
fn fast_open(client: &mut Actor, server: &mut Actor, listener: Listener) -> Fallible<[Story; 2]> {
    let fd = client.socket(V4)?;
    let sent = client.does(Op::SendFastOpen {
        fd,
        addr: listener.addr,
        bytes: 6,
    })?;
    let a = server.accepts(listener)?;
    server.receives(a.fd, 6)?;
    let over = client.does(Op::Connected { fd })?;
    let mut c = Conn::new(fd, over.clone())?;
    c.done.window = sent.window;
    let x = client.closes(fd)?;
    server.drains(a.fd)?;
    let y = server.closes(a.fd)?;
    Ok([
        Story::connected_within(&c, &over)
            .closed(&x, Reason::FinLocal)
            .bytes(6, 0),
        Story::accepted_since(&a, sent.window)
            .closed(&y, Reason::FinRemote)
            .bytes(0, 6),
    ])
}

/// The client has no cookie yet, and asks for one: a common handshake, and then the data.
fn fast_open_without_cookie(case: &Case) -> Fallible<()> {
    let (mut client, mut server, listener) = fast_open_pair()?;
    case.expect(&fast_open(&mut client, &mut server, listener)?)
}

/// The second time the data travels with the SYN.
fn fast_open_with_cookie(case: &Case) -> Fallible<()> {
    let (mut client, mut server, listener) = fast_open_pair()?;
    let [a, b] = fast_open(&mut client, &mut server, listener)?;
    let [c, d] = fast_open(&mut client, &mut server, listener)?;
    case.expect(&[a, b, c, d])
}

/// The server accepts, and reads, before the handshake is complete: the client is deaf for a while.
/// `connect()` returns at once, and the SYN leaves with what is written first: what it took is from there.
fn fast_open_with_the_first_write(case: &Case) -> Fallible<()> {
    /// `TCP_FASTOPEN_CONNECT`, include/uapi/linux/tcp.h
    const FASTOPEN_CONNECT: i32 = 30;
    let (mut client, mut server, listener) = fast_open_pair()?;
    // The second has a cookie.
    let [first, second] = fast_open(&mut client, &mut server, listener)?;
    let fd = client.socket(V4)?;
    client.sets(fd, libc::IPPROTO_TCP, FASTOPEN_CONNECT, 1)?;
    client.does(Op::Connect {
        fd,
        addr: listener.addr,
    })?;
    // A descriptor that nothing can be read from.
    let quiet = client.listens(V4)?.fd;
    client.waits_in_vain(quiet, 300)?;
    let sent = client.sends(fd, 6)?;
    let a = server.accepts(listener)?;
    server.receives(a.fd, 6)?;
    let over = client.does(Op::Connected { fd })?;
    let mut c = Conn::new(fd, over.clone())?;
    c.done.window = sent.window.until(over.window);
    let x = client.closes(fd)?;
    server.drains(a.fd)?;
    let y = server.closes(a.fd)?;
    case.expect(&[
        first,
        second,
        Story::connected(&c)
            .took_since(sent.window)
            .closed(&x, Reason::FinLocal)
            .bytes(6, 0),
        Story::accepted(&a, &c)
            .closed(&y, Reason::FinRemote)
            .bytes(0, 6),
    ])
}

/// A connection that is restored, as CRIU does it, has had no handshake; and nothing is sent where it is
/// closed in repair mode.
fn restored_and_dropped(case: &Case) -> Fallible<()> {
    /// `TCP_REPAIR`, include/uapi/linux/tcp.h
    const REPAIR: i32 = 19;
    let (mut client, mut server) = Actor::pair()?;
    let (fd, _) = client.bound(V4)?;
    let (_, nobody) = server.bound(V4)?;
    client.sets(fd, libc::IPPROTO_TCP, REPAIR, 1)?;
    let connect = client.does(Op::Connect { fd, addr: nobody })?;
    let c = Conn::new(fd, connect)?;
    let x = client.closes(fd)?;
    case.expect(&[Story::connected(&c)
        .since_unknown()
        .closed(&x, None)
        .unmeasured()])
}

fn fast_open_accepted_at_once(case: &Case) -> Fallible<()> {
    let (mut client, mut server, listener) = fast_open_pair()?;
    let [first, second] = fast_open(&mut client, &mut server, listener)?;
    let fd = client.socket(V4)?;
    client.does(Op::Deafen { fd })?;
    client.does(Op::NonBlocking { fd })?;
    let sent = client.does(Op::SendFastOpen {
        fd,
        addr: listener.addr,
        bytes: 6,
    })?;
    let a = server.accepts(listener)?;
    server.receives(a.fd, 6)?;
    client.does(Op::Hear { fd })?;
    let over = client.does(Op::Connected { fd })?;
    let mut c = Conn::new(fd, over)?;
    c.done.window = sent.window;
    // Until the server has the last segment of the handshake.
    let y = server.sends(a.fd, 1)?;
    let arrived = client.receives(fd, 1)?;
    let x = client.closes(fd)?;
    server.drains(a.fd)?;
    let y2 = server.closes(a.fd)?;
    let _ = y;
    case.expect(&[
        first,
        second,
        Story::connected_within(&c, &arrived)
            .closed(&x, Reason::FinLocal)
            .bytes(6, 1)
            .may_send_again(),
        // It was not established yet when it was accepted: there is nothing to measure from.
        Story::accepted_since(&a, sent.window)
            .since_unknown()
            .closed(&y2, Reason::FinRemote)
            .bytes(1, 6)
            .may_send_again(),
    ])
}

/// A socket that connects to its own name meets its own SYN.
fn open_to_itself(case: &Case) -> Fallible<()> {
    let mut alone = Actor::start()?;
    let (fd, addr) = alone.bound(V4)?;
    let c = Conn::new(fd, alone.does(Op::Connect { fd, addr })?)?;
    alone.sends(fd, 3)?;
    alone.receives(fd, 3)?;
    let x = alone.closes(fd)?;
    case.expect(&[Story::connected(&c)
        .closed(&x, Reason::FinLocal)
        .bytes(3, 3)
        .may_send_again()])
}

/// Both connect, and neither listens: the first one's SYN is dropped, and the second one's meets it.
fn simultaneous_open(case: &Case) -> Fallible<()> {
    let (mut one, mut other) = Actor::pair()?;
    let deaf = other.listens(V4)?;
    other.does(Op::Deafen { fd: deaf.fd })?;
    let fd = one.socket_with(V4, libc::SOCK_NONBLOCK, libc::IPPROTO_TCP)?;
    one.does(Op::Bind { fd, addr: V4 })?;
    let begun = one.tries(Op::Connect {
        fd,
        addr: deaf.addr,
    })?;
    begun.fails_with(libc::EINPROGRESS)?;
    let first = begun.local.ok_or_else(crate::case::no("name"))?;
    other.closes(deaf.fd)?;
    let second = other.socket(V4)?;
    other.does(Op::Bind {
        fd: second,
        addr: deaf.addr,
    })?;
    let connect = other.does(Op::Connect {
        fd: second,
        addr: first,
    })?;
    let b = Conn::new(second, connect)?;
    let over = one.does(Op::Connected { fd })?;
    let mut a = Conn::new(fd, over.clone())?;
    a.done.window = begun.window;
    let x = one.closes(fd)?;
    other.drains(second)?;
    let y = other.closes(second)?;
    case.expect(&[
        Story::connected_within(&a, &over)
            .closed(&x, Reason::FinLocal)
            .may_send_again(),
        Story::connected(&b)
            .closed(&y, Reason::FinRemote)
            .may_send_again(),
    ])
}

/// One connection of MPTCP is one of TCP, with the processes that hold it.
fn mptcp(case: &Case) -> Fallible<()> {
    through_mptcp(case, libc::IPPROTO_MPTCP)
}

/// The client does not speak it.
fn mptcp_to_plain(case: &Case) -> Fallible<()> {
    through_mptcp(case, libc::IPPROTO_TCP)
}

/// With MPTCP it is a worker of the kernel's that closes the subflows, some time after the call: by
/// when the last one of that port was closed.
fn closed_by_a_worker(netns: u32, port: u16) -> Fallible<Window> {
    until(|| subflows(netns, port).is_ok_and(|open| open.is_empty()))?;
    Ok(now())
}

/// What is open of that port in a network namespace, and not closed by its own side.
fn subflows(netns: u32, port: u16) -> Fallible<Vec<Socket>> {
    let all = dump_all_netns()?.sockets.into_iter();
    let open = all.filter(|(inside, socket)| {
        *inside == netns
            && (socket.local.port == port || socket.remote.port == port)
            && matches!(socket.state, TcpState::Established | TcpState::CloseWait)
    });
    Ok(open.map(|(_, socket)| socket).collect())
}

fn through_mptcp(case: &Case, client_protocol: i32) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let probe = server.tries(Op::Socket {
        domain: libc::AF_INET,
        flags: 0,
        protocol: libc::IPPROTO_MPTCP,
    })?;
    if probe.result.is_err() {
        return crate::case::lacking("CONFIG_MPTCP is not set, or net.mptcp.enabled is 0");
    }
    let listener = server.listens_with(V4, 16, libc::IPPROTO_MPTCP)?;
    let fd = client.socket_with(V4, 0, client_protocol)?;
    let connect = client.does(Op::Connect {
        fd,
        addr: listener.addr,
    })?;
    let c = Conn::new(fd, connect)?;
    let a = server.accepts(listener)?;
    client.sends(fd, 9)?;
    server.receives(a.fd, 9)?;
    let x = client.closes(fd)?;
    server.drains(a.fd)?;
    let y = server.closes(a.fd)?;
    let over = closed_by_a_worker(client.who().netns, listener.addr.port())?;
    case.expect(&[
        Story::connected(&c)
            .closed_within(&x, x.window.until(over), Reason::FinLocal)
            .by_any_thread()
            .bytes(9, 0),
        Story::accepted(&a, &c)
            .closed_within(&y, y.window.until(over), Reason::FinRemote)
            .by_any_thread()
            .bytes(0, 9),
    ])
}

/// Where the client's second subflow to that address begins, once it is established.
fn second_path(netns: u32, to: SocketAddr) -> Option<SocketAddr> {
    let mut open = subflows(netns, to.port()).ok()?.into_iter();
    open.find(|socket| socket.local.addr != to.ip() && socket.remote.port == to.port())
        .map(|socket| SocketAddr::new(socket.local.addr, socket.local.port))
}

/// A second path of one connection: no call opens it, and nobody accepts it. Closing the connection
/// closes it too, by a worker of the kernel's, which is nobody.
fn mptcp_with_a_joined_subflow(case: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair_apart()?;
    for allow in [
        "ip mptcp limits set subflow 1 add_addr_accepted 0",
        "ip mptcp endpoint add 127.0.0.2 dev lo subflow",
    ] {
        if client.runs(allow).is_err() {
            return crate::case::lacking("CONFIG_MPTCP is not set, or `ip` does not know MPTCP");
        }
    }
    let listener = server.listens_with(V4, 16, libc::IPPROTO_MPTCP)?;
    let fd = client.socket_with(V4, 0, libc::IPPROTO_MPTCP)?;
    let connect = client.does(Op::Connect {
        fd,
        addr: listener.addr,
    })?;
    let c = Conn::new(fd, connect)?;
    let a = server.accepts(listener)?;
    // The second path is made once the first has carried something both ways.
    client.sends(fd, 9)?;
    server.receives(a.fd, 9)?;
    server.sends(a.fd, 1)?;
    client.receives(fd, 1)?;
    let netns = client.who().netns;
    let mut joined = None;
    until(|| {
        joined = second_path(netns, listener.addr);
        joined.is_some()
    })?;
    let second = joined.ok_or_else(crate::case::no("second path"))?;
    let x = client.closes(fd)?;
    server.drains(a.fd)?;
    let y = server.closes(a.fd)?;
    let over = closed_by_a_worker(netns, listener.addr.port())?;
    let whole = c.done.window.until(over);
    case.expect(&[
        Story::connected(&c)
            .closed_within(&x, x.window.until(over), Reason::FinLocal)
            .by_any_thread()
            .bytes(9, 1),
        Story::accepted(&a, &c)
            .closed_within(&y, y.window.until(over), Reason::FinRemote)
            .by_any_thread()
            .bytes(1, 9),
        Story::opened_by_nobody(netns, second, listener.addr, whole)
            .took_since(whole)
            .ended(None, whole, Reason::FinLocal, None),
        Story::opened_by_nobody(netns, listener.addr, second, whole).ended(
            None,
            whole,
            Reason::FinRemote,
            None,
        ),
    ])
}
