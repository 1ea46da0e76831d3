//! `SOCK_DESTROY`, as `ss -K` uses it.

use std::net::{IpAddr, SocketAddr};

use netlink_sys::{Socket, protocols::NETLINK_SOCK_DIAG};

use super::sys::Answer;

// include/uapi/linux/sock_diag.h, include/uapi/linux/netlink.h
const SOCK_DESTROY: u16 = 21;
const NLM_F_REQUEST_ACK: u16 = 1 | 4;
const NLMSG_ERROR: u16 = 2;

/// Ends the socket with these two ends in this network namespace, whoever has it.
pub fn destroy(local: SocketAddr, remote: SocketAddr) -> Answer {
    let errno = |e: std::io::Error| e.raw_os_error().unwrap_or(libc::EIO);
    let socket = Socket::new(NETLINK_SOCK_DIAG).map_err(errno)?;
    socket.send(&request(local, remote), 0).map_err(errno)?;
    let (reply, _) = socket.recv_from_full().map_err(errno)?;
    // struct nlmsghdr, and then struct nlmsgerr, which begins with a negative errno.
    let kind = reply.get(4..6).map(|b| u16::from_ne_bytes([b[0], b[1]]));
    let error = reply
        .get(16..20)
        .map(|b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
    match (kind, error) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(0),
        (Some(NLMSG_ERROR), Some(error)) => Err(-error),
        _ => Err(libc::EBADMSG),
    }
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
fn request(local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
    const IPPROTO_TCP: u8 = 6;
    let family = if local.is_ipv4() { 2 } else { 10 };
    let mut body = vec![family, IPPROTO_TCP, 0, 0];
    body.extend(u32::MAX.to_ne_bytes());
    body.extend(local.port().to_be_bytes());
    body.extend(remote.port().to_be_bytes());
    body.extend(sixteen(local.ip()));
    body.extend(sixteen(remote.ip()));
    // Any interface, any cookie.
    body.extend(0_u32.to_ne_bytes());
    body.extend(u64::MAX.to_ne_bytes());

    let mut message = Vec::new();
    message.extend(u32::try_from(16 + body.len()).unwrap_or(0).to_ne_bytes());
    message.extend(SOCK_DESTROY.to_ne_bytes());
    message.extend(NLM_F_REQUEST_ACK.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

fn sixteen(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}
