//! What the panels read.

use collector::filter::Key;
use collector::model::{ConnKey, Connection, Event, EventId, SourceState, Store};
use ratatui::layout::Size;

use super::{App, Asking, Prompt, Scope, Sieve, words};
use crate::action::Tab;
use crate::columns::{Choice, Moment};
use crate::frozen::Frozen;
use crate::job::Job;
use crate::keymap::{Keymap, Mode};
use crate::picker::Picker;
use crate::screen::Panels;
use crate::text;
use crate::theme::Theme;
use crate::view::{Rows, Visible};

impl App {
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn sieve(&self) -> &Sieve {
        &self.sieve
    }

    pub(crate) fn tab(&self) -> Tab {
        self.tab
    }

    pub(crate) fn prompt(&self) -> Option<&Prompt> {
        self.prompt.as_ref()
    }

    /// The list to pick from that is open, and what it is of.
    pub(crate) fn picker(&self) -> Option<(&'static str, &Picker)> {
        match &self.prompt.as_ref()?.asking {
            Asking::Pick { key, picker } => Some((words(*key).1, picker)),
            _ => None,
        }
    }

    /// The first line of the help on the screen, if it is open.
    pub(crate) fn help(&self) -> Option<usize> {
        self.help
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// There are pods, or there may be.
    pub(crate) fn has_pods(&self) -> bool {
        self.pods
    }

    /// The source has come to its end.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    pub(crate) fn theme(&self) -> &'static Theme {
        self.theme
    }

    pub(crate) fn keymap(&self) -> &'static Keymap {
        self.custom.keymap
    }

    /// What is to be done next outside of the state.
    pub(crate) fn next_job(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    /// The panels, unless the terminal is too small.
    pub(crate) fn panels(&self) -> Option<Panels> {
        self.panels_of(self.size)
    }

    /// The panels on a terminal of another size.
    pub(crate) fn panels_of(&self, size: Size) -> Option<Panels> {
        let notice = self.notice().unwrap_or_default();
        let lines = text::wrapped(&notice, usize::from(size.width)).len();
        let lines = u16::try_from(lines).unwrap_or(u16::MAX);
        Panels::of(size, lines, self.prompt.is_some())
    }

    /// What somebody has to know who waits for events, or who looks at a finding.
    pub(crate) fn notice(&self) -> Option<String> {
        let meant = || self.sieve.scope.as_ref()?.explanation.map(str::to_owned);
        let noted = || Some(text::clean(self.store.note()?).into_owned());
        meant()
            .or_else(|| self.lost())
            .or_else(|| self.barren())
            .or_else(noted)
    }

    /// The notice tells of nothing that keeps events away.
    pub(crate) fn is_harmless(&self) -> bool {
        let scope = self.sieve.scope.as_ref();
        let explained = scope.is_some_and(|scope| scope.explanation.is_some());
        explained || (self.lost().is_none() && self.barren().is_none())
    }

    /// Which source is lost, and why.
    fn lost(&self) -> Option<String> {
        let mut lost = self
            .store
            .nodes()
            .iter()
            .filter_map(|node| match &node.state {
                SourceState::Lost(why) => Some((&node.name, why)),
                _ => None,
            });
        let (name, why) = lost.next()?;
        let text = format!("{name} lost: {why}");
        let text = text::clean(&text);
        Some(match lost.count() {
            0 => text.into_owned(),
            more => format!("{text} (and {more} more)"),
        })
    }

    /// The filter asks for a pod or a container where none was seen: one may wait for ever.
    fn barren(&self) -> Option<String> {
        let begun = self.store.nodes().iter().any(|node| node.hello.is_some());
        let mut keys = [Key::Namespace, Key::Pod, Key::Container].into_iter();
        let asks = keys.any(|key| self.sieve.filter.needs(key));
        let text = "no pod or container has a connection on this host, so far: \
                    nothing passes the filter";
        (begun && asks && !self.workloads).then(|| text.to_owned())
    }

    pub(super) fn height(&self) -> usize {
        self.panels().map_or(0, |p| usize::from(p.rows.height))
    }

    pub(crate) fn mode(&self) -> Mode {
        Mode {
            prompt: self.prompt.as_ref().map(Prompt::asks),
            asked: self.question.is_some(),
            covered: self.help.is_some() || self.picker().is_some() || !self.details.is_empty(),
            records: !self.tab.is_list(),
            replay: self.replay.is_some(),
            drill: self.help.is_none() && self.picker().is_none() && self.can_drill(),
            closable: self.help.is_some()
                || self.is_drilled()
                || !self.sieve.filter.is_all()
                || self.has_marks(),
            begun: self.begun,
            keymap: self.custom.keymap,
        }
    }

    /// The columns of the view.
    pub(crate) fn choice(&self) -> &Choice {
        self.choice_of(self.tab)
    }

    pub(super) fn choice_of(&self, tab: Tab) -> &Choice {
        match tab {
            Tab::Events => &self.event_columns,
            Tab::Connections => &self.connection_columns,
            list => self.lists.choice(list),
        }
    }

    /// Columns that are to the left of the screen, in the wide layout.
    pub(crate) fn wide(&self) -> Option<usize> {
        self.wide
    }

    /// What cells need to know beside their row.
    pub(crate) fn moment(&self) -> Moment<'_> {
        Moment {
            now: self
                .frozen
                .as_ref()
                .map_or_else(|| self.clock(), Frozen::since),
            tz: &self.tz,
        }
    }

    /// Which rows of the view are on the screen.
    pub(crate) fn visible(&self) -> Visible {
        self.pane().visible(self.height())
    }

    /// The names of the events on the screen, if that is the view.
    pub(crate) fn visible_events(&self) -> impl Iterator<Item = EventId> {
        let shown = (self.tab == Tab::Events).then(|| self.height());
        self.events.visible_keys(shown.unwrap_or_default())
    }

    /// The names of the connections on the screen, if that is the view.
    pub(crate) fn visible_connections(&self) -> impl Iterator<Item = ConnKey> {
        let shown = (self.tab == Tab::Connections).then(|| self.height());
        self.connections.visible_keys(shown.unwrap_or_default())
    }

    /// An event as it is to be shown; `None` if it is no longer kept.
    pub(crate) fn event(&self, id: EventId) -> Option<Event> {
        let held = self.frozen.as_ref().and_then(|frozen| frozen.event(id));
        held.cloned().or_else(|| self.store.log().get(id))
    }

    /// A connection as it is to be shown; `None` if it is no longer known.
    pub(crate) fn connection(&self, key: ConnKey) -> Option<&Connection> {
        let held = self
            .frozen
            .as_ref()
            .and_then(|frozen| frozen.connection(key));
        held.or_else(|| self.store.connections().get(key))
    }

    /// How many rows there are in the view, and how many pass.
    pub(crate) fn shown_of_total(&self) -> (usize, usize) {
        match self.tab {
            Tab::Events => (self.events.index.passing(), self.store.log().len()),
            Tab::Connections => (self.connections.index.len(), self.store.connections().len()),
            list => self.lists.counts(list),
        }
    }

    /// How many events came since the view was frozen.
    pub(crate) fn paused(&self) -> Option<usize> {
        let frozen = self.frozen.as_ref()?;
        Some(self.store.log().end().since(frozen.at()))
    }

    /// New rows move the view along.
    pub(crate) fn follows(&self) -> bool {
        self.tab == Tab::Events && self.events.window.follows() && self.frozen.is_none()
    }

    /// Why there will never be anything to see: the source has ended before it began.
    pub(crate) fn stillborn(&self) -> Option<&str> {
        let mut nodes = self.store.nodes().iter();
        let begun = nodes.any(|node| node.hello.is_some());
        if !self.over || begun || !self.store.log().is_empty() {
            return None;
        }
        self.store
            .nodes()
            .iter()
            .find_map(|node| match &node.state {
                SourceState::Lost(why) => Some(&why[..]),
                _ => None,
            })
    }

    /// There is something to catch up with: `Action::CatchUp` is wanted.
    pub(crate) fn is_behind(&self) -> bool {
        let connections = self.tab == Tab::Connections && self.connections.index.is_busy();
        self.events.index.is_behind() || connections || self.export_is_behind()
    }

    /// What is on the screen changes by the passing of time alone.
    pub(crate) fn ticks(&self) -> bool {
        let connections = self.tab == Tab::Connections && self.frozen.is_none();
        let ages = connections && self.store.connections().open_count() > 0;
        let changes = self.connections.index.is_behind(self.store.connections());
        let sums = self.tab.is_list()
            && self.frozen.is_none()
            && !self.lists.pane(self.tab).index.is_due(self.now, self.moved);
        let held = self.tab == Tab::Events && self.events.index.is_held();
        let loses = self.sieve.scope.as_ref().is_some_and(Scope::loses);
        let lost = loses
            && !self
                .events
                .index
                .is_sifted(self.store.connections().cursor());
        // A recording has a clock of its own, which events alone set forth.
        let passes = self.replay.is_none();
        let rates = passes && !self.store.rates().is_quiet(self.now);
        passes && ages || sums || held || lost || connections && changes || rates
    }
}
