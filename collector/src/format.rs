//! Figures and names as people read them. The screen and the text outputs say the same.

use std::borrow::Cow;

/// A time in at most six cells: `850us`, `1.4ms`, `12ms`, `59s`, `2m05s`, `3h12m`, `4d03h`.
#[must_use]
pub fn duration(us: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    for (name, scale, limit) in [("us", 1, 1_000), ("ms", 1_000, 1_000), ("s", 1_000_000, 60)] {
        if let Some(text) = scaled(us, scale, limit) {
            return text + name;
        }
    }
    // From here on whole seconds, rounded to the nearest.
    let s = us / 1_000_000 + u64::from(us % 1_000_000 >= 500_000);
    if s < HOUR {
        format!("{}m{:02}s", s / MINUTE, s % MINUTE)
    } else if s < DAY {
        format!("{}h{:02}m", s / HOUR, s % HOUR / MINUTE)
    } else {
        format!("{}d{:02}h", s / DAY, s % DAY / HOUR)
    }
}

/// A size in at most seven cells: `512B`, `3.2MiB`, `1023KiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    (0..)
        .zip(UNITS)
        .find_map(|(power, name)| Some(scaled(bytes, 1 << (10 * power), 1024)? + name))
        .unwrap_or_else(|| format!("{bytes}B"))
}

/// A number with its thousands apart: `1,234,567`.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `n / scale`, with one digit of fraction below 10 (but for the unit itself), rounded to the
/// nearest; `None` if that is not below `limit`.
fn scaled(n: u64, scale: u64, limit: u64) -> Option<String> {
    let rounded =
        |digits: u64| (u128::from(n) * u128::from(digits) * 2 / u128::from(scale)).div_ceil(2);
    let tenths = rounded(10);
    if tenths < 100 && scale > 1 {
        return Some(format!("{}.{}", tenths / 10, tenths % 10));
    }
    let whole = rounded(1);
    (whole < u128::from(limit)).then(|| whole.to_string())
}

/// Text from elsewhere with all that could steer a terminal or reorder a line as U+FFFD.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.contains(steers) {
        text.replace(steers, "\u{fffd}").into()
    } else {
        text.into()
    }
}

/// Control characters, line separators, and what changes the direction of writing.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        for (us, text) in [
            (0, "0us"),
            (7, "7us"),
            (999, "999us"),
            (1_000, "1.0ms"),
            (1_423, "1.4ms"),
            (1_450, "1.5ms"),
            (9_949, "9.9ms"),
            (9_950, "10ms"),
            (12_345, "12ms"),
            (999_499, "999ms"),
            (999_500, "1.0s"),
            (59_499_999, "59s"),
            (59_500_000, "1m00s"),
            (125_000_000, "2m05s"),
            (3_599_499_999, "59m59s"),
            (3_599_500_000, "1h00m"),
            (11_520_000_000, "3h12m"),
            (356_400_000_000, "4d03h"),
        ] {
            assert_eq!(duration(us), text, "{us}");
        }
    }

    #[test]
    fn sizes() {
        for (n, text) in [
            (0, "0B"),
            (1_023, "1023B"),
            (1_024, "1.0KiB"),
            (3_355_443, "3.2MiB"),
            (10 << 10, "10KiB"),
            ((1 << 20) - 1, "1.0MiB"),
            (1_023 << 20, "1023MiB"),
            (u64::MAX, "16EiB"),
        ] {
            assert_eq!(bytes(n), text, "{n}");
        }
    }

    #[test]
    fn counts() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(count(n), text);
        }
    }

    #[test]
    fn what_steers_is_made_visible() {
        assert_eq!(plain("a b é"), "a b é");
        assert_eq!(
            plain("a\x1b[31m\nb\u{202e}c"),
            "a\u{fffd}[31m\u{fffd}b\u{fffd}c"
        );
    }

    proptest! {
        #[test]
        fn they_fit(n in prop_oneof![any::<u64>(), 0..10_000_000u64], us in 0..8_640_000_000_000u64) {
            prop_assert!(bytes(n).len() <= 7, "{}", bytes(n));
            prop_assert!(duration(us).len() <= 6, "{}", duration(us));
        }
    }
}
