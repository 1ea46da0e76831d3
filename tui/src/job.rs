//! What is to be done outside of the state: it is asked for there, done by the loop of the screen,
//! and what became of it is told to the state again.

use std::path::PathBuf;

use collector::identity::process::Living;
use collector::model::{Hello, Timestamp};
use collector::source::replay::Playing;

use crate::app::Wanted;
use crate::export::{Export, Outcome};

/// Something to be done.
#[derive(Debug)]
pub(crate) enum Job {
    /// Write rows into a file. On another thread: it may take seconds.
    Export(Box<Export>),
    /// Write a small file of the user's own, in the place of the one that is there.
    Save {
        path: PathBuf,
        text: String,
        what: Saved,
    },
    /// Write the columns of a view into the configuration.
    SaveColumns {
        path: PathBuf,
        view: &'static str,
        columns: Vec<String>,
    },
    /// Write all that comes from now on to a file, which begins with these greetings.
    Record { path: PathBuf, hellos: Vec<Hello> },
    /// Hand text to the clipboard of whoever sits before the terminal.
    Copy(String),
    /// Play the recording in this way.
    Play(Playing),
    /// Begin anew with another source.
    Again(Again),
    /// Look a process up. On another thread: `/proc` may let one wait.
    LookUp(Wanted),
}

/// What is to be watched instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// The recording, from that moment on.
    From(Timestamp),
    /// The cluster of this context.
    Context(String),
    /// All namespaces of the cluster.
    AllNamespaces,
}

/// What is watched now.
#[derive(Debug)]
pub(crate) struct Watching {
    /// What it is called.
    pub(crate) source: String,
    /// The namespace to begin with, where there is one that was not asked for.
    pub(crate) namespace: Option<String>,
    /// Only some namespaces are asked for.
    pub(crate) scoped: bool,
}

/// What is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    History,
    Columns,
    Recording,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Done {
    /// Rows were written, or were not.
    Exported(Outcome),
    /// A process was looked up; it may be gone.
    LookedUp(Wanted, Option<Living>),
    /// Something was saved in that file, or was not for that reason.
    Saved(Saved, Result<String, String>),
    /// Something else is watched, or is not for that reason.
    Again(Result<Watching, String>),
}
