//! Sorting by numbers, a byte at a time: no row is compared with another one. Pure.

/// Sorts by a number of 16 bytes; rows with the same number keep their order.
///
/// Only bytes in which the numbers differ cost anything, and of most columns those are few.
pub(super) fn sort<T: Copy>(rows: &mut Vec<T>, number: impl Fn(&T) -> u128) {
    let Some(first) = rows.first().map(&number) else {
        return;
    };
    let differing = rows
        .iter()
        .fold(0, |bits, row| bits | (number(row) ^ first));
    let mut sorted = rows.clone();
    for shift in (0..128).step_by(8).filter(|s| differing >> s & 0xff != 0) {
        let byte = |row: &T| usize::try_from(number(row) >> shift & 0xff).unwrap_or_default();
        let mut places = [0_usize; 256];
        for row in &*rows {
            places[byte(row)] += 1;
        }
        let mut before = 0;
        for place in &mut places {
            before += std::mem::replace(place, before);
        }
        for row in &*rows {
            let place = &mut places[byte(row)];
            sorted[*place] = *row;
            *place += 1;
        }
        std::mem::swap(rows, &mut sorted);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_stable_sort(numbers in prop::collection::vec(prop_oneof![0..300_u128, any::<u128>()], 0..40)) {
            let mut rows: Vec<(u128, usize)> = numbers.iter().copied().zip(0..).collect();
            sort(&mut rows, |(number, _)| *number);
            let mut expected: Vec<(u128, usize)> = numbers.into_iter().zip(0..).collect();
            expected.sort_by_key(|(number, _)| *number);
            prop_assert_eq!(rows, expected);
        }
    }
}
