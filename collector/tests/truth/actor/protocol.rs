//! What the test and an actor say to each other: one JSON object a line.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A descriptor in the actor's table.
pub type Fd = i32;

/// One thing to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Op {
    /// Only say who it is.
    Hello,
    Socket {
        domain: i32,
        /// 0, `SOCK_NONBLOCK`.
        flags: i32,
        /// `IPPROTO_TCP` or `IPPROTO_MPTCP`.
        protocol: i32,
    },
    Bind {
        fd: Fd,
        addr: SocketAddr,
    },
    Listen {
        fd: Fd,
        backlog: i32,
    },
    Connect {
        fd: Fd,
        addr: SocketAddr,
    },
    /// `connect()` with `AF_UNSPEC`.
    Disconnect {
        fd: Fd,
    },
    /// Waits until a non-blocking connect is over; the result is `SO_ERROR`.
    Connected {
        fd: Fd,
    },
    Accept {
        fd: Fd,
        by: Acceptor,
    },
    /// Sends with `MSG_FASTOPEN`, which connects.
    SendFastOpen {
        fd: Fd,
        addr: SocketAddr,
        bytes: usize,
    },
    /// Sends all of it, or as much as fits if the socket does not block. The result is how much.
    Send {
        fd: Fd,
        bytes: usize,
    },
    /// Receives until so much is there, or the peer closes. The result is how much.
    Recv {
        fd: Fd,
        bytes: usize,
    },
    Shutdown {
        fd: Fd,
        how: i32,
    },
    Set {
        fd: Fd,
        level: i32,
        name: i32,
        value: i32,
    },
    /// `SO_LINGER`, on.
    Linger {
        fd: Fd,
        seconds: i32,
    },
    /// Drops every packet that arrives for this socket.
    Deafen {
        fd: Fd,
    },
    /// Hears again.
    Hear {
        fd: Fd,
    },
    NonBlocking {
        fd: Fd,
    },
    /// Waits until there is something to read; the result is `poll`'s, 0 if there is nothing.
    Readable {
        fd: Fd,
        within_ms: i32,
    },
    /// Waits until something was sent again.
    SentAgain {
        fd: Fd,
    },
    /// `SOCK_DESTROY`.
    Destroy {
        local: SocketAddr,
        remote: SocketAddr,
    },
    /// The TCP state; the result is the kernel's number.
    State {
        fd: Fd,
    },
    Close {
        fd: Fd,
    },
    Dup {
        fd: Fd,
    },
    /// A copy of this process, which speaks at the socket of that path.
    Fork {
        path: PathBuf,
    },
    /// A thread of this process, likewise.
    Thread {
        path: PathBuf,
    },
    /// Sends a descriptor to whoever listens there.
    Pass {
        fd: Fd,
        path: PathBuf,
    },
    /// Takes a descriptor that somebody sends there; replies when it listens, and once more with
    /// the descriptor.
    Take {
        path: PathBuf,
    },
    Rename {
        comm: Vec<u8>,
    },
    /// Real, effective and saved.
    SetIds {
        uid: u32,
        gid: u32,
    },
    /// Into a network namespace of its own, whose loopback is up.
    OwnNetwork,
    /// Into the network namespace of another process.
    JoinNetwork {
        pid: u32,
    },
    /// Into a new cgroup of the v2 hierarchy, next to its own; 0 if it can't be seen.
    OwnCgroup {
        name: String,
    },
    WriteFile {
        path: PathBuf,
        text: String,
    },
    /// Runs a program to its end; it must succeed.
    Run {
        program: String,
        args: Vec<String>,
    },
    /// Ends at once, closing nothing by itself.
    Exit {
        status: i32,
    },
    /// Connects and closes, so many times.
    Burst {
        domain: i32,
        addr: SocketAddr,
        times: u32,
    },
    /// Accepts, reads to the end and closes, so many times.
    Serve {
        fd: Fd,
        times: u32,
    },
    /// Gets a copy of each TCP segment of that family that arrives in its network namespace.
    Tap {
        domain: i32,
    },
    /// Answers the next one from that port with "destination unreachable".
    AnswerByIcmp {
        tap: Fd,
        port: u16,
        code: u8,
    },
    /// Reads so many bytes of nothing through `io_uring`.
    UringRead {
        bytes: usize,
    },
    /// Accepts through `io_uring`.
    Uring {
        fd: Fd,
        how: Uring,
    },
}

/// How a connection is taken from a listener.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Acceptor {
    Accept,
    Accept4,
    /// Waits with epoll first.
    Epoll,
}

/// How `io_uring` takes a connection.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq)]
pub enum Uring {
    Single,
    /// By a worker thread of the kernel's, at once.
    Worker,
    Multishot,
    /// Into a slot of the ring's own table; the socket has no descriptor.
    Direct,
    /// By the kernel's polling thread.
    SqPoll,
}

/// Who an actor is, by its own look at itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Who {
    pub pid: u32,
    pub tid: u32,
    pub comm: Vec<u8>,
    /// The thread's own name.
    pub thread: Vec<u8>,
    pub uid: u32,
    pub gid: u32,
    pub netns: u32,
    pub mntns: u32,
    /// None where the v2 hierarchy can't be seen.
    pub cgroup: Option<u64>,
}

/// A moment by both clocks, nanoseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Moment {
    pub wall: i64,
    pub monotonic: i64,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// What the call returned, or its errno.
    pub result: Result<i64, i32>,
    pub began: Moment,
    pub ended: Moment,
    pub who: Who,
    /// The names of the socket that it was about, as long as it has them.
    pub local: Option<SocketAddr>,
    pub remote: Option<SocketAddr>,
}
