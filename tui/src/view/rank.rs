//! What rows are sorted by: small values that are compared without looking at the rows again. Pure.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

/// What a column says of a row, to sort by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Not known: stands last, whichever way the rows are sorted.
    Unknown,
    Number(u128),
    Text(Cow<'a, str>),
}

impl<'a> Value<'a> {
    pub(crate) fn number(n: Option<impl Into<u128>>) -> Self {
        n.map_or(Self::Unknown, |n| Self::Number(n.into()))
    }

    pub(crate) fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Unknown, |text| Self::Text(text.into()))
    }
}

/// A [`Value`] in 16 bytes. Two numbers, so that it is aligned to 8: a million ranks with the
/// identities of their rows are then 24 MB and not 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rank(u64, u64);

const UNKNOWN: Rank = Rank(u64::MAX, u64::MAX);

impl Rank {
    pub(crate) fn is_unknown(self) -> bool {
        self == UNKNOWN
    }
}

/// Turns values into ranks, and says what those compare by.
///
/// Texts are numbered as they come. A text that comes later never changes how two others compare:
/// rows that are sorted stay sorted.
#[derive(Debug, Default)]
pub(crate) struct Ranking {
    numbers: FxHashMap<Box<str>, u32>,
    /// For each number the place of its text among all texts.
    places: Vec<u32>,
    /// There are texts without a place.
    stale: bool,
}

/// Texts that are told apart at most. One would have to sort by a name of which there are that many.
const TEXTS: usize = 1 << 18;

impl Ranking {
    /// The rank of a value. Before ranks are compared, [`Ranking::settle`] has to be called.
    pub(crate) fn rank(&mut self, value: &Value<'_>) -> Rank {
        match value {
            Value::Unknown => UNKNOWN,
            // The two halves.
            Value::Number(n) => {
                let low = n & u128::from(u64::MAX);
                let half = |n: u128| u64::try_from(n).unwrap_or(u64::MAX);
                Rank(half(n >> 64), half(low))
            }
            Value::Text(text) => Rank(0, u64::from(self.numbered(text))),
        }
    }

    fn numbered(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        self.numbers.insert(text.into(), number);
        self.stale = true;
        number
    }

    /// Finds the places of new texts.
    pub(crate) fn settle(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        let mut texts: Vec<(&str, u32)> = self.numbers.iter().map(|(t, n)| (&**t, *n)).collect();
        texts.sort_unstable();
        self.places.resize(texts.len(), 0);
        for (place, (_, number)) in (0..).zip(texts) {
            self.places[number as usize] = place;
        }
    }

    /// So many texts are known that it is time to begin anew.
    pub(crate) fn is_full(&self) -> bool {
        self.numbers.len() > TEXTS
    }

    /// What ranks compare by: those that are not known are the greatest.
    pub(crate) fn number(&self, rank: Rank) -> u128 {
        // Of texts or of numbers, never of both: a list is sorted by one column.
        let place = usize::try_from(rank.1)
            .ok()
            .and_then(|n| self.places.get(n));
        match place {
            Some(place) => u128::from(*place),
            None => u128::from(rank.0) << 64 | u128::from(rank.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_known_is_greater_than_whatever_is() {
        let mut ranking = Ranking::default();
        let unknown = ranking.rank(&Value::Unknown);
        for value in [Value::Number(7), Value::text(Some("a"))] {
            let known = ranking.rank(&value);
            ranking.settle();
            assert!(ranking.number(known) < ranking.number(unknown));
        }
    }

    proptest! {
        #[test]
        fn ranks_compare_as_their_values(numbers: Vec<u128>, texts in prop::collection::vec("[a-c]{0,3}", 0..20)) {
            let mut ranking = Ranking::default();
            let ranks: Vec<Rank> = numbers.iter().map(|n| ranking.rank(&Value::Number(*n))).collect();
            for (a, x) in numbers.iter().zip(&ranks) {
                for (b, y) in numbers.iter().zip(&ranks) {
                    prop_assert_eq!(ranking.number(*x).cmp(&ranking.number(*y)), a.cmp(b));
                }
            }
            let mut ranking = Ranking::default();
            let mut known: Vec<(&str, Rank)> = Vec::new();
            for text in &texts {
                known.push((text, ranking.rank(&Value::text(Some(text)))));
                ranking.settle();
                for (a, x) in &known {
                    for (b, y) in &known {
                        prop_assert_eq!(ranking.number(*x).cmp(&ranking.number(*y)), a.cmp(b));
                    }
                }
            }
        }
    }
}
