//! A value of a wrong type, in words that are not a program's.

use std::ops::Range;

use toml_edit::{Document, Item, TableLike};

/// What serde expects, and what that is called in the sample.
const EXPECTED: [(&str, &str); 8] = [
    ("a boolean", "`true` or `false`"),
    ("a string", "a text in quotes"),
    ("a sequence", "a list"),
    ("a map", "a table"),
    ("struct", "a table"),
    ("u32", "a whole number"),
    ("u64", "a whole number"),
    ("usize", "a whole number"),
];

/// The sentence for an error of serde's at a place of the text; `None` if it is about something else.
pub(super) fn sentence(text: &str, at: &Range<usize>, error: &str) -> Option<String> {
    let (kind, expected) = error.rsplit_once(", expected ")?;
    let range = match kind.split_once(": ")?.0 {
        "invalid type" => "",
        "invalid value" => " in its range",
        _ => return None,
    };
    let said = |(theirs, _): &&(&str, &str)| expected.starts_with(theirs);
    let (_, expected) = EXPECTED.iter().find(said)?;
    let document = Document::parse(text).ok()?;
    let (key, item) = find(document.as_table(), at)?;
    let of = if item.span().as_ref() == Some(at) {
        ""
    } else {
        "each of "
    };
    let found = text.get(at.clone())?.lines().next()?;
    let found = match (found.chars().next(), item.is_array()) {
        (Some('['), true) => "a list",
        (Some('[' | '{'), _) => "a table",
        _ => found,
    };
    Some(format!(
        "{of}`{key}` has to be {expected}{range}, not {found}"
    ))
}

/// The value at a place, or the list that has it, and its key with those of the tables around it.
fn find<'a>(table: &'a dyn TableLike, at: &Range<usize>) -> Option<(String, &'a Item)> {
    table.iter().find_map(|(key, item)| {
        let within = item.as_table_like().and_then(|table| find(table, at));
        let within = within.map(|(rest, item)| (format!("{key}.{rest}"), item));
        let here = || item.span().is_some_and(|span| span.contains(&at.start));
        within.or_else(|| here().then(|| (key.to_owned(), item)))
    })
}
