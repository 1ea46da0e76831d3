//! A number of the configuration in the place of the usual one.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};

use collector::units;
use serde_spanned::Spanned;

/// What is wrong, and where in the text.
pub(super) type Wrong = (Range<usize>, String);

/// Takes what is said, if anything is, and if it is within the range.
pub(super) fn set<N: Copy + PartialOrd + Display>(
    to: &mut N,
    said: Option<&Spanned<N>>,
    range: RangeInclusive<N>,
) -> Result<(), Wrong> {
    let Some(said) = said else { return Ok(()) };
    let n = *said.get_ref();
    if !range.contains(&n) {
        let (least, most) = (range.start(), range.end());
        return Err((said.span(), format!("{n} is none of {least} to {most}")));
    }
    *to = n;
    Ok(())
}

/// The same of a time, in microseconds.
pub(super) fn set_time(to: &mut u64, said: Option<&Spanned<String>>) -> Result<(), Wrong> {
    let Some(said) = said else { return Ok(()) };
    let us = units::parse_duration(said.get_ref());
    *to = us.map_err(|error| (said.span(), error.to_string()))?;
    Ok(())
}
