//! What was open at the start, and how that ends.

use super::{Play, SECOND, Way};
use crate::model::{Reason, TcpState, Timestamp};
use crate::source::demo::cast::{Cast, after};
use crate::source::demo::flows::{BEFORE, Fate, To};
use crate::source::demo::socket::{Socket, Traffic};
use crate::source::demo::talk::Said;
use crate::source::demo::workloads::WORKLOADS;

impl Play {
    /// Lists what was open at the start, both ends where both are here.
    pub(super) fn open_before(&mut self) {
        let mut nth = 0;
        for (from, to, fate) in BEFORE {
            for from in self.cast.of(from) {
                self.before(from, to, fate, nth);
                nth += 1;
            }
        }
        for _ in 0..9 {
            self.leaked_before();
        }
    }

    fn before(&mut self, from: usize, to: To, fate: Option<Fate>, nth: u16) {
        let opened = self.some_time_ago();
        let (server, endpoint, peer) = match self.way(to, None, self.start) {
            Some(Way::Member(to, endpoint, peer)) => (Some(to), endpoint, Some(peer)),
            Some(Way::Outside(endpoint, _)) => (None, endpoint, None),
            Some(Way::Refused(..)) | None => return,
        };
        let mut client = self.cast.client(from, endpoint, peer, &mut self.rng);
        Cast::staying_port(&mut client, nth);
        client.before = Some(opened);
        let peer = Some(self.cast.get(from).peer());
        let server = server.map(|to| {
            let mut server = self.cast.server(to, client.local, peer, &mut self.rng);
            server.before = Some(opened);
            server
        });
        let up = Traffic {
            sent: self.throw((9_000, 900_000)),
            received: self.throw((9_000, 90_000_000)),
            rtt_us: 450,
            retrans: 0,
        };
        let down = Traffic {
            sent: up.received,
            received: up.sent,
            ..up
        };
        self.list(&client, TcpState::Established, up);
        if let Some(server) = &server {
            self.list(server, TcpState::Established, down);
        }
        match fate {
            None => {}
            Some(Fate::Broken { after_s, why }) => {
                let ts = after(self.start, after_s * SECOND);
                let event = client.broke(opened, ts, why, up);
                let node = client.node;
                self.say(vec![Said {
                    at: ts,
                    node,
                    event,
                }]);
            }
            Some(Fate::Closed { after_s }) => {
                let ts = after(self.start, after_s * SECOND);
                let later = after(ts, 600);
                let close = |socket: &Socket, ts, why, traffic| Said {
                    at: after(later, 450),
                    node: socket.node,
                    event: socket.closed(opened, ts, why, traffic),
                };
                let mut said = vec![close(&client, ts, Reason::FinLocal, up)];
                said.extend(server.map(|server| close(&server, later, Reason::FinRemote, down)));
                self.say(said);
            }
        }
    }

    /// A connection that its client had closed before the start, and the server had not.
    fn leaked_before(&mut self) {
        let Some(workload) = WORKLOADS.iter().find(|workload| workload.leaks) else {
            return;
        };
        let (client, server) = (self.cast.of("web"), self.cast.of(workload.name));
        let (Some(from), Some(to)) = (self.pick(&client), self.pick(&server)) else {
            return;
        };
        let opened = self.some_time_ago();
        let endpoint = self.cast.get(to).endpoint();
        let client = self.cast.client(from, endpoint, None, &mut self.rng);
        let peer = Some(self.cast.get(from).peer());
        let mut server = self.cast.server(to, client.local, peer, &mut self.rng);
        server.before = Some(opened);
        let traffic = Traffic {
            sent: self.throw((800, 60_000)),
            received: self.throw((300, 4_000)),
            rtt_us: 600,
            retrans: 0,
        };
        self.list(&server, TcpState::CloseWait, traffic);
        self.leaked.push((server, opened, traffic));
    }

    fn some_time_ago(&mut self) -> Timestamp {
        let nanos = 1_000 * self.throw((60 * SECOND, 7_200 * SECOND));
        Timestamp(self.start.0.saturating_sub_unsigned(nanos))
    }

    fn list(&mut self, socket: &Socket, state: TcpState, traffic: Traffic) {
        let row = socket.listed(self.start, state, traffic);
        self.events[socket.node].push(row);
    }
}
