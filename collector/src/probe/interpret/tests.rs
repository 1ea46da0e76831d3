use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use probe_common::{Record, Task, flag, kind};
use proptest::prelude::*;

use super::{Clock, Interpreter, Origins, Output};
use crate::model::{ConnId, Event, EventType, Family, Figures, Origin, Phase, Reason, Timestamp};

const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;
const SECOND: u64 = 1_000_000_000;

struct NoNames;

impl Origins for NoNames {
    fn origin(&mut self, _cgroup: u64) -> Arc<Origin> {
        Arc::default()
    }
}

/// What an interpreter has said so far.
#[derive(Default)]
struct Said {
    interpreter: Interpreter,
    events: Vec<Event>,
}

impl Said {
    fn with<T>(&mut self, f: impl FnOnce(&mut Interpreter, &mut Output<'_>) -> T) -> T {
        let mut out = Output {
            events: &mut self.events,
            origins: &mut NoNames,
            clock: Clock::with_offset(0),
        };
        f(&mut self.interpreter, &mut out)
    }

    fn after(records: impl IntoIterator<Item = Record>) -> Self {
        let mut said = Self::default();
        for record in records {
            said.hear(record);
        }
        said
    }

    fn hear(&mut self, record: Record) {
        self.with(|interpreter, out| interpreter.record(record, out));
    }

    fn expire(&mut self, now_ns: u64) {
        self.with(|interpreter, out| interpreter.expire(now_ns, out));
    }

    /// Type, phase and reason of each event.
    fn story(&self) -> Vec<(&'static str, Phase, Option<Reason>)> {
        let line = |event: &Event| Some((event.kind?.letter(), event.phase?, event.reason));
        self.events.iter().filter_map(line).collect()
    }
}

/// A record of an owned IPv4 connection, opened at one second.
fn record(kind: u8, old_state: u8, new_state: u8, ts_ns: u64) -> Record {
    Record {
        kind,
        old_state,
        new_state,
        ts_ns,
        conn: 7,
        opened_ns: SECOND,
        family: 2,
        flags: flag::OWNED,
        task: Task {
            pid: 42,
            ..Task::default()
        },
        ..Record::default()
    }
}

fn fin(flags: u32) -> Record {
    Record {
        sent: 10,
        unsent: 5,
        flags: flag::OWNED | flag::FIN_SENT | flags,
        ..record(kind::FIN, ESTABLISHED, FIN_WAIT1, 2 * SECOND)
    }
}

fn end(old_state: u8, flags: u32, err: u16) -> Record {
    Record {
        sent: 15,
        received: 3,
        err,
        flags: flag::OWNED | flags,
        ..record(kind::END, old_state, CLOSE, 2 * SECOND + 500)
    }
}

#[test]
fn an_ending_waits_for_its_final_figures_and_keeps_its_time() {
    let mut said = Said::after([fin(flag::BOTH_WAYS)]);
    assert_eq!(said.story(), []);
    said.hear(end(FIN_WAIT2, flag::FIN_SENT, 0));
    assert_eq!(said.story(), [("X", Phase::End, Some(Reason::FinLocal))]);
    let event = &said.events[0];
    assert_eq!(event.ts, Timestamp(2_000_000_000));
    assert_eq!(event.figures.tx_bytes.unwrap().get(), 15);
    assert_eq!(event.figures.rx_bytes.unwrap().get(), 3);
    assert_eq!(event.figures.dur_us.unwrap().get(), 1_000_000);
}

#[test]
fn after_a_second_what_is_queued_counts_as_sent_and_the_end_says_nothing_more() {
    let mut said = Said::after([fin(flag::BOTH_WAYS)]);
    assert_eq!(said.interpreter.next_due_ns(), Some(3 * SECOND));
    said.expire(3 * SECOND - 1);
    assert_eq!(said.events.len(), 0);
    said.expire(3 * SECOND);
    assert_eq!(said.events[0].figures.tx_bytes.unwrap().get(), 15);
    said.hear(end(FIN_WAIT2, flag::FIN_SENT, 0));
    assert_eq!(said.events.len(), 1);
}

/// The record of the FIN did not fit into the ring: that of the end says all of it.
#[test]
fn a_lost_fin_is_said_by_the_end() {
    let lost = flag::FIN_SENT | flag::FIN_LOST | flag::BOTH_WAYS;
    let both = |old_state| {
        Said::after([Record {
            start_ns: 2 * SECOND,
            ..end(old_state, lost, 0)
        }])
    };
    let said = both(FIN_WAIT2);
    assert_eq!(said.story(), [("X", Phase::End, Some(Reason::FinLocal))]);
    assert_eq!(said.events[0].ts, Timestamp(2_000_000_000));
    assert_eq!(said.events[0].figures.dur_us.unwrap().get(), 1_000_000);
    assert_eq!(said.events[0].figures.tx_bytes.unwrap().get(), 15);
    let said = both(LAST_ACK);
    assert_eq!(said.story(), [("X", Phase::End, Some(Reason::FinRemote))]);
}

#[test]
fn a_lost_end_leaves_the_ending_of_the_fin() {
    let mut said = Said::after([fin(flag::BOTH_WAYS)]);
    said.expire(3 * SECOND);
    assert_eq!(said.story(), [("X", Phase::End, Some(Reason::FinLocal))]);
}

#[test]
fn what_is_gone_and_was_only_half_closed_is_forgotten() {
    let mut said = Said::after([fin(0)]);
    said.interpreter.gone([ConnId(7)]);
    assert!(said.interpreter.half_closed().is_empty());
    said.expire(u64::MAX);
    assert_eq!(said.story(), []);
}

/// Without an opening: only what was there at the start was open before.
#[test]
fn before_is_what_was_listed_at_the_start() {
    let ended = |listed: &[u64]| {
        let mut said = Said::default();
        said.interpreter
            .started_with(listed.iter().copied().map(ConnId));
        said.hear(end(ESTABLISHED, flag::BEFORE, 0));
        said.events[0].before
    };
    assert!(ended(&[7]));
    assert!(!ended(&[8]));
    let unlisted = Said::after([end(ESTABLISHED, flag::BEFORE, 0)]);
    assert!(unlisted.events[0].before);
}

#[test]
fn the_opening_of_what_was_queued_and_did_not_fit_is_counted() {
    let mut said = Said::default();
    said.interpreter.started_with([ConnId(8)]);
    let queued = Record {
        flags: flag::BEFORE | flag::QUEUED,
        ..end(ESTABLISHED, 0, 0)
    };
    said.hear(queued);
    said.hear(Record { conn: 8, ..queued });
    let ending = ("U", Phase::End, Some(Reason::ResetSent));
    assert_eq!(said.story(), [ending; 2]);
    assert_eq!(said.interpreter.take_unopened(), 1);
}

#[test]
fn one_way_closed_has_not_ended() {
    let mut said = Said::after([fin(0)]);
    said.expire(u64::MAX);
    assert_eq!(said.story(), []);
    assert_eq!(said.interpreter.half_closed()[0].conn, ConnId(7));
    said.with(Interpreter::finish);
    assert_eq!(said.story(), []);
}

#[test]
fn closed_the_other_way_later_it_has_ended_at_its_fin() {
    let mut said = Said::after([fin(0)]);
    let so_far = Figures {
        tx_bytes: nonmax::NonMaxU64::new(12),
        rx_bytes: nonmax::NonMaxU64::new(9),
        ..Figures::default()
    };
    said.interpreter
        .closed_both_ways(ConnId(7), &so_far, 5 * SECOND);
    assert!(said.interpreter.half_closed().is_empty());
    said.expire(6 * SECOND);
    let event = &said.events[0];
    assert_eq!(event.ts, Timestamp(2_000_000_000));
    // 12 were sent by then, and 3 of the 5 that had been queued still were.
    assert_eq!(event.figures.tx_bytes.unwrap().get(), 15);
    assert_eq!(event.figures.rx_bytes.unwrap().get(), 9);
}

#[test]
fn a_reset_of_a_half_closed_connection_is_the_peers_doing() {
    let said = Said::after([fin(0), end(FIN_WAIT2, flag::FIN_SENT, 104)]);
    assert_eq!(said.story(), [("U", Phase::End, Some(Reason::ResetByPeer))]);
}

#[test]
fn a_reset_after_close_changes_nothing_about_who_ended_it() {
    let said = Said::after([
        fin(flag::BOTH_WAYS),
        end(FIN_WAIT1, flag::FIN_SENT | flag::BOTH_WAYS, 104),
    ]);
    assert_eq!(said.story(), [("X", Phase::End, Some(Reason::FinLocal))]);
}

#[test]
fn endings_have_the_first_reason_that_holds() {
    let killed = Record {
        flags: flag::OWNED | flag::FIN_SENT | flag::BOTH_WAYS | flag::KILLED,
        ..record(kind::FIN, CLOSE_WAIT, LAST_ACK, 2 * SECOND)
    };
    let remote = Record {
        flags: killed.flags & !flag::KILLED,
        ..killed
    };
    let last = end(LAST_ACK, flag::FIN_SENT, 0);
    let cases: [(&[Record], Reason); 8] = [
        (&[killed, last], Reason::Killed),
        (&[remote, last], Reason::FinRemote),
        (&[end(ESTABLISHED, 0, 0)], Reason::ResetSent),
        (&[end(ESTABLISHED, flag::KILLED, 0)], Reason::Killed),
        (&[end(ESTABLISHED, 0, 104)], Reason::ResetByPeer),
        (&[end(CLOSE_WAIT, 0, 32)], Reason::ResetByPeer),
        (&[end(ESTABLISHED, flag::UNACKED, 110)], Reason::Timeout),
        (&[end(ESTABLISHED, 0, 110)], Reason::Keepalive),
    ];
    for (records, reason) in cases {
        let said = Said::after(records.iter().copied());
        let [(letter, Phase::End, Some(said_reason))] = said.story()[..] else {
            panic!("{:?}", said.story());
        };
        assert_eq!(said_reason, reason);
        let by_process = records[records.len() - 1].err == 0;
        assert_eq!(letter, if by_process { "X" } else { "U" });
    }
}

#[test]
fn failed_connects_say_why_or_nothing() {
    let cases = [
        (111, 0, Some(Reason::Refused)),
        (110, 0, Some(Reason::Timeout)),
        (113, 0, Some(Reason::Unreachable)),
        (0, 113, Some(Reason::Unreachable)),
        (0, 0, Some(Reason::Aborted)),
        (5, 0, None),
    ];
    for (err, err_soft, reason) in cases {
        let failed = Record {
            err,
            err_soft,
            flags: flag::OWNED | flag::CLIENT,
            start_ns: SECOND,
            ..record(kind::CONNECT, SYN_SENT, CLOSE, 2 * SECOND)
        };
        let said = Said::after([failed]);
        assert_eq!(said.story(), [("C", Phase::Open, reason)]);
        assert_eq!(said.events[0].figures.lat_us.unwrap().get(), SECOND / 1000);
    }
}

#[test]
fn what_nobody_accepted_has_both_its_events_when_the_listener_closes() {
    let closed = Record {
        flags: flag::QUEUED,
        start_ns: SECOND,
        ..end(ESTABLISHED, 0, 0)
    };
    let said = Said::after([closed]);
    let [(a, Phase::Open, None), (b, Phase::End, reason)] = said.story()[..] else {
        panic!("{:?}", said.story());
    };
    assert_eq!((a, b, reason), ("U", "U", Some(Reason::ResetSent)));
    assert_eq!(said.events[0].ts, Timestamp(1_000_000_000));
    assert_eq!(said.events[0].process, None);
}

/// The kernel forgets the peer's port when the listener closes, before it says so.
#[test]
fn what_was_reset_in_the_queue_keeps_its_peer() {
    let reset = Record {
        flags: flag::QUEUED,
        start_ns: SECOND,
        dport: 443,
        ..end(ESTABLISHED, 0, 104)
    };
    let never = Record {
        kind: kind::NEVER_ACCEPTED,
        dport: 0,
        err: 0,
        ..reset
    };
    let said = Said::after([reset, never]);
    let [("U", Phase::End, _), ("U", Phase::Open, None)] = said.story()[..] else {
        panic!("{:?}", said.story());
    };
    assert_eq!(said.events[1].remote.port, 443);
}

/// Accepted by a call that no hook sees, and closed in order.
#[test]
fn what_sends_a_fin_had_been_opened() {
    let queued = Record {
        start_ns: SECOND,
        ..fin(flag::QUEUED | flag::BOTH_WAYS)
    };
    let mut said = Said::after([queued]);
    said.expire(u64::MAX);
    let [("U", Phase::Open, None), ("X", Phase::End, _)] = said.story()[..] else {
        panic!("{:?}", said.story());
    };
}

#[test]
fn what_had_sent_its_fin_before_the_start_had_ended_before() {
    let orphan = Record {
        flags: flag::BEFORE,
        ..end(FIN_WAIT2, 0, 0)
    };
    assert_eq!(Said::after([orphan]).story(), []);
    let half_closed = end(FIN_WAIT2, flag::BEFORE, 0);
    assert_eq!(
        Said::after([half_closed]).story(),
        [("X", Phase::End, Some(Reason::FinLocal))]
    );
}

#[test]
fn a_mapped_address_is_shown_as_ipv4_and_the_family_kept() {
    let mapped = Record {
        family: 10,
        saddr: Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets(),
        daddr: Ipv6Addr::LOCALHOST.octets(),
        ..record(kind::ACCEPT, ESTABLISHED, ESTABLISHED, SECOND)
    };
    let said = Said::after([mapped]);
    let event = &said.events[0];
    assert_eq!(event.kind, Some(EventType::Accept));
    assert_eq!(event.local.addr, Ipv4Addr::LOCALHOST);
    assert_eq!(event.remote.addr, Ipv6Addr::LOCALHOST);
    assert_eq!((event.ip_version(), event.family), (4, Family::V6));
}

#[test]
fn a_pending_error_does_not_hide_who_resets() {
    let unreachable = u16::try_from(libc::EHOSTUNREACH).unwrap();
    let said = Said::after([end(ESTABLISHED, flag::BY_CALL, unreachable)]);
    assert_eq!(said.story(), [("X", Phase::End, Some(Reason::ResetSent))]);
    let said = Said::after([end(ESTABLISHED, 0, unreachable)]);
    assert_eq!(said.story(), [("U", Phase::End, Some(Reason::Unreachable))]);
}

#[test]
fn in_repair_mode_nothing_is_sent_and_nothing_was_asked() {
    let said = Said::after([end(ESTABLISHED, flag::BY_CALL | flag::REPAIR, 0)]);
    assert_eq!(said.story(), [("X", Phase::End, None)]);
    let mut connect = record(kind::CONNECT, SYN_SENT, ESTABLISHED, 2 * SECOND);
    connect.start_ns = SECOND;
    assert!(Said::after([connect]).events[0].figures.lat_us.is_some());
    connect.flags |= flag::REPAIR;
    assert_eq!(Said::after([connect]).events[0].figures.lat_us, None);
}

#[test]
fn an_end_that_no_program_has_seen_has_no_reason() {
    let mut unseen = end(ESTABLISHED, flag::UNSEEN, 0);
    unseen.flags &= !flag::OWNED;
    assert_eq!(Said::after([unseen]).story(), [("U", Phase::End, None)]);
    // Unless the FIN was seen.
    let fin = fin(flag::BOTH_WAYS);
    let said = Said::after([fin, end(FIN_WAIT1, flag::FIN_SENT | flag::UNSEEN, 0)]);
    assert_eq!(said.story(), [("X", Phase::End, Some(Reason::FinLocal))]);
}

#[test]
fn who_does_not_hold_it_any_more_is_a_stranger() {
    let reset = u16::try_from(libc::ECONNRESET).unwrap();
    let mut said = Said::after([Record {
        inode: 77,
        ..end(ESTABLISHED, flag::UNHELD, reset)
    }]);
    assert_eq!(said.story(), [("U", Phase::End, Some(Reason::ResetByPeer))]);
    let event = &said.events[0];
    assert_eq!((&event.process, event.cgroup), (&None, None));
    let asked: Vec<_> = said.interpreter.take_unheld();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].inode, asked[0].conn), (77, ConnId(7)));
    // Its FIN was before the start: that was a call of the one who had it then.
    let mut said = Said::after([Record {
        inode: 77,
        ..end(FIN_WAIT2, flag::BEFORE | flag::UNHELD, 0)
    }]);
    assert_eq!(said.story(), [("X", Phase::End, Some(Reason::FinLocal))]);
    assert!(said.events[0].process.is_some() && said.interpreter.take_unheld().is_empty());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
        let mut said = Said::default();
        for bytes in &pieces {
            said.with(|interpreter, out| interpreter.bytes(bytes, out));
        }
        said.expire(u64::MAX);
    }

    /// Whatever record comes, of whatever bytes, each has at most the events of one connection.
    #[test]
    fn any_record_is_said_or_counted(mut bytes in prop::collection::vec(any::<u8>(), size_of::<Record>()), known in 1_u8..=6, v6: bool) {
        // The kind and the states, so that more than one in a million gets past the first check.
        let at = std::mem::offset_of!(Record, kind);
        bytes[at] = known;
        bytes[at + 1] = bytes[at + 1] % 12 + 1;
        bytes[at + 2] = bytes[at + 2] % 12 + 1;
        let family = std::mem::offset_of!(Record, family);
        let af = if v6 { 10_u8 } else { 2 };
        bytes[family] = af;
        if !v6 {
            bytes.truncate(Record::V4);
        }
        let mut said = Said::default();
        said.with(|interpreter, out| interpreter.bytes(&bytes, out));
        prop_assert_eq!(said.interpreter.take_malformed(), 0);
        said.with(Interpreter::finish);
        prop_assert!(said.events.len() <= 2);
    }
}
