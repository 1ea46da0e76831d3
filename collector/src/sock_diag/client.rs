//! Asking the kernel, in the network namespace that the client was opened in.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_sys::SocketAddr;
use netlink_sys::protocols::NETLINK_SOCK_DIAG;

use super::decode::{self, Answer};
use super::netns::{self, Netns};
use super::{Key, Socket, States};
use crate::model::{Endpoint, Family, TcpState};

/// The kernel fills at most 32 KiB of a reader's buffer (`netlink_recvmsg`).
const BUFFER: usize = 32 * 1024;

/// Why the kernel's list of sockets could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel was built without `CONFIG_INET_DIAG`, or its module is not there.
    #[error("this kernel cannot list its TCP sockets; `modprobe tcp_diag` may mend it")]
    Unsupported,
    /// The request was refused, or netlink failed.
    #[error("the kernel did not list its TCP sockets: {0}")]
    Io(#[from] io::Error),
    /// Something else than what was asked for came back.
    #[error("the kernel's list of TCP sockets could not be read: {0}")]
    Decode(String),
}

/// An open way to `inet_diag`. It stays in the network namespace that it was opened in, and keeps
/// that namespace alive: don't hold one longer than needed for a namespace that is not your own.
pub struct Client {
    netlink: netlink_sys::Socket,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Client {
    /// Opens one in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When netlink sockets can't be made, as in a strict sandbox.
    pub fn open() -> Result<Self, Error> {
        let mut netlink = netlink_sys::Socket::new(NETLINK_SOCK_DIAG)?;
        netlink.bind_auto()?;
        netlink.connect(&SocketAddr::new(0, 0))?;
        Ok(Self {
            netlink,
            buffer: Vec::with_capacity(BUFFER),
            sequence: 0,
        })
    }

    /// All TCP sockets of this family in these states. A socket that changes its place in the
    /// kernel's table meanwhile may be there twice or, rarely, not at all: before one is said to be
    /// gone, ask [`Client::find`].
    ///
    /// # Errors
    /// When the kernel refuses, or its answer makes no sense.
    pub fn dump(&mut self, family: Family, states: States) -> Result<Vec<Socket>, Error> {
        let mut sockets = Vec::new();
        let socket_id = match family {
            Family::V4 => SocketId::new_v4(),
            Family::V6 => SocketId::new_v6(),
        };
        self.ask(NLM_F_REQUEST | NLM_F_DUMP, family, states, socket_id)?;
        loop {
            let mut end = None;
            self.receive(|answer| match answer {
                Answer::Socket(socket) => sockets.push(socket),
                Answer::Done(errno) | Answer::Refused(errno) => end = Some(errno),
            })?;
            match end {
                None => {}
                Some(None) => return Ok(sockets),
                Some(Some(errno)) => return Err(refused(errno)),
            }
        }
    }

    /// This very socket as it is now, or `None` when it is gone. A connection of the same addresses
    /// that is another one does not count, and neither does the `TIME_WAIT` that remains of it.
    ///
    /// # Errors
    /// When the kernel refuses for another reason, or its answer makes no sense.
    pub fn find(&mut self, socket: &Key) -> Result<Option<Socket>, Error> {
        let socket_id = SocketId {
            source_port: socket.local.port,
            destination_port: socket.remote.port,
            source_address: wire_addr(socket.family, socket.local),
            destination_address: wire_addr(socket.family, socket.remote),
            interface_id: socket.interface,
            cookie: decode::cookie_bytes(socket.cookie),
        };
        self.ask(
            NLM_F_REQUEST,
            socket.family,
            States::ALL_BUT_LISTEN,
            socket_id,
        )?;
        loop {
            let mut found = None;
            self.receive(|answer| match answer {
                Answer::Socket(socket) => found = Some(Ok(Some(socket))),
                // ESTALE: the addresses are another socket's by now.
                Answer::Done(None) | Answer::Refused(None | Some(libc::ENOENT | libc::ESTALE)) => {
                    found = Some(Ok(None));
                }
                Answer::Done(Some(errno)) | Answer::Refused(Some(errno)) => {
                    found = Some(Err(refused(errno)));
                }
            })?;
            if let Some(found) = found {
                return Ok(found?.filter(|found| found.is(socket)));
            }
        }
    }

    fn ask(
        &mut self,
        flags: u16,
        family: Family,
        states: States,
        socket_id: SocketId,
    ) -> Result<(), Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let request = InetRequest {
            family: match family {
                Family::V4 => AF_INET,
                Family::V6 => AF_INET6,
            },
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::INFO,
            states: StateFlags::from_bits_retain(states.mask()),
            socket_id,
        };
        let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        retry(|| self.netlink.send(&bytes, 0))?;
        Ok(())
    }

    /// Reads one datagram.
    fn receive(&mut self, each: impl FnMut(Answer)) -> Result<(), Error> {
        let Self {
            netlink, buffer, ..
        } = self;
        let size = retry(|| {
            buffer.clear();
            netlink.recv(buffer, libc::MSG_TRUNC)
        })?;
        if size > buffer.len() {
            return Err(Error::Decode(format!("a message of {size} bytes was cut")));
        }
        decode::datagram(buffer, self.sequence, each).map_err(Error::Decode)
    }
}

impl Socket {
    /// The same socket at another moment, and still a socket.
    fn is(&self, key: &Key) -> bool {
        self.cookie == key.cookie && self.state != TcpState::TimeWait
    }
}

/// The kernel looks an IPv6 socket up by IPv6 addresses, mapped ones included.
fn wire_addr(family: Family, end: Endpoint) -> IpAddr {
    match (family, end.addr) {
        (Family::V6, IpAddr::V4(addr)) => addr.to_ipv6_mapped().into(),
        (_, addr) => addr,
    }
}

fn refused(errno: i32) -> Error {
    if errno == libc::ENOENT {
        Error::Unsupported
    } else {
        io::Error::from_raw_os_error(errno).into()
    }
}

/// A signal handler that ran meanwhile is no failure.
fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// All TCP sockets of this family but listeners, in the network namespace of the calling thread.
///
/// # Errors
/// As [`Client::dump`].
pub fn dump(family: Family) -> Result<Vec<Socket>, Error> {
    Client::open()?.dump(family, States::ALL_BUT_LISTEN)
}

/// The sockets of all network namespaces that were found.
#[derive(Debug, Default)]
pub struct AllNetns {
    /// Each socket with the inode number of its network namespace.
    pub sockets: Vec<(u32, Socket)>,
    /// The inode numbers of the namespaces that were asked, also of those without a socket.
    pub asked: Vec<u32>,
    /// Namespaces that were found but not entered: without `CAP_SYS_ADMIN`, all but the own one.
    pub skipped: usize,
}

/// All TCP sockets but listeners, in every network namespace that [`netns::all`] finds.
///
/// # Errors
/// When not even the own namespace can be asked; other ones are counted in `skipped`.
pub fn dump_all_netns() -> Result<AllNetns, Error> {
    let own = Netns::own()?;
    let mut all = AllNetns::default();
    all.add(own.inum(), both_families()?);
    for namespace in netns::all() {
        if namespace.inum() == own.inum() {
            continue;
        }
        match namespace.enter(both_families) {
            Ok(Ok(sockets)) => all.add(namespace.inum(), sockets),
            Ok(Err(error)) => all.skip(&namespace, &error),
            Err(error) => all.skip(&namespace, &error),
        }
    }
    Ok(all)
}

impl AllNetns {
    fn add(&mut self, inum: u32, sockets: Vec<Socket>) {
        self.asked.push(inum);
        self.sockets.extend(sockets.into_iter().map(|s| (inum, s)));
    }

    fn skip(&mut self, namespace: &Netns, error: &(dyn std::error::Error + 'static)) {
        tracing::debug!(netns = namespace.inum(), error, "network namespace skipped");
        self.skipped += 1;
    }
}

fn both_families() -> Result<Vec<Socket>, Error> {
    let mut client = Client::open()?;
    let mut sockets = client.dump(Family::V4, States::ALL_BUT_LISTEN)?;
    sockets.append(&mut client.dump(Family::V6, States::ALL_BUT_LISTEN)?);
    Ok(sockets)
}
