//! The course of one connection: what both ends say of it, and when. Pure.
//!
//! ```text
//! client  SYN ──▶ C ─────────── life ────────▶ X fin-local
//! server           └▶ queue ▶ A ───────────────────▶ X fin-remote
//! ```

use super::cast::after;
use super::socket::{Socket, Traffic};
use crate::model::{Event, Reason, Timestamp};

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client closes, then the server.
    ByClient,
    /// The server closes, then the client.
    ByServer,
    /// The client closes with data unread.
    ResetByClient,
    /// The server closes with data unread.
    ResetByServer,
    /// The client closes, and the server forgets to.
    Forgotten,
    /// The server falls silent, and the client's kernel gives up.
    Stalled,
}

/// The course of a connection. Times are in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Talk {
    pub(super) syn: Timestamp,
    /// SYN to ESTABLISHED, retransmitted SYNs included.
    pub(super) lat_us: u64,
    pub(super) rtt_us: u32,
    /// In the accept queue.
    pub(super) queued_us: u64,
    /// From the opening of the end that closes first to its FIN or reset.
    pub(super) life_us: u64,
    /// From the peer's FIN to one's own.
    pub(super) reaction_us: u64,
    /// Payload bytes from client to server.
    pub(super) request: u64,
    /// Payload bytes from server to client.
    pub(super) answer: u64,
    /// Segments that the client and the server had to send again.
    pub(super) retrans: (u32, u32),
    pub(super) end: End,
}

/// An event, and when it is reported: an ending waits for its final figures.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) at: Timestamp,
    pub(super) node: usize,
    pub(super) event: Event,
}

/// How long an ending is held back for its figures.
const HOLD_US: u64 = 1_000_000;

/// The moments of a connection.
struct Course {
    connected: Timestamp,
    accepted: Timestamp,
    client_ends: Timestamp,
    server_ends: Timestamp,
    /// When neither kernel has anything more to send.
    gone: Timestamp,
}

impl Talk {
    /// What is said of it, by the ends that are in the cluster.
    pub(super) fn said(&self, client: Option<&Socket>, server: Option<&Socket>) -> Vec<Said> {
        let course = self.course();
        let mut said = Vec::new();
        if let Some(client) = client {
            self.client(client, &course, &mut said);
        }
        if let Some(server) = server {
            self.server(server, &course, &mut said);
        }
        said
    }

    /// When `accept()` returned, and what the server had sent and received in the end.
    pub(super) fn at_server(&self) -> (Timestamp, Traffic) {
        let traffic = Traffic {
            sent: self.answer,
            received: self.request,
            rtt_us: self.rtt_us,
            retrans: self.retrans.1,
        };
        (self.course().accepted, traffic)
    }

    fn course(&self) -> Course {
        let one_way = u64::from(self.rtt_us / 2);
        let connected = after(self.syn, self.lat_us);
        let accepted = after(connected, one_way + self.queued_us);
        let (client_ends, server_ends) = match self.end {
            End::ByClient | End::Forgotten | End::Stalled => {
                let client = after(connected, self.life_us);
                // A FIN that comes while it is queued waits there with it.
                let server = after(client, one_way).max(accepted);
                (client, after(server, self.reaction_us))
            }
            End::ResetByClient => {
                // Who is reset in the queue is another story than this one.
                let client = after(connected, self.life_us).max(accepted);
                (client, after(client, one_way))
            }
            End::ByServer => {
                let server = after(accepted, self.life_us);
                (after(server, one_way + self.reaction_us), server)
            }
            End::ResetByServer => {
                let server = after(accepted, self.life_us);
                (after(server, one_way), server)
            }
        };
        let gone = after(client_ends.max(server_ends), u64::from(self.rtt_us));
        Course {
            connected,
            accepted,
            client_ends,
            server_ends,
            gone,
        }
    }

    fn client(&self, socket: &Socket, course: &Course, said: &mut Vec<Said>) {
        let traffic = Traffic {
            sent: self.request,
            received: self.answer,
            rtt_us: self.rtt_us,
            retrans: self.retrans.0,
        };
        let (opened, ts) = (course.connected, course.client_ends);
        let close = |why| socket.closed(opened, ts, why, traffic);
        let broke = |why| socket.broke(opened, ts, why, traffic);
        let held = after(ts, HOLD_US);
        let (at, ending) = match self.end {
            End::ByClient => (held.min(course.gone), close(Reason::FinLocal)),
            // It stays in FIN_WAIT2.
            End::Forgotten => (held, close(Reason::FinLocal)),
            End::ByServer => (held.min(course.gone), close(Reason::FinRemote)),
            End::ResetByClient => (ts, close(Reason::ResetSent)),
            End::ResetByServer => (ts, broke((Reason::ResetByPeer, 104))),
            End::Stalled => (ts, broke((Reason::Timeout, 110))),
        };
        say(said, opened, socket, socket.connected(opened, self.lat_us));
        say(said, at, socket, ending);
    }

    fn server(&self, socket: &Socket, course: &Course, said: &mut Vec<Said>) {
        let (_, traffic) = self.at_server();
        let (opened, ts) = (course.accepted, course.server_ends);
        let close = |why| socket.closed(opened, ts, why, traffic);
        let broke = |why| socket.broke(opened, ts, why, traffic);
        let held = after(ts, HOLD_US).min(course.gone);
        say(
            said,
            opened,
            socket,
            socket.accepted(opened, self.queued_us),
        );
        let (at, ending) = match self.end {
            End::ByClient => (held, close(Reason::FinRemote)),
            End::ByServer => (held, close(Reason::FinLocal)),
            End::ResetByClient => (ts, broke((Reason::ResetByPeer, 104))),
            End::ResetByServer => (ts, close(Reason::ResetSent)),
            End::Forgotten | End::Stalled => return,
        };
        say(said, at, socket, ending);
    }
}

fn say(said: &mut Vec<Said>, at: Timestamp, socket: &Socket, event: Event) {
    said.push(Said {
        at,
        node: socket.node,
        event,
    });
}
