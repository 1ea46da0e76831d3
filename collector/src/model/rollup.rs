//! Counts: per type, per type and reason. All of them bounded.

use super::{Event, EventType, Reason, Series, Timestamp};

const TYPES: usize = EventType::ALL.len();

/// Events per type in each of the last seconds, by the clock of whoever counts.
#[derive(Clone, Debug, Default)]
pub struct Rates([Series; TYPES]);

impl Rates {
    /// Counts `n` events of a type at `now`.
    pub fn add(&mut self, kind: EventType, n: u32, now: Timestamp) {
        self.0[kind as usize].add(n, now);
    }

    /// The rate of a type.
    #[must_use]
    pub fn of(&self, kind: EventType) -> &Series {
        &self.0[kind as usize]
    }

    /// Nothing has happened in any second that is still shown, so nothing will change by waiting.
    #[must_use]
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        self.0.iter().all(|series| series.is_quiet(now))
    }
}

/// How many events there were of each type, and of each type and reason.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// The last place of each row is for events without a reason.
    by_reason: [[u64; Reason::ALL.len() + 1]; TYPES],
}

impl Counts {
    pub(super) fn add(&mut self, kind: EventType, reason: Option<Reason>) {
        self.by_reason[kind as usize][place(reason)] += 1;
    }

    /// Events of a type.
    #[must_use]
    pub fn of(&self, kind: EventType) -> u64 {
        self.by_reason[kind as usize].iter().sum()
    }

    /// Events of a type with a reason, or with none.
    #[must_use]
    pub fn with_reason(&self, kind: EventType, reason: Option<Reason>) -> u64 {
        self.by_reason[kind as usize][place(reason)]
    }

    /// Failed connects, or endings that nobody wanted, of a type and for a reason.
    #[must_use]
    pub fn failures(&self, kind: EventType, reason: Reason) -> u64 {
        if kind == EventType::Connect || reason.is_unwanted() {
            self.with_reason(kind, Some(reason))
        } else {
            0
        }
    }

    /// Events of all types.
    #[must_use]
    pub fn total(&self) -> u64 {
        EventType::ALL.into_iter().map(|kind| self.of(kind)).sum()
    }
}

fn place(reason: Option<Reason>) -> usize {
    reason.map_or(Reason::ALL.len(), |r| r as usize)
}

/// An event type and a reason, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// The type.
    pub kind: EventType,
    /// The reason.
    pub reason: Option<Reason>,
}

impl Kind {
    /// What an event is; `None` for a socket listed from a snapshot.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let kind = event.kind?;
        let reason = event.reason;
        Some(Self { kind, reason })
    }
}

impl Kind {
    /// Failed connects, or endings that nobody wanted.
    #[must_use]
    pub fn is_failure(self) -> bool {
        let connect = self.kind == EventType::Connect;
        self.reason
            .is_some_and(|reason| connect || reason.is_unwanted())
    }
}

/// What is counted for one type and reason.
#[derive(Clone, Debug)]
pub struct KindTally {
    /// How many there were.
    pub count: u64,
    /// How many there were lately.
    pub rate: Series,
    /// When the first of them was.
    pub first: Timestamp,
    /// When the newest of them was.
    pub last: Timestamp,
}

/// One [`KindTally`] for each type and reason that there was.
#[derive(Clone, Debug, Default)]
pub struct Kinds(Vec<(Kind, KindTally)>);

impl Kinds {
    pub(super) fn add(&mut self, kind: Kind, ts: Timestamp, now: Timestamp) {
        let place = self.0.iter().position(|(known, _)| *known == kind);
        let place = place.unwrap_or_else(|| {
            let tally = KindTally {
                count: 0,
                rate: Series::default(),
                first: ts,
                last: ts,
            };
            self.0.push((kind, tally));
            self.0.len() - 1
        });
        let tally = &mut self.0[place].1;
        tally.count += 1;
        tally.rate.add(1, now);
        tally.first = tally.first.min(ts);
        tally.last = tally.last.max(ts);
    }

    /// All that there was any of, in the order in which they came first.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &KindTally)> {
        self.0.iter().map(|(kind, tally)| (*kind, tally))
    }

    /// What is counted for one of them.
    #[must_use]
    pub fn get(&self, kind: Kind) -> Option<&KindTally> {
        let mut all = self.0.iter();
        all.find(|(known, _)| *known == kind)
            .map(|(_, tally)| tally)
    }
}
