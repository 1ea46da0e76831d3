//! Which key does what: one table, which a configuration can change. The footer and the help are
//! made from it.

mod parse;

#[cfg(test)]
pub(crate) use self::parse::actions;

use std::fmt;
use std::sync::LazyLock;

use collector::model::EventType;
use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::Size;
use tui_input::backend::crossterm::to_input_request;

use crate::action::{Action, Command, Picks, Side, Tab};
use crate::app::What;
use crate::view::Motion;

/// A key with or without Ctrl. Shift is part of the character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    code: KeyCode,
    ctrl: bool,
}

const fn key(code: KeyCode) -> Key {
    Key { code, ctrl: false }
}

const fn ch(c: char) -> Key {
    key(KeyCode::Char(c))
}

const fn ctrl(c: char) -> Key {
    Key {
        code: KeyCode::Char(c),
        ctrl: true,
    }
}

impl Key {
    /// The key of a terminal's event; those with Alt and the like have no meaning here.
    fn of(event: KeyEvent) -> Option<Self> {
        let rest = event.modifiers - KeyModifiers::SHIFT - KeyModifiers::CONTROL;
        (event.kind != KeyEventKind::Release && rest.is_empty()).then_some(Self {
            code: event.code,
            ctrl: event.modifiers.contains(KeyModifiers::CONTROL),
        })
    }
}

/// As the documentation writes keys: `j`, `^d`, `PgDn`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("^")?;
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("Space"),
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            KeyCode::Esc => f.write_str("Esc"),
            KeyCode::F(n) => write!(f, "F{n}"),
            other => write!(f, "{other:?}"),
        }
    }
}

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
        (
            "Moving",
            &[
                bind(
                    &[&[ch('j')], &[key(KeyCode::Down)]],
                    Move(Motion::Down),
                    Always,
                    "down",
                ),
                bind(
                    &[&[ch('k')], &[key(KeyCode::Up)]],
                    Move(Motion::Up),
                    Always,
                    "up",
                ),
                bind(
                    &[&[ctrl('d')]],
                    Move(Motion::HalfPageDown),
                    Always,
                    "half a page down",
                ),
                bind(
                    &[&[ctrl('u')]],
                    Move(Motion::HalfPageUp),
                    Always,
                    "half a page up",
                ),
                bind(
                    &[&[key(KeyCode::PageDown)], &[ctrl('f')]],
                    Move(Motion::PageDown),
                    Always,
                    "a page down",
                ),
                bind(
                    &[&[key(KeyCode::PageUp)], &[ctrl('b')]],
                    Move(Motion::PageUp),
                    Always,
                    "a page up",
                ),
                bind(
                    &[&[ch('g'), ch('g')], &[key(KeyCode::Home)]],
                    Move(Motion::First),
                    Always,
                    "first row",
                ),
                bind(
                    &[&[ch('G')], &[key(KeyCode::End)]],
                    Move(Motion::Last),
                    Always,
                    "last row; follow by TIME",
                ),
            ],
        ),
        (
            "What is shown",
            &[
                bind(&[&[ch('/')]], Filter, Rows, "filter: port:443 !comm:curl")
                    .footer_until("filter", 1),
                bind(&[&[ch(':')]], Ask, Rows, "a command, such as :theme")
                    .footer_until("command", 7),
                bind(
                    &[&[ch('n')]],
                    Pick(Picks::Namespace),
                    Rows,
                    "pick a namespace",
                )
                .footer_until("namespace", 11),
                bind(&[&[ch('p')]], Pick(Picks::Pod), Rows, "pick a pod").footer_until("pod", 12),
                bind(&[&[ch('0')]], AllNamespaces, Rows, "all namespaces"),
                bind(&[&[ch('P')]], Pause, Rows, "pause, resume").footer_until("pause", 5),
                bind(
                    &[&[ch('[')]],
                    Seek { forth: false },
                    Replay,
                    "recording: 10 s back",
                )
                .footer_until("seek", 5),
                bind(
                    &[&[ch(']')]],
                    Seek { forth: true },
                    Replay,
                    "recording: 10 s forth",
                )
                .footer_until("seek", 5),
                bind(
                    &[&[ch('<')]],
                    Speed { up: false },
                    Replay,
                    "recording: half as fast",
                )
                .footer_until("speed", 5),
                bind(
                    &[&[ch('>')]],
                    Speed { up: true },
                    Replay,
                    "recording: twice as fast",
                )
                .footer_until("speed", 5),
                bind(
                    &[&[ch('t'), ch('c')]],
                    Toggle(Connect),
                    Rows,
                    "show or hide C, connects",
                )
                .footer_until("connect", 8),
                bind(
                    &[&[ch('t'), ch('a')]],
                    Toggle(Accept),
                    Rows,
                    "show or hide A, accepts",
                )
                .footer_until("accept", 8),
                bind(
                    &[&[ch('t'), ch('x')]],
                    Toggle(Close),
                    Rows,
                    "show or hide X, closes",
                )
                .footer_until("close", 8),
                bind(
                    &[&[ch('t'), ch('u')]],
                    Toggle(Unknown),
                    Rows,
                    "show or hide U, unknown",
                )
                .footer_until("unknown", 8),
                bind(
                    &[&[ch('w')]],
                    Command::Wide,
                    Rows,
                    "wide: all columns, whole",
                )
                .footer_until("wide", 10),
                bind(
                    &[&[key(KeyCode::Left)], &[ch('h')]],
                    Sort(Side::Left),
                    Rows,
                    "sort by the column left",
                )
                .footer_until("sort", 9),
                bind(
                    &[&[key(KeyCode::Right)], &[ch('l')]],
                    Sort(Side::Right),
                    Rows,
                    "sort by the column right",
                )
                .footer_until("sort", 9),
                bind(&[&[ch('i')]], Invert, Rows, "sort the other way round")
                    .footer_until("invert", 13),
            ],
        ),
        (
            "Views",
            &[
                bind(
                    &[&[ch('1')]],
                    Show(Tab::Events),
                    Rows,
                    "events as they happen",
                ),
                bind(
                    &[&[ch('2')]],
                    Show(Tab::Connections),
                    Rows,
                    "connections, open and ended",
                ),
                bind(
                    &[&[ch('3')]],
                    Show(Tab::Pods),
                    Rows,
                    "pods, or units, or commands",
                ),
                bind(&[&[ch('4')]], Show(Tab::Types), Rows, "types and reasons"),
                bind(
                    &[&[ch('5')]],
                    Show(Tab::Problems),
                    Rows,
                    "problems and findings",
                ),
                bind(&[&[ch('6')]], Show(Tab::Nodes), Rows, "nodes"),
                bind(&[&[key(KeyCode::Tab)]], NextTab, Rows, "the next view")
                    .footer_until("view", 6),
                bind(
                    &[&[key(KeyCode::BackTab)]],
                    PreviousTab,
                    Rows,
                    "the view before",
                ),
                bind(
                    &[&[key(KeyCode::Enter)]],
                    Drill,
                    When::Drill,
                    "what is behind the row",
                )
                .footer_until("open", 2),
            ],
        ),
        (
            "Marked rows and files",
            &[
                bind(&[&[ch(' ')]], Mark, Records, "mark, or unmark").footer_until("mark", 3),
                bind(
                    &[&[ch('v')], &[ctrl(' ')]],
                    MarkRange,
                    Records,
                    "mark from last mark to here",
                )
                .footer_until("range", 14),
                bind(&[&[ch('V')]], Unmark, Records, "take all marks away"),
                bind(
                    &[&[ch('s')], &[ctrl('s')]],
                    Export,
                    Rows,
                    "export marked, else all rows",
                )
                .footer_until("export", 4),
                bind(
                    &[&[ch('y')]],
                    Copy(What::Cell),
                    Rows,
                    "copy cell of the sort column",
                ),
                bind(&[&[ch('Y')]], Copy(What::Record), Rows, "copy row as JSON")
                    .footer_until("copy", 15),
            ],
        ),
        (
            "At a prompt",
            &[
                bind(
                    &[&[key(KeyCode::Enter)]],
                    Keep,
                    Prompt,
                    "take what was typed",
                )
                .footer("ok"),
                bind(&[&[key(KeyCode::Esc)]], Back, Prompt, "leave all as it was").footer("cancel"),
                bind(
                    &[&[key(KeyCode::Tab)]],
                    Complete { forth: true },
                    Text,
                    "complete; again, the next",
                )
                .footer("complete"),
                bind(
                    &[&[key(KeyCode::Tab)]],
                    Complete { forth: true },
                    At(Asks::Export),
                    "export: another format",
                )
                .footer("format"),
                bind(
                    &[&[key(KeyCode::BackTab)]],
                    Complete { forth: false },
                    Prompt,
                    "the completion before",
                ),
                bind(
                    &[&[key(KeyCode::Up)], &[ctrl('p')]],
                    Recall { older: true },
                    Text,
                    "what was typed before",
                )
                .footer("before"),
                bind(
                    &[&[key(KeyCode::Down)], &[ctrl('n')]],
                    Recall { older: false },
                    Text,
                    "what was typed after that",
                ),
                bind(
                    &[&[key(KeyCode::Up)], &[ctrl('p')]],
                    Recall { older: true },
                    At(Asks::Pick),
                    "list: up",
                )
                .footer("up"),
                bind(
                    &[&[key(KeyCode::Down)], &[ctrl('n')]],
                    Recall { older: false },
                    At(Asks::Pick),
                    "list: down",
                )
                .footer("down"),
                bind(&[&[ch('y')]], Answer { yes: true }, Asked, "yes").footer("yes"),
                bind(
                    &[&[ch('n')], &[key(KeyCode::Esc)]],
                    Answer { yes: false },
                    Asked,
                    "no",
                )
                .footer("no"),
            ],
        ),
        (
            "Program",
            &[
                bind(
                    &[&[key(KeyCode::Esc)]],
                    Back,
                    Closable,
                    "back: detail, filter, marks",
                )
                .footer_until("back", 2),
                bind(&[&[ch('?')]], Help, Always, "this help").footer_until("help", LAST),
                bind(&[&[ctrl('l')]], Repaint, Always, "draw the screen again"),
                bind(&[&[ctrl('z')]], Suspend, Always, "suspend, until `fg`"),
                bind(&[&[ch('q')], &[ctrl('c')]], Quit, Always, "quit").footer_until("quit", LAST),
            ],
        ),
    ]
};

/// A line of the table with the keys that it has in this run.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) binding: &'static Binding,
    pub(crate) keys: Vec<Vec<Key>>,
}

/// The table with the keys that it has in this run.
#[derive(Debug)]
pub(crate) struct Keymap {
    pub(crate) sections: Vec<(&'static str, Vec<Bound>)>,
}

static USUAL: LazyLock<Keymap> = LazyLock::new(|| {
    let bound = |binding: &'static Binding| Bound {
        binding,
        keys: binding.keys.iter().map(|keys| keys.to_vec()).collect(),
    };
    let section = |(title, bindings): &(&'static str, &'static [Binding])| {
        (*title, bindings.iter().map(bound).collect())
    };
    Keymap {
        sections: BINDINGS.iter().map(section).collect(),
    }
});

/// The keys as the table has them.
impl Default for &'static Keymap {
    fn default() -> Self {
        &USUAL
    }
}

impl Keymap {
    pub(crate) fn bound(&self) -> impl Iterator<Item = &Bound> {
        self.sections.iter().flat_map(|(_, bound)| bound)
    }
}

/// What the keys depend on.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own"
)]
pub(crate) struct Mode {
    /// A prompt is open.
    pub(crate) prompt: Option<Asks>,
    /// A question is to be answered.
    pub(crate) asked: bool,
    /// Something covers the rows.
    pub(crate) covered: bool,
    /// The rows are events or connections.
    pub(crate) records: bool,
    /// What is shown is a recording.
    pub(crate) replay: bool,
    /// There is something behind what is shown or selected.
    pub(crate) drill: bool,
    /// There is something that Esc closes.
    pub(crate) closable: bool,
    /// The key before, if it only means something with this one.
    pub(crate) begun: Option<Key>,
    /// The keys of this run.
    pub(crate) keymap: &'static Keymap,
}

impl Mode {
    fn allows(self, when: When) -> bool {
        match when {
            When::Asked => self.asked,
            _ if self.asked => false,
            When::Prompt => self.prompt.is_some(),
            When::Text => matches!(self.prompt, Some(Asks::Filter | Asks::Command)),
            When::At(asks) => self.prompt == Some(asks),
            _ if self.prompt.is_some() => false,
            When::Always => true,
            When::Rows => !self.covered,
            When::Records => !self.covered && self.records,
            When::Replay => !self.covered && self.replay,
            When::Drill => self.drill,
            When::Closable => self.closable,
        }
    }

    /// The bindings that work now, each with the keys of it that are still to be pressed.
    fn working(self) -> impl Iterator<Item = (&'static Binding, &'static [Key])> {
        let bound = self.keymap.bound();
        bound
            .filter(move |bound| self.allows(bound.binding.when))
            .flat_map(|bound| bound.keys.iter().map(|keys| (bound.binding, &keys[..])))
            .filter_map(move |(b, keys)| match self.begun {
                None => Some((b, keys)),
                Some(begun) if keys[0] == begun && keys.len() > 1 => Some((b, &keys[1..])),
                Some(_) => None,
            })
    }

    /// What stands in the footer: keys and words, what is needed first in front.
    pub(crate) fn footer(self) -> Vec<(String, &'static str)> {
        let mut out: Vec<(u8, Command, String, &'static str)> = Vec::new();
        for (binding, keys) in self.working() {
            let choices = prefix_word(binding.command).filter(|_| keys.len() > 1);
            let word = match binding.footer {
                None if self.begun.is_some() => Some((binding.help, 0)),
                word => word.map(|(word, rank)| (choices.unwrap_or(word), rank)),
            };
            let Some((word, rank)) = word else { continue };
            // Of keys that begin with the same one, and have a word for all of them, that one.
            let shown = if choices.is_some() { &keys[..1] } else { keys };
            let shown: Vec<String> = shown.iter().map(ToString::to_string).collect();
            let shown = shown.join(" ");
            match out.iter_mut().find(|(.., known)| *known == word) {
                // Of several keys for one thing, the first; of both ways of one thing, both.
                Some((_, command, keys, _)) => {
                    if choices.is_none() && *command != binding.command {
                        *command = binding.command;
                        *keys = format!("{keys}/{shown}");
                    }
                }
                None => out.push((rank, binding.command, shown, word)),
            }
        }
        out.sort_by_key(|(rank, ..)| *rank);
        out.into_iter()
            .map(|(_, _, keys, word)| (keys, word))
            .collect()
    }

    /// What a key means.
    fn press(self, key: Key) -> Option<Action> {
        let mut prefix = false;
        for (binding, keys) in self.working() {
            if keys[0] == key {
                if keys.len() == 1 {
                    return Some(Action::Command(binding.command));
                }
                prefix = true;
            }
        }
        match (prefix, self.begun) {
            (true, None) => Some(Action::Begin(key)),
            (_, Some(_)) => Some(Action::Cancel),
            (false, None) => None,
        }
    }
}

/// What the keys that begin this are about.
fn prefix_word(command: Command) -> Option<&'static str> {
    matches!(command, Command::Toggle(_)).then_some("types")
}

/// What an event of the terminal means in a mode.
pub(crate) fn resolve(event: &Event, mode: Mode) -> Option<Action> {
    match event {
        Event::Resize(width, height) => Some(Action::Resize(Size::new(*width, *height))),
        Event::Mouse(mouse) => pointed(*mouse, mode),
        Event::Paste(text) => {
            let typing = mode.prompt.is_some() && !mode.asked;
            typing.then(|| Action::Paste(text.clone()))
        }
        Event::Key(key) => {
            let bound = Key::of(*key).and_then(|key| mode.press(key));
            match bound {
                None if mode.asked => everywhere(*key, mode),
                None if mode.prompt.is_some() => typed(event, mode),
                bound => bound,
            }
        }
        Event::FocusGained | Event::FocusLost => None,
    }
}

/// At the prompt, the keys that work everywhere do so unless they edit.
fn typed(event: &Event, mode: Mode) -> Option<Action> {
    if let Some(edit) = to_input_request(event) {
        return Some(Action::Edit(edit));
    }
    let Event::Key(key) = event else { return None };
    everywhere(*key, mode)
}

/// What a key means even where letters are text.
fn everywhere(event: KeyEvent, mode: Mode) -> Option<Action> {
    let key = Key::of(event).filter(|key| key.ctrl)?;
    let bound = Mode {
        covered: true,
        keymap: mode.keymap,
        ..Mode::default()
    };
    bound.press(key)
}

fn pointed(mouse: MouseEvent, mode: Mode) -> Option<Action> {
    match mouse.kind {
        MouseEventKind::ScrollDown => Some(Action::Wheel(1)),
        MouseEventKind::ScrollUp => Some(Action::Wheel(-1)),
        MouseEventKind::Down(MouseButton::Left) if !mode.covered && !mode.asked => {
            Some(Action::Click {
                column: mouse.column,
                line: mouse.row,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(mode: Mode, code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
        resolve(&Event::Key(KeyEvent::new(code, modifiers)), mode)
    }

    fn command(mode: Mode, c: char) -> Option<Command> {
        match press(mode, KeyCode::Char(c), KeyModifiers::NONE) {
            Some(Action::Command(command)) => Some(command),
            _ => None,
        }
    }

    fn rows() -> Mode {
        Mode {
            prompt: None,
            asked: false,
            covered: false,
            records: true,
            replay: false,
            drill: false,
            closable: false,
            begun: None,
            keymap: &USUAL,
        }
    }

    #[test]
    fn no_key_has_two_meanings_in_one_mode() {
        {
            for mode in [
                rows(),
                Mode {
                    covered: true,
                    ..rows()
                },
                Mode {
                    prompt: Some(Asks::Filter),
                    ..rows()
                },
            ] {
                let mode = Mode {
                    closable: true,
                    ..mode
                };
                let all: Vec<&[Key]> = mode.working().map(|(_, keys)| keys).collect();
                for (i, keys) in all.iter().enumerate() {
                    for other in &all[i + 1..] {
                        assert!(
                            !keys.starts_with(other) && !other.starts_with(keys),
                            "{keys:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_prefix_waits_for_its_key_and_another_one_cancels() {
        let Some(Action::Begin(t)) = press(rows(), KeyCode::Char('t'), KeyModifiers::NONE) else {
            panic!("t is no prefix");
        };
        let begun = Mode {
            begun: Some(t),
            ..rows()
        };
        assert_eq!(command(begun, 'x'), Some(Command::Toggle(EventType::Close)));
        assert!(matches!(
            press(begun, KeyCode::Char('q'), KeyModifiers::NONE),
            Some(Action::Cancel)
        ));
        let footer = begun.footer();
        let words: Vec<&str> = footer.iter().map(|(_, word)| *word).collect();
        assert_eq!(words, ["connect", "accept", "close", "unknown"]);
    }

    #[test]
    fn letters_are_text_at_the_prompt_and_quit_still_quits() {
        let prompt = Mode {
            prompt: Some(Asks::Filter),
            ..rows()
        };
        assert!(matches!(
            press(prompt, KeyCode::Char('q'), KeyModifiers::NONE),
            Some(Action::Edit(_))
        ));
        assert!(matches!(
            press(prompt, KeyCode::Char('c'), KeyModifiers::CONTROL),
            Some(Action::Command(Command::Quit))
        ));
        assert!(matches!(
            press(prompt, KeyCode::Char('u'), KeyModifiers::CONTROL),
            Some(Action::Edit(_))
        ));
    }

    #[test]
    fn shift_is_part_of_the_letter() {
        let upper = press(rows(), KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert!(matches!(
            upper,
            Some(Action::Command(Command::Move(Motion::Last)))
        ));
        assert_eq!(command(rows(), 'p'), Some(Command::Pick(Picks::Pod)));
        assert_eq!(command(rows(), 'P'), Some(Command::Pause));
    }

    #[test]
    fn the_footer_says_what_works_now() {
        let words = |mode: Mode| {
            mode.footer()
                .iter()
                .map(|(k, w)| format!("{k} {w}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            words(rows()),
            [
                "/ filter",
                "Space mark",
                "s export",
                "P pause",
                "Tab view",
                ": command",
                "t types",
                "←/→ sort",
                "w wide",
                "n namespace",
                "p pod",
                "i invert",
                "v range",
                "Y copy",
                "? help",
                "q quit"
            ]
        );
        assert_eq!(
            words(Mode {
                prompt: Some(Asks::Filter),
                ..rows()
            }),
            ["Enter ok", "Esc cancel", "Tab complete", "↑ before"]
        );
        assert_eq!(
            words(Mode {
                covered: true,
                closable: true,
                ..rows()
            }),
            ["Esc back", "? help", "q quit"]
        );
    }
}
