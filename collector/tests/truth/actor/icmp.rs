//! A router on the way that answers with an ICMP message: raw sockets see what passes on the
//! loopback device of the actor's own network namespace, and answer it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::protocol::Fd;
use super::sys::{self, Answer};
use crate::machine::BOUND;

/// How many bytes of a packet's content an answer quotes: the ports and a number of the sequence.
const QUOTED: usize = 8;

/// A socket that gets a copy of each TCP segment of that family that arrives.
pub fn tap(domain: i32) -> Answer {
    let raw = Socket::new(domain.into(), Type::RAW, Some(Protocol::TCP)).map_err(errno)?;
    Ok(std::os::fd::IntoRawFd::into_raw_fd(raw).into())
}

/// Answers the next segment from that port with "destination unreachable".
pub fn answer(tap: Fd, port: u16, code: u8) -> Answer {
    let deadline = Instant::now() + BOUND;
    let mut packet = [0; 2048];
    let tap_fd = sys::borrow(tap);
    let tap_socket = SockRef::from(&tap_fd);
    tap_socket.set_read_timeout(Some(BOUND)).map_err(errno)?;
    let v6 = tap_socket.domain().map_err(errno)? == Domain::IPV6;
    while Instant::now() < deadline {
        let n = usize::try_from(sys::recv(tap, &mut packet)?).unwrap_or(0);
        let Some(packet) = packet.get(..n) else {
            continue;
        };
        // Raw sockets of IPv6 are not shown the header.
        let header = if v6 {
            0
        } else {
            usize::from(packet.first().unwrap_or(&0) & 0xf) * 4
        };
        if packet.get(header..header + 2) != Some(&port.to_be_bytes()) {
            continue;
        }
        let quoted = packet.get(..header + QUOTED).ok_or(libc::EBADMSG)?;
        return if v6 {
            send(Domain::IPV6, Protocol::ICMPV6, &message_v6(code, quoted))
        } else {
            send(Domain::IPV4, Protocol::ICMPV4, &message_v4(code, quoted))
        };
    }
    Err(libc::ETIMEDOUT)
}

fn send(domain: Domain, protocol: Protocol, message: &[u8]) -> Answer {
    let to: SocketAddr = if domain == Domain::IPV6 {
        (Ipv6Addr::LOCALHOST, 0).into()
    } else {
        (Ipv4Addr::LOCALHOST, 0).into()
    };
    let icmp = Socket::new(domain, Type::RAW, Some(protocol)).map_err(errno)?;
    icmp.send_to(message, &to.into()).map_err(errno)?;
    Ok(0)
}

/// RFC 792: the packet's own IP header, and the beginning of what follows it.
fn message_v4(code: u8, quoted: &[u8]) -> Vec<u8> {
    const DESTINATION_UNREACHABLE: u8 = 3;
    let mut message = vec![DESTINATION_UNREACHABLE, code, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(quoted);
    let sum = message.chunks(2).fold(0_u32, |sum, pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        sum + u32::from(u16::from_be_bytes([pair[0], low]))
    });
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let check = !u16::try_from(folded).unwrap_or(0);
    message[2..4].copy_from_slice(&check.to_be_bytes());
    message
}

/// RFC 4443; the kernel adds the checksum. The header of the packet is made anew.
fn message_v6(code: u8, quoted: &[u8]) -> Vec<u8> {
    const DESTINATION_UNREACHABLE: u8 = 1;
    const VERSION: u8 = 6 << 4;
    const TCP: u8 = 6;
    const HOPS: u8 = 64;
    let mut message = vec![DESTINATION_UNREACHABLE, code, 0, 0, 0, 0, 0, 0];
    let length = u8::try_from(quoted.len()).unwrap_or(u8::MAX);
    message.extend([VERSION, 0, 0, 0, 0, length, TCP, HOPS]);
    message.extend(Ipv6Addr::LOCALHOST.octets());
    message.extend(Ipv6Addr::LOCALHOST.octets());
    message.extend_from_slice(quoted);
    message
}

#[allow(clippy::needless_pass_by_value)] // As map_err has it.
fn errno(error: std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
