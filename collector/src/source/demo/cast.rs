//! Who is there: the nodes, and the replicas of the workloads on them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use fastrand::Rng;
use nonmax::{NonMaxU32, NonMaxU64};

use super::socket::{Host, Socket};
use super::workloads::{CRON, Pods, WORKLOADS, Workload};
use crate::model::{Comm, ConnId, Endpoint, Family, Origin, Peer, PeerKind, Process, Timestamp};

/// The nodes' names.
pub(super) const NODES: [&str; 3] = ["demo-1", "demo-2", "demo-3"];
/// The node whose link loses segments.
const LOSSY_NODE: usize = 2;

/// One replica of a workload, or a service of a host.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) workload: &'static Workload,
    /// Where it runs, by its place in [`NODES`].
    pub(super) node: usize,
    /// Nothing listens on its port.
    pub(super) down: bool,
    host: Arc<Host>,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    /// The first of its processes.
    pid: u32,
    /// What others see when they connect to it.
    peer: Arc<Peer>,
    next_port: u16,
}

/// Everybody.
#[derive(Debug)]
pub(super) struct Cast {
    members: Vec<Member>,
    /// What each connection on a node is called next.
    next_conn: [u64; NODES.len()],
    next_pid: u32,
    runs: u32,
}

/// The first local port of those that come and go, and the first of those that stay.
const PORTS: (u16, u16) = (32_768, 60_000);
/// How far the id of a thread that works is above that of its process.
const THREAD: u32 = 21;

impl Cast {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let mut cast = Self {
            members: Vec::new(),
            next_conn: [0x1000; NODES.len()],
            next_pid: 2_000,
            runs: 0,
        };
        for workload in &WORKLOADS {
            let set = letters(rng, 9);
            for (replica, node) in workload.nodes.iter().enumerate() {
                cast.add((workload, replica, &set), *node, rng);
            }
        }
        cast
    }

    pub(super) fn get(&self, member: usize) -> &Member {
        &self.members[member]
    }

    /// The members that play a workload's part.
    pub(super) fn of(&self, name: &str) -> Vec<usize> {
        let members = self.members.iter().enumerate();
        members
            .filter(|(_, m)| m.workload.name == name)
            .map(|(at, _)| at)
            .collect()
    }

    /// A container starts anew: another process, in a cgroup of its own.
    pub(super) fn restart(&mut self, member: usize, rng: &mut Rng) {
        let pid = self.new_pid(rng);
        let member = &mut self.members[member];
        let mut host = Host::clone(&member.host);
        host.cgroup = NonMaxU64::new(u64::from(pid));
        member.host = Arc::new(host);
        member.pid = pid;
    }

    /// The next pod of the job that runs again and again.
    pub(super) fn next_run(&mut self, rng: &mut Rng) -> Option<usize> {
        let job = *self.of(CRON).first()?;
        self.runs += 1;
        let suffix = letters(rng, 5);
        let name = format!("{CRON}-{}-{suffix}", 29_000_000 + self.runs);
        self.restart(job, rng);
        let member = &mut self.members[job];
        let mut host = Host::clone(&member.host);
        host.origin = Arc::new(Origin {
            pod: Some(name.as_str().into()),
            ..Origin::clone(&host.origin)
        });
        member.host = Arc::new(host);
        member.peer = Arc::new(Peer {
            name: name.into(),
            ..Peer::clone(&member.peer)
        });
        Some(job)
    }

    /// A socket of a member that connects to an address.
    pub(super) fn client(
        &mut self,
        member: usize,
        to: Endpoint,
        peer: Option<Arc<Peer>>,
        rng: &mut Rng,
    ) -> Socket {
        let port = self.new_port(member);
        self.socket(member, port, to, peer, rng)
    }

    /// A socket that a member gets from its listener.
    pub(super) fn server(
        &mut self,
        member: usize,
        from: Endpoint,
        peer: Option<Arc<Peer>>,
        rng: &mut Rng,
    ) -> Socket {
        let port = self.members[member].workload.port;
        self.socket(member, port, from, peer, rng)
    }

    fn socket(
        &mut self,
        at: usize,
        port: u16,
        remote: Endpoint,
        peer: Option<Arc<Peer>>,
        rng: &mut Rng,
    ) -> Socket {
        let member = &self.members[at];
        let conn = &mut self.next_conn[member.node];
        *conn += 1;
        let pid = member.pid + rng.u32(0..member.workload.workers);
        Socket {
            node: member.node,
            host: Arc::clone(&member.host),
            process: Process {
                pid,
                tid: NonMaxU32::new(pid + member.workload.thread.map_or(0, |_| THREAD)),
                uid: NonMaxU32::new(member.workload.uid),
                gid: NonMaxU32::new(member.workload.uid),
                comm: Comm::from_text(member.workload.comm),
                thread: member.workload.thread.map(Comm::from_text),
            },
            family: if member.workload.dual || remote.addr.is_ipv6() {
                Family::V6
            } else {
                Family::V4
            },
            local: Endpoint {
                addr: member.address(remote.addr),
                port,
            },
            remote,
            conn: ConnId(*conn),
            peer,
            before: None,
        }
    }

    /// A local port for a connection that stays, which those that come and go never get.
    pub(super) fn staying_port(socket: &mut Socket, nth: u16) {
        socket.local.port = PORTS.1 + nth;
    }

    fn new_port(&mut self, member: usize) -> u16 {
        let next = &mut self.members[member].next_port;
        // Even ones first, as the kernel has it for connect().
        *next = if *next + 2 >= PORTS.1 {
            PORTS.0
        } else {
            *next + 2
        };
        *next
    }

    fn new_pid(&mut self, rng: &mut Rng) -> u32 {
        self.next_pid += rng.u32(7..90);
        self.next_pid
    }

    /// A replica, by its number and the set that it is one of, where that has a name.
    fn add(
        &mut self,
        (workload, replica, set): (&'static Workload, usize, &str),
        node: usize,
        rng: &mut Rng,
    ) {
        let pid = self.new_pid(rng);
        let nth = u8::try_from(self.members.len() + 4).unwrap_or(u8::MAX);
        let subnet = u8::try_from(node + 1).unwrap_or(u8::MAX);
        let pod = match workload.pods {
            Pods::Deployment => {
                let pod = letters(rng, 5);
                Some(format!("{}-{set}-{pod}", workload.name))
            }
            Pods::StatefulSet => Some(format!("{}-{replica}", workload.name)),
            Pods::Static => Some(format!("{}-{}", workload.name, NODES[node])),
            Pods::Unit => None,
        };
        let host_network = matches!(workload.pods, Pods::Static | Pods::Unit);
        let namespace: Option<Arc<str>> = workload.namespace.map(Arc::from);
        let peer = match &pod {
            Some(pod) => Peer {
                kind: PeerKind::Pod,
                namespace: namespace.clone(),
                name: pod.as_str().into(),
            },
            None => Peer {
                kind: PeerKind::Node,
                namespace: None,
                name: NODES[node].into(),
            },
        };
        let inode = u32::from(nth) * 4;
        let netns = if host_network { 0x0800 } else { 0x1000 + inode };
        self.members.push(Member {
            workload,
            node,
            down: workload.down == Some(replica),
            host: Arc::new(Host {
                origin: Arc::new(Origin {
                    node: NODES[node].into(),
                    namespace,
                    pod: pod.map(Arc::from),
                    container: Some(workload.container.into()),
                }),
                netns: NonMaxU32::new(0xf000_0000 + netns),
                mntns: NonMaxU32::new(0xf000_2000 + inode),
                cgroup: NonMaxU64::new(u64::from(pid)),
            }),
            v4: if host_network {
                Ipv4Addr::new(10, 0, 0, 10 + subnet)
            } else {
                Ipv4Addr::new(10, 42, subnet, nth)
            },
            v6: Ipv6Addr::new(
                0x2001,
                0xdb8,
                42,
                u16::from(subnet),
                0,
                0,
                0,
                u16::from(nth),
            ),
            pid,
            peer: Arc::new(peer),
            next_port: PORTS.0 + 2 * rng.u16(0..8_000),
        });
        // Room for its other processes.
        self.next_pid += workload.workers;
    }
}

impl Member {
    /// Its address in the family of another one.
    pub(super) fn address(&self, like: IpAddr) -> IpAddr {
        if like.is_ipv6() {
            self.v6.into()
        } else {
            self.v4.into()
        }
    }

    /// What a connect that names the pod itself goes to.
    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint {
            addr: self.v4.into(),
            port: self.workload.port,
        }
    }

    /// Its name as the other end of a connection.
    pub(super) fn peer(&self) -> Arc<Peer> {
        Arc::clone(&self.peer)
    }

    /// Whether its segments get lost.
    pub(super) fn is_lossy(&self) -> bool {
        self.node == LOSSY_NODE
    }
}

/// The address and the name of the Service before a workload.
pub(super) fn service(name: &str, port: u16) -> Option<(Endpoint, Arc<Peer>)> {
    let nth = WORKLOADS
        .iter()
        .position(|workload| workload.name == name)?;
    let addr = Ipv4Addr::new(10, 96, 0, u8::try_from(nth + 10).ok()?).into();
    let peer = Peer {
        kind: PeerKind::Service,
        namespace: WORKLOADS[nth].namespace.map(Arc::from),
        name: name.into(),
    };
    Some((Endpoint { addr, port }, Arc::new(peer)))
}

/// The letters that Kubernetes makes names of.
fn letters(rng: &mut Rng, n: usize) -> String {
    const LETTERS: [char; 27] = [
        'b', 'c', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'q', 'r', 's', 't', 'v', 'w',
        'x', 'z', '2', '4', '5', '6', '7', '8', '9',
    ];
    (0..n)
        .map(|_| LETTERS[rng.usize(..LETTERS.len())])
        .collect()
}

/// A moment after another one.
pub(super) fn after(ts: Timestamp, us: u64) -> Timestamp {
    let nanos = us.saturating_mul(1_000);
    Timestamp(ts.0.saturating_add_unsigned(nanos))
}
