//! The clockwork: what happens until a given moment. Pure; the same seed and the same start give
//! the same events, however often it is asked.

mod before;
mod dice;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use fastrand::Rng;
use nonmax::NonMaxU64;

use super::cast::{Cast, NODES, after, service};
use super::flows::{self, FLOWS, Far, Flow, From, To};
use super::socket::{Socket, Traffic};
use super::talk::{End, Said, Talk};
use super::workloads::WORKLOADS;
use crate::model::{Batch, Endpoint, Event, LossKind, Lost, Peer, Reason, Timestamp};

const SECOND: u64 = 1_000_000;
/// The job runs that often.
const RUN_US: u64 = 20 * SECOND;
/// What leaks is killed that often, and gets nothing to do for a while before that.
const KILL_US: u64 = 90 * SECOND;
const QUIET_US: u64 = 5 * SECOND;

/// The demo's world between two looks at it.
#[derive(Debug)]
pub(super) struct Play {
    rng: Rng,
    cast: Cast,
    start: Timestamp,
    /// What comes, the next first.
    queue: BinaryHeap<Reverse<Step>>,
    steps: u64,
    seqs: [u64; NODES.len()],
    /// Since the last look.
    events: [Vec<Event>; NODES.len()],
    lost: [u64; NODES.len()],
    /// What a leaking workload has not closed.
    leaked: Vec<(Socket, Timestamp, Traffic)>,
    killed_at: Timestamp,
    runs: u64,
}

#[derive(Debug)]
struct Step {
    at: Timestamp,
    nth: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    /// The next connection of a flow.
    Connect(&'static Flow),
    /// An event is reported.
    Say(usize, Box<Event>),
    /// An event is lost on its way.
    Lose(usize),
    /// The job runs.
    Run,
    /// What leaks is killed.
    Kill,
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.nth == other.nth
    }
}

impl Eq for Step {}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Step {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.nth).cmp(&(other.at, other.nth))
    }
}

/// Where a connection leads.
enum Way {
    /// To a replica that listens, by this address.
    Member(usize, Endpoint, Arc<Peer>),
    /// To nobody: the connect is refused.
    Refused(Endpoint, Arc<Peer>),
    /// Out of the cluster.
    Outside(Endpoint, Far),
}

impl Play {
    /// Everything from the start on, and the rows of what was open then.
    pub(super) fn new(seed: u64, start: Timestamp) -> Self {
        let mut rng = Rng::with_seed(seed);
        let cast = Cast::new(&mut rng);
        let mut play = Self {
            rng,
            cast,
            start,
            queue: BinaryHeap::new(),
            steps: 0,
            seqs: [0; NODES.len()],
            events: Default::default(),
            lost: [0; NODES.len()],
            leaked: Vec::new(),
            killed_at: start,
            runs: 0,
        };
        play.open_before();
        for flow in &FLOWS {
            let first = after(start, play.gap(flow, start));
            play.step(first, What::Connect(flow));
        }
        play.step(after(start, RUN_US / 3), What::Run);
        play.step(after(start, KILL_US), What::Kill);
        play
    }

    /// All that is reported up to `now`, in order.
    pub(super) fn advance(&mut self, now: Timestamp) -> Vec<Batch> {
        while let Some(Reverse(next)) = self.queue.peek()
            && next.at <= now
            && let Some(Reverse(step)) = self.queue.pop()
        {
            self.take(step);
        }
        self.batches()
    }

    /// The endings that are held back: the run ends now.
    pub(super) fn finish(&mut self, now: Timestamp) -> Vec<Batch> {
        let mut rest = self.advance(now);
        while let Some(Reverse(step)) = self.queue.pop() {
            if matches!(&step.what, What::Say(_, event) if event.ts <= now) {
                self.take(step);
            }
        }
        rest.append(&mut self.batches());
        rest
    }

    fn take(&mut self, Step { at, what, .. }: Step) {
        match what {
            What::Say(node, event) => self.report(node, *event),
            What::Lose(node) => self.lost[node] += 1,
            What::Connect(flow) => {
                self.connect(flow, at, false);
                let next = after(at, self.gap(flow, at));
                self.step(next, What::Connect(flow));
            }
            What::Run => {
                self.run(at);
                self.step(after(at, RUN_US), What::Run);
            }
            What::Kill => {
                self.kill(at);
                self.step(after(at, KILL_US), What::Kill);
            }
        }
    }

    fn report(&mut self, node: usize, mut event: Event) {
        self.seqs[node] += 1;
        event.seq = NonMaxU64::new(self.seqs[node]);
        self.events[node].push(event);
    }

    fn batches(&mut self) -> Vec<Batch> {
        let mut batches = Vec::new();
        for (node, name) in NODES.into_iter().enumerate() {
            let n = std::mem::take(&mut self.lost[node]);
            let kind = LossKind::Ring;
            let batch = Batch {
                node: name.into(),
                events: std::mem::take(&mut self.events[node]),
                lost: (n > 0).then_some(Lost::new(kind, n)).into_iter().collect(),
            };
            if !batch.events.is_empty() || !batch.lost.is_empty() {
                batches.push(batch);
            }
        }
        batches
    }

    fn step(&mut self, at: Timestamp, what: What) {
        self.steps += 1;
        let nth = self.steps;
        self.queue.push(Reverse(Step { at, nth, what }));
    }

    fn say(&mut self, said: Vec<Said>) {
        for Said { at, node, event } in said {
            self.step(at, What::Say(node, Box::new(event)));
        }
    }

    fn way(&mut self, to: To, node: Option<usize>, now: Timestamp) -> Option<Way> {
        let name = match to {
            To::Outside(addr, port, far) => {
                return Some(Way::Outside(Endpoint { addr, port }, far));
            }
            To::Service(name, _) | To::Pods(name) | To::Local(name) => name,
        };
        let mut members = self.cast.of(name);
        if let To::Service(name, port) = to {
            let (endpoint, peer) = service(name, port)?;
            members.retain(|member| !self.cast.get(*member).down);
            return Some(match self.pick(&members) {
                Some(member) if !self.is_quiet(member, now) => Way::Member(member, endpoint, peer),
                _ => Way::Refused(endpoint, peer),
            });
        }
        if matches!(to, To::Local(_)) {
            members.retain(|member| Some(self.cast.get(*member).node) == node);
        }
        let member = self.pick(&members)?;
        let (endpoint, peer) = (
            self.cast.get(member).endpoint(),
            self.cast.get(member).peer(),
        );
        Some(if self.cast.get(member).down {
            Way::Refused(endpoint, peer)
        } else {
            Way::Member(member, endpoint, peer)
        })
    }

    /// About to be killed, and therefore without work.
    fn is_quiet(&self, member: usize, now: Timestamp) -> bool {
        let killed_again = after(self.killed_at, KILL_US - QUIET_US);
        self.cast.get(member).workload.leaks && now >= killed_again
    }

    /// One connection of a flow, which `burst` may take from what is reported.
    fn connect(&mut self, flow: &Flow, syn: Timestamp, burst: bool) {
        let from = match flow.from {
            From::Any(name) => match self.pick(&self.cast.of(name)) {
                Some(member) => Some(member),
                None => return,
            },
            From::Outside => None,
        };
        let node = from.map(|member| self.cast.get(member).node);
        let Some(way) = self.way(flow.to, node, syn) else {
            return;
        };
        match (from, way) {
            (Some(from), Way::Member(to, endpoint, peer)) => {
                let client = self.cast.client(from, endpoint, Some(peer), &mut self.rng);
                let peer = Some(self.cast.get(from).peer());
                let server = self.cast.server(to, client.local, peer, &mut self.rng);
                let talk = self.talk(flow, syn, Some(from), Some(to));
                self.keep_leak(&server, &talk);
                let said = talk.said(Some(&client), None);
                if burst && self.percent(15) {
                    let lose = |said: &Said| (said.at, said.node);
                    for (at, node) in said.iter().map(lose).collect::<Vec<_>>() {
                        self.step(at, What::Lose(node));
                    }
                } else {
                    self.say(said);
                }
                self.say(talk.said(None, Some(&server)));
            }
            (Some(from), Way::Refused(endpoint, peer)) => {
                let client = self.cast.client(from, endpoint, Some(peer), &mut self.rng);
                let lat = self.throw((60, 900));
                self.fail(&client, syn, lat, (Reason::Refused, 111));
            }
            (Some(from), Way::Outside(endpoint, far)) => {
                self.connect_out(flow, syn, from, endpoint, far);
            }
            (None, Way::Member(to, ..)) => {
                let somebody = self.somebody();
                let server = self.cast.server(to, somebody, None, &mut self.rng);
                let talk = self.talk(flow, syn, None, Some(to));
                self.say(talk.said(None, Some(&server)));
            }
            // Nobody here sees it.
            (None, Way::Refused(..) | Way::Outside(..)) => {}
        }
    }

    fn connect_out(
        &mut self,
        flow: &Flow,
        syn: Timestamp,
        from: usize,
        endpoint: Endpoint,
        far: Far,
    ) {
        let client = self.cast.client(from, endpoint, None, &mut self.rng);
        match far {
            Far::Silent if self.percent(70) => {
                // 1 + 2 + 4 s: two SYNs sent again.
                let lat = self.throw((7_000_000, 7_200_000));
                self.fail(&client, syn, lat, (Reason::Timeout, 110));
            }
            Far::Silent => {
                let lat = self.throw((3_000_000, 3_050_000));
                self.fail(&client, syn, lat, (Reason::Aborted, 0));
            }
            Far::Unreachable => {
                let lat = self.throw((4_000, 30_000));
                self.fail(&client, syn, lat, (Reason::Unreachable, 113));
            }
            Far::Well | Far::Stalls => {
                let mut talk = self.talk(flow, syn, Some(from), None);
                if matches!(far, Far::Stalls) && self.percent(20) {
                    talk.end = End::Stalled;
                    talk.life_us += 15 * SECOND;
                    talk.retrans.0 += 6;
                }
                self.say(talk.said(Some(&client), None));
            }
        }
    }

    fn fail(&mut self, client: &Socket, syn: Timestamp, lat_us: u64, why: (Reason, u16)) {
        let at = after(syn, lat_us);
        let said = Said {
            at,
            node: client.node,
            event: client.failed(at, lat_us, why.0, why.1),
        };
        self.say(vec![said]);
    }

    fn keep_leak(&mut self, server: &Socket, talk: &Talk) {
        if talk.end == End::Forgotten {
            let (accepted, traffic) = talk.at_server();
            self.leaked.push((server.clone(), accepted, traffic));
        }
    }

    /// A run of the job: all its connections within a moment.
    fn run(&mut self, at: Timestamp) {
        self.runs += 1;
        if self.cast.next_run(&mut self.rng).is_none() {
            return;
        }
        // The second run and every other after it are more than the ring holds.
        let too_many = self.runs.is_multiple_of(2);
        let mut syn = at;
        for _ in 0..if too_many { 60 } else { 25 } {
            syn = after(syn, self.throw((100, 900)));
            self.connect(&flows::RUN, syn, too_many);
        }
    }

    /// Out of descriptors, the leaking process is killed and starts anew.
    fn kill(&mut self, at: Timestamp) {
        let mut ts = at;
        for (socket, opened, traffic) in std::mem::take(&mut self.leaked) {
            ts = after(ts, 8);
            let event = socket.closed(opened, ts, Reason::Killed, traffic);
            let node = socket.node;
            let at = after(ts, u64::from(traffic.rtt_us));
            self.say(vec![Said { at, node, event }]);
        }
        for workload in WORKLOADS.iter().filter(|workload| workload.leaks) {
            for member in self.cast.of(workload.name) {
                self.cast.restart(member, &mut self.rng);
            }
        }
        self.killed_at = at;
    }
}

#[cfg(test)]
mod tests;
