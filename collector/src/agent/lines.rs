//! The records that only agents write, beside those of [`crate::wire`].

use serde::{Deserialize, Serialize};

use super::PROTO;
use super::hub::kernel_random;
use crate::model::{Hello, LossKind, Lost, Timestamp};
use crate::probe::monotonic_ns;
use crate::wire;

/// What an agent says of itself: the answer to `/v1/hello`, and further keys of a stream's `hello`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct About {
    /// The lowest version of the protocol that it speaks.
    pub proto_min: u32,
    /// The highest.
    pub proto_max: u32,
    /// This run of the agent; sequence numbers of another run say nothing.
    pub instance: String,
    /// The node's boot.
    pub boot_id: String,
    /// What it can do beyond the first version.
    pub features: Vec<String>,
    /// What it allows.
    pub limits: Allowed,
    /// Its clock: nanoseconds since 1970.
    pub now_realtime_ns: i64,
    /// Its clock: nanoseconds since boot.
    pub now_mono_ns: u64,
}

/// What an agent allows.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Allowed {
    /// Streams at once.
    pub clients: usize,
    /// Bytes of a filter's text.
    pub filter: usize,
}

impl About {
    pub(super) fn new(instance: &str, limits: Allowed) -> Self {
        Self {
            proto_min: *PROTO.start(),
            proto_max: *PROTO.end(),
            instance: instance.to_owned(),
            boot_id: kernel_random("boot_id"),
            features: Vec::new(),
            limits,
            now_realtime_ns: Timestamp::now().0,
            now_mono_ns: monotonic_ns(),
        }
    }
}

/// The keys of `/v1/hello`.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    about: &'a About,
    version: &'a str,
    node: &'a str,
}

/// The answer to `/v1/hello`.
pub(super) fn about(about: &About, node: &str) -> Vec<u8> {
    let whole = Whole {
        about,
        version: env!("CARGO_PKG_VERSION"),
        node,
    };
    // Texts and numbers have no way to fail.
    serde_json::to_vec(&whole).unwrap_or_default()
}

/// Further keys of a stream's first line.
#[derive(Serialize)]
struct Further<'a> {
    #[serde(flatten)]
    about: &'a About,
    resumed: bool,
}

/// Appends the first line of a stream.
pub(super) fn hello(hello: &Hello, about: &About, resumed: bool, out: &mut Vec<u8>) {
    wire::hello(hello, out);
    extend(out, &Further { about, resumed });
}

/// Appends what the source lost, with its number.
pub(super) fn lost(node: &str, lost: &Lost, number: u64, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Number {
        seq: u64,
    }
    wire::lost(node, lost, out);
    extend(out, &Number { seq: number });
}

/// Appends what was lost to this client alone.
pub(super) fn owed(node: &str, kind: LossKind, n: u64, out: &mut Vec<u8>) {
    wire::lost(node, &Lost::new(kind, n), out);
}

/// The sign of life.
#[derive(Serialize)]
pub(super) struct Heartbeat {
    pub(super) t: &'static str,
    /// All up to this number has been told.
    pub(super) seq: u64,
    pub(super) ts: String,
    /// How many items wait for this client.
    pub(super) queued: usize,
    /// The sum of all losses told in this stream.
    pub(super) lost: u64,
}

/// Appends a sign of life.
pub(super) fn heartbeat(heartbeat: &Heartbeat, out: &mut Vec<u8>) {
    // A Vec takes all, and there is nothing in it that cannot be written.
    if serde_json::to_writer(&mut *out, heartbeat).is_ok() {
        out.push(b'\n');
    }
}

/// Adds the keys of an object to those of the line that was written last.
fn extend(out: &mut Vec<u8>, further: &impl Serialize) {
    let end = b"}\n";
    let Ok(json) = serde_json::to_vec(further) else {
        return;
    };
    if out.ends_with(end) && json.starts_with(b"{") && json.len() > 2 {
        out.truncate(out.len() - end.len());
        out.push(b',');
        out.extend_from_slice(&json[1..]);
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Decoder, Record};

    fn greeting() -> Hello {
        Hello {
            node: "n1".into(),
            version: Some("0.1.0".into()),
            kernel: "6.12".into(),
            accept_hook: None,
            filter: None,
            degraded: Vec::new(),
            seeded: 0,
            ts: Timestamp(0),
        }
    }

    fn limits() -> Allowed {
        Allowed {
            clients: 8,
            filter: 4096,
        }
    }

    #[test]
    fn a_streams_first_line_is_a_greeting_with_more_in_it() {
        let mut out = Vec::new();
        hello(&greeting(), &About::new("i1", limits()), true, &mut out);
        let record = Decoder::default().line(&out).unwrap();
        assert_eq!(record, Some(Record::Hello(greeting())));
        let about: About = serde_json::from_slice(&out).unwrap();
        assert_eq!((&*about.instance, about.limits.clients), ("i1", 8));
        assert_eq!(about.boot_id.len(), 36);
        assert!(out.ends_with(b",\"resumed\":true}\n"));
    }

    #[test]
    fn the_other_lines() {
        let mut out = Vec::new();
        let ring = Lost::new(LossKind::Ring, 3);
        lost("n1", &ring, 9, &mut out);
        owed("n1", LossKind::Client, 2, &mut out);
        let hb = Heartbeat {
            t: "hb",
            seq: 9,
            ts: Timestamp(0).to_string(),
            queued: 0,
            lost: 5,
        };
        heartbeat(&hb, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"t":"lost","src":"ring","n":3,"node":"n1","seq":9}"#,
                "\n",
                r#"{"t":"lost","src":"client","n":2,"node":"n1"}"#,
                "\n",
                r#"{"t":"hb","seq":9,"ts":"1970-01-01T00:00:00.000000000Z","queued":0,"lost":5}"#,
                "\n"
            )
        );
        let whole = about(&About::new("i1", limits()), "n1");
        let whole: serde_json::Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(whole["node"], "n1");
        assert_eq!(whole["proto_max"], 1);
    }
}
