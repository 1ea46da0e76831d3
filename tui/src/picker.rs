//! A list to pick from by typing a part of what is wanted. Pure.

use std::cmp::Reverse;

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// Something to pick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The namespace that it is in, if it is in one.
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    /// How many events it has.
    pub(crate) events: u64,
}

impl Choice {
    /// As it is shown, and typed.
    pub(crate) fn label(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// A list of choices, and which of them fit what was typed.
#[derive(Debug)]
pub(crate) struct Picker {
    all: Vec<Choice>,
    /// Places in `all`, the best first.
    fitting: Vec<usize>,
    at: usize,
}

impl Picker {
    /// A list of choices, the busiest first.
    pub(crate) fn new(mut all: Vec<Choice>) -> Self {
        all.sort_by_cached_key(|choice| (Reverse(choice.events), choice.label()));
        Self {
            fitting: (0..all.len()).collect(),
            all,
            at: 0,
        }
    }

    /// Leaves those that fit; of two that fit as well, the busier stands first.
    pub(crate) fn narrow(&mut self, typed: &str) {
        let pattern = Pattern::parse(typed, CaseMatching::Smart, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut buffer = Vec::new();
        let scored = self.all.iter().enumerate().filter_map(|(at, choice)| {
            let label = choice.label();
            let name = Utf32Str::new(&label, &mut buffer);
            Some((pattern.score(name, &mut matcher)?, at))
        });
        let mut scored: Vec<(u32, usize)> = scored.collect();
        scored.sort_by_key(|(score, at)| (Reverse(*score), *at));
        self.fitting = scored.into_iter().map(|(_, at)| at).collect();
        self.at = 0;
    }

    /// Moves by lines, down if positive.
    pub(crate) fn go(&mut self, lines: isize) {
        let last = self.fitting.len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(lines).min(last);
    }

    /// What is picked.
    pub(crate) fn picked(&self) -> Option<&Choice> {
        self.all.get(*self.fitting.get(self.at)?)
    }

    /// The choices on a screen of `height` lines, each with whether it is picked.
    pub(crate) fn visible(&self, height: usize) -> impl Iterator<Item = (&Choice, bool)> {
        let top = (self.at + 1).saturating_sub(height);
        let shown = self.fitting.iter().enumerate().skip(top).take(height);
        shown.filter_map(|(n, at)| Some((self.all.get(*at)?, n == self.at)))
    }

    /// How many fit, and of how many.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.fitting.len(), self.all.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picker() -> Picker {
        let names = [
            ("kube-system", 5),
            ("shop", 90),
            ("shop-staging", 90),
            ("ops", 1),
        ];
        Picker::new(
            names
                .map(|(name, events)| Choice {
                    namespace: None,
                    name: name.to_owned(),
                    events,
                })
                .to_vec(),
        )
    }

    fn names(picker: &Picker) -> Vec<&str> {
        picker
            .visible(10)
            .map(|(choice, _)| &*choice.name)
            .collect()
    }

    #[test]
    fn the_busiest_stand_first_and_typing_narrows() {
        let mut picker = picker();
        assert_eq!(
            names(&picker),
            ["shop", "shop-staging", "kube-system", "ops"]
        );
        picker.narrow("sstag");
        assert_eq!(names(&picker), ["shop-staging"]);
        picker.narrow("xyz");
        assert_eq!(picker.picked(), None);
        assert_eq!(picker.counts(), (0, 4));
    }

    #[test]
    fn the_picked_one_is_on_the_screen() {
        let mut picker = picker();
        picker.go(-1);
        assert_eq!(picker.picked().unwrap().name, "shop");
        picker.go(9);
        assert_eq!(picker.picked().unwrap().name, "ops");
        let shown: Vec<_> = picker.visible(2).map(|(c, is)| (&*c.name, is)).collect();
        assert_eq!(shown, [("kube-system", false), ("ops", true)]);
    }
}
