//! What a line looks like, and that what is written is read again.

use std::num::NonZeroU16;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;

use super::{Decoder, Encoder, Record, WireError};
use crate::model::{
    Bye, Comm, Degraded, Dropper, Event, EventType, Hello, HookKind, Lack, LossKind, Lost, Meta,
    NodeState, Origin, Peer, PeerKind, Phase, Reason, SourceState, TcpState, Timestamp, Via,
};
use crate::testing::{any_event, event, link_local, open_socket};

fn line(event: &Event) -> String {
    let mut out = Vec::new();
    Encoder::default().event(event, &mut out);
    String::from_utf8(out).expect("lines are UTF-8")
}

fn read(line: &str) -> Result<Option<Record>, WireError> {
    Decoder::default().line(line.as_bytes())
}

#[test]
fn an_event_has_every_key_in_the_documented_order() {
    assert_eq!(
        line(&event()),
        concat!(
            r#"{"t":"ev","seq":17,"ts":"2026-01-02T03:04:05.123456789Z","node":"host1","#,
            r#""namespace":"shop","pod":"cart-1","container":"app","type":"C","pid":4242,"#,
            r#""tid":4243,"comm":"curl","uid":0,"gid":0,"ip":4,"family":4,"saddr":"10.0.0.3","#,
            r#""daddr":"192.0.2.1","sport":34878,"dport":443,"conn":"9f3c000000000001","#,
            r#""phase":"open","reason":null,"errno":null,"lat_us":1423,"dur_us":null,"#,
            r#""tx_bytes":null,"rx_bytes":null,"rtt_us":null,"retrans":null,"before":false,"#,
            r#""netns":4026531840,"mntns":4026531841,"cgroup":804,"peer":null,"scope":null,"thread":null}"#,
            "\n"
        )
    );
}

#[test]
fn a_socket_that_was_open_has_a_state_and_no_type() {
    let text = line(&open_socket());
    assert!(
        text.starts_with(r#"{"t":"open","state":"ESTABLISHED","seq":null,"ts":"#),
        "{text}"
    );
    assert!(
        text.contains(r#""type":null"#) && text.contains(r#""phase":null"#),
        "{text}"
    );
    assert!(text.contains(r#""before":true"#), "{text}");
}

#[test]
fn what_is_not_known_is_null() {
    let nobody = Event {
        process: None,
        peer: Some(Arc::new(Peer {
            kind: PeerKind::Node,
            namespace: None,
            name: "n\"2".into(),
        })),
        ..event()
    };
    let text = line(&nobody);
    let none = r#""pid":null,"tid":null,"comm":null,"uid":null,"gid":null"#;
    assert!(text.contains(none), "{text}");
    let peer = r#""peer":{"kind":"node","namespace":null,"name":"n\"2"},"scope""#;
    assert!(text.contains(peer), "{text}");
}

#[test]
fn addresses_are_bare_and_their_zone_and_the_thread_come_last() {
    let mut event = link_local("eth0");
    let process = event.process.as_mut().map(Arc::make_mut);
    process.expect("it has one").thread = Some(Comm::from_text("http-nio-\"80\""));
    let text = line(&event);
    assert!(
        text.contains(r#""saddr":"fe80::1","daddr":"fe80::2""#),
        "{text}"
    );
    let end = r#""peer":null,"scope":"eth0","thread":"http-nio-\"80\""}"#;
    assert!(text.ends_with(&format!("{end}\n")), "{text}");
    assert!(matches!(read(&text), Ok(Some(Record::Event(read))) if *read == event));
}

#[test]
fn a_zone_that_says_nothing_is_not_known() {
    let read = |line: &str| match read(line) {
        Ok(Some(Record::Event(event))) => event,
        other => panic!("{other:?}"),
    };
    let elsewhere = line(&event()).replace(r#""scope":null"#, r#""scope":"eth0""#);
    assert_eq!(read(&elsewhere).scope, None);
    let no_interface = line(&link_local("eth0")).replace("eth0", "no interface");
    assert_eq!(read(&no_interface).scope, None);
    let same = line(&event()).replace(r#""thread":null"#, r#""thread":"curl""#);
    assert_eq!(*read(&same), event());
}

#[test]
fn the_other_records_are_as_documented() {
    let mut out = Vec::new();
    let greeting = Hello {
        node: "host1".into(),
        version: Some("0.1.0".into()),
        kernel: "6.18.44".into(),
        accept_hook: Some(HookKind::Syscall),
        filter: None,
        degraded: vec![Lack::OwnersAtStart.into(), Degraded::of_word("drops")],
        seeded: 12,
        ts: Timestamp(0),
    };
    let loss = Lost::new(LossKind::Ring, 12);
    let by = Dropper {
        uid: 1000,
        cgroup: Some(804),
        origin: Arc::new(Origin {
            node: "host1".into(),
            container: Some("app".into()),
            ..Origin::default()
        }),
    };
    let loss_by = Lost {
        by: Some(Arc::new(by)),
        ..loss.clone()
    };
    let state = NodeState {
        node: "n2".into(),
        state: SourceState::Lost("no route".to_owned()),
        via: Some(Via::Proxy),
    };
    let meta = Meta {
        cgroup: 804,
        origin: event().origin,
        pod_uid: Some("0f6a2b1c-3d4e-5f60-7182-93a4b5c6d7e8".into()),
        container_id: None,
    };
    let farewell = Bye {
        events: 1234,
        ..Bye::default()
    };
    super::hello(&greeting, &mut out);
    super::lost("host1", &loss, &mut out);
    super::lost("host1", &loss_by, &mut out);
    super::meta(&meta, &mut out);
    super::node(&state, &mut out);
    super::bye(&farewell, &mut out);
    let expected = [
        r#"{"t":"hello","proto":1,"version":"0.1.0","node":"host1","kernel":"6.18.44","accept_hook":"syscall","seeded":12,"ts":"1970-01-01T00:00:00.000000000Z","degraded":["owners-at-start","drops"]}"#.to_owned(),
        r#"{"t":"lost","src":"ring","n":12,"node":"host1"}"#.to_owned(),
        r#"{"t":"lost","src":"ring","n":12,"node":"host1","uid":1000,"cgroup":804,"namespace":null,"pod":null,"container":"app"}"#.to_owned(),
        r#"{"t":"meta","cgroup":804,"node":"host1","namespace":"shop","pod":"cart-1","container":"app","pod_uid":"0f6a2b1c-3d4e-5f60-7182-93a4b5c6d7e8","container_id":null}"#.to_owned(),
        r#"{"t":"node","node":"n2","state":"lost","why":"no route","via":"proxy"}"#.to_owned(),
        r#"{"t":"bye","events":1234,"lost":0,"reason":null,"retry_ms":null}"#.to_owned(),
    ];
    let text = String::from_utf8(out).expect("UTF-8");
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);

    let mut decoder = Decoder::default();
    let records: Vec<Record> = text
        .lines()
        .filter_map(|line| decoder.line(line.as_bytes()).expect(line))
        .collect();
    assert_eq!(
        records,
        [
            Record::Hello(greeting),
            Record::Lost("host1".into(), loss),
            Record::Lost("host1".into(), loss_by),
            Record::Meta(meta),
            Record::Node(state),
            Record::Bye(farewell),
        ]
    );
}

#[test]
fn newer_records_and_keys_are_skipped() {
    assert!(matches!(read(r#"{"t":"weather","sky":"blue"}"#), Ok(None)));
    let newer = line(&event()).replacen('{', r#"{"mood":["new"],"#, 1);
    assert!(matches!(read(&newer), Ok(Some(Record::Event(_)))));
    let reason = line(&event()).replace(r#""reason":null"#, r#""reason":"boredom""#);
    assert!(matches!(read(&reason), Ok(Some(Record::Event(e))) if e.reason.is_none()));
}

#[test]
fn errors_say_which_key() {
    let good = line(&event());
    for (from, to, said) in [
        (r#""t":"ev","#, "", "`t` is missing"),
        (r#""node":"host1","#, "", "`node` is missing"),
        (r#""type":"C""#, r#""type":"Q""#, "`type` cannot be `Q`"),
        (
            r#""conn":"9f3c000000000001""#,
            r#""conn":"xyz""#,
            "`conn` cannot be `xyz`",
        ),
        (r#""family":4"#, r#""family":5"#, "`family` cannot be `5`"),
        (
            r#""cgroup":804"#,
            r#""cgroup":18446744073709551615"#,
            "`cgroup` cannot be `18446744073709551615`",
        ),
        (
            "2026-01-02T",
            "yesterday ",
            "`ts` cannot be `yesterday 03:04:05.123456789Z`",
        ),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        assert_eq!(read(&bad).expect_err(to).to_string(), said);
    }
    let other = read(r#"{"t":"hello","proto":2}"#).expect_err("another protocol");
    assert!(
        other.to_string().starts_with("it speaks protocol 2;"),
        "{other}"
    );
}

#[test]
fn a_mapped_address_is_read_as_ipv4() {
    let mapped = line(&event()).replace("192.0.2.1", "::ffff:192.0.2.1");
    let Ok(Some(Record::Event(read))) = read(&mapped) else {
        panic!("not an event");
    };
    assert_eq!(*read, event());
}

#[test]
fn events_of_one_workload_share_it() {
    let mut decoder = Decoder::default();
    let mut origin = || match decoder.line(line(&event()).as_bytes()) {
        Ok(Some(Record::Event(event))) => event.origin,
        other => panic!("{other:?}"),
    };
    assert!(Arc::ptr_eq(&origin(), &origin()));
}

/// The documented keys in their order, for serde to write.
#[derive(serde::Serialize)]
struct Plain<'a> {
    t: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    seq: Option<u64>,
    ts: String,
    node: &'a str,
    namespace: Option<&'a str>,
    pod: Option<&'a str>,
    container: Option<&'a str>,
    r#type: Option<&'static str>,
    pid: Option<u32>,
    tid: Option<u32>,
    comm: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
    ip: u8,
    family: u8,
    saddr: std::net::IpAddr,
    daddr: std::net::IpAddr,
    sport: u16,
    dport: u16,
    conn: String,
    phase: Option<&'static str>,
    reason: Option<&'static str>,
    errno: Option<u16>,
    lat_us: Option<u64>,
    dur_us: Option<u64>,
    tx_bytes: Option<u64>,
    rx_bytes: Option<u64>,
    rtt_us: Option<u32>,
    retrans: Option<u32>,
    before: bool,
    netns: Option<u32>,
    mntns: Option<u32>,
    cgroup: Option<u64>,
    peer: Option<PlainPeer<'a>>,
    scope: Option<String>,
    thread: Option<String>,
}

#[derive(serde::Serialize)]
struct PlainPeer<'a> {
    kind: &'static str,
    namespace: Option<&'a str>,
    name: &'a str,
}

impl<'a> Plain<'a> {
    fn of(event: &'a Event) -> Self {
        let who = event.process.as_deref();
        let figures = &event.figures;
        Self {
            t: if event.kind.is_some() { "ev" } else { "open" },
            state: event.state.map(TcpState::name),
            seq: event.seq.map(|n| n.get()),
            ts: event.ts.to_string(),
            node: &event.origin.node,
            namespace: event.origin.namespace.as_deref(),
            pod: event.origin.pod.as_deref(),
            container: event.origin.container.as_deref(),
            r#type: event.kind.map(EventType::letter),
            pid: who.map(|who| who.pid),
            tid: who.and_then(|who| who.tid).map(|n| n.get()),
            comm: who.map(|who| who.comm.to_string()),
            uid: who.and_then(|who| who.uid).map(|n| n.get()),
            gid: who.and_then(|who| who.gid).map(|n| n.get()),
            ip: event.ip_version(),
            family: event.family.number(),
            saddr: event.local.addr,
            daddr: event.remote.addr,
            sport: event.local.port,
            dport: event.remote.port,
            conn: event.conn.to_string(),
            phase: event.phase.map(Phase::word),
            reason: event.reason.map(Reason::word),
            errno: event.errno.map(NonZeroU16::get),
            lat_us: figures.lat_us.map(|n| n.get()),
            dur_us: figures.dur_us.map(|n| n.get()),
            tx_bytes: figures.tx_bytes.map(|n| n.get()),
            rx_bytes: figures.rx_bytes.map(|n| n.get()),
            rtt_us: figures.rtt_us.map(|n| n.get()),
            retrans: figures.retrans.map(|n| n.get()),
            before: event.before,
            netns: event.netns.map(|n| n.get()),
            mntns: event.mntns.map(|n| n.get()),
            cgroup: event.cgroup.map(|n| n.get()),
            peer: event.peer.as_deref().map(|peer| PlainPeer {
                kind: peer.kind.word(),
                namespace: peer.namespace.as_deref(),
                name: &peer.name,
            }),
            scope: event.scope.map(|zone| zone.to_string()),
            thread: who.and_then(|who| who.thread).map(|name| name.to_string()),
        }
    }
}

proptest! {
    /// To the byte, and in whatever order events of the same workloads and processes come.
    #[test]
    fn it_is_written_as_serde_would(events in prop::collection::vec(any_event(), 1..4), again in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let mut encoder = Encoder::default();
        let order = (0..events.len()).chain(again.iter().map(|i| i.index(events.len())));
        for event in order.map(|i| &events[i]) {
            let mut out = Vec::new();
            encoder.event(event, &mut out);
            let mut expected = serde_json::to_vec(&Plain::of(event)).expect("JSON");
            expected.push(b'\n');
            prop_assert_eq!(String::from_utf8(out), String::from_utf8(expected));
        }
    }

    #[test]
    fn what_is_written_is_read_again(events in prop::collection::vec(any_event(), 1..4)) {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        for event in events {
            let mut out = Vec::new();
            encoder.event(&event, &mut out);
            prop_assert_eq!(out.split(|b| *b == b'\n').count(), 2);
            match decoder.line(&out) {
                Ok(Some(Record::Event(read))) => prop_assert_eq!(*read, event),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    #[test]
    fn times_are_written_as_the_model_prints_them(nanos in any::<i64>(), near in -5..5i64) {
        let mut encoder = Encoder::default();
        for nanos in [nanos, nanos.saturating_add(near), near] {
            let mut out = Vec::new();
            encoder.time(Timestamp(nanos), &mut out);
            prop_assert_eq!(String::from_utf8_lossy(&out), Timestamp(nanos).to_string());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
        let _ = Decoder::default().line(&bytes);
    }

    #[test]
    fn no_damage_makes_it_panic(event in any_event(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = line(&event).into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let _ = Decoder::default().line(&bytes);
    }

    #[test]
    fn any_text_in_any_key_is_read_or_refused(
        t in select(&["ev", "open", "hello", "lost", "node", "bye"][..]),
        key in select(&["ts", "node", "type", "conn", "saddr", "seq", "peer", "state", "src"][..]),
        value in "\\PC{0,9}|[0-9]{1,22}|null|\"[a-z0-9:.]{0,9}\"",
    ) {
        let _ = Decoder::default().line(format!(r#"{{"t":"{t}","{key}":{value}}}"#).as_bytes());
    }
}
