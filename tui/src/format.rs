//! Quantities in few cells: what a column has room for. The detail shows them whole.

/// A time span in at most 6 cells: `85us`, `1.42ms`, `12.5s`, `12m03s`, `5h07m`, `14d06h`.
pub(crate) fn duration(us: u64) -> String {
    let (ms, s) = (1_000, 1_000_000);
    match us {
        0..1_000 => format!("{us}us"),
        1_000..10_000 => format!("{}ms", fraction(us, ms, 2)),
        10_000..100_000 => format!("{}ms", fraction(us, ms, 1)),
        100_000..1_000_000 => format!("{}ms", us / ms),
        1_000_000..10_000_000 => format!("{}s", fraction(us, s, 2)),
        10_000_000..60_000_000 => format!("{}s", fraction(us, s, 1)),
        _ => long(us / s),
    }
}

/// Two units, the larger first.
fn long(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if minutes < 60 {
        format!("{minutes}m{:02}s", seconds % 60)
    } else if hours < 24 {
        format!("{hours}h{:02}m", minutes % 60)
    } else if days < 100 {
        format!("{days}d{:02}h", hours % 24)
    } else {
        format!("{days}d")
    }
}

/// The age of something in at most 6 cells, in whole seconds at least, so that it does not flicker.
pub(crate) fn age(us: u64) -> String {
    match us / 1_000_000 {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds => long(seconds),
    }
}

/// Bytes in at most 5 cells, by powers of 1,024: `1023B`, `9.77K`, `12.3M`, `120G`.
pub(crate) fn bytes(n: u64) -> String {
    if n < 1_024 {
        return format!("{n}B");
    }
    let mut scale = 1_024_u64;
    let mut unit = 'K';
    for next in ['M', 'G', 'T', 'P', 'E'] {
        if n / scale < 1_000 {
            break;
        }
        scale = scale.saturating_mul(1_024);
        unit = next;
    }
    scaled(n, scale, unit)
}

/// A count in at most 4 cells, by powers of 1,000: `999`, `9.9k`, `12k`, `120M`.
pub(crate) fn count(n: u64) -> String {
    if n < 1_000 {
        return n.to_string();
    }
    let mut scale = 1_000_u64;
    let mut unit = 'k';
    for next in ['M', 'G', 'T', 'P', 'E'] {
        if n / scale < 1_000 {
            break;
        }
        scale = scale.saturating_mul(1_000);
        unit = next;
    }
    match n / scale {
        0..10 => format!("{}{unit}", fraction(n, scale, 1)),
        whole => format!("{whole}{unit}"),
    }
}

/// Three digits and a unit.
fn scaled(n: u64, scale: u64, unit: char) -> String {
    match n / scale {
        0..10 => format!("{}{unit}", fraction(n, scale, 2)),
        10..100 => format!("{}{unit}", fraction(n, scale, 1)),
        whole => format!("{whole}{unit}"),
    }
}

/// `n / scale` with that many digits of fraction, cut and not rounded: a cell never claims more
/// than there is.
fn fraction(n: u64, scale: u64, digits: usize) -> String {
    let power = if digits == 1 { 10 } else { 100 };
    let rest = u128::from(n % scale) * power / u128::from(scale);
    format!("{}.{rest:0digits$}", n / scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        for (us, text) in [
            (0, "0us"),
            (999, "999us"),
            (1_423, "1.42ms"),
            (50_999, "50.9ms"),
            (999_999, "999ms"),
            (1_000_000, "1.00s"),
            (59_999_999, "59.9s"),
            (60_000_000, "1m00s"),
            (723_000_000, "12m03s"),
            (18_420_000_000, "5h07m"),
            (1_231_200_000_000, "14d06h"),
        ] {
            assert_eq!(duration(us), text);
        }
        assert_eq!(age(1_999_999), "1s");
    }

    #[test]
    fn sizes_and_counts_read_as_people_say_them() {
        for (n, text) in [
            (0, "0B"),
            (1_023, "1023B"),
            (1_024, "1.00K"),
            (10_000, "9.76K"),
            (1_023_999, "999K"),
            (1_024_000, "0.97M"),
            (12 << 30, "12.0G"),
        ] {
            assert_eq!(bytes(n), text);
        }
        for (n, text) in [
            (999, "999"),
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
        fn nothing_is_wider_than_its_column(n in any::<u64>(), shift in 0_u32..64) {
            let n = n >> shift;
            prop_assert!(bytes(n).len() <= 5, "{}", bytes(n));
            prop_assert!(count(n).len() <= 4, "{}", count(n));
            // A hundred years in microseconds and below.
            let us = n.min(3_155_760_000_000_000);
            prop_assert!(duration(us).len() <= 6, "{}", duration(us));
            prop_assert!(age(us).len() <= 6, "{}", age(us));
        }
    }
}
