//! What is to be said at the foot of the screen until the next key: what became of something, or a
//! question.

use super::App;
use crate::export::Export;
use crate::job::Job;

/// A sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

/// How a sentence is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It was done.
    Good,
    /// To take note of.
    Note,
    /// It went wrong.
    Bad,
}

impl Message {
    pub(crate) fn good(text: impl Into<String>) -> Self {
        Self::new(text, Tone::Good)
    }

    pub(crate) fn note(text: impl Into<String>) -> Self {
        Self::new(text, Tone::Note)
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(text, Tone::Bad)
    }

    fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
        }
    }
}

/// Something that is not done without a yes.
#[derive(Debug)]
pub(crate) enum Question {
    /// Shall this replace the file that is there?
    Replace(Box<Export>),
}

impl Question {
    /// The question, as far as its yes and no.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Replace(export) => {
                format!("{} exists: overwrite it?", export.path.display())
            }
        }
    }
}

impl App {
    pub(crate) fn message(&self) -> Option<&Message> {
        self.message.as_ref()
    }

    pub(crate) fn question(&self) -> Option<&Question> {
        self.question.as_ref()
    }

    pub(super) fn answer(&mut self, yes: bool) {
        match self.question.take() {
            Some(Question::Replace(export)) if yes => self.jobs.push_back(Job::Export(export)),
            Some(Question::Replace(_)) => {
                self.exporting = None;
                self.message = Some(Message::note("nothing was written"));
            }
            None => {}
        }
    }
}
