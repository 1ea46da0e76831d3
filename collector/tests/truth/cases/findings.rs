//! Each finding on the traffic that causes it, and on nothing else: real sockets, up to the sentence
//! on the screen.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use collector::model::findings::problems;
use collector::model::{
    Batch, Event, Limits, Peer, PeerKind, Store, TcpState, Thresholds, Timestamp, Update,
};
use collector::probe;

use super::cases;
use super::place::start;
use crate::actor::{Actor, Listener, Op, V4, V6, as_fd};
use crate::case::{Case, Fallible, Stop, failed, lacking};
use crate::machine::BOUND;
use crate::trace::{Log, Tracer, is_raw_state_forced};

cases! { "findings":
    refused,
    connect_timeout,
    unreachable,
    never_accepted,
    unaccepted,
    unaccepted_since_before_the_start,
    slow_accept,
    close_wait,
    close_wait_later,
    resets,
    timeout,
    churn,
    retransmissions,
    ports_run_out,
    one_peer_fails,
}

/// So many of a kind between the same two are a finding.
const ENOUGH: usize = 3;

/// A client and a server in a network of their own.
struct Stage {
    client: Actor,
    server: Actor,
    netns: u32,
    thresholds: Thresholds,
}

impl Stage {
    fn new() -> Fallible<Self> {
        let mut client = Actor::start()?;
        client.does(Op::OwnNetwork)?;
        let pid = client.who().pid;
        let mut server = Actor::start()?;
        server.does(Op::JoinNetwork { pid })?;
        Ok(Self {
            netns: client.who().netns,
            client,
            server,
            // How fast the machine is shall be no finding.
            thresholds: Thresholds {
                slow_accept_us: u64::MAX,
                ..Thresholds::default()
            },
        })
    }

    fn pair(&mut self, listener: Listener) -> Fallible<(i32, i32)> {
        let c = self.client.connects(listener.addr)?;
        let a = self.server.accepts(listener)?;
        Ok((c.fd, a.fd))
    }

    /// What is found in what was said of this network since event number `since`.
    fn found(&self, log: &Log, since: usize, change: impl Fn(&mut Event)) -> Vec<&'static str> {
        let own = |event: &&Event| event.netns.is_some_and(|n| n.get() == self.netns);
        let mut events: Vec<Event> = log.events[since..].iter().filter(own).cloned().collect();
        events.iter_mut().for_each(change);
        let mut store = Store::with_thresholds(Limits::default(), self.thresholds);
        // As if one looked right after the last of them.
        let latest = events.iter().map(|event| event.ts).max();
        let now = latest.unwrap_or_else(Timestamp::now);
        let (node, lost) = ("truth".into(), Vec::new());
        store.apply(Update::Batch(Batch { node, events, lost }), now);
        let problems = problems(&store, now);
        let checks = problems.iter().filter_map(|problem| problem.check);
        checks.map(|check| check.name).collect()
    }

    /// These are found, and no others.
    fn finds(&self, tracer: &Tracer, since: usize, names: &[&str]) -> Fallible<()> {
        self.finds_in(tracer, since, names, |_| ())
    }

    fn finds_in(
        &self,
        tracer: &Tracer,
        since: usize,
        names: &[&str],
        change: impl Fn(&mut Event),
    ) -> Fallible<()> {
        let found = |log: &Log| {
            let mut found = self.found(log, since, &change);
            found.sort_unstable();
            found
        };
        if tracer.wait_for(BOUND, |log| found(log) == names) {
            return Ok(());
        }
        failed(format!(
            "expected {names:?}, found {:?}",
            found(&tracer.log())
        ))
    }
}

/// The tracer that all cases share, and how many events it has said so far.
fn since(case: &Case) -> usize {
    case.tracer().log().events.len()
}

fn refused(case: &Case) -> Fallible<()> {
    let (mut stage, since) = (Stage::new()?, since(case));
    let (_, nobody) = stage.server.bound(V4)?;
    for _ in 0..ENOUGH {
        let fd = stage.client.socket(V4)?;
        let connect = stage.client.tries(Op::Connect { fd, addr: nobody })?;
        connect.fails_with(libc::ECONNREFUSED)?;
    }
    stage.finds(case.tracer(), since, &["refused"])
}

fn connect_timeout(case: &Case) -> Fallible<()> {
    let (mut stage, since) = (Stage::new()?, since(case));
    let listener = stage.server.listens(V4)?;
    stage.server.does(Op::Deafen { fd: listener.fd })?;
    for _ in 0..ENOUGH {
        let fd = stage.client.socket(V4)?;
        stage
            .client
            .sets(fd, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, 500)?;
        let addr = listener.addr;
        let connect = stage.client.tries(Op::Connect { fd, addr })?;
        connect.fails_with(libc::ETIMEDOUT)?;
    }
    stage.finds(case.tracer(), since, &["connect timeout"])
}

fn unreachable(case: &Case) -> Fallible<()> {
    const ICMP_HOST_UNREACH: u8 = 1;
    let (mut stage, since) = (Stage::new()?, since(case));
    let listener = stage.server.listens(V4)?;
    stage.server.does(Op::Deafen { fd: listener.fd })?;
    let tap = as_fd(&stage.server.does(Op::Tap {
        domain: libc::AF_INET,
    })?)?;
    for _ in 0..ENOUGH {
        let (fd, local) = stage.client.bound(V4)?;
        let (addr, port, code) = (listener.addr, local.port(), ICMP_HOST_UNREACH);
        let connecting = stage.client.begin(&Op::Connect { fd, addr })?;
        stage.client.is_blocked_in(libc::SYS_connect)?;
        stage.server.does(Op::AnswerByIcmp { tap, port, code })?;
        let connect = stage.client.finish(connecting)?;
        connect.fails_with(libc::EHOSTUNREACH)?;
    }
    stage.finds(case.tracer(), since, &["unreachable"])
}

fn never_accepted(case: &Case) -> Fallible<()> {
    let (mut stage, since) = (Stage::new()?, since(case));
    let listener = stage.server.listens(V4)?;
    stage.client.connects(listener.addr)?;
    stage.server.closes(listener.fd)?;
    stage.finds(case.tracer(), since, &["never accepted"])
}

/// It waits in the queue, which is told while it does, once, and taken back when it is accepted.
fn unaccepted(_: &Case) -> Fallible<()> {
    let mut stage = Stage::new()?;
    let after = Duration::from_millis(500);
    let tracer = start(&probe::Options {
        unaccepted_after: after,
        ..probe::Options::default()
    })?;
    let listener = stage.server.listens(V4)?;
    let first = stage.client.connects(listener.addr)?;
    stage.finds(&tracer, 0, &["never accepted"])?;
    // Another one is told, and the first one not again.
    let second = stage.client.connects(listener.addr)?;
    let waiting = |log: &Log, client: SocketAddr| {
        let of =
            |e: &&Event| e.state == Some(TcpState::Unaccepted) && e.remote.port == client.port();
        log.events.iter().filter(of).cloned().collect::<Vec<_>>()
    };
    let told = tracer.wait_for(BOUND, |log| !waiting(log, second.local).is_empty());
    let rows = waiting(&tracer.log(), first.local);
    let [row] = rows.as_slice() else {
        return failed(format!("expected one row of the first, found {rows:?}"));
    };
    let waited = row.figures.dur_us.map(|us| Duration::from_micros(us.get()));
    if !told || row.before || row.process.is_some() || row.local.port != listener.addr.port() {
        return failed(format!("the row is wrong: {row:?}"));
    }
    if waited.is_none_or(|waited| waited < after) {
        return failed(format!("it was told too early: {row:?}"));
    }
    stage.server.accepts(listener)?;
    stage.server.accepts(listener)?;
    stage.finds(&tracer, 0, &[])
}

/// It has waited since before the tracer started.
fn unaccepted_since_before_the_start(_: &Case) -> Fallible<()> {
    let mut stage = Stage::new()?;
    let listener = stage.server.listens(V6)?;
    stage.client.connects(listener.addr)?;
    stage.client.connects(listener.addr)?;
    let tracer = start(&probe::Options {
        unaccepted_after: Duration::from_millis(500),
        ..probe::Options::default()
    })?;
    stage.finds(&tracer, 0, &["never accepted"])?;
    stage.server.accepts(listener)?;
    stage.server.accepts(listener)?;
    stage.finds(&tracer, 0, &[])
}

fn slow_accept(case: &Case) -> Fallible<()> {
    let (mut stage, since) = (Stage::new()?, since(case));
    stage.thresholds = Thresholds::default();
    let listener = stage.server.listens(V4)?;
    for _ in 0..ENOUGH {
        let c = stage.client.connects(listener.addr)?;
        // Nobody sends anything: it waits so long.
        stage.client.waits_in_vain(c.fd, 150)?;
        stage.server.accepts(listener)?;
    }
    stage.finds(case.tracer(), since, &["slow accept"])
}

/// The peer has closed before the tracer starts, and the process has not.
fn close_wait(_: &Case) -> Fallible<()> {
    let mut stage = Stage::new()?;
    let listener = stage.server.listens(V4)?;
    let (c, a) = stage.pair(listener)?;
    stage.client.closes(c)?;
    stage.server.drains(a)?;
    let tracer = Tracer::start().map_err(Stop::Failed)?;
    stage.finds(&tracer, 0, &["CLOSE_WAIT"])
}

/// The peer closes while the tracer looks on, and the process does not, until it does.
fn close_wait_later(_: &Case) -> Fallible<()> {
    if is_raw_state_forced() {
        return lacking("without tp_btf no cookie says which socket of the kernel's list is which");
    }
    let mut stage = Stage::new()?;
    let tracer = start(&probe::Options {
        look_every: Duration::from_secs(1),
        ..probe::Options::default()
    })?;
    let listener = stage.server.listens(V4)?;
    let (c, a) = stage.pair(listener)?;
    stage.client.closes(c)?;
    stage.server.drains(a)?;
    stage.finds(&tracer, 0, &["CLOSE_WAIT"])?;
    let server = stage.server.who().pid;
    let by_server = |event: &Event| event.process.as_ref().map(|p| p.pid) == Some(server);
    let listed = |event: &&Event| event.state == Some(TcpState::CloseWait) && by_server(event);
    if tracer.log().events.iter().filter(listed).count() != 1 {
        return failed("it is not listed once, as the server's");
    }
    stage.server.closes(a)?;
    stage.finds(&tracer, 0, &[])
}

/// Who closes without reading sends a reset, and the other one gets it.
fn resets(case: &Case) -> Fallible<()> {
    let (mut stage, since) = (Stage::new()?, since(case));
    let listener = stage.server.listens(V4)?;
    for _ in 0..ENOUGH {
        let (c, a) = stage.pair(listener)?;
        stage.client.sends(c, 7)?;
        stage.server.waits_for_data(a)?;
        stage.server.closes(a)?;
        let gone = stage.client.tries(Op::Recv { fd: c, bytes: 1 })?;
        gone.fails_with(libc::ECONNRESET)?;
        stage.client.closes(c)?;
    }
    stage.finds(case.tracer(), since, &["reset by peer", "reset sent"])
}

fn timeout(case: &Case) -> Fallible<()> {
    let (mut stage, since) = (Stage::new()?, since(case));
    let listener = stage.server.listens(V4)?;
    for _ in 0..ENOUGH {
        let (c, a) = stage.pair(listener)?;
        stage.server.does(Op::Deafen { fd: a })?;
        stage
            .client
            .sets(c, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, 500)?;
        stage.client.sends(c, 9)?;
        let gone = stage.client.tries(Op::Recv { fd: c, bytes: 1 })?;
        gone.fails_with(libc::ETIMEDOUT)?;
    }
    stage.finds(case.tracer(), since, &["timeout"])
}

fn churn(case: &Case) -> Fallible<()> {
    let (mut stage, since) = (Stage::new()?, since(case));
    let times = stage.thresholds.short;
    let listener = stage.server.listens(V4)?;
    let fd = listener.fd;
    let began = Instant::now();
    let serving = stage.server.begin(&Op::Serve { fd, times })?;
    stage.client.does(Op::Burst {
        domain: libc::AF_INET,
        addr: listener.addr,
        times,
    })?;
    stage.server.finish(serving)?.ok()?;
    // None of them lasted longer than all together.
    let all_us = u64::try_from(began.elapsed().as_micros())?;
    stage.thresholds.short_us = stage.thresholds.short_us.max(all_us);
    // Seen from both ends.
    stage.finds(case.tracer(), since, &["churn", "churn"])
}

fn retransmissions(case: &Case) -> Fallible<()> {
    const MUCH: usize = 100_000;
    let (mut stage, since) = (Stage::new()?, since(case));
    // The kernel sends little again before the first answer.
    stage.thresholds.retransmissions = 1;
    let listener = stage.server.listens(V4)?;
    for _ in 0..ENOUGH {
        let (c, a) = stage.pair(listener)?;
        stage.server.does(Op::Deafen { fd: a })?;
        stage.client.sends(c, MUCH)?;
        stage.client.does(Op::SentAgain { fd: c })?;
        stage.server.does(Op::Hear { fd: a })?;
        stage.server.receives(a, MUCH)?;
        stage.client.closes(c)?;
        stage.server.drains(a)?;
        stage.server.closes(a)?;
    }
    stage.finds(case.tracer(), since, &["retransmissions"])
}

/// Of twenty local ports that there are, 16 are in use.
fn ports_run_out(case: &Case) -> Fallible<()> {
    let (mut stage, since) = (Stage::new()?, since(case));
    stage.thresholds.ports = 20;
    let listener = stage.server.listens(V4)?;
    stage.client.does(Op::WriteFile {
        path: "/proc/sys/net/ipv4/ip_local_port_range".into(),
        text: "40000 40019".into(),
    })?;
    for _ in 0..15 {
        stage.pair(listener)?;
    }
    stage.finds(case.tracer(), since, &[])?;
    stage.pair(listener)?;
    stage.finds(case.tracer(), since, &["ports run out"])
}

/// Three addresses of one Service, at one of which nobody listens. Their common name is what a
/// cluster would give them.
fn one_peer_fails(case: &Case) -> Fallible<()> {
    let (mut stage, since) = (Stage::new()?, since(case));
    let at = |last, port| SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port));
    let first = stage.server.listens(at(2, 0))?;
    let port = first.addr.port();
    let second = stage.server.listens(at(3, port))?;
    for _ in 0..ENOUGH {
        stage.pair(first)?;
        stage.pair(second)?;
        let fd = stage.client.socket(V4)?;
        let addr = at(4, port);
        let connect = stage.client.tries(Op::Connect { fd, addr })?;
        connect.fails_with(libc::ECONNREFUSED)?;
    }
    let service = Arc::new(Peer {
        kind: PeerKind::Service,
        namespace: Some("shop".into()),
        name: "payments".into(),
    });
    let named = |event: &mut Event| {
        if event.remote.port == port {
            event.peer = Some(service.clone());
        }
    };
    stage.finds_in(case.tracer(), since, &["one peer fails", "refused"], named)
}
