//! Numbers of many rows, each in as few bytes as their spread needs.

use std::ops::{Range, RangeInclusive};

/// A number for each row, or that it is not known.
#[derive(Debug)]
pub(crate) struct Column {
    /// The smallest number that is known.
    least: u64,
    codes: Codes,
}

/// For each row how far it is above the smallest one, plus 1; 0 if it is not known.
#[derive(Debug)]
enum Codes {
    /// All have this one.
    Same(u64),
    Bytes(Box<[u8]>),
    Shorts(Box<[u16]>),
    Words(Box<[u32]>),
    Longs(Box<[u64]>),
    /// From 0 to the greatest number that there is: no code is left for the unknown. Each is the
    /// number itself.
    Apart(Box<[Option<u64>]>),
}

impl Column {
    /// The column of what `number` says of rows.
    pub(crate) fn new<R>(rows: &[R], number: impl Fn(&R) -> Option<u64>) -> Self {
        let (mut least, mut greatest, mut unknown) = (u64::MAX, 0, false);
        for row in rows {
            match number(row) {
                Some(n) => (least, greatest) = (least.min(n), greatest.max(n)),
                None => unknown = true,
            }
        }
        let known = least <= greatest;
        let code = |row: &R| number(row).map_or(0, |n| n - least + 1);
        // The greatest code decides on the type.
        let codes = match greatest.wrapping_sub(least).checked_add(1) {
            _ if !known => Codes::Same(0),
            Some(1) if !unknown => Codes::Same(1),
            None => Codes::Apart(rows.iter().map(number).collect()),
            Some(most) if u8::try_from(most).is_ok() => {
                Codes::Bytes(rows.iter().map(|row| narrow(code(row))).collect())
            }
            Some(most) if u16::try_from(most).is_ok() => {
                Codes::Shorts(rows.iter().map(|row| narrow(code(row))).collect())
            }
            Some(most) if u32::try_from(most).is_ok() => {
                Codes::Words(rows.iter().map(|row| narrow(code(row))).collect())
            }
            Some(_) => Codes::Longs(rows.iter().map(code).collect()),
        };
        Self { least, codes }
    }

    /// The column of a number that all rows have.
    pub(crate) fn same(number: u64) -> Self {
        Self {
            least: number,
            codes: Codes::Same(1),
        }
    }

    /// The number of a row; `None` if it is not known, or there is no such row.
    pub(crate) fn get(&self, row: usize) -> Option<u64> {
        let code = match &self.codes {
            Codes::Same(code) => *code,
            Codes::Bytes(codes) => (*codes.get(row)?).into(),
            Codes::Shorts(codes) => (*codes.get(row)?).into(),
            Codes::Words(codes) => (*codes.get(row)?).into(),
            Codes::Longs(codes) => *codes.get(row)?,
            Codes::Apart(numbers) => return *numbers.get(row)?,
        };
        Some(self.least + code.checked_sub(1)?)
    }

    /// Sets `holds` of the rows whose number is known and in a range.
    #[expect(
        irrefutable_let_patterns,
        reason = "every code is one of the widest type"
    )]
    pub(crate) fn mark(
        &self,
        rows: &Range<usize>,
        holds: &mut [bool],
        range: &RangeInclusive<u64>,
    ) {
        let above = |n: &u64| n.checked_sub(self.least);
        let Some(to) = above(range.end()).filter(|_| !range.is_empty()) else {
            return;
        };
        // As codes. That of the unknown is 0: no other is as far above the first of a range.
        let from = above(range.start()).unwrap_or_default().saturating_add(1);
        let to = to.saturating_add(1);
        // Codes are compared in their own type, so that a processor takes many at a time.
        macro_rules! mark {
            ($codes:expr, $type:ty) => {
                if let Ok(from) = <$type>::try_from(from) {
                    let span = <$type>::try_from(to).unwrap_or(<$type>::MAX) - from;
                    for (code, holds) in $codes[rows.clone()].iter().zip(holds) {
                        *holds |= code.wrapping_sub(from) <= span;
                    }
                }
            };
        }
        match &self.codes {
            Codes::Bytes(codes) => mark!(codes, u8),
            Codes::Shorts(codes) => mark!(codes, u16),
            Codes::Words(codes) => mark!(codes, u32),
            Codes::Longs(codes) => mark!(codes, u64),
            Codes::Same(_) | Codes::Apart(_) => self.mark_if(rows, holds, |n| range.contains(&n)),
        }
    }

    /// Sets `holds` of the rows whose number is known and passes.
    pub(crate) fn mark_if(
        &self,
        rows: &Range<usize>,
        holds: &mut [bool],
        passes: impl Fn(u64) -> bool,
    ) {
        let is = |code: u64| code != 0 && passes(self.least + (code - 1));
        // One loop for each type, so that none has to ask which it is.
        macro_rules! mark {
            ($codes:expr) => {
                for (code, holds) in $codes[rows.clone()].iter().zip(holds) {
                    *holds |= is(u64::from(*code));
                }
            };
        }
        match &self.codes {
            Codes::Same(code) if is(*code) => holds.fill(true),
            Codes::Same(_) => {}
            Codes::Bytes(codes) => mark!(codes),
            Codes::Shorts(codes) => mark!(codes),
            Codes::Words(codes) => mark!(codes),
            Codes::Longs(codes) => mark!(codes),
            Codes::Apart(numbers) => {
                for (number, holds) in numbers[rows.clone()].iter().zip(holds) {
                    *holds |= number.is_some_and(&passes);
                }
            }
        }
    }
}

fn narrow<T: TryFrom<u64> + Default>(code: u64) -> T {
    // The type was chosen so that the greatest fits.
    T::try_from(code).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers() -> impl Strategy<Value = Vec<Option<u64>>> {
        let widths = vec![0_u32, 1, 8, 9, 16, 17, 32, 33, 63, 64];
        (prop::sample::select(widths), any::<u64>()).prop_flat_map(|(bits, least)| {
            let spread = 1_u64.checked_shl(bits).map_or(u64::MAX, |n| n - 1);
            let number = prop_oneof![Just(0), Just(spread), 0..=spread]
                .prop_map(move |n| least.saturating_add(n));
            prop_oneof![
                prop::collection::vec(number.clone().prop_map(Some), 0..9),
                prop::collection::vec(prop::option::of(number), 0..9),
                prop::collection::vec(prop::option::of(prop_oneof![Just(0), Just(u64::MAX)]), 0..9),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_number_comes_back(numbers in numbers()) {
            let column = Column::new(&numbers, |n| *n);
            let back: Vec<_> = (0..numbers.len()).map(|row| column.get(row)).collect();
            prop_assert_eq!(back, numbers);
        }

        #[test]
        fn those_that_pass_are_marked(numbers in numbers(), from: prop::sample::Index, bound: u64) {
            let rows = from.index(numbers.len() + 1)..numbers.len();
            let bounds = || numbers.iter().flatten().copied().chain([0, bound, u64::MAX]);
            for (from, to) in bounds().flat_map(|from| bounds().map(move |to| (from, to))) {
                let column = Column::new(&numbers, |n| *n);
                let is_in = |n: u64| from <= n && n <= to;
                let mut marked = [vec![false; rows.len()], vec![false; rows.len()]];
                column.mark(&rows, &mut marked[0], &(from..=to));
                column.mark_if(&rows, &mut marked[1], is_in);
                let expected = numbers[rows.clone()].iter().map(|n| n.is_some_and(is_in));
                let expected: Vec<bool> = expected.collect();
                prop_assert_eq!(marked, [expected.clone(), expected]);
            }
        }
    }
}
