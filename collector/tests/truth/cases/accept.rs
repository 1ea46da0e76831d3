//! Accepts: who got the connection, by whatever call.

use collector::model::Reason;

use super::cases;
use crate::actor::{Acceptor, Actor, Conn, Listener, Op, Uring, V4, as_fd};
use crate::case::{Case, Fallible, Stop, no};
use crate::story::Story;
use crate::trace::Tracer;

cases! { "accept":
    waiting_already,
    waiting_since_before_the_start,
    later,
    by_accept4,
    by_epoll,
    by_forked_workers,
    by_25_threads,
    by_uring,
    by_uring_waiting,
    by_uring_worker,
    by_uring_multishot,
    by_uring_polling,
    by_uring_direct,
    by_uring_direct_waiting,
    not_by_another_ring_operation,
    deferred,
}

/// Closes both ends of each pair of connections, and compares everything.
fn close_all(
    case: &Case,
    client: &mut Actor,
    pairs: Vec<(Conn, Conn, &mut Actor)>,
) -> Fallible<()> {
    let mut stories = Vec::new();
    for (c, a, server) in pairs {
        let x = client.closes(c.fd)?;
        server.drains(a.fd)?;
        let y = server.closes(a.fd)?;
        stories.push(Story::connected(&c).closed(&x, Reason::FinLocal));
        stories.push(Story::accepted(&a, &c).closed(&y, Reason::FinRemote));
    }
    case.expect(&stories)
}

fn accept(listener: Listener) -> Op {
    Op::Accept {
        fd: listener.fd,
        by: Acceptor::Accept,
    }
}

fn waiting_already(case: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    let accepting = server.begin(&accept(listener))?;
    server.is_blocked_in(libc::SYS_accept)?;
    let c = client.connects(listener.addr)?;
    let done = server.finish(accepting)?;
    let a = Conn::new(as_fd(&done)?, done)?;
    close_all(case, &mut client, vec![(c, a, &mut server)])
}

/// The call was made before there was a tracer, and returns after.
fn waiting_since_before_the_start(_: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    let accepting = server.begin(&accept(listener))?;
    server.is_blocked_in(libc::SYS_accept)?;
    let tracer = Tracer::start().map_err(Stop::Failed)?;
    let case = Case::new(&tracer);
    let c = client.connects(listener.addr)?;
    let done = server.finish(accepting)?;
    let a = Conn::new(as_fd(&done)?, done)?;
    close_all(&case, &mut client, vec![(c, a, &mut server)])
}

/// It waits in the queue, and `LAT` says how long.
fn later(case: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    let c = client.connects(listener.addr)?;
    client.waits_in_vain(c.fd, 300)?;
    let a = server.accepts(listener)?;
    close_all(case, &mut client, vec![(c, a, &mut server)])
}

fn by(case: &Case, by: Acceptor) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    let c = client.connects(listener.addr)?;
    let done = server.does(Op::Accept {
        fd: listener.fd,
        by,
    })?;
    let a = Conn::new(as_fd(&done)?, done)?;
    close_all(case, &mut client, vec![(c, a, &mut server)])
}

fn by_accept4(case: &Case) -> Fallible<()> {
    by(case, Acceptor::Accept4)
}

fn by_epoll(case: &Case) -> Fallible<()> {
    by(case, Acceptor::Epoll)
}

/// All of them wait at one listener; each gets one connection.
fn by_waiting(case: &Case, listener: Listener, mut workers: Vec<Actor>) -> Fallible<()> {
    let mut client = Actor::start()?;
    let mut accepting = Vec::new();
    for worker in &mut workers {
        accepting.push(worker.begin(&accept(listener))?);
        worker.is_blocked_in(libc::SYS_accept)?;
    }
    let mut connected = Vec::new();
    for _ in &workers {
        connected.push(client.connects(listener.addr)?);
    }
    let mut pairs = Vec::new();
    for (worker, accepting) in workers.iter_mut().zip(accepting) {
        let done = worker.finish(accepting)?;
        let a = Conn::new(as_fd(&done)?, done)?;
        let peer = connected.iter().find(|c| c.local == a.remote);
        pairs.push((peer.cloned().ok_or_else(no("such client"))?, a, worker));
    }
    close_all(case, &mut client, pairs)
}

fn by_forked_workers(case: &Case) -> Fallible<()> {
    let mut server = Actor::start()?;
    let listener = server.listens(V4)?;
    let workers = (0..4).map(|_| server.forks()).collect::<Fallible<_>>()?;
    by_waiting(case, listener, workers)
}

fn by_25_threads(case: &Case) -> Fallible<()> {
    let mut server = Actor::start()?;
    let listener = server.listens(V4)?;
    let workers = (0..25).map(|_| server.thread()).collect::<Fallible<_>>()?;
    by_waiting(case, listener, workers)
}

/// Whether the connection is there before the accept is asked for, or after.
#[derive(PartialEq)]
enum Order {
    ConnectFirst,
    AcceptFirst,
}

fn through_uring(case: &Case, how: Uring, order: &Order) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    let op = Op::Uring {
        fd: listener.fd,
        how,
    };
    let (c, done) = if *order == Order::ConnectFirst {
        let c = client.connects(listener.addr)?;
        let done = server.tries(op)?;
        (c, done)
    } else {
        let accepting = server.begin(&op)?;
        server.is_blocked_in(libc::SYS_io_uring_enter)?;
        let c = client.connects(listener.addr)?;
        let done = server.finish(accepting)?;
        (c, done)
    };
    if matches!(done.result, Err(libc::ENOSYS | libc::EPERM)) {
        return crate::case::lacking(NO_RING);
    }
    if how == Uring::Direct {
        return closed_in_the_ring(case, &mut client, &c, &done);
    }
    let a = Conn::new(as_fd(&done)?, done)?;
    let x = client.closes(c.fd)?;
    server.drains(a.fd)?;
    let y = server.closes(a.fd)?;
    case.expect(&[
        Story::connected(&c).closed(&x, Reason::FinLocal),
        // The kernel's threads of a ring belong to the process, and have ids of their own.
        Story::accepted(&a, &c)
            .by_any_thread()
            .closed(&y, Reason::FinRemote),
    ])
}

/// The socket had no descriptor. The ring closes it, or a worker of the kernel's does when the ring
/// is gone, a while later: it is the process's doing all the same.
fn closed_in_the_ring(
    case: &Case,
    client: &mut Actor,
    c: &Conn,
    done: &crate::actor::Done,
) -> Fallible<()> {
    done.ok()?;
    let end = client.drains(c.fd)?;
    let x = client.closes(c.fd)?;
    let a = Conn {
        fd: -1,
        local: c.remote,
        remote: c.local,
        done: done.clone(),
    };
    case.expect(&[
        Story::connected(c).closed(&x, Reason::FinRemote),
        Story::accepted(&a, c)
            .by_any_thread()
            .closed_within(done, done.window.until(end.window), Reason::FinLocal)
            .by_any_thread(),
    ])
}

fn by_uring(case: &Case) -> Fallible<()> {
    through_uring(case, Uring::Single, &Order::ConnectFirst)
}

fn by_uring_waiting(case: &Case) -> Fallible<()> {
    through_uring(case, Uring::Single, &Order::AcceptFirst)
}

fn by_uring_worker(case: &Case) -> Fallible<()> {
    through_uring(case, Uring::Worker, &Order::ConnectFirst)
}

fn by_uring_multishot(case: &Case) -> Fallible<()> {
    through_uring(case, Uring::Multishot, &Order::AcceptFirst)
}

fn by_uring_polling(case: &Case) -> Fallible<()> {
    through_uring(case, Uring::SqPoll, &Order::AcceptFirst)
}

fn by_uring_direct(case: &Case) -> Fallible<()> {
    through_uring(case, Uring::Direct, &Order::ConnectFirst)
}

fn by_uring_direct_waiting(case: &Case) -> Fallible<()> {
    through_uring(case, Uring::Direct, &Order::AcceptFirst)
}

/// A read returns the number of bytes, which may be that of a socket's descriptor too.
fn not_by_another_ring_operation(case: &Case) -> Fallible<()> {
    let mut server = Actor::start()?;
    let listener = server.listens(V4)?;
    let (bound, local) = server.bound(V4)?;
    for fd in [listener.fd, bound] {
        let read = server.tries(Op::UringRead {
            bytes: usize::try_from(fd)?,
        })?;
        if matches!(read.result, Err(libc::ENOSYS | libc::EPERM)) {
            return crate::case::lacking(NO_RING);
        }
        read.ok()?;
    }
    let nowhere = (std::net::Ipv4Addr::UNSPECIFIED, 0).into();
    let netns = server.who().netns;
    case.expect(&[
        Story::of(netns, listener.addr, nowhere),
        Story::of(netns, local, nowhere),
    ])
}

const NO_RING: &str = "CONFIG_IO_URING is not set, or kernel.io_uring_disabled is";

/// `TCP_DEFER_ACCEPT`: the handshake is complete for the server only when data comes.
fn deferred(case: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    server.sets(listener.fd, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, 5)?;
    let c = client.connects(listener.addr)?;
    let data = client.sends(c.fd, 8)?;
    let a = server.accepts(listener)?;
    server.receives(a.fd, 8)?;
    let y = server.closes(a.fd)?;
    client.drains(c.fd)?;
    let x = client.closes(c.fd)?;
    case.expect(&[
        Story::connected(&c)
            .closed(&x, Reason::FinRemote)
            .bytes(8, 0)
            .may_send_again(),
        Story::accepted_since(&a, c.done.window.until(data.window))
            .closed(&y, Reason::FinLocal)
            .bytes(0, 8),
    ])
}
