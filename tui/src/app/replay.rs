//! Playing a recording: its own clock, holding it, its speed, and going elsewhere in it; and
//! beginning anew with another source.

use collector::filter::Key;
use collector::model::{Batch, Event, Store, Timestamp, Update};
use collector::source::replay::{Playing, Speed};
use collector::units::parse_duration;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::pick::term_of_namespace;
use super::{App, Message, Pane};
use crate::job::Job;
use crate::view::{ConnectionIndex, EventIndex, Home};

/// How far one key goes, in nanoseconds.
const STEP: i64 = 10_000_000_000;

/// Why one can go nowhere else.
pub(super) const RECORDED: &str = "not while it is recorded: `:record` ends that";

/// A recording that is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replay {
    pub(crate) playing: Playing,
    /// The moment of the recording that was reached: that of the newest event.
    at: Option<Timestamp>,
    /// Where somebody went last.
    sought: Option<Timestamp>,
}

impl Replay {
    pub(super) fn new(playing: Playing) -> Self {
        Self {
            playing,
            at: None,
            sought: None,
        }
    }

    /// Where in the recording one is.
    pub(crate) fn position(&self) -> Option<Timestamp> {
        self.at.max(self.sought)
    }

    fn reach(&mut self, ts: Timestamp) {
        self.at = Some(self.at.map_or(ts, |at| at.max(ts)));
    }
}

impl App {
    /// The moment that rates, ages and findings count from: in a recording, one of its own.
    pub(crate) fn clock(&self) -> Timestamp {
        let played = self.replay.and_then(|replay| replay.at);
        played.unwrap_or(self.now)
    }

    /// The recording that is played, if that is the source.
    pub(crate) fn replay(&self) -> Option<&Replay> {
        self.replay.as_ref()
    }

    /// Takes in what the source says.
    pub(super) fn apply(&mut self, update: Update) {
        let Some(replay) = &mut self.replay else {
            self.store.apply(update, self.now);
            return;
        };
        match update {
            // Where it is played fast, or from somewhere on, minutes come at once.
            Update::Batch(batch) => {
                for batch in by_second(batch) {
                    let happened = |event: &&Event| event.kind.is_some();
                    let last = batch
                        .events
                        .iter()
                        .filter(happened)
                        .map(|event| event.ts)
                        .max();
                    if let Some(ts) = last {
                        replay.reach(ts);
                    }
                    self.store
                        .apply(Update::Batch(batch), replay.at.unwrap_or(self.now));
                }
            }
            other => {
                if let Update::Hello(hello) = &other {
                    replay.reach(hello.ts);
                }
                self.store.apply(other, replay.at.unwrap_or(self.now));
            }
        }
    }

    /// Holds the recording, or lets it go on. Says whether there is one.
    pub(super) fn hold(&mut self) -> bool {
        let Some(replay) = &mut self.replay else {
            return false;
        };
        replay.playing.held = !replay.playing.held;
        self.jobs.push_back(Job::Play(replay.playing));
        true
    }

    /// Plays the recording twice as fast, or half as fast.
    pub(super) fn speed_up(&mut self, up: bool) {
        let Some(replay) = &self.replay else { return };
        let speed = match (replay.playing.speed, up) {
            (Speed::Max, _) if up => Speed::Max,
            (Speed::Max, _) => Speed::Thousandths(64_000),
            (Speed::Thousandths(n), true) => Speed::Thousandths((n * 2).min(1_000_000)),
            (Speed::Thousandths(n), false) => Speed::Thousandths((n / 2).max(1)),
        };
        self.set_speed(speed);
    }

    fn set_speed(&mut self, speed: Speed) {
        if let Some(replay) = &mut self.replay {
            replay.playing.speed = speed;
            self.jobs.push_back(Job::Play(replay.playing));
            self.message = Some(Message::note(format!("played at {speed}")));
        }
    }

    /// Plays it at the speed that was typed.
    pub(super) fn type_speed(&mut self, text: &str) -> Result<(), String> {
        self.is_replay()?;
        let speed = text.parse::<Speed>().map_err(|error| error.to_string())?;
        self.set_speed(speed);
        Ok(())
    }

    /// Goes a step on in the recording, or back.
    pub(super) fn seek(&mut self, forth: bool) {
        let step = if forth { STEP } else { -STEP };
        if let Err(why) = self.seek_by(step) {
            self.message = Some(Message::bad(why));
        }
    }

    fn seek_by(&mut self, nanos: i64) -> Result<(), String> {
        let at = self.replay.and_then(|replay| replay.position());
        let at = at.ok_or("nothing was played yet")?;
        self.seek_to(Timestamp(at.0.saturating_add(nanos)))
    }

    /// Goes to what was typed: so much on or back, or a time of the day.
    pub(super) fn type_seek(&mut self, text: &str) -> Result<(), String> {
        self.is_replay()?;
        let by = |text: &str, sign: i64| {
            let us = parse_duration(text.trim()).map_err(|error| error.to_string())?;
            let nanos = us.checked_mul(1_000).and_then(|n| i64::try_from(n).ok());
            Ok::<i64, String>(sign * nanos.ok_or("that is too far")?)
        };
        if let Some(text) = text.strip_prefix('+') {
            return self.seek_by(by(text, 1)?);
        }
        if let Some(text) = text.strip_prefix('-') {
            return self.seek_by(by(text, -1)?);
        }
        let at = self.replay.and_then(|replay| replay.position());
        let at = at.unwrap_or(self.now);
        let to = time_of_day(text, at, &self.tz);
        let to = to.ok_or("say +30s, -5m, or a time of the day such as 15:04:05")?;
        self.seek_to(to)
    }

    fn is_replay(&self) -> Result<(), String> {
        let replay = self.replay.map(|_| ());
        replay.ok_or_else(|| "this is no recording: see `tcpscope replay`".to_owned())
    }

    /// Plays the recording from that moment on.
    fn seek_to(&mut self, ts: Timestamp) -> Result<(), String> {
        if self.recorded {
            return Err(RECORDED.to_owned());
        }
        if let Some(replay) = &mut self.replay {
            replay.sought = Some(ts);
            self.jobs.push_back(Job::Seek(ts));
        }
        Ok(())
    }

    /// Forgets what came so far: what comes now is from another source, or from another part of this
    /// one. The namespace is that of the context, if it counts.
    pub(super) fn begin_anew(&mut self, source: String, namespace: Option<&str>) {
        if let Some(first) = self.trail.drain(..).next() {
            self.tab = first.tab();
        }
        self.sieve.scope = None;
        self.store = Store::with_thresholds(self.store.limits(), *self.store.thresholds());
        self.events = Pane::new(EventIndex::new(self.sieve.is_open()), Home::End);
        self.connections = Pane::new(ConnectionIndex::new(true), Home::Start);
        self.lists.clear();
        self.details.clear();
        self.frozen = None;
        self.exporting = None;
        self.over = false;
        self.workloads = false;
        self.resort_all();
        if let Some(term) = namespace.and_then(term_of_namespace) {
            self.set_term(Key::Namespace, term);
        }
        match &mut self.replay {
            Some(replay) => replay.at = None,
            None => self.message = Some(Message::good(format!("watching {source}"))),
        }
        self.source = source;
    }
}

/// A time of the day, on the day of `near`.
fn time_of_day(text: &str, near: Timestamp, tz: &TimeZone) -> Option<Timestamp> {
    let near = jiff::Timestamp::from_nanosecond(i128::from(near.0)).ok()?;
    let time: Time = text.parse().ok()?;
    let day = near.to_zoned(tz.clone()).date();
    let to = day.to_datetime(time).to_zoned(tz.clone()).ok()?;
    let nanos = i64::try_from(to.timestamp().as_nanosecond()).ok()?;
    Some(Timestamp(nanos))
}

/// The same in batches of a second each; what was lost comes with the last.
fn by_second(batch: Batch) -> Vec<Batch> {
    let Batch { node, events, lost } = batch;
    let second = |event: &Event| event.ts.0.div_euclid(1_000_000_000);
    let mut batches: Vec<Batch> = Vec::new();
    for event in events {
        let fits = |batch: &&mut Batch| batch.events.last().map(second) == Some(second(&event));
        match batches.last_mut().filter(fits) {
            Some(batch) => batch.events.push(event),
            None => batches.push(Batch {
                node: node.clone(),
                events: vec![event],
                lost: Vec::new(),
            }),
        }
    }
    match batches.last_mut() {
        Some(last) => last.lost = lost,
        None => batches.push(Batch {
            node,
            events: Vec::new(),
            lost,
        }),
    }
    batches
}
