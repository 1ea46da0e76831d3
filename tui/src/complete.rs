//! What could stand at the end of what is typed. Pure.

use collector::filter::{FIELDS, Field, Filter, Kind};
use collector::model::{Event, EventId, Log};
use rustc_hash::FxHashMap;

/// Events that are looked at for values: the newest.
const LOOKED_AT: usize = 4_096;

/// Choices that are offered at most.
const MOST: usize = 64;

/// What could be in the place of the end of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    /// The text before what is completed.
    pub(crate) before: String,
    /// What could follow, the likeliest first.
    pub(crate) choices: Vec<String>,
    /// The choice that is in the text.
    pub(crate) at: Option<usize>,
}

impl Completion {
    /// The choices for the end of `text`, from its byte `start` on.
    pub(crate) fn new(text: &str, start: usize, choices: Vec<String>) -> Option<Self> {
        (!choices.is_empty()).then(|| Self {
            before: text[..start].to_owned(),
            choices,
            at: None,
        })
    }

    /// Goes to the next choice, or to the one before: the text with it.
    pub(crate) fn turn(&mut self, forth: bool) -> String {
        let last = self.choices.len() - 1;
        let at = match (self.at, forth) {
            (None, true) => 0,
            (None, false) => last,
            (Some(at), true) => (at + 1) % self.choices.len(),
            (Some(at), false) => at.checked_sub(1).unwrap_or(last),
        };
        self.at = Some(at);
        format!("{}{}", self.before, self.choices[at])
    }
}

/// Of the choices, those that begin with `prefix`, as many as are offered.
pub(crate) fn beginning<'a>(
    prefix: &str,
    choices: impl IntoIterator<Item = &'a str>,
) -> Vec<String> {
    let begins = |choice: &&str| {
        let head = choice.get(..prefix.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    let found = choices.into_iter().filter(begins);
    found.take(MOST).map(str::to_owned).collect()
}

/// Completes a filter: the name of a field, or a value of one, as they are in the log.
pub(crate) fn filter(text: &str, log: &Log) -> Option<Completion> {
    let word = text.rfind(char::is_whitespace).map_or(0, |at| {
        at + text[at..].chars().next().map_or(1, char::len_utf8)
    });
    let term = text[word..].trim_start_matches('!');
    let start = text.len() - term.len();
    let Some(sign) = term.find([':', '>', '<', '=']) else {
        let names = FIELDS.iter().map(|field| {
            let sign = match field.kind {
                Kind::Duration | Kind::Size | Kind::Time => ">",
                _ => ":",
            };
            // The short form, unless only the long one begins so.
            let short = field.shortest();
            let name = if short.starts_with(term) {
                short
            } else {
                field.name
            };
            format!("{name}{sign}")
        });
        let names: Vec<String> = names.collect();
        let names = beginning(term, names.iter().map(String::as_str));
        return Completion::new(text, start, names);
    };
    let field = Field::named(&term[..sign])?;
    let values = term[sign..].rfind([':', '>', '<', '=', ',']);
    let typed = &term[sign + values? + 1..];
    let start = text.len() - typed.len();
    Completion::new(text, start, values_of(field, typed.trim_matches('"'), log))
}

/// The values that a field can have, or has in the newest events, most frequent first.
pub(crate) fn values_of(field: &Field, typed: &str, log: &Log) -> Vec<String> {
    if let Some(words) = field.kind.words() {
        return beginning(typed, words);
    }
    let mut found: FxHashMap<String, usize> = FxHashMap::default();
    for event in newest(log) {
        field.texts(&event, |text| {
            if text.starts_with(typed) {
                match found.get_mut(text) {
                    Some(n) => *n += 1,
                    None => drop(found.insert(text.to_owned(), 1)),
                }
            }
        });
    }
    let mut found: Vec<(String, usize)> = found.into_iter().collect();
    found.sort_unstable_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
    let written = found.iter().filter_map(|(text, _)| quoted(field, text));
    written.take(MOST).collect()
}

fn newest(log: &Log) -> impl Iterator<Item = Event> {
    let first: EventId = log.end().minus(log.len().min(LOOKED_AT));
    (0..LOOKED_AT).map_while(move |n| log.get(first.plus(n)))
}

/// A value as it is to be written, in quotes where it needs them.
fn quoted(field: &Field, text: &str) -> Option<String> {
    let printed = Filter::exactly(field.name, text).ok()?.to_string();
    let (_, value) = printed.split_once(':')?;
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use collector::model::Comm;

    use super::*;
    use crate::sample;

    fn log() -> Log {
        let mut log = Log::new(100);
        for (port, comm) in [(1, "wget"), (2, "curl"), (3, "a b"), (4, "curl")] {
            let mut event = sample::connect(port);
            if let Some(process) = &mut event.process {
                std::sync::Arc::make_mut(process).comm = Comm::from_text(comm);
            }
            log.push(event);
        }
        log
    }

    fn choices(text: &str) -> Vec<String> {
        let completion = filter(text, &log());
        completion.map_or(Vec::new(), |c| {
            let whole = |choice: &String| format!("{}{choice}", c.before);
            c.choices.iter().map(whole).collect()
        })
    }

    #[test]
    fn names_of_fields_are_completed() {
        assert_eq!(choices("po"), ["pod:", "port:"]);
        assert_eq!(choices("port:443 !com"), ["port:443 !comm:"]);
        assert_eq!(choices("la"), ["lat>"]);
        assert_eq!(choices("lat_"), ["lat_us>"]);
        assert_eq!(choices("").len(), FIELDS.len());
        assert_eq!(choices("x"), [""; 0]);
    }

    #[test]
    fn values_are_those_of_the_field_or_in_the_data() {
        assert_eq!(
            choices("reason:re"),
            [
                "reason:refused",
                "reason:reset-sent",
                "reason:reset-by-peer"
            ]
        );
        assert_eq!(choices("type:"), ["type:C", "type:A", "type:X", "type:U"]);
        assert_eq!(choices("comm:"), ["comm:curl", "comm:\"a b\"", "comm:wget"]);
        assert_eq!(choices("comm:wget,cu"), ["comm:wget,curl"]);
        assert_eq!(
            choices("sport:"),
            ["sport:1", "sport:2", "sport:3", "sport:4"]
        );
        assert_eq!(choices("nothing:"), [""; 0]);
    }

    #[test]
    fn it_goes_round() {
        let mut completion = filter("po", &log()).unwrap();
        assert_eq!(completion.turn(true), "pod:");
        assert_eq!(completion.turn(true), "port:");
        assert_eq!(completion.turn(true), "pod:");
        assert_eq!(completion.turn(false), "port:");
    }
}
