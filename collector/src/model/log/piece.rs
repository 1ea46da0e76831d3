//! A stretch of the log by columns: what many of its events have in common is there once.

use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::column::Column;
use super::part::{Number, Part, blank};
use crate::model::{
    Event, EventType, Family, Origin, Peer, Phase, Process, Reason, TcpState, Zone,
};

/// Some events that no longer change.
#[derive(Debug)]
pub(crate) struct Piece {
    numbers: [Column; Number::ALL.len()],
    origins: Shared<Arc<Origin>>,
    processes: Shared<Option<Arc<Process>>>,
    peers: Shared<Option<Arc<Peer>>>,
    scopes: Shared<Option<Zone>>,
    whats: Shared<What>,
    locals: Shared<IpAddr>,
    remotes: Shared<IpAddr>,
}

impl Piece {
    pub(super) fn of(events: &[Event]) -> Self {
        // A loop for each number, in which it is known which one that is.
        macro_rules! columns {
            ($($number:ident)*) => { [$(Column::new(events, |event| Number::$number.of(event))),*] };
        }
        Self {
            numbers: columns! {
                Seq Ts Conn Sport Dport Errno LatUs DurUs TxBytes RxBytes RttUs Retrans Netns Mntns Cgroup
            },
            // By where they are: it does no harm if one is there twice.
            origins: Shared::of(events, |e| Arc::as_ptr(&e.origin), |e| e.origin.clone()),
            processes: Shared::of(events, |e| place(e.process.as_ref()), |e| e.process.clone()),
            peers: Shared::of(events, |e| place(e.peer.as_ref()), |e| e.peer.clone()),
            scopes: if events.iter().all(|e| e.scope.is_none()) {
                Shared::same(None)
            } else {
                Shared::of(events, |e| e.scope, |e| e.scope)
            },
            whats: Shared::of(events, What::of, What::of),
            locals: Shared::of(events, |e| e.local.bits(), |e| e.local.addr),
            remotes: Shared::of(events, |e| e.remote.bits(), |e| e.remote.addr),
        }
    }

    /// A part's column: of numbers as they are kept, or of the places among [`Piece::values`].
    pub(crate) fn column(&self, part: Part) -> &Column {
        match part {
            Part::Origin => &self.origins.rows,
            Part::Process => &self.processes.rows,
            Part::Peer => &self.peers.rows,
            Part::Scope => &self.scopes.rows,
            Part::What => &self.whats.rows,
            Part::Local => &self.locals.rows,
            Part::Remote => &self.remotes.rows,
            Part::Number(number) => &self.numbers[number as usize],
        }
    }

    /// How many values its rows have of a part; of numbers, none.
    pub(crate) fn values(&self, part: Part) -> usize {
        match part {
            Part::Origin => self.origins.values.len(),
            Part::Process => self.processes.values.len(),
            Part::Peer => self.peers.values.len(),
            Part::Scope => self.scopes.values.len(),
            Part::What => self.whats.values.len(),
            Part::Local => self.locals.values.len(),
            Part::Remote => self.remotes.values.len(),
            Part::Number(_) => 0,
        }
    }

    /// The values of a part that is an address.
    pub(crate) fn addrs(&self, part: Part) -> Option<&[IpAddr]> {
        match part {
            Part::Local => Some(&self.locals.values),
            Part::Remote => Some(&self.remotes.values),
            _ => None,
        }
    }

    /// Whether one of its rows has a link-local address whose zone is known.
    pub(crate) fn has_scopes(&self) -> bool {
        self.scopes.values.iter().any(Option::is_some)
    }

    /// Puts one of the values of a part into an event, if there is one at that place.
    pub(crate) fn put(&self, part: Part, place: usize, event: &mut Event) {
        match part {
            Part::Origin => self.origins.put(place, &mut event.origin),
            Part::Process => self.processes.put(place, &mut event.process),
            Part::Peer => self.peers.put(place, &mut event.peer),
            Part::Scope => self.scopes.put(place, &mut event.scope),
            Part::Local => self.locals.put(place, &mut event.local.addr),
            Part::Remote => self.remotes.put(place, &mut event.remote.addr),
            Part::What => {
                if let Some(what) = self.whats.values.get(place) {
                    what.put(event);
                }
            }
            Part::Number(_) => {}
        }
    }

    /// Puts a row's value of a part into an event.
    pub(crate) fn put_row(&self, part: Part, row: usize, event: &mut Event) {
        let place = self.column(part).get(row);
        if let Some(place) = place.and_then(|place| usize::try_from(place).ok()) {
            self.put(part, place, event);
        }
    }

    /// The event of a row.
    pub(super) fn event(&self, row: usize) -> Option<Event> {
        let mut event = blank(self.origins.get(row)?.clone());
        self.whats.get(row)?.put(&mut event);
        event.process.clone_from(self.processes.get(row)?);
        event.peer.clone_from(self.peers.get(row)?);
        event.scope = *self.scopes.get(row)?;
        event.local.addr = *self.locals.get(row)?;
        event.remote.addr = *self.remotes.get(row)?;
        for (number, column) in Number::ALL.into_iter().zip(&self.numbers) {
            number.put(column.get(row), &mut event);
        }
        Some(event)
    }
}

/// Values that are found without looking among all.
const RECENT: usize = 256;

/// Values that rows share, and the place among them of each row's.
#[derive(Debug)]
struct Shared<T> {
    values: Box<[T]>,
    rows: Column,
}

impl<T> Shared<T> {
    /// The values of events, told apart by a key.
    fn of<K: Copy + Eq + Hash>(
        events: &[Event],
        key: impl Fn(&Event) -> K,
        value: impl Fn(&Event) -> T,
    ) -> Self {
        let mut values = Vec::new();
        let mut places: FxHashMap<K, u64> = FxHashMap::default();
        // Most are the same as one of a few events before: no need to look among all.
        let mut recent = [None; RECENT];
        let rows = events.iter().map(|event| {
            let key = key(event);
            let hash = FxBuildHasher.hash_one(key);
            // The remainder is below RECENT.
            let recent = &mut recent[usize::try_from(hash % RECENT as u64).unwrap_or_default()];
            match recent {
                Some((known, place)) if *known == key => *place,
                _ => {
                    let place = *places.entry(key).or_insert_with(|| {
                        values.push(value(event));
                        values.len() as u64 - 1
                    });
                    *recent = Some((key, place));
                    place
                }
            }
        });
        let rows: Vec<u64> = rows.collect();
        Self {
            rows: Column::new(&rows, |place| Some(*place)),
            values: values.into(),
        }
    }

    /// One value that all rows have.
    fn same(value: T) -> Self {
        Self {
            values: Box::new([value]),
            rows: Column::same(0),
        }
    }

    fn get(&self, row: usize) -> Option<&T> {
        self.values.get(usize::try_from(self.rows.get(row)?).ok()?)
    }
}

impl<T: Clone> Shared<T> {
    fn put(&self, place: usize, into: &mut T) {
        if let Some(value) = self.values.get(place) {
            into.clone_from(value);
        }
    }
}

fn place<T>(shared: Option<&Arc<T>>) -> *const T {
    shared.map_or(std::ptr::null(), Arc::as_ptr)
}

/// What there are few combinations of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct What {
    kind: Option<EventType>,
    phase: Option<Phase>,
    state: Option<TcpState>,
    reason: Option<Reason>,
    family: Family,
    before: bool,
}

impl What {
    fn of(event: &Event) -> Self {
        Self {
            kind: event.kind,
            phase: event.phase,
            state: event.state,
            reason: event.reason,
            family: event.family,
            before: event.before,
        }
    }

    fn put(self, event: &mut Event) {
        event.kind = self.kind;
        event.phase = self.phase;
        event.state = self.state;
        event.reason = self.reason;
        event.family = self.family;
        event.before = self.before;
    }
}
