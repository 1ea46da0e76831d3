//! From a netlink datagram to sockets. Every byte is checked: nothing here can panic.
//!
//! `netlink-packet-sock-diag` decodes the messages and their attributes, with one exception. Its
//! `TcpInfo` (feature `rich_nlas`) has the length of one kernel's `struct tcp_info` and refuses a
//! shorter one, and the struct grows with nearly every release. So the attribute is taken as bytes,
//! and the few fields that are wanted are read by their offset, which never changes.

use std::net::IpAddr;
use std::num::NonZeroU32;

use netlink_packet_core::{NetlinkMessage, NetlinkPayload, Nla as _};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{InetResponse, SocketId, Timer};

use super::{Counters, Shutdown, Socket};
use crate::model::{Endpoint, Family, TcpState};

/// `INET_DIAG_CGROUP_ID`, since kernel 5.8; the crate does not name it.
const INET_DIAG_CGROUP_ID: u16 = 21;

/// What one message of a datagram says.
#[derive(Debug)]
pub(super) enum Answer {
    /// A socket.
    Socket(Socket),
    /// The end of a dump; an error number where it could not be finished.
    Done(Option<i32>),
    /// The request was refused with this error number; `None` is an acknowledgement.
    Refused(Option<i32>),
}

/// Decodes each message of a datagram that belongs to the request `sequence`, and hands it on.
pub(super) fn datagram(
    mut bytes: &[u8],
    sequence: u32,
    mut each: impl FnMut(Answer),
) -> Result<(), String> {
    while !bytes.is_empty() {
        let message = NetlinkMessage::<SockDiagMessage>::deserialize(bytes)
            .map_err(|error| error.to_string())?;
        let length = message.header.length as usize;
        // The late answers to a request that was given up.
        if message.header.sequence_number == sequence
            && let Some(answer) = answer(message.payload)
        {
            each(answer);
        }
        // Messages are padded to 4 bytes, the last one perhaps not.
        bytes = bytes
            .get(length.max(1).next_multiple_of(4)..)
            .unwrap_or(&[]);
    }
    Ok(())
}

fn answer(payload: NetlinkPayload<SockDiagMessage>) -> Option<Answer> {
    match payload {
        NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
            socket(&response).map(Answer::Socket)
        }
        NetlinkPayload::Done(done) => Some(Answer::Done(errno(done.code))),
        NetlinkPayload::Error(error) => {
            Some(Answer::Refused(error.code.and_then(|c| errno(c.get()))))
        }
        _ => None,
    }
}

/// Netlink has error numbers with the sign turned.
fn errno(code: i32) -> Option<i32> {
    (code != 0).then(|| code.saturating_neg())
}

fn socket(response: &InetResponse) -> Option<Socket> {
    let header = &response.header;
    let family = match header.family {
        AF_INET => Family::V4,
        AF_INET6 => Family::V6,
        _ => return None,
    };
    // A closed socket that only waits is kept as a small timer which passes for FIN_WAIT2 when it
    // stands for an orphan in that state (tw_substate in net/ipv4/inet_diag.c).
    let state = if header.timer == Some(Timer::TimeWait) {
        TcpState::TimeWait
    } else {
        TcpState::from_kernel(header.state)?
    };
    let id = &header.socket_id;
    let mut socket = Socket {
        family,
        state,
        local: endpoint(id.source_address, id.source_port),
        remote: endpoint(id.destination_address, id.destination_port),
        interface: id.interface_id,
        cookie: cookie(id),
        inode: NonZeroU32::new(header.inode),
        uid: header.uid,
        shutdown: None,
        cgroup: None,
        counters: None,
    };
    for attribute in &response.nlas {
        match attribute {
            Nla::Shutdown(mask) => socket.shutdown = Some(Shutdown::from_kernel(*mask)),
            Nla::TcpInfo(info) => socket.counters = Some(counters(info, state)),
            Nla::Other(other) if other.kind() == INET_DIAG_CGROUP_ID => {
                let mut value = [0; 8];
                if other.value_len() == value.len() {
                    other.emit_value(&mut value);
                    socket.cgroup = Some(u64::from_ne_bytes(value));
                }
            }
            _ => {}
        }
    }
    Some(socket)
}

fn endpoint(addr: IpAddr, port: u16) -> Endpoint {
    Endpoint {
        addr: addr.to_canonical(),
        port,
    }
}

/// The kernel has it as two words, the low one first, each in its own byte order.
fn cookie(id: &SocketId) -> u64 {
    let [low, high] = [0, 4].map(|word| u32_at(&id.cookie, word).unwrap_or_default());
    u64::from(low) | u64::from(high) << 32
}

/// The reverse of [`cookie`].
pub(super) fn cookie_bytes(cookie: u64) -> [u8; 8] {
    // Each word is what remains of the cookie, so nothing is lost.
    #[allow(clippy::cast_possible_truncation)]
    let [low, high] = [cookie as u32, (cookie >> 32) as u32].map(u32::to_ne_bytes);
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&low);
    bytes[4..].copy_from_slice(&high);
    bytes
}

// Offsets in struct tcp_info (include/uapi/linux/tcp.h).
const TCPI_RTT: usize = 68;
const TCPI_TOTAL_RETRANS: usize = 100;
const TCPI_BYTES_RECEIVED: usize = 128;
const TCPI_BYTES_SENT: usize = 200;
const TCPI_BYTES_RETRANS: usize = 208;

fn counters(info: &[u8], state: TcpState) -> Counters {
    let sent = u64_at(info, TCPI_BYTES_SENT);
    let again = u64_at(info, TCPI_BYTES_RETRANS);
    // The peer's FIN is counted as one byte; these are the states in which it has come.
    let fin = u64::from(matches!(
        state,
        TcpState::CloseWait | TcpState::LastAck | TcpState::Closing
    ));
    Counters {
        tx_bytes: sent
            .zip(again)
            .map(|(sent, again)| sent.saturating_sub(again)),
        rx_bytes: u64_at(info, TCPI_BYTES_RECEIVED).map(|n| n.saturating_sub(fin)),
        rtt_us: u32_at(info, TCPI_RTT).filter(|rtt| *rtt != 0),
        retrans: u32_at(info, TCPI_TOTAL_RETRANS),
    }
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes
        .get(offset..)?
        .first_chunk()
        .copied()
        .map(u64::from_ne_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes
        .get(offset..)?
        .first_chunk()
        .copied()
        .map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn info(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; 232];
        bytes[TCPI_RTT..][..4].copy_from_slice(&1500u32.to_ne_bytes());
        bytes[TCPI_TOTAL_RETRANS..][..4].copy_from_slice(&2u32.to_ne_bytes());
        bytes[TCPI_BYTES_RECEIVED..][..8].copy_from_slice(&101u64.to_ne_bytes());
        bytes[TCPI_BYTES_SENT..][..8].copy_from_slice(&5_000_000_000u64.to_ne_bytes());
        bytes[TCPI_BYTES_RETRANS..][..8].copy_from_slice(&3000u64.to_ne_bytes());
        bytes.truncate(len);
        bytes
    }

    #[test]
    fn what_was_sent_twice_counts_once() {
        let counters = counters(&info(232), TcpState::Established);
        assert_eq!(counters.tx_bytes, Some(4_999_997_000));
        assert_eq!(counters.rx_bytes, Some(101));
        assert_eq!(counters.rtt_us, Some(1500));
        assert_eq!(counters.retrans, Some(2));
    }

    #[test]
    fn the_peers_fin_is_no_payload() {
        assert_eq!(
            counters(&info(232), TcpState::CloseWait).rx_bytes,
            Some(100)
        );
    }

    #[test]
    fn an_older_kernels_shorter_struct_leaves_fields_unknown() {
        let counters = counters(&info(192), TcpState::Established);
        assert_eq!(counters.tx_bytes, None);
        assert_eq!(counters.rx_bytes, Some(101));
    }

    #[test]
    fn a_cookie_survives_the_way_to_the_kernel_and_back() {
        let mut id = SocketId::new_v4();
        id.cookie = cookie_bytes(0x0123_4567_89ab_cdef);
        assert_eq!(cookie(&id), 0x0123_4567_89ab_cdef);
    }

    /// A message with a good header, so that the bytes reach the inner decoders.
    fn framed(kind: u16, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let length = u32::try_from(16 + 1 + body.len()).unwrap();
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 2]);
        bytes.extend(7u32.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.push(family);
        bytes.extend(body);
        bytes
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = datagram(&bytes, 7, |_| {});
        }

        #[test]
        fn any_body_is_decoded_or_refused(
            kind in prop_oneof![Just(2u16), Just(3), Just(20), 0u16..30],
            family in prop_oneof![Just(AF_INET), Just(AF_INET6), any::<u8>()],
            body in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let _ = datagram(&framed(kind, family, &body), 7, |_| {});
        }

        #[test]
        fn any_attribute_is_decoded_or_refused(
            header in proptest::collection::vec(any::<u8>(), 71),
            kind in 0u16..32,
            value in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut body = header;
            body.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(value);
            let _ = datagram(&framed(20, AF_INET, &body), 7, |_| {});
        }
    }
}
