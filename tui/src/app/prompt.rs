//! The line that is typed into: a filter, a command, the name of a file.

use collector::export::Format;
use collector::filter::{Filter, FilterError};
use tui_input::{Input, InputRequest};

use super::App;
use crate::keymap::Asks;

/// A prompt, while it is open.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) input: Input,
    /// What is wrong with the text.
    pub(crate) error: Option<Complaint>,
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
    /// The name of a file for rows.
    Export { format: Format },
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
            asking,
        }
    }

    pub(crate) fn asks(&self) -> Asks {
        match self.asking {
            Asking::Filter { .. } => Asks::Filter,
            Asking::Export { .. } => Asks::Export,
        }
    }
}

impl App {
    /// Opens the prompt for the filter.
    pub(super) fn ask_filter(&mut self) {
        let before = self.sieve.filter.clone();
        self.prompt = Some(Prompt::new(before.to_string(), Asking::Filter { before }));
    }

    pub(super) fn edit(&mut self, requests: impl IntoIterator<Item = InputRequest>) {
        let Some(prompt) = &mut self.prompt else {
            return;
        };
        for request in requests {
            prompt.input.handle(request);
        }
        prompt.error = None;
        self.typed();
    }

    /// The text at the prompt is another one.
    fn typed(&mut self) {
        let Some(prompt) = &mut self.prompt else {
            return;
        };
        match &mut prompt.asking {
            Asking::Filter { .. } => match Filter::parse(prompt.input.value()) {
                Ok(filter) => self.set_filter(filter),
                Err(error) => prompt.error = Some(error.into()),
            },
            Asking::Export { format } => {
                let name = std::path::Path::new(prompt.input.value());
                *format = Format::of(name).unwrap_or(*format);
            }
        }
    }

    /// What was typed is what is wanted.
    pub(super) fn keep(&mut self) {
        // What is wrong is not kept.
        let Some(prompt) = self.prompt.take_if(|prompt| prompt.error.is_none()) else {
            return;
        };
        match prompt.asking {
            Asking::Filter { .. } => {}
            Asking::Export { format } => self.export_to(&prompt, format),
        }
    }

    /// Completes what is typed.
    pub(super) fn complete(&mut self, forth: bool) {
        let Some(prompt) = &mut self.prompt else {
            return;
        };
        match &mut prompt.asking {
            Asking::Filter { .. } => {}
            Asking::Export { .. } => self.next_format(forth),
        }
    }

    /// Closes the prompt, and leaves everything as it was before.
    pub(super) fn abandon(&mut self) -> bool {
        let Some(prompt) = self.prompt.take() else {
            return false;
        };
        match prompt.asking {
            Asking::Filter { before } => self.set_filter(before),
            Asking::Export { .. } => {}
        }
        true
    }
}
