//! Whether an event passes.

use super::fields::{Key, TEXT_COLUMNS};
use super::glob::{Case, Glob};
use super::subject::{any_addr, any_number, any_text};
use super::terms::{Filter, Term, Test, Value, Word};
use crate::model::Event;

impl Filter {
    /// Whether the event passes. Allocates nothing, unless a command name has to be made readable.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        self.terms.iter().all(|term| term.matches(event))
    }

    /// Whether events of a node by that name can pass. Only what is asked of the node counts.
    #[must_use]
    pub fn passes_node(&self, name: &str) -> bool {
        self.terms.iter().all(|term| match &term.test {
            Test::Is(field, values) if field.key == Key::Node => {
                values.iter().any(|value| value.is_text(name)) != term.negated
            }
            _ => true,
        })
    }
}

impl Term {
    fn matches(&self, event: &Event) -> bool {
        let holds = match &self.test {
            Test::Is(field, values) => values.iter().any(|value| value.is(field.key, event)),
            Test::Compare(field, order, bounds) => bounds
                .iter()
                .any(|bound| any_number(field.key, event, |number| order.holds(number, *bound))),
            Test::Any(words) => words.iter().any(|word| word.is_in(event)),
        };
        holds != self.negated
    }
}

impl Value {
    fn is(&self, key: Key, event: &Event) -> bool {
        match self {
            Self::Text(glob) => any_text(key, event, |text| glob.is(text, Case::Counts)),
            Self::Caseless(glob) => any_text(key, event, |text| glob.is(text, Case::Ignored)),
            Self::Regex(regex) => any_text(key, event, |text| regex.is_match(text)),
            Self::Number(number) => any_number(key, event, |n| n == *number),
            Self::Net(net) => any_addr(key, event, |addr| net.contains(&addr)),
        }
    }
}

impl Word {
    fn is_in(&self, event: &Event) -> bool {
        match self {
            Self::Net(net) => any_addr(Key::Addr, event, |addr| net.contains(&addr)),
            Self::Text(glob) => TEXT_COLUMNS
                .iter()
                // To write out an address is dear, and most words cannot be in one.
                .filter(|key| **key != Key::Addr || could_be_in_an_address(glob))
                .any(|key| any_text(*key, event, |text| glob.is_in(text, Case::Ignored))),
        }
    }
}

fn could_be_in_an_address(glob: &Glob) -> bool {
    let of_addresses = |b: u8| b.is_ascii_hexdigit() || b == b'.' || b == b':';
    glob.parts()
        .iter()
        .all(|part| part.bytes().all(of_addresses))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_chosen_by_what_is_asked_of_them() {
        let passes = |filter: &str, name| Filter::parse(filter).unwrap().passes_node(name);
        assert!(passes("", "n1") && passes("port:443 curl", "n1"));
        assert!(passes("node:n1,m*", "m2") && !passes("node:n1,m*", "n2"));
        assert!(!passes("!node:~^n", "n1") && passes("!node:~^n", "m1"));
    }
}
