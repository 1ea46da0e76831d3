//! Which of many events pass, without looking at each: what events share is asked about once, and
//! numbers are compared as they are kept.

use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::fields::Key;
use super::terms::{Filter, Order, Test, Value};
use crate::model::log::{Piece, Rows, Stretch, blank};
use crate::model::{EventId, Log, Number, Part};

impl Filter {
    /// Appends the identities of the events in a range that pass.
    pub fn select(&self, log: &Log, ids: Range<EventId>, out: &mut Vec<EventId>) {
        let mut sieve = Sieve::default();
        for Stretch { start, rows, of } in log.stretches(ids) {
            let first = start.plus(rows.start);
            let mut pass = |row: usize| out.push(first.plus(row));
            match of {
                Rows::Plain(events) => {
                    let events = (0..).zip(&events[rows]);
                    let passing = events.filter(|(_, event)| self.matches(event));
                    passing.for_each(|(row, _)| pass(row));
                }
                Rows::Packed(piece) => {
                    let passing = sieve.pass(self, piece, &rows);
                    let passing = (0..).zip(passing).filter(|(_, passes)| **passes);
                    passing.for_each(|(row, _)| pass(row));
                }
            }
        }
    }
}

/// Room for what is known of the rows of a piece.
#[derive(Default)]
struct Sieve {
    /// No term has said no.
    pass: Vec<bool>,
    /// The term at hand holds.
    holds: Vec<bool>,
    /// The term at hand holds for these values of a part.
    values: Vec<bool>,
}

impl Sieve {
    fn pass(&mut self, filter: &Filter, piece: &Piece, rows: &Range<usize>) -> &[bool] {
        self.pass.clear();
        self.pass.resize(rows.len(), true);
        for term in &filter.terms {
            self.holds.clear();
            self.holds.resize(rows.len(), false);
            for (part, keys) in term.test.parts(piece.has_scopes()) {
                self.ask(&term.test, part, &keys, piece, rows);
            }
            let holds = self.holds.iter();
            for (pass, holds) in self.pass.iter_mut().zip(holds) {
                *pass &= *holds != term.negated;
            }
        }
        &self.pass
    }

    /// Finds the rows for which a test holds because of one part.
    fn ask(&mut self, test: &Test, part: Part, keys: &[Key], piece: &Piece, rows: &Range<usize>) {
        let (column, holds) = (piece.column(part), &mut self.holds);
        let mut event = blank(Arc::default());
        if let Part::Number(number) = part {
            match test.ranges(number) {
                Some(ranges) => {
                    let ranges = ranges.iter();
                    ranges.for_each(|range| column.mark(rows, holds, range));
                }
                None => {
                    for (row, holds) in rows.clone().zip(holds) {
                        number.put(column.get(row), &mut event);
                        *holds |= test.holds(keys, &event);
                    }
                }
            }
            return;
        }
        if matches!(part, Part::Local | Part::Remote) && piece.has_scopes() {
            for (row, holds) in rows.clone().zip(holds) {
                piece.put_row(part, row, &mut event);
                piece.put_row(Part::Scope, row, &mut event);
                *holds |= test.holds(keys, &event);
            }
            return;
        }
        self.values.clear();
        if let Some(addrs) = piece.addrs(part)
            && let Some(nets) = test.nets()
        {
            let is_in = |addr: &IpAddr| nets.iter().any(|net| net.contains(*addr, None));
            self.values.extend(addrs.iter().map(is_in));
        } else {
            self.values.extend((0..piece.values(part)).map(|place| {
                piece.put(part, place, &mut event);
                test.holds(keys, &event)
            }));
        }
        let values = &self.values;
        if runs(values).nth(FEW).is_none() {
            runs(values).for_each(|run| column.mark(rows, holds, &run));
        } else {
            // There are no more places than values.
            let passes = |place| usize::try_from(place).is_ok_and(|place| values[place]);
            column.mark_if(rows, holds, passes);
        }
    }
}

/// Runs of places that are looked for faster than each row's place is looked up.
const FEW: usize = 4;

/// The places of the values that pass, those in one range that follow each other.
fn runs(values: &[bool]) -> impl Iterator<Item = RangeInclusive<u64>> {
    let mut end = 0;
    values.chunk_by(PartialEq::eq).filter_map(move |run| {
        let start = end;
        end += run.len() as u64;
        run[0].then_some(start..=end - 1)
    })
}

impl Test {
    /// What it asks about: parts, and the keys of each.
    fn parts(&self, scoped: bool) -> Vec<(Part, Vec<Key>)> {
        let mut parts: Vec<(Part, Vec<Key>)> = Vec::new();
        let may_hold = |key: &&Key| match self {
            Self::Any(words) => words.iter().any(|word| word.may_be_in(**key, scoped)),
            Self::Is(..) | Self::Compare(..) => true,
        };
        for key in self.keys().iter().filter(may_hold) {
            let (end, other) = key.ends();
            for key in std::iter::once(end).chain(other) {
                match parts.iter_mut().find(|(known, _)| *known == key.part()) {
                    Some((_, keys)) => keys.push(key),
                    None => parts.push((key.part(), vec![key])),
                }
            }
        }
        parts
    }

    /// The numbers for which it holds, as they are kept, if it only asks for numbers.
    pub(super) fn ranges(&self, number: Number) -> Option<Vec<RangeInclusive<u64>>> {
        let range = |order: Order, bound: i128| {
            let bound = bound - number.offset();
            let (from, to) = match order {
                Order::Greater => (bound + 1, i128::MAX),
                Order::AtLeast => (bound, i128::MAX),
                Order::Less => (0, bound - 1),
                Order::AtMost => (0, bound),
                Order::Equal => (bound, bound),
            };
            let (least, most) = (0, i128::from(u64::MAX));
            // A range of nothing, where it ends before it begins.
            let within = |n: i128| u64::try_from(n.clamp(least, most)).unwrap_or_default();
            (from <= most && to >= least).then(|| within(from)..=within(to))
        };
        match self {
            Self::Compare(_, order, bounds) => {
                Some(bounds.iter().filter_map(|b| range(*order, *b)).collect())
            }
            Self::Is(_, values) => values
                .iter()
                .map(|value| match value {
                    Value::Number(n) => Some(range(Order::Equal, *n)),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()
                .map(|ranges| ranges.into_iter().flatten().collect()),
            Self::Any(_) => None,
        }
    }
}

impl Key {
    /// The part of an event that it is about; of what is about either end, this end.
    #[must_use]
    pub fn part(self) -> Part {
        match self {
            Self::Node | Self::Namespace | Self::Pod | Self::Container => Part::Origin,
            Self::Pid | Self::Tid | Self::Comm | Self::Uid | Self::Gid | Self::Thread => {
                Part::Process
            }
            Self::Peer | Self::PeerKind | Self::PeerNamespace | Self::PeerName => Part::Peer,
            Self::Ip | Self::Addr | Self::Saddr => Part::Local,
            Self::Daddr => Part::Remote,
            Self::Scope => Part::Scope,
            Self::Type
            | Self::Phase
            | Self::State
            | Self::Reason
            | Self::Family
            | Self::Before
            | Self::Is => Part::What,
            Self::Seq => Part::Number(Number::Seq),
            Self::Ts => Part::Number(Number::Ts),
            Self::Conn => Part::Number(Number::Conn),
            Self::Port | Self::Sport => Part::Number(Number::Sport),
            Self::Dport => Part::Number(Number::Dport),
            Self::Errno => Part::Number(Number::Errno),
            Self::LatUs => Part::Number(Number::LatUs),
            Self::DurUs => Part::Number(Number::DurUs),
            Self::TxBytes => Part::Number(Number::TxBytes),
            Self::RxBytes => Part::Number(Number::RxBytes),
            Self::RttUs => Part::Number(Number::RttUs),
            Self::Retrans => Part::Number(Number::Retrans),
            Self::Netns => Part::Number(Number::Netns),
            Self::Mntns => Part::Number(Number::Mntns),
            Self::Cgroup => Part::Number(Number::Cgroup),
        }
    }

    /// The keys that are about one end each, of one that is about either.
    fn ends(self) -> (Self, Option<Self>) {
        match self {
            Self::Addr => (Self::Saddr, Some(Self::Daddr)),
            Self::Port => (Self::Sport, Some(Self::Dport)),
            other => (other, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::any_event;

    /// One for each way to ask, and for each part.
    const FILTERS: [&str; 42] = [
        "node:a",
        "ns:shop,a",
        "pod:cart-*",
        "!container:~s",
        "type:c,x",
        "!type:c",
        "pid>100",
        "!tid<50",
        "comm:curl",
        "ip:4",
        "family:6",
        "addr:10.0.0.0/15",
        "src:10.1.*",
        "!dst:10.2.0.0/16",
        "port:80,443",
        "!port:4*",
        "sport=0",
        "dport>=443",
        "conn:*0",
        "phase:end",
        "state:ESTABLISHED",
        "reason:refused,timeout",
        "errno>0",
        "lat>50us",
        "!dur<=20us",
        "tx>=0",
        "rx=7,9",
        "before:true",
        "netns<40 mntns>3",
        "cgroup<10",
        "peer:a/*",
        "is:failed",
        "cart",
        "!a 10.0",
        "scope:eth0",
        "!scope:eth1,3",
        "addr:fe80::1%eth0,10.0.0.0/15",
        "!src:fe80::%eth1/64",
        "dst:fe80::*%eth0",
        "fe80::2%3",
        "eth 80",
        "thread:*r*,n*",
    ];

    proptest! {
        // Each is some hundred thousand looks at an event.
        #![proptest_config(ProptestConfig::with_cases(8))]

        /// Of a log with packed stretches and plain ones, those are selected that pass one by one.
        #[test]
        fn those_are_selected_that_pass(
            events in prop::collection::vec(any_event(), 1..40),
            from in 0..9_000_usize,
            n in 0..9_000_usize,
            ts in any::<i64>(),
        ) {
            let mut log = Log::new(6_000);
            for i in 0..9_000 {
                log.push(events[i * i % events.len()].clone());
            }
            let ids = EventId(from as u64)..EventId((from + n) as u64);
            let ts = format!("!ts>{}", crate::model::Timestamp(ts / 1_000 * 1_000));
            for text in FILTERS.iter().chain([&&*ts]) {
                let filter = Filter::parse(text).unwrap();
                let mut selected = Vec::new();
                filter.select(&log, ids.clone(), &mut selected);
                let one_by_one = (ids.start.0..ids.end.0).map(EventId);
                let passes = |id: &EventId| log.get(*id).is_some_and(|event| filter.matches(&event));
                let expected: Vec<EventId> = one_by_one.filter(passes).collect();
                prop_assert_eq!(selected, expected, "{}", text);
            }
        }
    }
}
