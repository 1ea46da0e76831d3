//! Where the cases about loss happen: a network of their own, so that what is theirs is known.

use collector::model::{Event, Timestamp};
use collector::probe;

use crate::actor::{Actor, Conn, Listener, Op, V4};
use crate::case::{Fallible, failed};
use crate::trace::Tracer;

/// A client and a server in a network of their own.
pub struct Place {
    pub client: Actor,
    pub server: Actor,
    pub listener: Listener,
    pub netns: u32,
    /// The kernel gives a network's number again.
    since: Timestamp,
}

impl Place {
    pub fn new() -> Fallible<Self> {
        let since = Timestamp::now();
        let (mut client, mut server) = Actor::pair()?;
        server.does(Op::OwnNetwork)?;
        let pid = server.who().pid;
        client.does(Op::JoinNetwork { pid })?;
        let listener = server.listens_with(V4, 4096, libc::IPPROTO_TCP)?;
        let netns = server.who().netns;
        Ok(Self {
            client,
            server,
            listener,
            netns,
            since,
        })
    }

    /// So many connections, one after the other: four events each.
    pub fn burst(&mut self, times: u32) -> Fallible<()> {
        let serving = self.server.begin(&Op::Serve {
            fd: self.listener.fd,
            times,
        })?;
        let done = self.client.does(Op::Burst {
            domain: libc::AF_INET,
            addr: self.listener.addr,
            times,
        })?;
        self.server.finish(serving)?.ok()?;
        if done.result == Ok(times.into()) {
            return Ok(());
        }
        failed(format!("{:?} connects worked", done.result))
    }

    pub fn connection(&mut self) -> Fallible<(Conn, Conn)> {
        let c = self.client.connects(self.listener.addr)?;
        Ok((c, self.server.accepts(self.listener)?))
    }

    pub fn has(&self, event: &Event) -> bool {
        let netns = event.netns.map_or(0, |n| n.get());
        netns == self.netns && event.kind.is_some() && event.ts > self.since
    }

    pub fn count(&self, events: &[Event]) -> usize {
        events.iter().filter(|event| self.has(event)).count()
    }
}

pub fn start(options: &probe::Options) -> Fallible<Tracer> {
    Tracer::start_with(options).or_else(failed)
}
