//! Text on stdout: updates go through the filter into lines, until something says that it is enough.

mod options;
mod stdout;
mod transcript;

use std::future::pending;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use collector::model::Update;
use collector::source::{Stop, Updates};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_stream::{Stream, StreamExt};

pub(crate) use self::options::Options;
use self::stdout::Output;
use self::transcript::{Step, Transcript};
use crate::signals::{Caught, HUNG_UP, Signals};

/// How long a source has to say its last words, and a reader to take them, once we were told to
/// stop. As long as some are said and taken, both get as much again.
const GRACE: Duration = Duration::from_secs(2);

/// How often a slow reader gets it, for a source that does not stop has no end.
const GRACES: u32 = 15;

/// Writes what a source says to stdout until the source ends, a bound is reached, the reader goes
/// away or a signal comes.
///
/// # Errors
/// If the source fails, or stdout does.
pub(crate) async fn run(
    updates: Updates,
    stop: &Stop,
    options: Options,
) -> anyhow::Result<ExitCode> {
    let signals = Signals::new().context("cannot listen to signals")?;
    let output = Output::stdout().context("cannot write to stdout")?;
    follow(updates, stop, options, signals, output).await
}

/// Why it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All is said: the source ended, or a bound is reached.
    Done,
    /// A signal said so, and it may not take long.
    Told(Caught),
    /// Nobody reads any more, or nothing can be written.
    Unwritable,
}

async fn follow(
    mut updates: impl Stream<Item = Update> + Unpin,
    stop: &Stop,
    options: Options,
    mut signals: Signals,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let duration = options.duration;
    let mut transcript = Transcript::new(options);
    let mut lines = Vec::new();
    let progress = output.progress();
    // When to ask the source to stop; then, when to go on without its last words.
    let mut bound: Option<Instant> = None;
    let mut stopping: Option<Caught> = None;
    let mut graces = 0;

    let end = loop {
        tokio::select! {
            biased;
            caught = signals.next() => {
                if stopping.replace(caught).is_some() {
                    break End::Told(caught);
                }
                stop.request();
                progress.forget();
                graces = 1;
                bound = Some(Instant::now() + GRACE);
            }
            () = output.closed() => break End::Unwritable,
            () = at(bound) => {
                if graces > 0 && !(progress.was_made() && graces < GRACES) {
                    transcript.cut_short();
                    break stopping.map_or(End::Done, End::Told);
                }
                if graces == 0 {
                    stop.request();
                    progress.forget();
                }
                graces += 1;
                bound = Some(Instant::now() + GRACE);
            }
            // One of these two: nothing more is read while the reader has not taken what there is.
            sent = output.send(&mut lines), if !lines.is_empty() => {
                if !sent {
                    break End::Unwritable;
                }
            }
            update = updates.next(), if lines.is_empty() => {
                let Some(update) = update else {
                    break stopping.map_or(End::Done, End::Told);
                };
                let next = transcript.update(update, &mut lines);
                for note in transcript.notes() {
                    say(&note);
                }
                match next {
                    Step::Began => bound = bound.or(duration.map(|d| Instant::now() + d)),
                    Step::Enough => {
                        stop.request();
                        break End::Done;
                    }
                    Step::More => {}
                }
            }
        }
    };
    transcript.finish(&mut lines);
    for note in transcript.notes() {
        say(&note);
    }
    let written = finish(output, lines, end, &mut signals).await;
    written.context("cannot write to stdout")?;
    match (end, transcript.failure()) {
        (End::Told(Caught::HangUp), _) => Ok(ExitCode::from(HUNG_UP)),
        (End::Told(Caught::Stop), _) => Ok(ExitCode::SUCCESS),
        (_, Some(_)) if transcript.failure_is_told() => Ok(ExitCode::FAILURE),
        (_, Some(why)) => bail!("{why}"),
        (End::Done, None) if !transcript.began() => bail!("the source ended before it began"),
        (End::Done | End::Unwritable, None) => Ok(ExitCode::SUCCESS),
    }
}

/// Hands over the last lines and waits until they are written: as long as it takes if nobody is in
/// a hurry, and not at all if nobody reads.
async fn finish(
    output: Output,
    mut lines: Vec<u8>,
    end: End,
    signals: &mut Signals,
) -> std::io::Result<()> {
    let progress = output.progress();
    let last = async move {
        if !lines.is_empty() {
            output.send(&mut lines).await;
        }
        output.finish().await
    };
    let enough = async {
        if let End::Told(_) = end {
            loop {
                sleep(GRACE).await;
                if !progress.was_made() {
                    break;
                }
            }
        } else {
            pending::<()>().await;
        }
    };
    tokio::select! {
        written = last => written,
        () = enough => Ok(()),
        _ = signals.next() => Ok(()),
    }
}

async fn at(bound: Option<Instant>) {
    match bound {
        Some(bound) => sleep_until(bound).await,
        None => pending().await,
    }
}

/// Tells a person on stderr. If nobody listens there, so be it.
fn say(note: &str) {
    let _ = writeln!(std::io::stderr(), "tcpscope: {note}");
}

#[cfg(test)]
mod tests;
