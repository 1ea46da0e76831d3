//! Why: from a record's flags and error to a reason of the closed list.

use probe_common::{Record, flag, kind};

use crate::model::{Reason, TcpState};

/// Whether a connection in this state has sent no FIN yet.
pub(super) fn is_open(state: u8) -> bool {
    matches!(
        TcpState::from_kernel(state),
        Some(TcpState::Established | TcpState::CloseWait | TcpState::SynRecv)
    )
}

/// Of an ending by a call of a process: the first that holds. `None` of a socket in repair mode, for which
/// nothing is sent.
pub(super) fn of_call(record: &Record) -> Option<Reason> {
    let peer_closed = TcpState::from_kernel(record.old_state) == Some(TcpState::CloseWait);
    if record.flags & flag::REPAIR != 0 {
        return None;
    }
    Some(if record.flags & flag::KILLED != 0 {
        Reason::Killed
    } else if record.kind == kind::END && is_open(record.old_state) {
        // Straight from an open state to CLOSE: the call sent a reset instead of a FIN.
        Reason::ResetSent
    } else if peer_closed {
        Reason::FinRemote
    } else {
        Reason::FinLocal
    })
}

/// Of an ending that no call of a process made; `None` where the kernel does not tell.
pub(super) fn of_no_call(record: &Record) -> Option<Reason> {
    match i32::from(record.err) {
        // Who has ended it, and how, no program has seen.
        0 if record.flags & flag::UNSEEN != 0 => None,
        // Its listener was closed.
        0 if record.flags & flag::QUEUED != 0 => Some(Reason::ResetSent),
        libc::ECONNRESET | libc::EPIPE => Some(Reason::ResetByPeer),
        libc::ETIMEDOUT if record.flags & flag::UNACKED != 0 => Some(Reason::Timeout),
        libc::ETIMEDOUT => Some(Reason::Keepalive),
        libc::ECONNABORTED => Some(Reason::Aborted),
        errno if is_unreachable(errno) => Some(Reason::Unreachable),
        _ => None,
    }
}

/// Of a failed connect; `None` where the kernel does not tell.
pub(super) fn of_failed_connect(errno: u16) -> Option<Reason> {
    match i32::from(errno) {
        libc::ECONNREFUSED => Some(Reason::Refused),
        libc::ETIMEDOUT => Some(Reason::Timeout),
        0 | libc::ECONNABORTED => Some(Reason::Aborted),
        errno if is_unreachable(errno) => Some(Reason::Unreachable),
        _ => None,
    }
}

/// What ICMP errors become, in `icmp_err_convert` and its IPv6 sister.
fn is_unreachable(errno: i32) -> bool {
    matches!(
        errno,
        libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::ENOPROTOOPT
            | libc::EACCES
            | libc::EPROTO
            | libc::EOPNOTSUPP
            | libc::ENONET
    )
}
