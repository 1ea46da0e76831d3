//! What the letters and the reasons mean, in words.

use collector::model::{Event, EventType, Phase, Reason, TcpState};

/// What happened, in a few words, without who did it.
pub(crate) fn event(event: &Event) -> &'static str {
    use EventType::{Accept, Close, Connect, Unknown};
    match (event.kind, event.phase, event.reason) {
        (None, ..) => match event.state {
            Some(TcpState::CloseWait) => "left open: the peer has closed it, its process has not",
            Some(TcpState::Unaccepted) => "waits in the backlog: no process has accepted it",
            _ if event.before => "was open before the start",
            _ => "was open, and its opening was not seen",
        },
        (Some(Connect), _, None) => "connected",
        (Some(Connect), _, Some(_)) => "could not connect",
        (Some(Accept), ..) => "accepted",
        (Some(Close), ..) => "closed",
        (Some(Unknown), Some(Phase::Open), _) => "established, no call did it",
        (Some(Unknown), ..) => "ended, no call did it",
    }
}

/// What a reason means for that event. It says no more than the reason does.
pub(crate) fn reason(event: &Event) -> Option<&'static str> {
    reason_of(event.reason, event.kind, event.phase)
}

/// What a reason means for events of that type and phase.
pub(crate) fn reason_of(
    reason: Option<Reason>,
    kind: Option<EventType>,
    phase: Option<Phase>,
) -> Option<&'static str> {
    let failed = phase == Some(Phase::Open);
    Some(match reason? {
        Reason::Refused => "the peer answered the SYN with a reset",
        Reason::Timeout if failed => "the SYN was never answered",
        Reason::Timeout => "retransmissions were never acknowledged",
        Reason::Unreachable if failed => "an ICMP message said that the peer cannot be reached",
        Reason::Unreachable => "ICMP messages said that the peer cannot be reached",
        Reason::Aborted if failed => "given up by the application before it was established",
        Reason::Aborted => "ended by another process, through SOCK_DESTROY",
        Reason::Killed => "its process was ended by a signal",
        Reason::ResetSent if kind == Some(EventType::Close) => {
            "this side sent a reset: unread data, or a linger time of 0"
        }
        Reason::ResetSent if kind == Some(EventType::Unknown) => {
            "this side sent a reset: nobody had accepted it"
        }
        Reason::ResetSent => "this side sent a reset",
        Reason::FinRemote => "the peer had closed first",
        Reason::FinLocal => "this side closed first",
        Reason::ResetByPeer => "the peer sent a reset",
        Reason::Keepalive => "keep-alive probes were never answered",
    })
}

/// The system's words for an error number.
pub(crate) fn errno(number: u16) -> String {
    let text = std::io::Error::from_raw_os_error(i32::from(number)).to_string();
    let words = text
        .rsplit_once(" (os error")
        .map_or(&*text, |(words, _)| words);
    format!("{number}, {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_number_has_words() {
        assert_eq!(errno(111), "111, Connection refused");
    }
}
