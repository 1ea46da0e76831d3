//! From the words of an expression to fields and values; errors say what to write instead.

use regex::Regex;

use super::fields::{FIELDS, Field, Key, Kind};
use super::glob::Glob;
use super::net::Net;
use super::syntax::{self, Body, Fault, Operator, RawTerm, RawValue, Text};
use super::terms::{Filter, FilterError, Order, Term, Test, Value, Word};
use crate::units;

/// Reads an expression.
pub(super) fn expression(text: &str) -> Result<Filter, FilterError> {
    let terms = || syntax::expression(text)?.into_iter().map(term).collect();
    let terms: Result<_, Fault> = terms();
    Ok(Filter {
        terms: terms.map_err(|fault| in_characters(text, fault))?,
    })
}

/// Reads an expression that is about these fields and about addresses only.
pub(super) fn lasting(text: &str, lasts: fn(Key) -> bool) -> Result<Filter, FilterError> {
    const ABOUT: &str = "addresses, ports, and the own end's namespace, pod and container";
    let filter = expression(text)?;
    let refuse = |at, what: &str| {
        let message = format!("an agent watches connections by {ABOUT}, and not by {what}");
        Err(Fault::new(at, message))
    };
    let check = |raw: RawTerm<'_>| match raw.body {
        Body::Field { name, at, .. } => match Field::named(name) {
            Some(field) if !lasts(field.key) => refuse(at, &format!("`{name}`")),
            _ => Ok(()),
        },
        Body::Words(words) => {
            let text = |word: &&RawValue<'_>| Net::parse(word.source).is_none();
            let found = words.iter().find(text);
            found.map_or(Ok(()), |word| refuse(word.at, "words"))
        }
    };
    let checked = syntax::expression(text).and_then(|terms| terms.into_iter().try_for_each(check));
    checked.map_err(|fault| in_characters(text, fault))?;
    Ok(filter)
}

/// Reads the values of a field, standing alone.
pub(super) fn values(field: &Field, text: &str) -> Result<Vec<Value>, FilterError> {
    let values = || {
        let values = syntax::values(text)?;
        values.iter().map(|raw| value(field, raw)).collect()
    };
    let values: Result<_, Fault> = values();
    values.map_err(|fault| in_characters(text, fault))
}

/// The error that says which field may have been meant.
pub(super) fn unknown_field(name: &str, column: usize) -> FilterError {
    FilterError {
        column,
        message: no_such(
            "field",
            name,
            FIELDS
                .iter()
                .flat_map(|f| [Some(f.name), f.short])
                .flatten(),
        ),
    }
}

fn in_characters(text: &str, fault: Fault) -> FilterError {
    FilterError {
        column: text
            .get(..fault.at)
            .map_or(0, |before| before.chars().count()),
        message: fault.message,
    }
}

fn term(raw: RawTerm<'_>) -> Result<Term, Fault> {
    let test = match raw.body {
        Body::Words(words) => Test::Any(words.into_iter().map(word).collect()),
        Body::Field {
            name,
            at,
            operator,
            values,
        } => {
            let field = Field::named(name)
                .ok_or_else(|| Fault::new(at, unknown_field(name, at).message))?;
            match operator {
                Operator::Is => Test::Is(field, each(&values, |raw| value(field, raw))?),
                Operator::Compare(order) => Test::Compare(
                    field,
                    order,
                    each(&values, |raw| bound(field, order, at, raw))?,
                ),
                Operator::IsNot => {
                    let message = format!("to negate, write `!{name}:…` or `!{name}=…`");
                    return Err(Fault::new(at + name.len(), message));
                }
            }
        }
    };
    Ok(Term {
        negated: raw.negated,
        test,
    })
}

fn each<T>(
    values: &[RawValue<'_>],
    read: impl FnMut(&RawValue<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    values.iter().map(read).collect()
}

fn word(raw: RawValue<'_>) -> Word {
    match (Net::parse(raw.source), raw.text) {
        (Some(net), _) => Word::Net(net),
        (None, Text::Glob(glob)) => Word::Text(glob.lower()),
        // The grammar has no regular expressions here; were there one, its text would be meant.
        (None, Text::Regex(text)) => Word::Text(Glob::literal(&text).lower()),
    }
}

fn bound(field: &Field, order: Order, at: usize, raw: &RawValue<'_>) -> Result<i128, Fault> {
    if !field.kind.is_ordered() {
        let (name, sign) = (field.shortest(), order.sign());
        let message = format!("`{name}` has no order for `{sign}`: use `{name}:VALUE`");
        return Err(Fault::new(at, message));
    }
    number(field, raw.source).map_err(|message| Fault::new(raw.at, message))
}

fn value(field: &Field, raw: &RawValue<'_>) -> Result<Value, Fault> {
    let fault = |message| Fault::new(raw.at, message);
    let glob = match &raw.text {
        Text::Regex(text) => {
            return Regex::new(text)
                .map(Value::Regex)
                .map_err(|error| fault(reason(&error)));
        }
        Text::Glob(glob) => glob,
    };
    if raw.source.starts_with('!') {
        let name = field.shortest();
        return Err(fault(format!(
            "to negate, write `!{name}:…`; a `!` that is meant as text needs quotes"
        )));
    }
    let Some(text) = glob.as_literal() else {
        return Ok(text_value(field, glob.clone()));
    };
    match field.kind {
        Kind::Text => {}
        Kind::Word(words) => known(field, text, &words(), |a, b| a == b).map_err(fault)?,
        Kind::CaselessWord(words) => {
            known(field, text, &words(), str::eq_ignore_ascii_case).map_err(fault)?;
        }
        Kind::Number | Kind::Duration | Kind::Size | Kind::Time => {
            return number(field, text).map(Value::Number).map_err(fault);
        }
        Kind::Address => {
            return Net::parse(text)
                .map(Value::Net)
                .ok_or_else(|| fault(no_address(text)));
        }
    }
    Ok(text_value(field, glob.clone()))
}

fn text_value(field: &Field, glob: Glob) -> Value {
    match field.kind {
        Kind::CaselessWord(_) => Value::Caseless(glob.lower()),
        _ => Value::Text(glob),
    }
}

/// Whether a field can have this word.
pub(super) fn known_word(field: &Field, text: &str, words: &[&str]) -> Result<(), FilterError> {
    let error = |message| FilterError { column: 0, message };
    known(field, text, words, |a, b| a == b).map_err(error)
}

fn known(
    field: &Field,
    text: &str,
    words: &[&str],
    same: fn(&str, &str) -> bool,
) -> Result<(), String> {
    if words.iter().any(|word| same(word, text)) {
        return Ok(());
    }
    Err(no_such(field.shortest(), text, words.iter().copied()))
}

fn number(field: &Field, text: &str) -> Result<i128, String> {
    let with_unit = |units| {
        units::parse(text, units, Some(1))
            .map(i128::from)
            .map_err(|error| error.to_string())
    };
    match field.kind {
        Kind::Duration => with_unit(&units::DURATIONS),
        Kind::Size => with_unit(&units::SIZES),
        Kind::Time => match text.parse::<jiff::Timestamp>() {
            Ok(ts) => Ok(ts.as_nanosecond()),
            Err(_) => Err(format!(
                "`{text}` is not a time such as 2026-01-02T03:04:05Z"
            )),
        },
        _ => text
            .parse::<u64>()
            .map(i128::from)
            .map_err(|_| format!("`{text}` is not a number: `{}` is one", field.shortest())),
    }
}

fn no_address(text: &str) -> String {
    const WRITE: &str = "write 192.0.2.1, 192.0.2.0/24, 2001:db8::/32 or a pattern with `*`";
    match text.split_once('%') {
        Some((addr, _)) if Net::parse(addr).is_some() => format!(
            "`{text}` has no zone: that is an interface, and stands behind a link-local address, as \
             in fe80::1%eth0 or fe80::%eth0/64"
        ),
        _ => format!("`{text}` is not an address: {WRITE}"),
    }
}

/// `unknown reason `refusd`: did you mean `refused`?`, or the whole list where nothing is near.
fn no_such<'a>(what: &str, name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let distance =
        |known: &str| strsim::damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase());
    match names.iter().min_by_key(|known| distance(known)) {
        Some(near) if distance(near) <= 2.min(name.chars().count().saturating_sub(1)) => {
            format!("unknown {what} `{name}`: did you mean `{near}`?")
        }
        _ => format!("unknown {what} `{name}`: there are {}", names.join(" ")),
    }
}

/// The last line of the regex crate's drawing says what is wrong.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    let last = last.strip_prefix("error: ").unwrap_or(last);
    format!("this is not a regular expression: {last}")
}
