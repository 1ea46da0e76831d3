//! Everything that can change what is on the screen.

use collector::model::{EventType, Update};
use ratatui::layout::Size;
use tui_input::InputRequest;

use crate::app::What;
use crate::job::Done;
use crate::keymap::Key;
use crate::view::Motion;

/// What a person can ask for: what keys are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Move the selection, or what is open above the rows.
    Move(Motion),
    /// Show a view.
    Show(Tab),
    /// Show the next view.
    NextTab,
    /// Open what is behind the selected row.
    Drill,
    /// Show or hide events of a type.
    Toggle(EventType),
    /// Freeze what is shown, or thaw it.
    Pause,
    /// All columns at their full widths, or those that fit.
    Wide,
    /// Sort by the next column on that side.
    Sort(Side),
    /// Sort the other way round.
    Invert,
    /// Mark the selected row, or take its mark away.
    Mark,
    /// Mark all rows from the one that was marked last to the selected one.
    MarkRange,
    /// Take all marks away.
    Unmark,
    /// Hand the selected row, or a cell of it, to the terminal's clipboard.
    Copy(What),
    /// Open the prompt for a file to write rows to.
    Export,
    /// Open the filter prompt.
    Filter,
    /// Keep what was typed.
    Keep,
    /// Complete what was typed: with the next choice, or with the one before.
    Complete { forth: bool },
    /// Answer a question.
    Answer { yes: bool },
    /// Close what is topmost.
    Back,
    /// Open or close the help.
    Help,
    /// Draw everything again.
    Repaint,
    /// Stop, and let the shell have the terminal.
    Suspend,
    /// End the program.
    Quit,
}

/// A view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    Events,
    Connections,
}

impl Tab {
    pub(crate) const ALL: [Self; 2] = [Self::Events, Self::Connections];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Connections => "connections",
        }
    }
}

/// A direction along the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Action {
    /// Somebody asked for it.
    Command(Command),
    /// A key that only means something with the next one.
    Begin(Key),
    /// A key that means nothing after the one before it.
    Cancel,
    /// Something was typed at the prompt.
    Edit(InputRequest),
    /// Text was pasted at the prompt.
    Paste(String),
    /// The mouse was pressed at a cell of the screen.
    Click { column: u16, line: u16 },
    /// The wheel moved by that many notches, down if positive.
    Wheel(isize),
    /// The terminal has another size.
    Resize(Size),
    /// The source said something.
    Update(Update),
    /// Something that was to be done outside of the state is done.
    Done(Done),
    /// The source has nothing more to say.
    Over,
    /// A second has passed.
    Second,
    /// There is time for what was put off.
    CatchUp,
}

/// What is to be done about it, outside of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Effect {
    /// Nothing: the screen is as it was.
    Nothing,
    /// Draw what has changed.
    Draw,
    /// Draw everything, whatever is on the terminal.
    Repaint,
    /// Leave the terminal to the shell.
    Suspend,
    /// End.
    Quit,
}
