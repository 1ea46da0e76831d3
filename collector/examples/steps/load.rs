//! What the ring has on a busy host: connections whose both ends are here, each of them opened,
//! accepted and closed at both ends. The same numbers always give the same records.

use std::sync::Arc;
use std::time::Instant;

use collector::identity::{CgroupIndex, Hierarchy};
use collector::model::{Event, Origin};
use collector::probe::{Clock, Interpreter, Origins, Output};
use probe_common::{Record, Task, flag, kind};

/// Connections that are open at a moment.
const OPEN: u64 = 64;
/// Clients and servers, each a process in a cgroup of its own.
const CLIENTS: u64 = 48;
const SERVERS: u64 = 16;
/// Between the openings of two connections, in nanoseconds.
const APART: u64 = 80_000;
/// Since the kernel's start, and before 1970 nobody had one.
const OFFSET: i64 = 1_767_323_045_000_000_000;

/// How many events one connection makes.
pub const EVENTS: u64 = 4;

/// TCP states, as the kernel numbers them.
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;

/// What turns records into events, as on a host with a cgroup for each process.
pub struct Host {
    ids: Vec<u64>,
    interpreter: Interpreter,
    origins: ByCgroup,
}

struct ByCgroup(CgroupIndex, Instant);

impl Origins for ByCgroup {
    fn origin(&mut self, cgroup: u64) -> Arc<Origin> {
        self.0.origin((cgroup != 0).then_some(cgroup), self.1)
    }
}

impl Host {
    pub fn new() -> std::io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let hierarchy = Hierarchy::at(dir.path());
        let mut ids = Vec::new();
        for i in 0..CLIENTS + SERVERS {
            let name = format!("system.slice/app-{i}.service");
            std::fs::create_dir_all(dir.path().join(&name))?;
            ids.extend(hierarchy.id_of(&format!("/{name}")));
        }
        let now = Instant::now();
        Ok(Self {
            ids,
            interpreter: Interpreter::default(),
            origins: ByCgroup(CgroupIndex::new("host1".into(), Some(hierarchy), now), now),
        })
    }

    /// The records of connection number `i` and of the one that ends as it opens, as the ring has
    /// them.
    pub fn records(&self, i: u64) -> Vec<Vec<u8>> {
        let mut records = self.opening(i).to_vec();
        if let Some(ended) = i.checked_sub(OPEN) {
            records.extend(self.ending(ended));
        }
        records.iter().map(bytes).collect()
    }

    /// Understands records.
    pub fn hear(&mut self, records: &[Vec<u8>], events: &mut Vec<Event>) {
        let mut out = Output {
            events,
            origins: &mut self.origins,
            clock: Clock::with_offset(OFFSET),
        };
        for record in records {
            self.interpreter.bytes(record, &mut out);
        }
    }

    /// What the client's end of a connection has in all its records, and the server's.
    fn ends(&self, i: u64) -> [Record; 2] {
        let chance = mixed(i);
        let (client, server) = (chance % CLIENTS, chance / CLIENTS % SERVERS);
        let address = |n: u64| {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&(0x0a01_0000 + low(n)).to_be_bytes());
            bytes
        };
        let task = |n: u64, name: &[u8]| {
            let mut comm = [0; 16];
            comm[..name.len()].copy_from_slice(name);
            let pid = 1_000 + low(n);
            Task {
                pid,
                tid: pid,
                comm,
                cgroup: self.ids.get(low(n) as usize).copied().unwrap_or_default(),
                mntns: 4_026_531_841,
                ..Task::default()
            }
        };
        let port = 32_768 + u16::try_from(i % 28_000).unwrap_or_default();
        let opened_ns = 1_000_000_000 + i * APART;
        let client_end = Record {
            conn: 2 * i + 1,
            opened_ns,
            netns: 4_026_531_840,
            saddr: address(client),
            daddr: address(CLIENTS + server),
            sport: port,
            dport: 8_080,
            family: 2,
            flags: flag::OWNED | flag::CLIENT,
            task: task(client, b"client"),
            ..Record::default()
        };
        let server_end = Record {
            conn: 2 * i + 2,
            saddr: client_end.daddr,
            daddr: client_end.saddr,
            sport: client_end.dport,
            dport: client_end.sport,
            flags: flag::OWNED,
            task: task(CLIENTS + server, b"server"),
            ..client_end
        };
        [client_end, server_end]
    }

    fn opening(&self, i: u64) -> [Record; 2] {
        let [client, server] = self.ends(i);
        let opened = client.opened_ns;
        let connect = Record {
            kind: kind::CONNECT,
            old_state: SYN_SENT,
            new_state: ESTABLISHED,
            ts_ns: opened,
            start_ns: opened - 30_000 - mixed(i) % 8_192,
            ..client
        };
        let accept = Record {
            kind: kind::ACCEPT,
            old_state: ESTABLISHED,
            new_state: ESTABLISHED,
            ts_ns: opened + 20_000,
            start_ns: opened,
            ..server
        };
        [connect, accept]
    }

    fn ending(&self, i: u64) -> [Record; 4] {
        let [client, server] = self.ends(i);
        let over = client.opened_ns + OPEN * APART;
        let (sent, received) = (mixed(i) % 10_000, mixed(i) % 1_000_000);
        let of = |end: Record, kind, old_state, new_state, ts_ns| Record {
            kind,
            old_state,
            new_state,
            ts_ns,
            flags: end.flags | flag::FIN_SENT | flag::BOTH_WAYS,
            rtt_us: 40,
            ..end
        };
        let client = Record {
            sent,
            received,
            ..client
        };
        let server = Record {
            sent: received,
            received: sent,
            ..server
        };
        [
            of(client, kind::FIN, ESTABLISHED, FIN_WAIT1, over),
            of(server, kind::FIN, CLOSE_WAIT, LAST_ACK, over + 8_000),
            of(server, kind::END, LAST_ACK, CLOSE, over + 9_000),
            of(client, kind::END, FIN_WAIT2, CLOSE, over + 10_000),
        ]
    }
}

/// A record as the kernel would have written it.
fn bytes(record: &Record) -> Vec<u8> {
    let mut bytes = vec![0; size_of::<Record>()];
    macro_rules! put {
        ($($($field:ident).+ = $value:expr,)*) => {$(
            let value = $value;
            let at = std::mem::offset_of!(Record, $($field).+);
            bytes[at..at + value.len()].copy_from_slice(&value);
        )*};
    }
    put! {
        ts_ns = record.ts_ns.to_ne_bytes(),
        conn = record.conn.to_ne_bytes(),
        start_ns = record.start_ns.to_ne_bytes(),
        opened_ns = record.opened_ns.to_ne_bytes(),
        sent = record.sent.to_ne_bytes(),
        received = record.received.to_ne_bytes(),
        rtt_us = record.rtt_us.to_ne_bytes(),
        netns = record.netns.to_ne_bytes(),
        sport = record.sport.to_ne_bytes(),
        dport = record.dport.to_ne_bytes(),
        family = record.family.to_ne_bytes(),
        flags = record.flags.to_ne_bytes(),
        kind = [record.kind],
        old_state = [record.old_state],
        new_state = [record.new_state],
        task.pid = record.task.pid.to_ne_bytes(),
        task.tid = record.task.tid.to_ne_bytes(),
        task.comm = record.task.comm,
        task.cgroup = record.task.cgroup.to_ne_bytes(),
        task.mntns = record.task.mntns.to_ne_bytes(),
    }
    // What the FIN has said is not said again, and of IPv4 addresses only what there is of them.
    if record.kind == kind::END {
        bytes.truncate(Record::FIGURES);
    } else {
        bytes.truncate(Record::FIGURES + size_of::<Task>());
        bytes.extend_from_slice(&record.saddr[..4]);
        bytes.extend_from_slice(&record.daddr[..4]);
    }
    bytes
}

/// Numbers that look like chance.
fn mixed(i: u64) -> u64 {
    let i = (i ^ (i >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    i ^ (i >> 29)
}

/// The low half.
fn low(n: u64) -> u32 {
    u32::try_from(n & 0xffff_ffff).unwrap_or_default()
}
