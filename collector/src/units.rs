//! Durations and sizes as people type them: `50ms`, `10s`, `16MiB`.

use thiserror::Error;

/// Units of time and their length in microseconds.
pub const DURATIONS: [(&str, u64); 5] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
];

/// Units of size and their length in bytes.
pub const SIZES: [(&str, u64); 5] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnitError {
    /// It does not begin with a number.
    #[error("`{0}` is not a number")]
    Number(String),
    /// What follows the number is not one of the units.
    #[error("unknown unit `{0}`: use {1}")]
    Unit(String, String),
    /// There is a number and nothing after it.
    #[error("`{0}` has no unit: use {1}")]
    NoUnit(String, String),
    /// It does not fit into 64 bits of microseconds or bytes.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

/// The microseconds in a text such as `1.5ms`, `10s` or `2h`.
///
/// # Errors
/// If there is no number, no unit or one that is not in [`DURATIONS`], or if it is too large.
pub fn parse_duration(text: &str) -> Result<u64, UnitError> {
    parse(text, &DURATIONS, None)
}

/// The bytes in a text such as `512B`, `1.5KiB` or `16MiB`.
///
/// # Errors
/// If there is no number, no unit or one that is not in [`SIZES`], or if it is too large.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    parse(text, &SIZES, None)
}

/// A number with one of `units`; without a unit it counts `bare`, if there is one.
///
/// # Errors
/// As for [`parse_duration`].
pub fn parse(text: &str, units: &[(&str, u64)], bare: Option<u64>) -> Result<u64, UnitError> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = if unit.is_empty() {
        bare.ok_or_else(|| UnitError::NoUnit(text.to_owned(), names(units)))
    } else {
        units
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, scale)| *scale)
            .ok_or_else(|| UnitError::Unit(unit.to_owned(), names(units)))
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
        return Err(UnitError::Number(text.to_owned()));
    }
    scaled(whole, fraction, scale?).ok_or_else(|| UnitError::TooLarge(text.to_owned()))
}

/// `whole.fraction * scale`, in integers: what is below one of the smallest unit is cut.
fn scaled(whole: &str, fraction: &str, scale: u64) -> Option<u64> {
    // More digits than these cannot change the result: no scale has more.
    let digits = &fraction[..fraction.len().min(15)];
    let denominator = 10u128.pow(u32::try_from(digits.len()).ok()?);
    let parts = match digits {
        "" => 0,
        digits => digits.parse::<u128>().ok()? * u128::from(scale) / denominator,
    };
    let whole = u128::from(whole.parse::<u64>().ok()?) * u128::from(scale);
    u64::try_from(whole + parts).ok()
}

/// The number with the largest of `units` that leaves no fraction: `1500us`, `2s`.
#[must_use]
pub fn exact(number: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, scale): &&(&str, u64)| number >= *scale && number.is_multiple_of(*scale);
    match units.iter().rev().find(fits).or(units.first()) {
        Some((name, scale)) => format!("{}{name}", number / scale),
        None => number.to_string(),
    }
}

fn names(units: &[(&str, u64)]) -> String {
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_count_microseconds() {
        for (text, us) in [
            ("0us", 0),
            ("1us", 1),
            ("1.5ms", 1_500),
            ("10s", 10_000_000),
            ("0.25s", 250_000),
            ("2m", 120_000_000),
            ("1h", 3_600_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(us), "{text}");
        }
    }

    #[test]
    fn sizes_count_bytes() {
        for (text, bytes) in [
            ("7B", 7),
            ("1.5KiB", 1_536),
            ("16MiB", 16 << 20),
            ("2GiB", 2 << 30),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn errors_say_what_to_write() {
        let said = |text| parse_duration(text).unwrap_err().to_string();
        assert_eq!(said("10"), "`10` has no unit: use us, ms, s, m, h");
        assert_eq!(said("10x"), "unknown unit `x`: use us, ms, s, m, h");
        assert_eq!(said("1..5s"), "`1..5s` is not a number");
        assert_eq!(said(".5s"), "`.5s` is not a number");
        assert_eq!(said("5.s"), "`5.s` is not a number");
        assert_eq!(said("99999999999999h"), "`99999999999999h` is too large");
        assert_eq!(
            said("99999999999999999999s"),
            "`99999999999999999999s` is too large"
        );
        assert!(parse_size("").is_err());
        assert!(parse_size("16M").is_err());
    }

    #[test]
    fn exact_texts_read_as_the_same_number() {
        for (number, text) in [(0, "0us"), (1, "1us"), (1_500, "1500us"), (2_000_000, "2s")] {
            assert_eq!(exact(number, &DURATIONS), text);
        }
        for number in [0, 1, 1_024, 1_025, 60_000_000, u64::MAX, u64::MAX - 1] {
            assert_eq!(parse_duration(&exact(number, &DURATIONS)), Ok(number));
            assert_eq!(parse_size(&exact(number, &SIZES)), Ok(number));
        }
    }

    #[test]
    fn a_bare_number_counts_what_the_caller_says() {
        assert_eq!(parse("50", &DURATIONS, Some(1)), Ok(50));
        assert_eq!(parse("1.9", &SIZES, Some(1)), Ok(1));
    }
}
