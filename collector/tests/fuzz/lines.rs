//! Lines of JSON, as agents and recordings have them: read, write, read.

use collector::wire::{self, Decoder, Encoder, Record};

use super::mutate::play;

pub const LINES: [&str; 8] = [
    r#"{"t":"ev","seq":17,"ts":"2026-01-02T03:04:05.123456789Z","node":"host1","namespace":"shop","pod":"cart-1","container":"app","type":"C","pid":4242,"tid":4243,"comm":"curl","uid":0,"gid":0,"ip":4,"family":4,"saddr":"10.0.0.3","daddr":"192.0.2.1","sport":34878,"dport":443,"conn":"9f3c000000000001","phase":"open","reason":null,"errno":null,"lat_us":1423,"dur_us":null,"tx_bytes":null,"rx_bytes":null,"rtt_us":null,"retrans":null,"before":false,"netns":4026531840,"mntns":4026531841,"cgroup":804,"peer":null}"#,
    r#"{"t":"ev","seq":18,"ts":"2026-01-02T03:04:06Z","node":"host1","type":"X","pid":1,"comm":"a\u0000\"b\ud83d\ude00","ip":6,"family":6,"saddr":"2001:db8::1","daddr":"::ffff:192.0.2.1","sport":1,"dport":65535,"conn":"1","phase":"estab","reason":"reset","errno":104,"dur_us":77,"tx_bytes":1,"rx_bytes":2,"rtt_us":3,"retrans":4,"before":true,"peer":{"kind":"service","namespace":"shop","name":"web","port":80}}"#,
    r#"{"t":"open","state":"ESTABLISHED","seq":null,"ts":"2026-01-02T03:04:05Z","node":"host1","type":null,"saddr":"fe80::1","daddr":"fe80::2","sport":22,"dport":50000,"conn":"ff","before":true}"#,
    r#"{"t":"hello","proto":1,"node":"n1","ts":"2026-01-02T03:04:05Z","version":"0.1.0","kernel":"6.12","accept_hook":"fexit","filter":"port:443","seeded":2}"#,
    r#"{"t":"lost","src":"ring","n":2,"node":"n1","seq":18}"#,
    r#"{"t":"meta","cgroup":804,"node":"n1","namespace":"shop","pod":"cart-1","container":"app","pod_uid":"u","container_id":"8f2b"}"#,
    r#"{"t":"node","node":"n1","state":"lost","why":"gone","via":"proxy","ts":"2026-01-02T03:04:05Z"}"#,
    r#"{"t":"bye","events":1,"lost":2,"reason":"x","retry_ms":9}"#,
];
pub const WORDS: &[&str] = &[
    "null",
    "true",
    "{",
    "}",
    "[",
    "\"t\":",
    "\"ev\"",
    "\"seq\":",
    "\"ts\":",
    "\"peer\":",
    "\\u0000",
    "\\ud800",
    "\"\"",
    "\"-\"",
    "\n",
    "1e9",
    "-0.5",
    "\u{fffd}",
];

fn read(line: &[u8]) -> Option<Record> {
    Decoder::default().line(line).ok().flatten()
}

fn check(bytes: &[u8]) {
    let Some(record) = read(bytes) else { return };
    let mut line = Vec::new();
    match &record {
        Record::Hello(hello) => wire::hello(hello, &mut line),
        Record::Event(event) => Encoder::default().event(event, &mut line),
        Record::Lost(node, lost) => wire::lost(node, lost, &mut line),
        Record::Meta(meta) => wire::meta(meta, &mut line),
        Record::Node(state) => wire::node(state, &mut line),
        Record::Bye(bye) => wire::bye(bye, &mut line),
    }
    let text = String::from_utf8_lossy(&line);
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    // As they are shown: of a name that is no text more is not kept.
    let shown = |record: Option<Record>| format!("{record:?}");
    assert_eq!(shown(read(&line)), shown(Some(record)), "{text}");
}

#[test]
fn fuzz_of_lines() {
    let seeds = LINES.map(|line| line.as_bytes().to_vec());
    play("lines", seeds.into(), WORDS, check);
}
