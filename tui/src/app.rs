//! What the screen shows, and the only place that changes it: [`App::update`].

mod command;
mod copy;
mod detail;
mod drill;
mod export;
mod lists;
mod marks;
mod message;
mod panes;
mod pick;
mod prompt;
mod read;
mod replay;
mod scope;
mod settle;
mod sorting;

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;

use collector::filter::{Filter, Key as Field};
use collector::model::{
    Batch, Event, EventId, EventType, Limits, Log, Store, Thresholds, Timestamp, Update,
};
use jiff::tz::TimeZone;
use ratatui::layout::Size;
use tui_input::InputRequest;

use crate::action::{Action, Command, Effect, Picks, Tab};
use crate::columns::Choice;
use crate::frozen::Frozen;
use crate::help;
use crate::history::History;
use crate::job::{Done, Job};
use crate::keymap::{Key, Keymap};
use crate::screen::view_at;
use crate::theme::Theme;
use crate::view::{ConnectionIndex, EventIndex, Home, Motion};
use collector::source::replay::Playing;

pub(crate) use self::copy::What;
use self::detail::Detail;
pub(crate) use self::detail::Wanted;
use self::drill::Place;
use self::export::Exporting;
use self::lists::Lists;
pub(crate) use self::lists::{Copied, Sum};
pub(crate) use self::message::{Message, Question, Tone};
use self::panes::{Pane, Scrolls};
pub(crate) use self::pick::words;
pub(crate) use self::prompt::{Asking, Prompt};
pub(crate) use self::replay::Replay;
use self::scope::Scope;
pub(crate) use self::sorting::By;

/// Lines that one notch of the mouse wheel moves.
const NOTCH: isize = 3;

/// What the screen is to be like.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Settings {
    /// Where the events come from, in a word.
    pub(crate) source: String,
    /// How the recording is played, if that is the source.
    pub(crate) replay: Option<Playing>,
    /// All of it is recorded.
    pub(crate) recorded: bool,
    /// The events are those of this host, and its processes can be looked up.
    pub(crate) local: bool,
    /// The filter to begin with.
    pub(crate) filter: Filter,
    pub(crate) theme: &'static Theme,
    /// The mouse belongs to the program.
    pub(crate) mouse: bool,
    /// The columns of the events view.
    pub(crate) columns: Choice,
    /// The source knows pods.
    pub(crate) pods: bool,
    /// The zone that times are shown in.
    pub(crate) tz: TimeZone,
    /// How much is kept.
    pub(crate) limits: Limits,
    /// From when on something is a finding.
    pub(crate) thresholds: Thresholds,
    pub(crate) custom: Custom,
}

/// What somebody has made their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Custom {
    pub(crate) keymap: &'static Keymap,
    /// Filters with names.
    pub(crate) presets: Vec<(String, String)>,
    /// The columns of the connections view, if they are not the usual ones.
    pub(crate) connection_columns: Option<Choice>,
    /// The columns of the lists of sums, if they are not the usual ones.
    pub(crate) list_columns: Vec<(Tab, Choice)>,
    /// Filters of earlier runs, the newest last.
    pub(crate) history: Vec<String>,
    /// Where filters are kept for later runs, if they are.
    pub(crate) history_file: Option<PathBuf>,
    /// Where the configuration is, or would be.
    pub(crate) file: Option<PathBuf>,
    /// The contexts of the kubeconfig, where the source is one of its clusters.
    pub(crate) contexts: Vec<String>,
}

/// What passes: the filter, and the types that are shown.
#[derive(Debug)]
pub(crate) struct Sieve {
    pub(crate) filter: Filter,
    /// After somebody went from a sum to what is behind it: only that.
    pub(crate) scope: Option<Scope>,
    hidden: [bool; EventType::ALL.len()],
}

impl Sieve {
    fn passes(&self, event: &Event) -> bool {
        event.kind.is_none_or(|kind| self.shows(kind)) && self.filter.matches(event)
    }

    /// Appends the events of a range that pass, whatever they are a part of.
    fn select(&self, log: &Log, ids: Range<EventId>, out: &mut Vec<EventId>) {
        let hidden = EventType::ALL.into_iter().filter(|kind| !self.shows(*kind));
        let shown = Filter::without_types(hidden);
        self.filter.clone().and(shown).select(log, ids, out);
    }

    fn is_open(&self) -> bool {
        self.scope.is_none()
            && self.filter.is_all()
            && EventType::ALL.into_iter().all(|kind| self.shows(kind))
    }

    /// Events of this type are shown.
    pub(crate) fn shows(&self, kind: EventType) -> bool {
        !self.hidden[kind as usize]
    }
}

/// The state of the screen.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct App {
    store: Store,
    sieve: Sieve,
    tab: Tab,
    events: Pane<EventIndex>,
    connections: Pane<ConnectionIndex>,
    lists: Lists,
    /// What each view is sorted by.
    sorts: [Option<By>; Tab::ALL.len()],
    /// The steps from a sum to what is behind it.
    trail: Vec<Place>,
    /// Details above the rows, each opened from the one before.
    details: Vec<Detail>,
    frozen: Option<Frozen>,
    prompt: Option<Prompt>,
    /// What is answered with yes or no before anything else.
    question: Option<Question>,
    /// What is said until the next key.
    message: Option<Message>,
    exporting: Option<Exporting>,
    /// Filters and commands that were typed before.
    filters: History,
    commands: History,
    /// What is to be done outside of the state.
    jobs: VecDeque<Job>,
    /// The help is open, this many lines down.
    help: Option<usize>,
    begun: Option<Key>,
    /// Columns to the left of the screen, in the wide layout.
    wide: Option<usize>,
    over: bool,
    replay: Option<Replay>,
    recorded: bool,
    /// Some event was of a pod or a container.
    workloads: bool,
    size: Size,
    now: Timestamp,
    /// When somebody last moved about in the rows.
    moved: Timestamp,
    source: String,
    /// The processes are those of this host, and can be looked up.
    local: bool,
    theme: &'static Theme,
    tz: TimeZone,
    event_columns: Choice,
    connection_columns: Choice,
    /// The source knows pods.
    pods: bool,
    custom: Custom,
}

impl App {
    pub(crate) fn new(settings: Settings, size: Size, now: Timestamp) -> Self {
        let sieve = Sieve {
            filter: settings.filter,
            scope: None,
            hidden: [false; EventType::ALL.len()],
        };
        Self {
            store: Store::with_thresholds(settings.limits, settings.thresholds),
            tab: Tab::Events,
            events: Pane::new(EventIndex::new(sieve.is_open()), Home::End),
            connections: Pane::new(ConnectionIndex::new(true), Home::Start),
            sorts: sorting::at_first(),
            sieve,
            lists: Lists::new(&settings.custom.list_columns, settings.pods),
            trail: Vec::new(),
            details: Vec::new(),
            frozen: None,
            prompt: None,
            question: None,
            message: None,
            exporting: None,
            filters: History::new(settings.custom.history.iter().cloned()),
            commands: History::default(),
            jobs: VecDeque::new(),
            help: None,
            begun: None,
            wide: None,
            over: false,
            replay: settings.replay.map(Replay::new),
            recorded: settings.recorded,
            workloads: false,
            size,
            now,
            moved: Timestamp(i64::MIN),
            source: settings.source,
            local: settings.local,
            theme: settings.theme,
            tz: settings.tz,
            event_columns: settings.columns,
            connection_columns: (settings.custom.connection_columns.clone())
                .unwrap_or_else(|| Choice::connections(settings.pods)),
            pods: settings.pods,
            custom: settings.custom,
        }
    }

    /// Takes in what happened at `now`.
    pub(crate) fn update(&mut self, action: Action, now: Timestamp) -> Effect {
        self.now = now;
        let effect = self.react(action);
        self.settle();
        effect
    }

    fn react(&mut self, action: Action) -> Effect {
        if matches!(
            action,
            Action::Command(_) | Action::Begin(_) | Action::Edit(_) | Action::Paste(_)
        ) {
            self.message = None;
        }
        match action {
            Action::Command(command) => {
                self.begun = None;
                return self.obey(command);
            }
            Action::Begin(key) => self.begun = Some(key),
            Action::Cancel => self.begun = None,
            Action::Edit(request) => self.edit([request]),
            // What stands on several lines was copied with them; the filter is one line.
            Action::Paste(text) => self.edit(
                text.chars()
                    .map(|c| if c.is_control() { ' ' } else { c })
                    .map(InputRequest::InsertChar),
            ),
            Action::Click { column, line } => self.click(column, line),
            Action::Wheel(notches) => self.scroll(notches * NOTCH),
            Action::Resize(size) => self.size = size,
            Action::Update(Update::Batch(batch)) if is_empty(&batch) => return Effect::Nothing,
            Action::Update(update) => {
                self.workloads = self.workloads || tells_of_workloads(&update);
                self.apply(update);
            }
            Action::Over => self.over = true,
            Action::Switch(source, namespace) => self.begin_anew(source, namespace.as_deref()),
            Action::Done(Done::Switched(Err(why))) => self.message = Some(Message::bad(why)),
            Action::Done(Done::Exported(outcome)) => self.exported(outcome),
            Action::Done(Done::LookedUp(wanted, found)) => self.looked_up(wanted, found),
            Action::Done(Done::Saved(what, result)) => self.saved(what, result),
            // A switch that succeeds has become an action of its own.
            Action::Done(Done::Switched(Ok(_))) | Action::Second | Action::CatchUp => {}
        }
        Effect::Draw
    }

    fn obey(&mut self, command: Command) -> Effect {
        match command {
            Command::Move(motion) => self.go(motion),
            Command::Show(tab) => self.show(tab),
            Command::NextTab => self.show(self.tab.after(1)),
            Command::PreviousTab => self.show(self.tab.after(Tab::ALL.len() - 1)),
            Command::Toggle(kind) => {
                let hidden = &mut self.sieve.hidden[kind as usize];
                *hidden = !*hidden;
                self.resift();
            }
            Command::Pause if self.hold() => {}
            Command::Pause => self.pause(),
            Command::Seek { forth } => self.seek(forth),
            Command::Speed { up } => self.speed_up(up),
            Command::Wide => self.wide = self.wide.is_none().then_some(0),
            Command::Sort(side) => self.sort_beside(side),
            Command::Invert => self.invert(),
            Command::Mark => self.mark(false),
            Command::MarkRange => self.mark(true),
            Command::Unmark => {
                self.unmark();
            }
            Command::Drill => self.drill(),
            Command::Filter => self.ask_filter(),
            Command::Copy(what) => self.copy_selected(what),
            Command::Export => self.ask_export(),
            Command::Ask => self.ask_command(),
            Command::Pick(Picks::Namespace) => self.pick(Field::Namespace),
            Command::Pick(Picks::Pod) => self.pick(Field::Pod),
            Command::AllNamespaces => self.all_namespaces(),
            Command::Keep => return self.keep(),
            Command::Recall { older } => self.recall(older),
            Command::Complete { forth } => self.complete(forth),
            Command::Answer { yes } => self.answer(yes),
            Command::Back => self.back(),
            Command::Help => self.help = self.help.is_none().then_some(0),
            Command::Repaint => return Effect::Repaint,
            Command::Suspend => return Effect::Suspend,
            Command::Quit if self.may_quit() => return Effect::Quit,
            Command::Quit => {}
        }
        Effect::Draw
    }

    /// All that comes is recorded.
    pub(crate) fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// Closes what is topmost.
    fn back(&mut self) {
        if self.help.take().is_some() || self.abandon() || self.step_back() {
            return;
        }
        if self.sieve.filter.is_all() {
            self.unmark();
        }
        self.set_filter(Filter::all());
    }

    fn set_filter(&mut self, filter: Filter) {
        if self.sieve.filter != filter {
            self.sieve.filter = filter;
            self.resift();
        }
    }

    /// Other rows pass now.
    fn resift(&mut self) {
        let events = &mut self.events;
        let from = events.window.wanted().unwrap_or(self.store.log().end());
        events.index.restart(self.sieve.is_open(), from);
        self.connections.index.restart();
        self.lists.restart();
    }

    fn pause(&mut self) {
        self.frozen = match self.frozen {
            Some(_) => None,
            None => Some(Frozen::new(self.store.log().end(), self.now)),
        };
    }

    fn go(&mut self, motion: Motion) {
        let height = self.height();
        if let Some(line) = &mut self.help {
            let lines = help::lines(self.custom.keymap, self.size.width);
            let last = lines.saturating_sub(height);
            *line = motion.scrolled(*line, height).min(last);
            return;
        }
        if self.scroll_detail(Ok(motion)) {
            return;
        }
        if motion == Motion::Last {
            self.restore_time();
        }
        self.moved = self.now;
        self.pane_mut().go(height, motion);
        // Where the top of a list is held on to, its first row is still to be selected.
        if motion == Motion::First && self.visible().selected.is_none() {
            self.pane_mut().go(height, Motion::Down);
        }
    }

    fn scroll(&mut self, lines: isize) {
        let height = self.height();
        if let Some(line) = &mut self.help {
            let lines_of_it = help::lines(self.custom.keymap, self.size.width);
            let last = lines_of_it.saturating_sub(height);
            *line = line.saturating_add_signed(lines).min(last);
            return;
        }
        if self.scroll_detail(Err(lines)) {
            return;
        }
        self.moved = self.now;
        self.pane_mut().scroll(height, lines);
    }

    fn click(&mut self, column: u16, line: u16) {
        let Some(panels) = self.panels() else { return };
        if line == panels.header.y {
            if let Some(tab) = view_at(self.size.width, column) {
                self.show(tab);
            }
            return;
        }
        if line == panels.titles.y {
            self.sort_at(column);
            return;
        }
        let Some(line) = line.checked_sub(panels.rows.y) else {
            return;
        };
        self.moved = self.now;
        let (line, height) = (usize::from(line), usize::from(panels.rows.height));
        self.pane_mut().click(height, line);
    }

    /// The list of the view.
    fn pane_mut(&mut self) -> &mut dyn Scrolls {
        match self.tab {
            Tab::Events => &mut self.events,
            Tab::Connections => &mut self.connections,
            list => self.lists.pane_mut(list),
        }
    }

    fn pane(&self) -> &dyn Scrolls {
        match self.tab {
            Tab::Events => &self.events,
            Tab::Connections => &self.connections,
            list => self.lists.pane(list),
        }
    }
}

/// A batch that says nothing.
fn is_empty(batch: &Batch) -> bool {
    batch.events.is_empty() && batch.lost.is_empty()
}

/// There is an event of a pod or a container in it.
fn tells_of_workloads(update: &Update) -> bool {
    let Update::Batch(batch) = update else {
        return false;
    };
    let mut origins = batch.events.iter().map(|event| &event.origin);
    origins.any(|origin| origin.pod.is_some() || origin.container.is_some())
}

#[cfg(test)]
mod tests;
