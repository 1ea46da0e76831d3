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
    /// Show the view before this one.
    PreviousTab,
    /// Open what is behind the selected row.
    Drill,
    /// Show or hide events of a type.
    Toggle(EventType),
    /// Freeze what is shown, or thaw it; hold a recording, or let it go on.
    Pause,
    /// Play a recording from a little earlier on, or later.
    Seek { forth: bool },
    /// Play a recording faster, or slower.
    Speed { up: bool },
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
    /// Open the prompt for a command.
    Ask,
    /// Open the list of namespaces, or of pods.
    Pick(Picks),
    /// Let events of all namespaces pass.
    AllNamespaces,
    /// Keep what was typed.
    Keep,
    /// Complete what was typed: with the next choice, or with the one before.
    Complete { forth: bool },
    /// Take what was typed before, or go on in a list.
    Recall { older: bool },
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

impl Command {
    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Move(Motion::Up) => "up",
            Self::Move(Motion::Down) => "down",
            Self::Move(Motion::HalfPageUp) => "half-page-up",
            Self::Move(Motion::HalfPageDown) => "half-page-down",
            Self::Move(Motion::PageUp) => "page-up",
            Self::Move(Motion::PageDown) => "page-down",
            Self::Move(Motion::First) => "first",
            Self::Move(Motion::Last) => "last",
            Self::Show(tab) => tab.title(),
            Self::NextTab => "next-view",
            Self::PreviousTab => "previous-view",
            Self::Toggle(EventType::Connect) => "toggle-connect",
            Self::Toggle(EventType::Accept) => "toggle-accept",
            Self::Toggle(EventType::Close) => "toggle-close",
            Self::Toggle(EventType::Unknown) => "toggle-unknown",
            Self::Drill => "open",
            Self::Pause => "pause",
            Self::Seek { forth: false } => "seek-back",
            Self::Seek { forth: true } => "seek-forth",
            Self::Speed { up: false } => "slower",
            Self::Speed { up: true } => "faster",
            Self::Wide => "wide",
            Self::Sort(Side::Left) => "sort-left",
            Self::Sort(Side::Right) => "sort-right",
            Self::Invert => "invert",
            Self::Mark => "mark",
            Self::MarkRange => "mark-range",
            Self::Unmark => "unmark",
            Self::Copy(What::Cell) => "copy-cell",
            Self::Copy(What::Record) => "copy-row",
            Self::Export => "export",
            Self::Filter => "filter",
            Self::Ask => "command",
            Self::Pick(Picks::Namespace) => "pick-namespace",
            Self::Pick(Picks::Pod) => "pick-pod",
            Self::AllNamespaces => "all-namespaces",
            Self::Keep => "accept",
            Self::Complete { forth: true } => "complete",
            Self::Complete { forth: false } => "complete-back",
            Self::Recall { older: true } => "older",
            Self::Recall { older: false } => "newer",
            Self::Answer { yes: true } => "yes",
            Self::Answer { yes: false } => "no",
            Self::Back => "back",
            Self::Help => "help",
            Self::Repaint => "repaint",
            Self::Suspend => "suspend",
            Self::Quit => "quit",
        }
    }
}

/// What there is a list of to pick from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Picks {
    Namespace,
    Pod,
}

/// A view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    Events,
    Connections,
    Pods,
    Types,
    Problems,
    Nodes,
}

impl Tab {
    pub(crate) const ALL: [Self; 6] = [
        Self::Events,
        Self::Connections,
        Self::Pods,
        Self::Types,
        Self::Problems,
        Self::Nodes,
    ];

    /// It is a list of sums, neither of events nor of connections.
    pub(crate) fn is_list(self) -> bool {
        !matches!(self, Self::Events | Self::Connections)
    }

    /// The one so many places on, as in a ring.
    pub(crate) fn after(self, places: usize) -> Self {
        Self::ALL[(self as usize + places) % Self::ALL.len()]
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Connections => "connections",
            Self::Pods => "pods",
            Self::Types => "types",
            Self::Problems => "problems",
            Self::Nodes => "nodes",
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
    /// What comes now is from another source of that name, and the namespace that is looked at there,
    /// if it is another one.
    Switch(String, Option<String>),
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
