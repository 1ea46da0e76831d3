//! Whether events that are summed up in one row can pass: all that is known of them is which values
//! they have in some fields.

use std::borrow::Cow;

use super::fields::{Key, TEXT_COLUMNS};
use super::glob::Case;
use super::terms::{Filter, Term, Test, Value, Word};

/// What the events of a sum have in a field: one entry for each value that one of them has, and
/// `None` where one has no value. A field without an entry is one that nothing is known of.
pub type Known<'a> = [(Key, Option<Cow<'a, str>>)];

impl Filter {
    /// Whether an event can pass that is one of those that a row sums up.
    ///
    /// Terms about fields that are not known hide nothing. A bare word is looked for in the texts
    /// of the row: whoever types one looks for a row by its name.
    #[must_use]
    pub fn may_pass(&self, known: &Known) -> bool {
        self.terms.iter().all(|term| term.may_hold(known))
    }
}

impl Term {
    fn may_hold(&self, known: &Known) -> bool {
        match &self.test {
            Test::Is(field, values) => {
                let mut said = known.iter().filter(|(key, _)| *key == field.key).peekable();
                let holds = |text: &str| values.iter().any(|value| value.is_text(text));
                let holds = |text: Option<&str>| text.is_some_and(holds) != self.negated;
                said.peek().is_none() || said.any(|(_, text)| holds(text.as_deref()))
            }
            Test::Compare(..) => true,
            Test::Any(words) => {
                // Addresses are not among the names of a row.
                let named = |word: &Word| matches!(word, Word::Text(_));
                if !words.iter().all(named) {
                    return true;
                }
                let texts = known.iter().filter(|(key, _)| TEXT_COLUMNS.contains(key));
                let mut texts = texts.filter_map(|(_, text)| text.as_deref());
                texts.any(|text| words.iter().any(|word| word.is_in_text(text))) != self.negated
            }
        }
    }
}

impl Value {
    pub(super) fn is_text(&self, text: &str) -> bool {
        match self {
            Self::Text(glob) => glob.is(text, Case::Counts),
            Self::Caseless(glob) => glob.is(text, Case::Ignored),
            Self::Regex(regex) => regex.is_match(text),
            Self::Number(number) => text.parse() == Ok(*number),
            Self::Net(net) => net.has_text(text),
        }
    }
}

impl Word {
    fn is_in_text(&self, text: &str) -> bool {
        match self {
            Self::Text(glob) => glob.is_in(text, Case::Ignored),
            Self::Net(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CART: &Known = &[
        (Key::Namespace, Some(Cow::Borrowed("shop"))),
        (Key::Pod, Some(Cow::Borrowed("cart-1"))),
        (Key::Container, None),
        (Key::Reason, None),
        (Key::Reason, Some(Cow::Borrowed("refused"))),
    ];

    fn passes(filter: &str) -> bool {
        Filter::parse(filter).unwrap().may_pass(CART)
    }

    #[test]
    fn what_is_known_decides_and_what_is_not_hides_nothing() {
        for filter in [
            "",
            "ns:shop,ops",
            "pod:cart-* port:5432 lat>1s dst:10.0.0.0/8",
            "!ns:ops !container:x",
            "CART",
            "10.0.0.1",
            "reason:refused !reason:refused",
        ] {
            assert!(passes(filter), "{filter}");
        }
        for filter in [
            "ns:ops",
            "!ns:shop",
            "container:x",
            "wget",
            "!cart",
            "reason:timeout",
            "pod:~^web port:5432",
        ] {
            assert!(!passes(filter), "{filter}");
        }
    }
}
