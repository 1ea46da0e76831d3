//! The line that is typed into: a filter, a command, the name of a file, a part of a name to pick.

use collector::export::Format;
use collector::filter::{Filter, FilterError, Key};
use tui_input::{Input, InputRequest};

use super::App;
use crate::action::Effect;
use crate::complete::{self, Completion};
use crate::keymap::Asks;
use crate::picker::Picker;

/// A prompt, while it is open.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) input: Input,
    /// What is wrong with the text.
    pub(crate) error: Option<Complaint>,
    /// What the text could go on with, once somebody has asked.
    pub(crate) completion: Option<Completion>,
    pub(crate) asking: Asking,
}

/// What a prompt asks for.
#[derive(Debug)]
pub(crate) enum Asking {
    /// A filter. It works while it is typed; one that is wrong leaves the last one that was right.
    Filter {
        /// The filter when the prompt was opened.
        before: Filter,
    },
    /// A command.
    Command,
    /// The name of a file for rows.
    Export { format: Format },
    /// One of a list of names: of namespaces, of pods, of nodes.
    Pick { key: Key, picker: Picker },
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// Where, in characters from the beginning.
    pub(crate) column: usize,
    pub(crate) message: String,
}

impl From<FilterError> for Complaint {
    fn from(error: FilterError) -> Self {
        Self {
            column: error.column,
            message: error.message,
        }
    }
}

impl Complaint {
    /// Something is wrong with the text as a whole.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self {
            column: 0,
            message: message.into(),
        }
    }
}

impl Prompt {
    pub(crate) fn new(text: impl Into<String>, asking: Asking) -> Self {
        Self {
            input: Input::new(text.into()),
            error: None,
            completion: None,
            asking,
        }
    }

    pub(crate) fn asks(&self) -> Asks {
        match self.asking {
            Asking::Filter { .. } => Asks::Filter,
            Asking::Command => Asks::Command,
            Asking::Export { .. } => Asks::Export,
            Asking::Pick { .. } => Asks::Pick,
        }
    }

    /// The text in front of the cursor, and behind it.
    fn halves(&self) -> (&str, &str) {
        let text = self.input.value();
        let cursor = text.char_indices().nth(self.input.cursor());
        text.split_at(cursor.map_or(text.len(), |(at, _)| at))
    }
}

impl App {
    /// Opens the prompt for the filter.
    pub(super) fn ask_filter(&mut self) {
        let before = self.sieve.filter.clone();
        self.prompt = Some(Prompt::new(before.to_string(), Asking::Filter { before }));
    }

    /// Opens the prompt for a command.
    pub(super) fn ask_command(&mut self) {
        self.prompt = Some(Prompt::new("", Asking::Command));
    }

    pub(super) fn edit(&mut self, requests: impl IntoIterator<Item = InputRequest>) {
        let Some(prompt) = &mut self.prompt else {
            return;
        };
        for request in requests {
            prompt.input.handle(request);
        }
        prompt.completion = None;
        self.filters.leave();
        self.commands.leave();
        self.typed();
    }

    /// The text at the prompt is another one.
    fn typed(&mut self) {
        let Some(prompt) = &mut self.prompt else {
            return;
        };
        prompt.error = None;
        match &mut prompt.asking {
            Asking::Filter { .. } => match Filter::parse(prompt.input.value()) {
                Ok(filter) => self.set_filter(filter),
                Err(error) => prompt.error = Some(error.into()),
            },
            Asking::Command => {}
            Asking::Export { format } => {
                let name = std::path::Path::new(prompt.input.value());
                *format = Format::of(name).unwrap_or(*format);
            }
            Asking::Pick { picker, .. } => picker.narrow(prompt.input.value()),
        }
    }

    /// What was typed is what is wanted.
    pub(super) fn keep(&mut self) -> Effect {
        let filters = matches!(&self.prompt, Some(p) if p.asks() == Asks::Filter);
        // A filter that is wrong is not kept. Other prompts look at their text only now.
        let Some(prompt) = self
            .prompt
            .take_if(|prompt| !filters || prompt.error.is_none())
        else {
            return Effect::Draw;
        };
        match &prompt.asking {
            Asking::Filter { .. } => self.remember_filter(),
            Asking::Command => return self.command(prompt),
            Asking::Export { format } => self.export_to(&prompt, *format),
            Asking::Pick { key, picker } => self.picked(*key, picker),
        }
        Effect::Draw
    }

    /// Completes what is typed with the next choice, or with the one before.
    pub(super) fn complete(&mut self, forth: bool) {
        let Some(prompt) = &mut self.prompt else {
            return;
        };
        if let Asking::Export { .. } = prompt.asking {
            return self.next_format(forth);
        }
        if prompt.completion.is_none() {
            let text = prompt.halves().0.to_owned();
            let found = match prompt.asking {
                Asking::Filter { .. } => complete::filter(&text, self.store.log()),
                Asking::Command => self.complete_command(&text),
                Asking::Export { .. } | Asking::Pick { .. } => None,
            };
            if let Some(prompt) = &mut self.prompt {
                prompt.completion = found;
            }
        }
        let Some(prompt) = &mut self.prompt else {
            return;
        };
        let after = prompt.halves().1.to_owned();
        if let Some(completion) = &mut prompt.completion {
            let before = completion.turn(forth);
            let cursor = before.chars().count();
            prompt.input = Input::new(before + &after).with_cursor(cursor);
            self.typed();
        }
    }

    /// Moves in a list to pick from, or in what was typed before.
    pub(super) fn recall(&mut self, older: bool) {
        let Some(prompt) = &mut self.prompt else {
            return;
        };
        let history = match &mut prompt.asking {
            Asking::Pick { picker, .. } => return picker.go(if older { -1 } else { 1 }),
            Asking::Export { .. } => return,
            Asking::Filter { .. } => &mut self.filters,
            Asking::Command => &mut self.commands,
        };
        let line = if older {
            history.older(prompt.input.value()).map(str::to_owned)
        } else {
            history.newer()
        };
        if let Some(line) = line {
            prompt.input = Input::new(line);
            prompt.completion = None;
            self.typed();
        }
    }

    /// Closes the prompt, and leaves everything as it was before.
    pub(super) fn abandon(&mut self) -> bool {
        self.filters.leave();
        self.commands.leave();
        let Some(prompt) = self.prompt.take() else {
            return false;
        };
        if let Asking::Filter { before } = prompt.asking {
            self.set_filter(before);
        }
        true
    }

    /// The filter was kept: it can be had again.
    pub(super) fn remember_filter(&mut self) {
        self.filters.add(&self.sieve.filter.to_string());
        if let Some(path) = &self.custom.history_file {
            let text = self.filters.lines().join("\n") + "\n";
            let path = path.clone();
            let what = crate::job::Saved::History;
            self.jobs
                .push_back(crate::job::Job::Save { path, text, what });
        }
    }
}
