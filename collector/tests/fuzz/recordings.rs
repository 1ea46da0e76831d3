//! Whole recordings: whatever is in the file, it is played as far as it can be read, and ends.

use std::io::Write;
use std::time::Duration;

use collector::model::{SourceState, Update};
use collector::source::Stop;
use collector::source::replay::{self, Control, Options, Playing, Speed};
use tokio::runtime::Builder;
use tokio::time::timeout;
use tokio_stream::StreamExt;

use super::lines::{LINES, WORDS};
use super::mutate::play;

/// How long it may take to be played at full speed.
const BOUND: Duration = Duration::from_secs(10);

fn check(bytes: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("it is written");
    let options = Options {
        file: file.path().to_owned(),
        control: Control::new(Playing::at(Speed::Max)),
        from: None,
    };
    let runtime = Builder::new_current_thread().enable_time().build();
    let updates: Vec<Update> = runtime.expect("a runtime").block_on(async {
        let all = replay::start(options, Stop::default()).collect();
        timeout(BOUND, all).await.expect("it ends")
    });
    // The thread that reads may panic, and then nothing says how the file ended.
    let said = |update: &Update| match update {
        Update::State(state) => {
            matches!(state.state, SourceState::Lost(_) | SourceState::Ended)
        }
        _ => false,
    };
    assert!(updates.iter().any(said), "{updates:?}");
}

#[test]
fn fuzz_of_recordings() {
    let whole = LINES.join("\n");
    let seeds = [&LINES[3..], &LINES[..3], &[&*whole][..]];
    let seeds = seeds.map(|lines| lines.join("\n").into_bytes());
    play("recordings", seeds.into(), WORDS, check);
}
