//! The grammar: from text to terms whose fields and values are still words.
//!
//! ```text
//! filter  = { term }                    terms stand apart by white space
//! term    = { "!" } ( word | field )
//! word    = values                      none of them with an operator in it, but for addresses
//! field   = name operator values        operator: one of : > >= < <= =
//! values  = value { "," value }
//! value   = "~" regex                   only after `:`
//!         | ( char | quoted )+          `\` escapes, `*` is a wildcard
//! ```

use winnow::combinator::{
    alt, cut_err, delimited, opt, peek, preceded, repeat, separated, terminated,
};
use winnow::error::{ErrMode, ParserError};
use winnow::prelude::*;
use winnow::stream::{LocatingSlice, Location};
use winnow::token::{any, none_of, one_of, take_till, take_while};

use super::glob::Glob;
use super::net::Net;
use super::terms::Order;

/// What `\` makes literal.
pub(super) const ESCAPED: [char; 6] = ['\\', '*', '"', ',', '~', ' '];
/// What stands between a field and its values, or before a term.
pub(super) const OPERATORS: [char; 5] = [':', '>', '<', '=', '!'];

type Input<'i> = LocatingSlice<&'i str>;
type Parsed<T> = Result<T, ErrMode<Fault>>;

/// What is wrong, and at which byte.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
}

impl ParserError<Input<'_>> for Fault {
    type Inner = Self;

    fn from_input(input: &Input<'_>) -> Self {
        Self::new(input.current_token_start(), "this cannot stand here")
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

impl Fault {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }

    fn cut<T>(at: usize, message: impl Into<String>) -> Parsed<T> {
        Err(ErrMode::Cut(Self::new(at, message)))
    }
}

/// A term as it is written.
#[derive(Debug)]
pub(super) struct RawTerm<'i> {
    pub(super) negated: bool,
    pub(super) body: Body<'i>,
}

#[derive(Debug)]
pub(super) enum Body<'i> {
    Words(Vec<RawValue<'i>>),
    Field {
        name: &'i str,
        at: usize,
        operator: Operator,
        values: Vec<RawValue<'i>>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Is,
    IsNot,
    Compare(Order),
}

/// A value as it is written, and where.
#[derive(Debug)]
pub(super) struct RawValue<'i> {
    pub(super) source: &'i str,
    pub(super) at: usize,
    pub(super) text: Text,
}

#[derive(Debug)]
pub(super) enum Text {
    Glob(Glob),
    Regex(String),
}

/// What ends a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// White space or a comma, in an expression.
    Space,
    /// A comma, where the value stands alone.
    Comma,
}

impl End {
    fn is(self, c: char) -> bool {
        c == ',' || self == Self::Space && c.is_whitespace()
    }
}

/// All terms of an expression.
pub(super) fn expression(text: &str) -> Result<Vec<RawTerm<'_>>, Fault> {
    let space = || take_while(0.., char::is_whitespace);
    preceded(space(), repeat(0.., terminated(term, space())))
        .parse(LocatingSlice::new(text))
        .map_err(winnow::error::ParseError::into_inner)
}

/// The values of a field, standing alone.
pub(super) fn values(text: &str) -> Result<Vec<RawValue<'_>>, Fault> {
    list(End::Comma, true)
        .parse(LocatingSlice::new(text))
        .map_err(winnow::error::ParseError::into_inner)
}

fn term<'i>(input: &mut Input<'i>) -> Parsed<RawTerm<'i>> {
    let bangs = take_while(0.., '!').parse_next(input)?.len();
    let at = input.current_token_start();
    let next = peek(opt(any)).parse_next(input)?;
    if next.is_none_or(char::is_whitespace) {
        return match bangs {
            0 => Err(ErrMode::Backtrack(Fault::from_input(input))),
            _ => Fault::cut(at, "`!` negates a term: it needs one right after it"),
        };
    }
    let body = match peek(opt(address_ahead)).parse_next(input)? {
        Some(()) => words.parse_next(input)?,
        None => alt((field, words)).parse_next(input)?,
    };
    Ok(RawTerm {
        negated: bangs % 2 == 1,
        body,
    })
}

/// An IPv6 address has colons, and is no field.
fn address_ahead(input: &mut Input<'_>) -> Parsed<()> {
    take_till(1.., |c| End::Space.is(c))
        .verify_map(Net::parse)
        .void()
        .parse_next(input)
}

fn field<'i>(input: &mut Input<'i>) -> Parsed<Body<'i>> {
    let stop = |c: char| c.is_whitespace() || OPERATORS.contains(&c) || matches!(c, '"' | ',');
    let ((name, span), operator) =
        (take_till(0.., stop).with_span(), operator).parse_next(input)?;
    if name.is_empty() {
        return Fault::cut(
            span.start,
            "a field is missing here; to search for this text, put it in quotes",
        );
    }
    let values = list(End::Space, operator == Operator::Is).parse_next(input)?;
    Ok(Body::Field {
        name,
        at: span.start,
        operator,
        values,
    })
}

fn operator(input: &mut Input<'_>) -> Parsed<Operator> {
    alt((
        ':'.value(Operator::Is),
        "!=".value(Operator::IsNot),
        (one_of(['<', '>', '=']), opt('='))
            .take()
            .verify_map(order)
            .map(Operator::Compare),
        // `==` and the like: the second sign is the value's.
        one_of(['<', '>', '='])
            .take()
            .verify_map(order)
            .map(Operator::Compare),
    ))
    .parse_next(input)
}

fn order(sign: &str) -> Option<Order> {
    Order::ALL.into_iter().find(|order| order.sign() == sign)
}

fn words<'i>(input: &mut Input<'i>) -> Parsed<Body<'i>> {
    let words = list(End::Space, false).parse_next(input)?;
    for word in &words {
        let plain = !word.source.contains('"') && Net::parse(word.source).is_none();
        if let Some(at) = word.source.find(OPERATORS).filter(|_| plain) {
            return Fault::cut(
                word.at + at,
                "`,` joins values of one field; to search for this text, put it in quotes",
            );
        }
    }
    Ok(Body::Words(words))
}

fn list<'i>(end: End, regex: bool) -> impl Parser<Input<'i>, Vec<RawValue<'i>>, ErrMode<Fault>> {
    separated(1.., value(end, regex), ',')
}

fn value<'i>(end: End, regex: bool) -> impl Parser<Input<'i>, RawValue<'i>, ErrMode<Fault>> {
    move |input: &mut Input<'i>| {
        let text = |input: &mut Input<'i>| {
            if regex && opt('~').parse_next(input)?.is_some() {
                expression_text(end).map(Text::Regex).parse_next(input)
            } else {
                glob(end).map(Text::Glob).parse_next(input)
            }
        };
        let ((text, source), span) = text.with_taken().with_span().parse_next(input)?;
        if source.is_empty() || source == "~" && regex {
            return Fault::cut(span.start, "a value is missing here");
        }
        Ok(RawValue {
            source,
            at: span.start,
            text,
        })
    }
}

/// What a value is made of.
#[derive(Clone, Copy)]
enum Piece {
    Char(char),
    Star,
}

fn glob<'i>(end: End) -> impl Parser<Input<'i>, Glob, ErrMode<Fault>> {
    let bare = repeat(1.., piece(move |c| end.is(c) || c == '"'));
    let pieces = alt((quoted(repeat(0.., piece(|c| c == '"'))), bare));
    repeat(0.., pieces).fold(Glob::new, |mut glob, pieces: Vec<Piece>| {
        for piece in pieces {
            match piece {
                Piece::Char(c) => glob.push(c),
                Piece::Star => glob.star(),
            }
        }
        glob
    })
}

fn piece<'i>(stop: impl Fn(char) -> bool + Copy) -> impl Parser<Input<'i>, Piece, ErrMode<Fault>> {
    alt((
        preceded('\\', one_of(ESCAPED)).map(Piece::Char),
        '*'.value(Piece::Star),
        none_of(stop).map(Piece::Char),
    ))
}

fn expression_text<'i>(end: End) -> impl Parser<Input<'i>, String, ErrMode<Fault>> {
    let bare = repeat(0.., unit(move |c| end.is(c))).fold(String::new, join);
    let quoted_text = quoted(repeat(0.., unit(|c| c == '"')).fold(String::new, join));
    alt((quoted_text, bare))
}

/// One character of a regular expression, with the `\` that belongs to it.
fn unit<'i>(stop: impl Fn(char) -> bool + Copy) -> impl Parser<Input<'i>, &'i str, ErrMode<Fault>> {
    alt((
        preceded('\\', "\""),
        ('\\', any).take(),
        none_of(stop).take(),
    ))
}

fn join(mut text: String, unit: &str) -> String {
    text.push_str(unit);
    text
}

fn quoted<'i, T>(
    mut inner: impl Parser<Input<'i>, T, ErrMode<Fault>>,
) -> impl Parser<Input<'i>, T, ErrMode<Fault>> {
    move |input: &mut Input<'i>| {
        let start = input.current_token_start();
        let close = cut_err('"').map_err(move |_: ErrMode<Fault>| {
            ErrMode::Cut(Fault::new(start, "this quote is not closed"))
        });
        delimited('"', inner.by_ref(), close).parse_next(input)
    }
}
