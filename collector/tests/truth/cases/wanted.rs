//! What user space does not want to hear of: the probes leave it, and what is wanted is as if all were.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use collector::filter::Filter;
use collector::model::{LossKind, Reason};
use collector::probe;

use super::cases;
use super::connect::errno;
use super::place::{Place, start};
use super::remembered::Sockets;
use crate::actor::{ANY6, Actor, Conn, Listener, Op, V4};
use crate::case::{Case, Fallible, failed, until};
use crate::story::Story;
use crate::trace::Tracer;

cases! { "wanted":
    a_port,
    no_port_of_these,
    an_address,
    openings_only,
}

/// A tracer that wants what may pass a filter, and looks often; and its map of sockets.
fn wanting(filter: &str, max_sockets: u32) -> Fallible<(Tracer, Sockets)> {
    let tracer = start(&probe::Options {
        wanted: Filter::parse(filter)?.wanted(),
        max_sockets,
        look_every: Duration::from_secs(1),
        ..probe::Options::default()
    })?;
    Ok((tracer, Sockets::of_size(max_sockets)?))
}

/// Connects and accepts.
fn connects(place: &mut Place, to: SocketAddr, at: Listener) -> Fallible<(Conn, Conn)> {
    let c = place.client.connects(to)?;
    Ok((c, place.server.accepts(at)?))
}

/// The client closes, and then the server: the stories of both up to their ends.
fn close(place: &mut Place, (c, a): &(Conn, Conn), began: [Story; 2]) -> Fallible<[Story; 2]> {
    let x = place.client.closes(c.fd)?;
    place.server.drains(a.fd)?;
    let y = place.server.closes(a.fd)?;
    let [c, a] = began;
    Ok([
        c.closed(&x, Reason::FinLocal),
        a.closed(&y, Reason::FinRemote),
    ])
}

fn opened((c, a): &(Conn, Conn)) -> [Story; 2] {
    [Story::connected(c), Story::accepted(a, c)]
}

fn opened_before((c, a): &(Conn, Conn)) -> [Story; 2] {
    [c, a].map(|end| Story::of(end.done.who.netns, end.local, end.remote).before(&end.done.who))
}

/// Nobody listens any more.
fn refused(client: &mut Actor, addr: SocketAddr) -> Fallible<Story> {
    let (fd, local) = client.bound(V4)?;
    let connect = client.tries(Op::Connect { fd, addr })?;
    connect.fails_with(libc::ECONNREFUSED)?;
    let (reason, errno) = (Reason::Refused, errno(libc::ECONNREFUSED));
    Ok(Story::failed(
        &connect,
        local,
        addr,
        connect.window,
        reason,
        errno,
    ))
}

/// When all is over: the tracer has said this and no more, remembers nothing, and has missed nothing.
fn said(tracer: &Tracer, sockets: &Sockets, place: &Place, stories: &[Story]) -> Fallible<()> {
    until(|| remembered(sockets, place) == 0)?;
    tracer.finish();
    Case::from_start(tracer).expect(stories)?;
    let log = tracer.log();
    let rows: usize = stories.iter().map(Story::len).sum();
    if place.count(&log.events) == rows && log.lost_by(LossKind::Drift) == 0 {
        return Ok(());
    }
    failed(format!("lost {:?}: {:#?}", log.lost, log.events))
}

fn remembered(sockets: &Sockets, place: &Place) -> usize {
    let all = sockets.all();
    all.iter()
        .filter(|(_, tracked)| tracked.netns == place.netns)
        .count()
}

/// Of either end, from before the start and since, and refused; beside it the same of another port.
fn a_port(_: &Case) -> Fallible<()> {
    one_of_two_ports(4127, |wanted, _| format!("port:{wanted}"))
}

/// The same by the other port, which is not wanted.
fn no_port_of_these(_: &Case) -> Fallible<()> {
    one_of_two_ports(4139, |_, other| format!("!port:1,{other} !sport:2"))
}

fn one_of_two_ports(max_sockets: u32, filter: impl Fn(u16, u16) -> String) -> Fallible<()> {
    let mut place = Place::new()?;
    let wanted = place.listener;
    let other = place.server.listens(V4)?;
    let first = connects(&mut place, wanted.addr, wanted)?;
    let first_left = connects(&mut place, other.addr, other)?;
    let filter = filter(wanted.addr.port(), other.addr.port());
    let (tracer, sockets) = wanting(&filter, max_sockets)?;
    let second = connects(&mut place, wanted.addr, wanted)?;
    let second_left = connects(&mut place, other.addr, other)?;
    if remembered(&sockets, &place) != 4 {
        return failed(format!("{:?}", sockets.all()));
    }
    // Two looks at what is open find nothing that was missed.
    std::thread::sleep(Duration::from_millis(2500));
    let mut stories = Vec::new();
    stories.extend(close(&mut place, &first, opened_before(&first))?);
    stories.extend(close(&mut place, &second, opened(&second))?);
    for left in [first_left, second_left] {
        close(&mut place, &left, opened(&left))?;
    }
    for listener in [wanted, other] {
        place.server.closes(listener.fd)?;
    }
    refused(&mut place.client, other.addr)?;
    stories.push(refused(&mut place.client, wanted.addr)?);
    said(&tracer, &sockets, &place, &stories)
}

/// By both families, and by IPv4 through a socket of IPv6.
fn an_address(_: &Case) -> Fallible<()> {
    let mut place = Place::new()?;
    let listener = place.server.listens(ANY6)?;
    let to = |ip: std::net::IpAddr| SocketAddr::new(ip, listener.addr.port());
    let v4 = Ipv4Addr::new(127, 0, 7, 7);
    let (tracer, sockets) = wanting("dst:127.0.7.0/24,::1 type:*", 4129)?;
    let mut stories = Vec::new();
    for ip in [
        v4.into(),
        v4.to_ipv6_mapped().into(),
        Ipv4Addr::LOCALHOST.into(),
    ] {
        let pair = connects(&mut place, to(ip), listener)?;
        let [c, _] = close(&mut place, &pair, opened(&pair))?;
        stories.push(c);
    }
    // That of the other address is not wanted, nor are the servers' ends: they connect to 127.0.0.1.
    stories.truncate(2);
    let pair = connects(
        &mut place,
        to(std::net::Ipv6Addr::LOCALHOST.into()),
        listener,
    )?;
    stories.extend(close(&mut place, &pair, opened(&pair))?);
    said(&tracer, &sockets, &place, &stories)
}

/// Connects, also those that fail, and accepts.
fn openings_only(_: &Case) -> Fallible<()> {
    let mut place = Place::new()?;
    let (tracer, sockets) = wanting("type:c,a", 4133)?;
    let listener = place.listener;
    let pair = connects(&mut place, listener.addr, listener)?;
    close(&mut place, &pair, opened(&pair))?;
    place.server.closes(listener.fd)?;
    let refused = refused(&mut place.client, listener.addr)?;
    let [c, a] = opened(&pair);
    said(&tracer, &sockets, &place, &[c, a, refused])
}
