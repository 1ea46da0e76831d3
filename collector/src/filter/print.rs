//! From a filter back to an expression that reads as the same filter.

use std::fmt::{self, Display, Write};

use super::fields::{Field, Kind};
use super::glob::Glob;
use super::net::Net;
use super::syntax::{ESCAPED, OPERATORS};
use super::terms::{Filter, Term, Test, Value, Word};
use crate::units;

impl Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        separated(f, " ", &self.terms, |f, term| term.fmt(f))
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negated {
            f.write_char('!')?;
        }
        match &self.test {
            Test::Is(field, values) => {
                write!(f, "{}:", field.shortest())?;
                separated(f, ",", values, |f, value| print_value(f, field, value))
            }
            Test::Compare(field, order, bounds) => {
                write!(f, "{}{}", field.shortest(), order.sign())?;
                separated(f, ",", bounds, |f, bound| print_number(f, field, *bound))
            }
            Test::Any(words) => separated(f, ",", words, |f, word| match word {
                Word::Text(glob) => print_glob(f, glob),
                Word::Net(net) => net.fmt(f),
            }),
        }
    }
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    separator: &str,
    items: &[T],
    print: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    items.iter().enumerate().try_for_each(|(i, item)| {
        if i > 0 {
            f.write_str(separator)?;
        }
        print(f, item)
    })
}

fn print_value(f: &mut fmt::Formatter<'_>, field: &Field, value: &Value) -> fmt::Result {
    match value {
        Value::Text(glob) | Value::Caseless(glob) => print_glob(f, glob),
        Value::Regex(regex) => print_regex(f, regex.as_str()),
        Value::Number(number) => print_number(f, field, *number),
        Value::Net(net) => net.fmt(f),
    }
}

fn print_number(f: &mut fmt::Formatter<'_>, field: &Field, number: i128) -> fmt::Result {
    let with_unit = |units| units::exact(u64::try_from(number).unwrap_or(u64::MAX), units);
    match field.kind {
        Kind::Duration => f.write_str(&with_unit(&units::DURATIONS)),
        Kind::Size => f.write_str(&with_unit(&units::SIZES)),
        // Not as an event's time, which ends in 2262: a bound may be of any year that reads.
        Kind::Time => match jiff::Timestamp::from_nanosecond(number) {
            Ok(ts) => write!(f, "{ts:.9}"),
            Err(_) => number.fmt(f),
        },
        _ => number.fmt(f),
    }
}

/// In quotes where anything in it could be read in another way without them.
fn print_glob(f: &mut fmt::Formatter<'_>, glob: &Glob) -> fmt::Result {
    let special = |c: char| c.is_whitespace() || ESCAPED.contains(&c) || OPERATORS.contains(&c);
    let quoted = match glob.as_literal() {
        Some(text) => text.is_empty() || Net::parse(text).is_some(),
        None => false,
    } || glob.parts().iter().any(|part| part.contains(special));
    if quoted {
        f.write_char('"')?;
    }
    for (i, part) in glob.parts().iter().enumerate() {
        if i > 0 {
            f.write_char('*')?;
        }
        for c in part.chars() {
            if matches!(c, '*' | '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
    }
    if quoted {
        f.write_char('"')?;
    }
    Ok(())
}

fn print_regex(f: &mut fmt::Formatter<'_>, regex: &str) -> fmt::Result {
    let special = |c: char| c.is_whitespace() || c == ',' || c == '"';
    if !regex.is_empty() && !regex.contains(special) {
        return write!(f, "~{regex}");
    }
    f.write_str("~\"")?;
    let mut chars = regex.chars();
    while let Some(c) = chars.next() {
        if c == '"' {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
        if c == '\\' {
            chars
                .next()
                .map_or(Ok(()), |escaped| f.write_char(escaped))?;
        }
    }
    f.write_char('"')
}
