//! A router on the way that answers with an ICMP message: raw sockets see what passes on the
//! loopback device of the actor's own network namespace, and answer it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::protocol::Fd;
use super::sys::{self, Answer};

/// A socket that gets a copy of each TCP segment that arrives.
pub fn tap() -> Answer {
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP)).map_err(errno)?;
    Ok(std::os::fd::IntoRawFd::into_raw_fd(raw).into())
}

/// Answers the next segment from that port with "destination unreachable".
pub fn answer(tap: Fd, port: u16, code: u8) -> Answer {
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut packet = [0; 2048];
    let tap_fd = sys::borrow(tap);
    SockRef::from(&tap_fd)
        .set_read_timeout(Some(Duration::from_secs(5)))
        .map_err(errno)?;
    while Instant::now() < deadline {
        let n = usize::try_from(sys::recv(tap, &mut packet)?).unwrap_or(0);
        let Some(packet) = packet.get(..n) else {
            continue;
        };
        let header = usize::from(packet.first().unwrap_or(&0) & 0xf) * 4;
        if packet.get(header..header + 2) != Some(&port.to_be_bytes()) {
            continue;
        }
        // The packet's own IP header, and eight bytes of what follows it (RFC 792).
        let quoted = packet.get(..header + 8).ok_or(libc::EBADMSG)?;
        let icmp = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).map_err(errno)?;
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        icmp.send_to(&message(code, quoted), &to.into())
            .map_err(errno)?;
        return Ok(0);
    }
    Err(libc::ETIMEDOUT)
}

fn message(code: u8, quoted: &[u8]) -> Vec<u8> {
    const ICMP_DEST_UNREACH: u8 = 3;
    let mut message = vec![ICMP_DEST_UNREACH, code, 0, 0, 0, 0, 0, 0];
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

#[allow(clippy::needless_pass_by_value)] // As map_err has it.
fn errno(error: std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
