//! What a filter is once it is read.

use regex::Regex;
use thiserror::Error;

use super::fields::{self, Field, Key, Kind};
use super::glob::Glob;
use super::net::Net;
use super::parse;
use crate::model::EventType;

/// A question about an event. The default is the one that every event answers with yes.
///
/// Its `Display` is an expression that reads as the same filter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    pub(super) terms: Vec<Term>,
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("column {}: {message}", column + 1)]
pub struct FilterError {
    /// Where, in characters from the beginning of the text, the first being 0.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl Filter {
    /// The filter that lets everything through.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Reads an expression of the [filter language](super).
    ///
    /// # Errors
    /// If a field is unknown, or a value is not one that the field can have.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::expression(text)
    }

    /// The filter `field:value,value…`, as `-n`, `-p`, `-c`, `--node` and `--type` mean it.
    ///
    /// The values may use all that stands behind `field:` in an expression, `,` and `*` included;
    /// white space needs no quotes. No values are no filter.
    ///
    /// # Errors
    /// As [`Filter::parse`]; the column is the one in the value that is wrong.
    pub fn term<S: AsRef<str>>(field: &str, values: &[S]) -> Result<Self, FilterError> {
        let Some(field) = Field::named(field) else {
            return Err(parse::unknown_field(field, 0));
        };
        let mut any = Vec::new();
        for value in values {
            any.extend(parse::values(field, value.as_ref())?);
        }
        if any.is_empty() {
            return Ok(Self::all());
        }
        Ok(Self::one(Test::Is(field, any)))
    }

    /// The filter that lets pass what has exactly this text in a field, or this number or address.
    ///
    /// # Errors
    /// If the field is unknown, or cannot have such a value; the column is that in the value.
    pub fn exactly(field: &str, value: &str) -> Result<Self, FilterError> {
        let Some(field) = Field::named(field) else {
            return Err(parse::unknown_field(field, 0));
        };
        let literal = || vec![Value::Text(Glob::literal(value))];
        let values = match field.kind {
            Kind::Text => literal(),
            Kind::Word(words) => parse::known_word(field, value, &words()).map(|()| literal())?,
            _ => parse::values(field, value)?,
        };
        Ok(Self::one(Test::Is(field, values)))
    }

    /// The filter without its terms `field:value` of this field; negated ones stay.
    #[must_use]
    pub fn without(mut self, key: Key) -> Self {
        self.terms.retain(|term| !term.is_of(key));
        self
    }

    /// Those of its terms `field:value` that [`Self::without`] takes away.
    #[must_use]
    pub fn only(mut self, key: Key) -> Self {
        self.terms.retain(|term| term.is_of(key));
        self
    }

    /// The terms that can be decided without a name for the other end, which is what an agent can be
    /// asked for: all that passes the whole filter passes these.
    #[must_use]
    pub fn without_peers(mut self) -> Self {
        self.terms.retain(|term| match &term.test {
            Test::Is(field, _) | Test::Compare(field, ..) => field.key != Key::Peer,
            Test::Any(words) => words.iter().all(|word| matches!(word, Word::Net(_))),
        });
        self
    }

    /// The filter `is:failed`, as `--failed` means it.
    #[must_use]
    pub fn failed() -> Self {
        match Field::named("is") {
            Some(is) => Self::one(Test::Is(
                is,
                vec![Value::Text(Glob::literal(fields::FAILED))],
            )),
            None => Self::all(),
        }
    }

    /// The filter `!type:…`: what is of none of these types passes, a listed socket among them, which
    /// has no type.
    #[must_use]
    pub fn without_types(types: impl IntoIterator<Item = EventType>) -> Self {
        let letters = types.into_iter().map(|kind| kind.letter().to_lowercase());
        let any: Vec<Value> = letters
            .map(|letter| Value::Caseless(Glob::literal(&letter)))
            .collect();
        let Some(field) = Field::named("type").filter(|_| !any.is_empty()) else {
            return Self::all();
        };
        let mut filter = Self::one(Test::Is(field, any));
        filter.terms.iter_mut().for_each(|term| term.negated = true);
        filter
    }

    /// What passes both filters.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.terms.extend(other.terms);
        self
    }

    /// Whether it has no terms, and so lets everything through.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether only events can pass of which this field is known.
    #[must_use]
    pub fn needs(&self, key: Key) -> bool {
        self.terms.iter().any(|term| match &term.test {
            Test::Is(field, _) | Test::Compare(field, ..) => !term.negated && field.key == key,
            Test::Any(_) => false,
        })
    }

    fn one(test: Test) -> Self {
        Self {
            terms: vec![Term {
                negated: false,
                test,
            }],
        }
    }
}

/// A part of a filter; all must hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Term {
    pub(super) negated: bool,
    pub(super) test: Test,
}

impl Term {
    /// It is `field:value` of that field, and not negated.
    fn is_of(&self, key: Key) -> bool {
        !self.negated && matches!(&self.test, Test::Is(field, _) if field.key == key)
    }
}

/// What a term asks.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// The field is one of these.
    Is(&'static Field, Vec<Value>),
    /// The field compares so with one of these.
    Compare(&'static Field, Order, Vec<i128>),
    /// One of these is somewhere in the text of the event.
    Any(Vec<Word>),
}

/// A value that a field can have, ready to be compared.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(Glob),
    /// The pattern is in lower case.
    Caseless(Glob),
    Regex(Regex),
    Number(i128),
    Net(Net),
}

/// Regular expressions are the same if their sources are.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) | (Self::Caseless(a), Self::Caseless(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::Net(a), Self::Net(b)) => a == b,
            _ => false,
        }
    }
}

/// A bare word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A part of any text column; in lower case.
    Text(Glob),
    /// An address of either end.
    Net(Net),
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Greater,
    AtLeast,
    Less,
    AtMost,
    Equal,
}

impl Order {
    pub(super) const ALL: [Self; 5] = [
        Self::Greater,
        Self::AtLeast,
        Self::Less,
        Self::AtMost,
        Self::Equal,
    ];

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
        }
    }

    pub(super) fn holds(self, number: i128, bound: i128) -> bool {
        match self {
            Self::Greater => number > bound,
            Self::AtLeast => number >= bound,
            Self::Less => number < bound,
            Self::AtMost => number <= bound,
            Self::Equal => number == bound,
        }
    }
}
