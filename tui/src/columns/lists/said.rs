//! What a column of a list says: the text of a cell, how it looks, and what is sorted by.

use std::borrow::Cow;

use collector::format::bytes;
use collector::model::{RATE_SECONDS, Timestamp};
use serde_json::Value as Raw;

use super::super::{Moment, time};
use crate::view::Value;
use crate::{format, text};

/// What a cell says.
#[derive(Clone, Debug)]
pub(crate) enum Said<'a> {
    Unknown,
    /// A word of our own.
    Word(&'static str, Look),
    /// Text from elsewhere, or made from it.
    Text(Cow<'a, str>),
    /// The same, where what stands at the end tells as much as what stands in front.
    Ends(Cow<'a, str>),
    Count(u64),
    /// A count of which any is bad.
    Bad(u64),
    Bytes(u64),
    Time(Timestamp),
    /// How many there were in each second.
    Spark(Box<[u32; RATE_SECONDS]>),
    /// A letter, and what it is sorted as.
    Letter(&'static str, u8, Look),
}

/// How a cell looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Plain,
    Faint,
    Good,
    Note,
    Bad,
    /// As the event type of that number.
    Type(u8),
}

impl<'a> Said<'a> {
    pub(super) fn text(said: Option<impl Into<Cow<'a, str>>>) -> Self {
        said.map_or(Self::Unknown, |text| Self::Text(text.into()))
    }

    /// The text of a cell that is so wide.
    pub(crate) fn cell(&self, width: u16, at: Moment<'_>) -> String {
        let width = usize::from(width);
        match self {
            Self::Unknown => "-".to_owned(),
            Self::Word(word, _) | Self::Letter(word, ..) => text::cut_end(word, width).into_owned(),
            Self::Text(said) => text::cut_end(&text::clean(said), width).into_owned(),
            Self::Ends(said) => text::cut_middle(&text::clean(said), width).into_owned(),
            // Cells that are wide enough have them in full.
            Self::Count(n) | Self::Bad(n) => {
                let full = collector::format::count(*n);
                if full.len() <= width {
                    full
                } else {
                    format::count(*n)
                }
            }
            Self::Bytes(n) => bytes(*n),
            Self::Time(ts) => time(*ts, width, at.tz).unwrap_or_else(|| "-".to_owned()),
            Self::Spark(series) => format::sparkline(series, width),
        }
    }

    pub(crate) fn look(&self) -> Look {
        match self {
            Self::Unknown | Self::Count(0) | Self::Bad(0) => Look::Faint,
            Self::Word(_, look) | Self::Letter(.., look) => *look,
            Self::Bad(_) => Look::Bad,
            Self::Text(_)
            | Self::Ends(_)
            | Self::Count(_)
            | Self::Bytes(_)
            | Self::Time(_)
            | Self::Spark(_) => Look::Plain,
        }
    }

    /// What it is, in a file.
    pub(crate) fn raw(&self) -> Raw {
        match self {
            Self::Unknown => Raw::Null,
            Self::Word(word, _) | Self::Letter(word, ..) => (*word).into(),
            Self::Text(said) | Self::Ends(said) => text::clean(said).into(),
            Self::Count(n) | Self::Bad(n) | Self::Bytes(n) => (*n).into(),
            Self::Time(ts) => ts.to_string().into(),
            Self::Spark(series) => series.iter().copied().collect(),
        }
    }

    /// What rows are sorted by.
    pub(crate) fn value(self) -> Value<'a> {
        match self {
            Self::Unknown => Value::Unknown,
            Self::Word(word, _) => Value::text(Some(word)),
            Self::Text(text) | Self::Ends(text) => Value::Text(text),
            Self::Count(n) | Self::Bad(n) | Self::Bytes(n) => Value::number(Some(n)),
            Self::Time(ts) => Value::number(u64::try_from(ts.0).ok()),
            Self::Spark(series) => {
                Value::number(Some(series.iter().map(|n| u64::from(*n)).sum::<u64>()))
            }
            Self::Letter(_, rank, _) => Value::number(Some(rank)),
        }
    }
}
