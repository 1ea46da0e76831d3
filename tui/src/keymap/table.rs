//! The table.

use collector::model::EventType;
use crossterm::event::KeyCode;

use super::key::{Key, ch, ctrl, key};
use crate::action::{Command, Picks, Side, Tab};
use crate::app::What;
use crate::view::Motion;

/// Where a key means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// The rows are uncovered.
    Rows,
    /// The rows are uncovered, and each is an event or a connection.
    Records,
    /// The rows are uncovered, and are those of a recording.
    Replay,
    /// There is something behind what is shown or selected.
    Drill,
    /// There is something that Esc closes.
    Closable,
    /// A prompt is open.
    Prompt,
    /// The prompt that is open is for a filter or a command.
    Text,
    /// The prompt for this is open.
    At(Asks),
    /// A question is to be answered.
    Asked,
}

/// What a prompt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    Filter,
    Command,
    Export,
    Pick,
}

impl Asks {
    pub(crate) const ALL: [Self; 4] = [Self::Filter, Self::Command, Self::Export, Self::Pick];
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    /// The keys, each of them a sequence.
    pub(crate) keys: &'static [&'static [Key]],
    pub(crate) command: Command,
    pub(crate) when: When,
    /// What the help says; several lines that say the same are one there.
    pub(crate) help: &'static str,
    /// The word in the footer, of those that stand there, and how soon it goes where there is no
    /// room: the highest number first.
    pub(crate) footer: Option<(&'static str, u8)>,
}

const fn bind(
    keys: &'static [&'static [Key]],
    command: Command,
    when: When,
    help: &'static str,
) -> Binding {
    Binding {
        keys,
        command,
        when,
        help,
        footer: None,
    }
}

impl Binding {
    const fn footer(self, word: &'static str) -> Self {
        self.footer_until(word, 0)
    }

    const fn footer_until(mut self, word: &'static str, rank: u8) -> Self {
        self.footer = Some((word, rank));
        self
    }
}

/// The bindings, under the titles that they have in the help.
#[rustfmt::skip] // A table.
pub(crate) const BINDINGS: [(&str, &[Binding]); 6] = {
    use Command::{
        AllNamespaces, Answer, Ask, Back, Complete, Copy, Drill, Export, Filter, Help, Invert,
        Keep, Mark, MarkRange, Move, NextTab, Pause, Pick, PreviousTab, Quit, Recall, Repaint,
        Seek, Show, Sort, Speed, Suspend, Toggle, Unmark,
    };
    use EventType::{Accept, Close, Connect, Unknown};
    use When::{Always, Asked, At, Closable, Prompt, Records, Replay, Rows, Text};
    /// Stands at the end of the footer.
    const LAST: u8 = u8::MAX;
    [
        ("Moving", &[
            bind(&[&[ch('j')], &[key(KeyCode::Down)]], Move(Motion::Down), Always, "down"),
            bind(&[&[ch('k')], &[key(KeyCode::Up)]], Move(Motion::Up), Always, "up"),
            bind(&[&[ctrl('d')]], Move(Motion::HalfPageDown), Always, "half a page down"),
            bind(&[&[ctrl('u')]], Move(Motion::HalfPageUp), Always, "half a page up"),
            bind(&[&[key(KeyCode::PageDown)], &[ctrl('f')]], Move(Motion::PageDown), Always, "a page down"),
            bind(&[&[key(KeyCode::PageUp)], &[ctrl('b')]], Move(Motion::PageUp), Always, "a page up"),
            bind(&[&[ch('g'), ch('g')], &[key(KeyCode::Home)]], Move(Motion::First), Always, "first row"),
            bind(&[&[ch('G')], &[key(KeyCode::End)]], Move(Motion::Last), Always, "last row; follow by TIME"),
        ]),
        ("What is shown", &[
            bind(&[&[ch('/')]], Filter, Rows, "filter: port:443 !comm:curl").footer_until("filter", 1),
            bind(&[&[ch(':')]], Ask, Rows, "a command, such as :theme").footer_until("command", 7),
            bind(&[&[ch('n')]], Pick(Picks::Namespace), Rows, "pick a namespace").footer_until("namespace", 11),
            bind(&[&[ch('p')]], Pick(Picks::Pod), Rows, "pick a pod").footer_until("pod", 12),
            bind(&[&[ch('0')]], AllNamespaces, Rows, "all namespaces"),
            bind(&[&[ch('P')]], Pause, Rows, "pause, resume").footer_until("pause", 5),
            bind(&[&[ch('[')]], Seek { forth: false }, Replay, "recording: 10 s back").footer_until("seek", 5),
            bind(&[&[ch(']')]], Seek { forth: true }, Replay, "recording: 10 s forth").footer_until("seek", 5),
            bind(&[&[ch('<')]], Speed { up: false }, Replay, "recording: half as fast").footer_until("speed", 5),
            bind(&[&[ch('>')]], Speed { up: true }, Replay, "recording: twice as fast").footer_until("speed", 5),
            bind(&[&[ch('t'), ch('c')]], Toggle(Connect), Rows, "show or hide C, connects").footer_until("connect", 8),
            bind(&[&[ch('t'), ch('a')]], Toggle(Accept), Rows, "show or hide A, accepts").footer_until("accept", 8),
            bind(&[&[ch('t'), ch('x')]], Toggle(Close), Rows, "show or hide X, closes").footer_until("close", 8),
            bind(&[&[ch('t'), ch('u')]], Toggle(Unknown), Rows, "show or hide U, unknown").footer_until("unknown", 8),
            bind(&[&[ch('w')]], Command::Wide, Rows, "wide: all columns, whole").footer_until("wide", 10),
            bind(&[&[key(KeyCode::Left)], &[ch('h')]], Sort(Side::Left), Rows, "sort by the column left").footer_until("sort", 9),
            bind(&[&[key(KeyCode::Right)], &[ch('l')]], Sort(Side::Right), Rows, "sort by the column right").footer_until("sort", 9),
            bind(&[&[ch('i')]], Invert, Rows, "sort the other way round").footer_until("invert", 13),
        ]),
        ("Views", &[
            bind(&[&[ch('1')]], Show(Tab::Events), Rows, "events as they happen"),
            bind(&[&[ch('2')]], Show(Tab::Connections), Rows, "connections, open and ended"),
            bind(&[&[ch('3')]], Show(Tab::Pods), Rows, "pods, or units, or commands"),
            bind(&[&[ch('4')]], Show(Tab::Types), Rows, "types and reasons"),
            bind(&[&[ch('5')]], Show(Tab::Problems), Rows, "problems and findings"),
            bind(&[&[ch('6')]], Show(Tab::Nodes), Rows, "nodes"),
            bind(&[&[key(KeyCode::Tab)]], NextTab, Rows, "the next view").footer_until("view", 6),
            bind(&[&[key(KeyCode::BackTab)]], PreviousTab, Rows, "the view before"),
            bind(&[&[key(KeyCode::Enter)]], Drill, When::Drill, "what is behind the row").footer_until("open", 2),
        ]),
        ("Marked rows and files", &[
            bind(&[&[ch(' ')]], Mark, Records, "mark, or unmark").footer_until("mark", 3),
            bind(&[&[ch('v')], &[ctrl(' ')]], MarkRange, Records, "mark from last mark to here").footer_until("range", 14),
            bind(&[&[ch('V')]], Unmark, Records, "take all marks away"),
            bind(&[&[ch('s')], &[ctrl('s')]], Export, Rows, "export marked, else all rows").footer_until("export", 4),
            bind(&[&[ch('y')]], Copy(What::Cell), Rows, "copy cell of the sort column"),
            bind(&[&[ch('Y')]], Copy(What::Record), Rows, "copy row as JSON").footer_until("copy", 15),
        ]),
        ("At a prompt", &[
            bind(&[&[key(KeyCode::Enter)]], Keep, Prompt, "take what was typed").footer("ok"),
            bind(&[&[key(KeyCode::Esc)]], Back, Prompt, "leave all as it was").footer("cancel"),
            bind(&[&[key(KeyCode::Tab)]], Complete { forth: true }, Text, "complete; again, the next").footer("complete"),
            bind(&[&[key(KeyCode::Tab)]], Complete { forth: true }, At(Asks::Export), "export: another format").footer("format"),
            bind(&[&[key(KeyCode::BackTab)]], Complete { forth: false }, Prompt, "the completion before"),
            bind(&[&[key(KeyCode::Up)], &[ctrl('p')]], Recall { older: true }, Text, "what was typed before").footer("before"),
            bind(&[&[key(KeyCode::Down)], &[ctrl('n')]], Recall { older: false }, Text, "what was typed after that"),
            bind(&[&[key(KeyCode::Up)], &[ctrl('p')]], Recall { older: true }, At(Asks::Pick), "list: up").footer("up"),
            bind(&[&[key(KeyCode::Down)], &[ctrl('n')]], Recall { older: false }, At(Asks::Pick), "list: down").footer("down"),
            bind(&[&[ch('y')]], Answer { yes: true }, Asked, "yes").footer("yes"),
            bind(&[&[ch('n')], &[key(KeyCode::Esc)]], Answer { yes: false }, Asked, "no").footer("no"),
        ]),
        ("Program", &[
            bind(&[&[key(KeyCode::Esc)]], Back, Closable, "back: detail, filter, marks").footer_until("back", 2),
            bind(&[&[ch('?')]], Help, Always, "this help").footer_until("help", LAST),
            bind(&[&[ctrl('l')]], Repaint, Always, "draw the screen again"),
            bind(&[&[ctrl('z')]], Suspend, Always, "suspend, until `fg`"),
            bind(&[&[ch('q')], &[ctrl('c')]], Quit, Always, "quit").footer_until("quit", LAST),
        ]),
    ]
};

/// What the keys that begin this are about.
pub(super) fn prefix_word(command: Command) -> Option<&'static str> {
    matches!(command, Command::Toggle(_)).then_some("types")
}

/// The names of all actions, in the order of the table.
pub(crate) fn actions() -> Vec<&'static str> {
    let mut names = Vec::new();
    for (_, bindings) in &BINDINGS {
        for binding in *bindings {
            let name = binding.command.name();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}
