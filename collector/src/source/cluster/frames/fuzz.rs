//! Streams of agents that are none: no panic, and the same is said in whatever pieces they come.

use super::{Frame, Frames};
use mutate::play;

#[path = "../../../../tests/fuzz/mutate.rs"]
mod mutate;

const WORDS: &[&str] = &[
    "\n",
    "null",
    "{",
    "}",
    "\"t\":",
    "\"hb\"",
    "\"seq\":",
    "\"hello\"",
    "\"resumed\":1",
    "\\u0000",
];

/// What is said until it ends or breaks, and up to which number all was heard then.
fn said(bytes: &[u8], size: usize) -> (Vec<String>, Option<u64>, bool) {
    let (mut frames, mut said) = (Frames::new("n1".into()), Vec::new());
    for piece in bytes.chunks(size) {
        match frames.read(piece) {
            Ok(read) => read.into_iter().for_each(|frame| tell(frame, &mut said)),
            Err(_) => return (said, None, true),
        }
    }
    (said, frames.heard(), false)
}

/// Batches are as large as the pieces are, and their losses come after their events.
fn tell(frame: Frame, said: &mut Vec<String>) {
    match frame {
        Frame::Batch(batch) => said.extend(batch.events.iter().map(|event| format!("{event:?}"))),
        frame => said.push(format!("{frame:?}")),
    }
}

fn check(bytes: &[u8]) {
    let (whole, heard, broken) = said(bytes, usize::MAX);
    for size in [7, 100] {
        let (pieces, heard_then, broken_then) = said(bytes, size);
        assert_eq!((heard_then, broken_then), (heard, broken));
        // Where it breaks, whatever came in the same piece is not told.
        assert!(pieces.starts_with(&whole) && (broken || pieces.len() == whole.len()));
    }
}

#[test]
fn fuzz_of_frames() {
    play("frames", vec![super::tests::stream()], WORDS, check);
}
