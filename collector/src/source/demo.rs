//! A cluster that is not there: three nodes of synthetic load with failures worth finding.
//!
//! For a first look, for screenshots, and for whoever wants to see what a finding looks like. It
//! needs no privileges, opens no socket, and gives some 200 events a second.
//!
//! ```text
//! workloads ▶ cast (who is there) ─┐
//!             flows (who talks) ───┴▶ talk (one connection) ─▶ play (the clockwork) ─▶ stream
//! ```

mod cast;
mod flows;
mod play;
mod socket;
mod talk;
mod workloads;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use self::cast::{NODES, after};
use self::play::Play;
use super::worker::{self, Gone, Reader};
use super::{Stop, Updates};
use crate::model::{Batch, Hello, SourceState, Timestamp, Update};

/// Which demo to play.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The same seed gives the same events, but for their times.
    pub seed: u64,
}

/// How often there is something new.
const TICK: Duration = Duration::from_millis(50);
/// How much can happen in one tick: after a stop of hours it catches up in a bounded rush.
const CATCH_UP_US: u64 = 1_000_000;
/// How many updates may wait for a reader.
const WAITING: usize = 4;

/// Starts the demo, which ends when it is asked to.
#[must_use]
pub fn start(options: Options, stop: Stop) -> Updates {
    worker::spawn("demo", "demo".into(), WAITING, move |reader| async move {
        run(options, &reader, &stop).await
    })
}

async fn run(options: Options, reader: &Reader, stop: &Stop) -> Result<(), Gone> {
    let names = NODES.map(Arc::<str>::from);
    for name in &names {
        reader.state(name, SourceState::Connecting).await?;
    }
    let start = Timestamp::now();
    let mut play = Play::new(options.seed, start);
    let snapshot = play.advance(start);
    for name in &names {
        let rows = snapshot.iter().find(|batch| batch.node == *name);
        let hello = hello(name, start, rows);
        reader.send(Update::Hello(hello)).await?;
        reader.state(name, SourceState::Live).await?;
    }
    send(reader, snapshot).await?;

    let mut played = start;
    loop {
        let asked = tokio::select! {
            biased;
            () = stop.requested() => true,
            () = reader.gone() => return Err(Gone),
            () = sleep(TICK) => false,
        };
        if asked {
            break;
        }
        // The clock may be set back, and that would bring nothing new.
        played = Timestamp::now().min(after(played, CATCH_UP_US)).max(played);
        send(reader, play.advance(played)).await?;
    }
    send(reader, play.finish(played)).await?;
    for name in &names {
        reader.state(name, SourceState::Ended).await?;
    }
    Ok(())
}

async fn send(reader: &Reader, batches: Vec<Batch>) -> Result<(), Gone> {
    for batch in batches {
        reader.send(Update::Batch(batch)).await?;
    }
    Ok(())
}

/// No kernel is watched, and it says so.
fn hello(node: &Arc<str>, ts: Timestamp, rows: Option<&Batch>) -> Hello {
    Hello {
        node: Arc::clone(node),
        version: Some(env!("CARGO_PKG_VERSION").into()),
        kernel: "demo".into(),
        accept_hook: None,
        filter: None,
        degraded: Vec::new(),
        seeded: rows.map_or(0, |rows| rows.events.len() as u64),
        ts,
    }
}

#[cfg(test)]
mod tests;
