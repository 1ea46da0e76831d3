//! Quantities in so few cells that only the screen needs them so.

use collector::model::RATE_SECONDS;

/// The age of something in at most 6 cells: in whole seconds, so that it does not flicker.
pub(crate) fn age(us: u64) -> String {
    match us / 1_000_000 {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds => collector::format::duration(seconds * 1_000_000),
    }
}

/// A count in at most 4 cells, by powers of 1,000: `999`, `9.9k`, `12k`, `120M`. Cut, not rounded.
pub(crate) fn count(n: u64) -> String {
    let mut scale = 1_u64;
    let mut units = ["", "k", "M", "G", "T", "P", "E"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if n / scale < 1_000 {
            break;
        }
        scale *= 1_000;
        unit = larger;
    }
    match n / scale {
        whole @ 0..10 if scale > 1 => format!("{whole}.{}{unit}", n % scale / (scale / 10)),
        whole => format!("{whole}{unit}"),
    }
}

/// The last `cells` seconds as bars, the newest at the right. A second with anything in it shows.
pub(crate) fn sparkline(series: &[u32; RATE_SECONDS], cells: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &series[RATE_SECONDS - cells.min(RATE_SECONDS)..];
    let most = shown.iter().copied().max().unwrap_or_default().max(1);
    let bar = |n: &u32| match n {
        0 => ' ',
        n => BARS[(u64::from(*n) * 8).div_ceil(u64::from(most)).clamp(1, 8) as usize - 1],
    };
    shown.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ages_tick_by_the_second() {
        for (us, text) in [
            (0, "0s"),
            (1_999_999, "1s"),
            (59_999_999, "59s"),
            (60_000_000, "1m00s"),
            (125_900_000, "2m05s"),
        ] {
            assert_eq!(age(us), text);
        }
    }

    #[test]
    fn counts_keep_two_digits_at_least() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1.0k"),
            (9_999, "9.9k"),
            (12_345, "12k"),
            (999_999, "999k"),
            (1_000_000, "1.0M"),
        ] {
            assert_eq!(count(n), text);
        }
    }

    proptest! {
        #[test]
        fn they_fit(n: u64, shift in 0_u32..64, us in 0..8_640_000_000_000_u64) {
            prop_assert!(count(n >> shift).len() <= 4, "{}", count(n >> shift));
            prop_assert!(age(us).len() <= 6, "{}", age(us));
        }
    }
}
