//! What is to be done outside of the state: it is asked for there, done by the loop of the screen,
//! and what became of it is told to the state again.

use std::path::PathBuf;

use collector::identity::process::Living;
use collector::model::{Hello, Timestamp};
use collector::source::replay::Playing;

use crate::app::Wanted;
use crate::contexts::Switched;
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
    /// Watch the cluster of that context from now on.
    Switch(String),
    /// Write all that comes from now on to a file, which begins with these greetings.
    Record { path: PathBuf, hellos: Vec<Hello> },
    /// End the recording that goes on.
    EndRecording,
    /// Hand text to the clipboard of whoever sits before the terminal.
    Copy(String),
    /// Play the recording in this way.
    Play(Playing),
    /// Play the recording from that moment on.
    Seek(Timestamp),
    /// Look a process up. On another thread: `/proc` may let one wait.
    LookUp(Wanted),
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
    /// The cluster of another context can be watched, or can't for that reason.
    Switched(Result<Box<Switched>, String>),
}
