//! Two links in one network namespace with the same link-local address, as a host with two networks
//! has them.
#![allow(clippy::unwrap_used)] // A helper that fails fails the test.

use std::net::{SocketAddrV6, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use collector::filter::Filter;
use collector::identity::Interfaces;
use collector::model::{Event, Update, Zone};
use collector::sock_diag::netns::{Netns, in_netns};
use collector::source::Stop;
use collector::source::poll::{self, Options};
use tokio::runtime::Builder;
use tokio::time::timeout;
use tokio_stream::StreamExt;

const BOUND: Duration = Duration::from_secs(20);
const LINKS: [&str; 2] = ["v0", "w0"];

/// A network namespace that goes with this value, also when the test panics.
struct Links(String);

impl Links {
    /// `None`, with the reason printed, where namespaces or links can't be made.
    fn new(name: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: needs root to make a network namespace");
            return None;
        }
        let links = Self(format!("tcpscope-{name}-{}", std::process::id()));
        if let Err(why) = ip(&["netns", "add", &links.0]) {
            println!("skipped: ip netns add: {why}");
            return None;
        }
        for (link, other) in LINKS.into_iter().zip(["v1", "w1"]) {
            let add = ["link", "add", link, "type", "veth", "peer", "name", other];
            if let Err(why) = links.ip(&add) {
                println!("skipped: ip link add: {why}");
                return None;
            }
            for end in [link, other] {
                links
                    .ip(&["link", "set", end, "addrgenmode", "none"])
                    .unwrap();
                links.ip(&["link", "set", end, "up"]).unwrap();
            }
            let address = ["address", "add", "fe80::1/64", "dev", link, "nodad"];
            links.ip(&address).unwrap();
        }
        links.ip(&["link", "set", "lo", "up"]).unwrap();
        Some(links)
    }

    fn ip(&self, args: &[&str]) -> Result<(), String> {
        ip(&[&["-n", &self.0], args].concat())
    }

    fn path(&self) -> String {
        format!("/run/netns/{}", self.0)
    }

    /// A process that lives there.
    fn process(&self) -> Process {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, "cat"]);
        Process(command.stdin(Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        let _ = ip(&["netns", "delete", &self.0]);
    }
}

/// A process that ends with this value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(args).output();
    let output = output.map_err(|e| e.to_string())?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(()).ok_or(stderr)
}

/// The number of a link of the thread's namespace.
fn index(link: &str) -> u32 {
    let addresses = std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap();
    let found = addresses
        .lines()
        .find(|found| found.ends_with(link))
        .unwrap();
    let hex = found.split_ascii_whitespace().nth(1).unwrap();
    u32::from_str_radix(hex, 16).unwrap()
}

/// A connection between two sockets on one link, both with the address `fe80::1`.
fn connection(link: &str, port: u16) -> (TcpListener, TcpStream, TcpStream) {
    let end = |port| SocketAddrV6::new("fe80::1".parse().unwrap(), port, 0, index(link));
    let listener = TcpListener::bind(end(port)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect(end(port)).unwrap();
    let (server, _) = listener.accept().unwrap();
    (listener, client, server)
}

#[test]
fn a_link_has_its_name_from_within_its_namespace_and_from_without() {
    let Some(links) = Links::new("names") else {
        return;
    };
    let inum = Netns::open(links.path()).unwrap().inum();
    let zones = LINKS.map(Zone::new);
    let numbers = in_netns(links.path(), || {
        let numbers = LINKS.map(index);
        let mut own = Interfaces::default();
        assert_eq!(numbers.map(|n| own.name(None, n, None)), zones);
        assert_eq!(numbers.map(|n| own.name(Some(inum), n, None)), zones);
        numbers
    });
    let numbers = numbers.unwrap();
    let name = |pid| numbers.map(|n| Interfaces::default().name(Some(inum), n, pid));
    // No process lives there that could be asked.
    assert_eq!(name(None), numbers.map(Zone::numbered));
    let process = links.process();
    let is_there = || name(None) == zones;
    let began = std::time::Instant::now();
    while !is_there() {
        assert!(began.elapsed() < BOUND, "nobody lives there");
        std::thread::yield_now();
    }
    assert_eq!(name(Some(process.0.id())), zones);
    // A process that lives elsewhere says nothing of it.
    assert_eq!(name(Some(std::process::id())), zones);
}

#[test]
fn the_same_address_on_two_links_is_two() {
    let Some(links) = Links::new("poll") else {
        return;
    };
    let rows = in_netns(links.path(), || {
        let held = LINKS.map(|link| connection(link, 0));
        let runtime = Builder::new_current_thread().enable_time().build();
        let rows = runtime.unwrap().block_on(listed());
        drop(held);
        rows
    });
    let rows = rows.unwrap();
    assert_eq!(rows.len(), 4, "{rows:?}");
    for (link, other) in [("v0", "w0"), ("w0", "v0")] {
        let passing = |filter: &str| {
            let filter = Filter::parse(filter).unwrap();
            rows.iter().filter(|row| filter.matches(row)).count()
        };
        assert_eq!(
            passing(&format!("src:fe80::1%{link} dst:fe80::1%{link}")),
            2
        );
        assert_eq!(passing(&format!("scope:{link} fe80::1%{other}")), 0);
        assert_eq!(passing("fe80::1"), 4);
    }
}

/// What is open in the thread's namespace.
async fn listed() -> Vec<Event> {
    let stop = Stop::default();
    let mut updates = poll::start(Options::default(), stop);
    loop {
        let update = timeout(BOUND, updates.next()).await.unwrap();
        if let Update::Batch(batch) = update.unwrap() {
            return batch.events;
        }
    }
}
