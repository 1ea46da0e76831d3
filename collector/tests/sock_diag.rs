//! What the kernel lists, against sockets that the test made itself.
#![allow(clippy::unwrap_used)] // A helper that fails fails the test.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use collector::model::{Family, TcpState};
use collector::sock_diag::netns::{self, Netns};
use collector::sock_diag::{self, Client, Socket, States};

/// Both ends of a connection over loopback.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    port: u16,
}

fn pair(listen: &str, connect: &str) -> Pair {
    let listener = TcpListener::bind(listen).unwrap();
    let port = listener.local_addr().unwrap().port();
    let target: SocketAddr = format!("{connect}:{port}").parse().unwrap();
    let client = TcpStream::connect(target).unwrap();
    let (server, _) = listener.accept().unwrap();
    Pair {
        client,
        server,
        port,
    }
}

/// The socket whose own port is the server's, and the one whose other port is.
fn ends(family: Family, port: u16) -> (Option<Socket>, Option<Socket>) {
    let sockets = sock_diag::dump(family).unwrap();
    let server = sockets.iter().find(|s| s.local.port == port).cloned();
    let client = sockets.iter().find(|s| s.remote.port == port).cloned();
    (server, client)
}

/// Waits until `check` gives something; a second is plenty on loopback.
fn wait_for<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(Instant::now() < end, "{what}");
        thread::yield_now();
    }
}

fn inode(stream: &TcpStream) -> String {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", stream.as_raw_fd())).unwrap();
    link.to_string_lossy().into_owned()
}

#[test]
fn both_ends_are_listed_with_their_figures() {
    let mut pair = pair("127.0.0.1:0", "127.0.0.1");
    pair.client.write_all(&vec![7; 70_000]).unwrap();
    pair.server.read_exact(&mut vec![0; 50_000]).unwrap();

    let (server, client) = wait_for("all bytes received", || {
        let (server, client) = ends(Family::V4, pair.port);
        let server = server?;
        (server.counters?.rx_bytes == Some(70_000)).then_some((server, client?))
    });
    assert_eq!(client.state, TcpState::Established);
    assert_eq!(client.local.addr, client.remote.addr);
    assert_eq!(client.remote.port, pair.port);
    assert_eq!(client.counters.unwrap().tx_bytes, Some(70_000));
    assert_eq!(client.counters.unwrap().rx_bytes, Some(0));
    assert_eq!(server.counters.unwrap().tx_bytes, Some(0));
    assert!(client.counters.unwrap().rtt_us.is_some());
    assert_ne!(client.cookie, server.cookie);
    assert_eq!(
        format!("socket:[{}]", client.inode.unwrap()),
        inode(&pair.client)
    );
    assert_eq!(
        format!("socket:[{}]", server.inode.unwrap()),
        inode(&pair.server)
    );
}

#[test]
fn mapped_addresses_are_ipv4_of_an_ipv6_socket() {
    let pair = pair("[::]:0", "[::ffff:127.0.0.1]");
    let (server, client) = ends(Family::V6, pair.port);
    for socket in [server.unwrap(), client.unwrap()] {
        assert_eq!(socket.family, Family::V6);
        assert!(socket.local.addr.is_ipv4(), "{socket:?}");
        let found = Client::open()
            .unwrap()
            .find(&socket.key())
            .unwrap()
            .unwrap();
        assert_eq!(found.cookie, socket.cookie);
    }
    assert_eq!(ends(Family::V4, pair.port), (None, None));
}

#[test]
fn ipv6_is_listed() {
    let pair = pair("[::1]:0", "[::1]");
    let (server, client) = ends(Family::V6, pair.port);
    assert!(server.unwrap().local.addr.is_ipv6());
    let client = client.unwrap();
    let found = Client::open()
        .unwrap()
        .find(&client.key())
        .unwrap()
        .unwrap();
    assert_eq!(found.inode, client.inode);
}

#[test]
fn a_half_close_shows_which_way_is_shut() {
    let mut pair = pair("127.0.0.1:0", "127.0.0.1");
    pair.client.write_all(b"bye").unwrap();
    pair.client.shutdown(Shutdown::Write).unwrap();
    let (server, client) = wait_for("FIN acknowledged", || {
        let (server, client) = ends(Family::V4, pair.port);
        let (server, client) = (server?, client?);
        let settled = client.state == TcpState::FinWait2 && server.state == TcpState::CloseWait;
        settled.then_some((server, client))
    });
    let (sender, receiver) = (client.shutdown.unwrap(), server.shutdown.unwrap());
    assert!(sender.send() && !sender.receive());
    assert!(receiver.receive() && !receiver.send());
    // The FIN takes a sequence number, but it is no payload.
    assert_eq!(server.counters.unwrap().rx_bytes, Some(3));

    pair.client.shutdown(Shutdown::Both).unwrap();
    let (_, client) = ends(Family::V4, pair.port);
    assert!(client.unwrap().shutdown.unwrap().both());
}

#[test]
fn an_orphan_that_only_waits_is_no_connection() {
    let pair = pair("127.0.0.1:0", "127.0.0.1");
    let (_, before) = ends(Family::V4, pair.port);
    let before = before.unwrap();
    drop(pair.client);
    // The peer keeps its end open: the kernel has a timer that calls itself FIN_WAIT2.
    wait_for("the orphan is a timer", || {
        let (_, client) = ends(Family::V4, pair.port);
        client
            .is_none_or(|c| c.state == TcpState::TimeWait && !c.is_connection())
            .then_some(())
    });
    assert_eq!(Client::open().unwrap().find(&before.key()).unwrap(), None);
}

#[test]
fn the_asked_for_states_are_what_comes() {
    let pair = pair("127.0.0.1:0", "127.0.0.1");
    let mut client = Client::open().unwrap();
    let closing = States::of(&[TcpState::CloseWait]);
    let is_ours = |s: &Socket| s.local.port == pair.port;
    assert!(
        !client
            .dump(Family::V4, closing)
            .unwrap()
            .iter()
            .any(is_ours)
    );
    assert!(
        client
            .dump(Family::V4, States::CONNECTIONS)
            .unwrap()
            .iter()
            .any(is_ours)
    );
}

/// A network namespace that goes with this value, also when the test panics.
struct TestNetns(String);

impl TestNetns {
    /// `None`, with the reason printed, where namespaces can't be made.
    fn new(name: &str) -> Option<Self> {
        if !is_root() {
            println!("skipped: needs root to make a network namespace");
            return None;
        }
        let name = format!("tcpscope-{name}-{}", std::process::id());
        let netns = match ip(&["netns", "add", &name]) {
            Ok(()) => Self(name),
            Err(why) => {
                println!("skipped: ip netns add: {why}");
                return None;
            }
        };
        ip(&["-n", &netns.0, "link", "set", "lo", "up"]).unwrap();
        Some(netns)
    }

    fn path(&self) -> String {
        format!("/run/netns/{}", self.0)
    }
}

impl Drop for TestNetns {
    fn drop(&mut self) {
        let _ = ip(&["netns", "delete", &self.0]);
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip")
        .args(args)
        .output()
        .map_err(|e| e.to_string())?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(()).ok_or(stderr)
}

#[test]
fn another_namespace_is_asked_from_within() {
    let Some(netns) = TestNetns::new("diag") else {
        return;
    };
    let pair = netns::in_netns(netns.path(), || pair("127.0.0.1:0", "127.0.0.1")).unwrap();
    let inum = Netns::open(netns.path()).unwrap().inum();
    assert_ne!(inum, Netns::own().unwrap().inum());

    // No process lives there: it is found because it is mounted.
    let all = sock_diag::dump_all_netns().unwrap();
    let ours = |s: &Socket| s.local.port == pair.port || s.remote.port == pair.port;
    let found: Vec<_> = all
        .sockets
        .iter()
        .filter(|(n, s)| *n == inum && ours(s))
        .collect();
    assert_eq!(found.len(), 2, "{found:?}");

    let (server, client) = netns::in_netns(netns.path(), || ends(Family::V4, pair.port)).unwrap();
    assert!(server.is_some() && client.is_some());
}
