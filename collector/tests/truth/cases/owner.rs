//! Who it was: processes that share, pass on, rename and lose their sockets.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use collector::model::{Event, EventType, Origin, Reason};
use collector::probe;
use rustix::process::Signal;

use super::cases;
use super::ending::Pair;
use super::place::Place;
use crate::actor::{Actor, Done, Op, V4, hierarchy};
use crate::case::{Case, Fallible, Stop, failed, no};
use crate::machine::load;
use crate::story::{Story, line};
use crate::trace::forced;

cases! { "owner":
    exit_without_close,
    exit_with_a_status,
    killed,
    terminated,
    hung_up,
    last_of_a_fork,
    first_of_a_fork_shuts_down,
    last_of_a_dup,
    passed_to_another_process,
    thread_that_closes,
    thread_that_connects,
    exit_of_another_thread,
    renamed,
    hostile_names,
    other_user,
    last_of_its_cgroup,
    let_go_while_we_look,
}

/// The client ends by itself, and the server sees it go.
fn gone(
    case: &Case,
    reason: Reason,
    end: impl FnOnce(&mut Pair) -> Fallible<Done>,
) -> Fallible<()> {
    let mut p = Pair::open()?;
    p.client.sends(p.c.fd, 11)?;
    p.server.receives(p.a.fd, 11)?;
    let x = end(&mut p)?;
    p.server.drains(p.a.fd)?;
    let y = p.server.closes(p.a.fd)?;
    case.expect(&[
        p.connected().closed(&x, reason).bytes(11, 0),
        p.accepted().closed(&y, Reason::FinRemote).bytes(0, 11),
    ])
}

fn exit_without_close(case: &Case) -> Fallible<()> {
    gone(case, Reason::FinLocal, |p| p.client.exits(0))
}

fn exit_with_a_status(case: &Case) -> Fallible<()> {
    gone(case, Reason::FinLocal, |p| p.client.exits(137))
}

fn killed(case: &Case) -> Fallible<()> {
    gone(case, Reason::Killed, |p| p.client.is_killed(Signal::KILL))
}

fn terminated(case: &Case) -> Fallible<()> {
    gone(case, Reason::Killed, |p| p.client.is_killed(Signal::TERM))
}

fn hung_up(case: &Case) -> Fallible<()> {
    gone(case, Reason::Killed, |p| p.client.is_killed(Signal::HUP))
}

/// The parent closes its copy, which does nothing, and the child closes the last one.
fn last_of_a_fork(case: &Case) -> Fallible<()> {
    gone(case, Reason::FinLocal, |p| {
        let mut child = p.client.forks()?;
        p.client.closes(p.c.fd)?;
        child.closes(p.c.fd)
    })
}

/// It is the FIN that counts, not who holds the last copy.
fn first_of_a_fork_shuts_down(case: &Case) -> Fallible<()> {
    gone(case, Reason::FinLocal, |p| {
        let mut child = p.client.forks()?;
        let x = child.shuts(p.c.fd, libc::SHUT_WR)?;
        child.closes(p.c.fd)?;
        p.client.closes(p.c.fd)?;
        Ok(x)
    })
}

fn last_of_a_dup(case: &Case) -> Fallible<()> {
    gone(case, Reason::FinLocal, |p| {
        let copy = p.client.does(Op::Dup { fd: p.c.fd })?;
        p.client.closes(p.c.fd)?;
        p.client.closes(crate::actor::as_fd(&copy)?)
    })
}

fn passed_to_another_process(case: &Case) -> Fallible<()> {
    let mut heir = Actor::start()?;
    heir.does(Op::Rename {
        comm: b"heir".to_vec(),
    })?;
    gone(case, Reason::FinLocal, |p| {
        let fd = p.client.passes(p.c.fd, &mut heir)?;
        p.client.closes(p.c.fd)?;
        heir.closes(fd)
    })
}

fn thread_that_closes(case: &Case) -> Fallible<()> {
    gone(case, Reason::FinLocal, |p| {
        let mut thread = p.client.thread()?;
        thread.does(Op::Rename {
            comm: b"a thread".to_vec(),
        })?;
        thread.closes(p.c.fd)
    })
}

fn thread_that_connects(case: &Case) -> Fallible<()> {
    let (mut client, server) = Actor::pair()?;
    let mut thread = client.thread()?;
    thread.does(Op::Rename {
        comm: b"a thread".to_vec(),
    })?;
    let mut p = Pair::between(thread, server)?;
    let x = p.client.closes(p.c.fd)?;
    p.server.drains(p.a.fd)?;
    let y = p.server.closes(p.a.fd)?;
    case.expect(&[
        p.connected().closed(&x, Reason::FinLocal),
        p.accepted().closed(&y, Reason::FinRemote),
    ])
}

/// `exit()` in one thread ends the others by a signal, and yet nobody was killed.
fn exit_of_another_thread(case: &Case) -> Fallible<()> {
    let mut p = Pair::open()?;
    let mut thread = p.client.thread()?;
    let mut x = thread.exits(0)?;
    p.server.drains(p.a.fd)?;
    x.window = x.window.until(crate::case::now());
    let y = p.server.closes(p.a.fd)?;
    case.expect(&[
        // The last thread to go closes the descriptors: which one that is, is not known.
        p.connected().closed(&x, Reason::FinLocal).by_any_thread(),
        p.accepted().closed(&y, Reason::FinRemote),
    ])
}

fn renamed(case: &Case) -> Fallible<()> {
    gone(case, Reason::FinLocal, |p| {
        p.client.does(Op::Rename {
            comm: b"sixteen bytes l".to_vec(),
        })?;
        p.client.closes(p.c.fd)
    })
}

fn hostile_names(case: &Case) -> Fallible<()> {
    let names: [&[u8]; 6] = [
        b"\x1b[2J\x07\n\r",
        b"\xff\xfe\xc3(",
        b"",
        b" ",
        "\u{202e}gnp.exe".as_bytes(),
        b"){:;};%n%s\"'\\",
    ];
    for name in names {
        let (mut client, server) = Actor::pair()?;
        client.does(Op::Rename {
            comm: name.to_vec(),
        })?;
        let mut p = Pair::between(client, server)?;
        let x = p.client.closes(p.c.fd)?;
        p.server.drains(p.a.fd)?;
        let y = p.server.closes(p.a.fd)?;
        case.expect(&[
            p.connected().closed(&x, Reason::FinLocal),
            p.accepted().closed(&y, Reason::FinRemote),
        ])?;
    }
    Ok(())
}

/// A server that gives up its privileges after it has begun to listen.
fn other_user(case: &Case) -> Fallible<()> {
    let (mut client, mut server) = Actor::pair()?;
    let listener = server.listens(V4)?;
    server.does(Op::SetIds {
        uid: 4_000_000_001,
        gid: 65_533,
    })?;
    client.does(Op::SetIds {
        uid: 1234,
        gid: 4321,
    })?;
    let c = client.connects(listener.addr)?;
    let a = server.accepts(listener)?;
    let y = server.closes(a.fd)?;
    client.drains(c.fd)?;
    let x = client.closes(c.fd)?;
    case.expect(&[
        Story::connected(&c).closed(&x, Reason::FinRemote),
        Story::accepted(&a, &c).closed(&y, Reason::FinLocal),
    ])
}

/// The process that closes is the last one of its cgroup, and does it by being killed: it has no
/// namespaces any more, and its cgroup is about to go, and is what names its container.
fn last_of_its_cgroup(case: &Case) -> Fallible<()> {
    let (mut client, server) = Actor::pair()?;
    let name = format!("tcpscope-truth-{}", client.who().pid);
    let moved = client.tries(Op::OwnCgroup { name: name.clone() })?;
    if !matches!(moved.result, Ok(1)) {
        return crate::case::lacking("no cgroup v2 hierarchy is mounted that can be written to");
    }
    let mut p = Pair::between(client, server)?;
    let x = p.client.is_killed(Signal::KILL)?;
    remove_cgroup(&name)?;
    p.server.drains(p.a.fd)?;
    let y = p.server.closes(p.a.fd)?;
    case.expect(&[
        p.connected().closed(&x, Reason::Killed),
        p.accepted().closed(&y, Reason::FinRemote),
    ])
}

/// It was made next to this process's own.
pub fn remove_cgroup(name: &str) -> Fallible<()> {
    let (mount, path) = hierarchy().ok_or_else(no("cgroup v2 hierarchy"))?;
    let mount = mount.ok_or_else(no("mounted cgroup v2 hierarchy"))?;
    let folder = format!("{mount}{path}/{name}");
    crate::case::until(|| std::fs::remove_dir(&folder).is_ok())
}

/// Our own list of all files holds each of them for a moment, and the kernel may close in the name of the
/// thread that lists what its owner has let go: the owner it was all the same.
fn let_go_while_we_look(_: &Case) -> Fallible<()> {
    let mut place = Place::new()?;
    let ours = [&place.client, &place.server].map(|actor| actor.who().pid);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _inside = runtime.enter();
    let options = forced(&probe::Options::default()).map_err(Stop::Failed)?;
    let mut probes = probe::Probes::attach(&options)?;
    let mut ring = probes.take_ring()?;
    // What is open already is listed first, so that later lists find little.
    probes.seed()?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let done = place.burst(load(5_000));
            over.store(true, Ordering::Relaxed);
            done
        });
        while !over.load(Ordering::Relaxed) {
            probes.seed_again();
            probes.seed()?;
        }
        load.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    let mut events = Vec::new();
    let mut interpreter = probe::Interpreter::default();
    let mut out = probe::Output {
        events: &mut events,
        origins: &mut Nowhere,
        clock: probe::Clock::now(),
    };
    let _ = ring.drain(|bytes| {
        interpreter.bytes(bytes, &mut out);
        ControlFlow::Continue(())
    });
    interpreter.finish(&mut out);
    let closed = |event: &&Event| place.has(event) && event.kind == Some(EventType::Close);
    let by = |event: &Event| event.process.as_ref().map(|process| process.pid);
    let closings: Vec<_> = events.iter().filter(closed).collect();
    let wrong = closings
        .iter()
        .find(|event| by(event).is_none_or(|pid| !ours.contains(&pid)));
    match wrong {
        None if closings.is_empty() => failed("nothing was closed"),
        None => Ok(()),
        Some(wrong) => failed(format!("not by {ours:?}: {}", line(wrong))),
    }
}

/// Names no workload.
struct Nowhere;

impl probe::Origins for Nowhere {
    fn origin(&mut self, _: u64) -> Arc<Origin> {
        Arc::default()
    }
}
