//! From the bytes of an agent's stream to what they say. Pure.

use std::sync::Arc;

use serde::Deserialize;

use crate::agent::About;
use crate::model::{Batch, Bye, Hello, Meta};
use crate::wire::{Decoder, Record};

/// No line is longer, so that whatever answers there does not fill the memory.
const LINE_MAX: usize = 1 << 20;

/// What a piece of a stream says.
#[derive(Debug)]
pub(super) enum Frame {
    /// The first line, and whether it goes on where the last stream broke.
    Hello(Hello, Box<About>, bool),
    /// Events and losses.
    Batch(Batch),
    /// What a cgroup is.
    Meta(Meta),
    /// The last line.
    Bye(Bye),
}

/// Reads one stream.
#[derive(Debug)]
pub(super) struct Frames {
    node: Arc<str>,
    decoder: Decoder,
    rest: Vec<u8>,
    batch: Batch,
    /// All up to this number was heard.
    heard: Option<u64>,
}

/// The keys that only agents write, beside those of a greeting.
#[derive(Deserialize)]
struct Mark {
    seq: Option<u64>,
    #[serde(default)]
    resumed: bool,
}

impl Frames {
    /// Reads the stream of this node's agent.
    pub(super) fn new(node: Arc<str>) -> Self {
        Self {
            batch: empty(&node),
            node,
            decoder: Decoder::default(),
            rest: Vec::new(),
            heard: None,
        }
    }

    /// The number up to which all was heard, for whoever comes back.
    pub(super) fn heard(&self) -> Option<u64> {
        self.heard
    }

    /// What the next bytes say.
    ///
    /// # Errors
    /// A sentence, if they are not an agent's.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, String> {
        let mut frames = Vec::new();
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(bytes);
        let end = rest
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        for line in rest[..end].split(|b| *b == b'\n') {
            if !line.is_empty() {
                self.line(line, &mut frames)?;
            }
        }
        self.flush(&mut frames);
        rest.drain(..end);
        if rest.len() > LINE_MAX {
            return Err("it sends a line that is longer than 1 MiB".to_owned());
        }
        self.rest = rest;
        Ok(frames)
    }

    fn line(&mut self, line: &[u8], frames: &mut Vec<Frame>) -> Result<(), String> {
        let broken =
            |error: &dyn std::fmt::Display| format!("it does not speak as an agent: {error}");
        let record = self.decoder.line(line).map_err(|e| broken(&e))?;
        match record {
            Some(Record::Event(event)) => {
                self.heard = event.seq.map_or(self.heard, |seq| Some(seq.get()));
                self.batch.events.push(*event);
                return Ok(());
            }
            Some(Record::Lost(_, lost)) => self.batch.lost.push(lost),
            Some(Record::Hello(hello)) => {
                let about: About = serde_json::from_slice(line).map_err(|e| broken(&e))?;
                let mark: Mark = serde_json::from_slice(line).map_err(|e| broken(&e))?;
                self.flush(frames);
                frames.push(Frame::Hello(hello, Box::new(about), mark.resumed));
                return Ok(());
            }
            Some(Record::Meta(meta)) => {
                self.flush(frames);
                frames.push(Frame::Meta(meta));
                return Ok(());
            }
            Some(Record::Bye(bye)) => {
                self.flush(frames);
                frames.push(Frame::Bye(bye));
                return Ok(());
            }
            // A heartbeat, or of a newer version.
            Some(Record::Node(_)) | None => {}
        }
        let mark: Mark = serde_json::from_slice(line).map_err(|e| broken(&e))?;
        self.heard = mark.seq.or(self.heard);
        Ok(())
    }

    fn flush(&mut self, frames: &mut Vec<Frame>) {
        if !self.batch.events.is_empty() || !self.batch.lost.is_empty() {
            let batch = std::mem::replace(&mut self.batch, empty(&self.node));
            frames.push(Frame::Batch(batch));
        }
    }
}

fn empty(node: &Arc<str>) -> Batch {
    Batch {
        node: Arc::clone(node),
        events: Vec::new(),
        lost: Vec::new(),
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::event;
    use crate::wire::Encoder;

    pub(super) fn stream() -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(
            concat!(
                r#"{"t":"hello","proto":1,"node":"n1","ts":"2026-01-02T03:04:05Z","proto_min":1,"#,
                r#""proto_max":1,"instance":"i1","boot_id":"b","features":[],"limits":{"clients":8,"#,
                r#""filter":9},"now_realtime_ns":5,"now_mono_ns":6,"resumed":true}"#,
                "\n"
            )
            .as_bytes(),
        );
        out.extend_from_slice(
            b"{\"t\":\"meta\",\"cgroup\":804,\"node\":\"n1\",\"pod\":\"cart\"}\n",
        );
        Encoder::default().event(&event(), &mut out);
        out.extend_from_slice(
            b"{\"t\":\"lost\",\"src\":\"ring\",\"n\":2,\"node\":\"n1\",\"seq\":18}\n",
        );
        out.extend_from_slice(b"{\"t\":\"weather\",\"sky\":\"blue\"}\n");
        out.extend_from_slice(b"{\"t\":\"hb\",\"seq\":40,\"ts\":\"\",\"queued\":0,\"lost\":2}\n");
        out.extend_from_slice(
            b"{\"t\":\"bye\",\"events\":1,\"lost\":2,\"reason\":\"x\",\"retry_ms\":9}\n",
        );
        out
    }

    #[test]
    fn a_stream_is_the_same_in_whatever_pieces_it_comes() {
        for size in [1, 7, 100, 10_000] {
            let mut frames = Frames::new("n1".into());
            let mut said = Vec::new();
            let mut heard = Vec::new();
            for piece in stream().chunks(size) {
                said.extend(frames.read(piece).unwrap());
                heard.push(frames.heard());
            }
            heard.dedup();
            assert_eq!(heard.last(), Some(&Some(40)));
            let (mut events, mut lost, mut ends, mut metas) = (0, 0, 0, Vec::new());
            for frame in said {
                match frame {
                    Frame::Hello(hello, about, resumed) => {
                        assert_eq!(
                            (&*hello.node, &*about.instance, resumed),
                            ("n1", "i1", true)
                        );
                    }
                    Frame::Batch(batch) => {
                        events += batch.events.len();
                        lost += batch.lost.iter().map(|lost| lost.n).sum::<u64>();
                    }
                    Frame::Meta(meta) => metas.push(meta.cgroup),
                    Frame::Bye(bye) => {
                        ends += 1;
                        assert_eq!(bye.retry_ms, Some(9));
                    }
                }
            }
            assert_eq!((events, lost, ends), (1, 2, 1), "in pieces of {size}");
            assert_eq!(metas, [804]);
        }
    }

    #[test]
    fn what_no_agent_says_is_an_error() {
        for text in ["<html>\n", "{\"t\":\"hello\",\"proto\":1}\n"] {
            let error = Frames::new("n1".into()).read(text.as_bytes()).unwrap_err();
            assert!(
                error.starts_with("it does not speak as an agent: "),
                "{error}"
            );
        }
        let long = vec![b'x'; LINE_MAX + 1];
        assert!(Frames::new("n1".into()).read(&long).is_err());
    }
}
