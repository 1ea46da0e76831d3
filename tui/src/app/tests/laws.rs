//! What holds whatever comes, goes, is sorted, filtered, marked or paused.

use std::collections::BTreeSet;

use collector::model::{ConnKey, EventId};
use proptest::prelude::*;

use super::export::written_ports;
use super::*;
use crate::view::Rows as _;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many connects, from the ports after the last one.
    Connect(u16),
    /// The connection from that port ends, if there is one.
    Close(u16),
    /// Keys that move the selection.
    Move(&'static str),
    /// Keys that change the marks.
    Mark(&'static str),
    /// Keys that change what is shown, and how.
    Show(&'static str),
    /// Seconds pass.
    Wait(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let keys = |keys: &'static [&'static str]| prop::sample::select(keys);
    prop_oneof![
        4 => (1_u16..30).prop_map(Step::Connect),
        3 => (0_u16..200).prop_map(Step::Close),
        3 => keys(&["j", "k", "gg", "jjjj", "kkkk"]).prop_map(Step::Move),
        2 => keys(&[" ", "v", "j ", " kkkv"]).prop_map(Step::Mark),
        4 => keys(&[
            "l", "h", "i", "w", "P", "tc", "tx", "1", "2", "/\x1b", "/port:1,2,3,5,8,13,21,34\n",
            "/!sport:7,9\n", "/type:x\n", "/ipx\x1b", "\x1b",
        ]).prop_map(Step::Show),
        2 => (1_u8..4).prop_map(Step::Wait),
    ]
}

/// A row of either view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Event(EventId),
    Connection(ConnKey),
}

impl Desk {
    fn take(&mut self, step: Step, ports: &mut u16) {
        match step {
            Step::Connect(n) => {
                self.connect(*ports, *ports + n);
                *ports += n;
            }
            Step::Close(port) if port < *ports => {
                let close = sample::batch(vec![sample::close(port)]);
                self.happen(Action::Update(close));
            }
            Step::Close(_) => {}
            Step::Move(keys) | Step::Mark(keys) | Step::Show(keys) => {
                // The prompt begins with the filter that holds.
                match keys.strip_prefix('/') {
                    Some(filter) => {
                        self.keys("/");
                        self.ctrl('u');
                        self.keys(filter);
                    }
                    None => self.keys(keys),
                }
            }
            Step::Wait(seconds) => {
                self.now.0 += i64::from(seconds) * 1_000_000_000;
                self.happen(Action::Second);
            }
        }
        self.settle();
    }

    fn settle(&mut self) {
        while self.app.is_behind() {
            self.happen(Action::CatchUp);
        }
    }

    fn name(&self, place: usize) -> Option<Name> {
        match self.app.tab {
            Tab::Events => self.app.events.index.key(place).map(Name::Event),
            _ => self.app.connections.index.key(place).map(Name::Connection),
        }
    }

    /// What somebody has selected, whether it is shown or not.
    fn wanted(&self) -> Option<Name> {
        match self.app.tab {
            Tab::Events => self.app.events.window.wanted().map(Name::Event),
            _ => self.app.connections.window.wanted().map(Name::Connection),
        }
    }

    /// What is selected on the screen.
    fn chosen(&self) -> Option<Name> {
        self.name(self.app.visible().selected?)
    }

    /// It is kept, and the filter lets it pass.
    fn is_shown(&self, name: Name) -> bool {
        let app = &self.app;
        match name {
            Name::Event(id) => app
                .store
                .log()
                .get(id)
                .is_some_and(|e| app.sieve.passes(&e)),
            Name::Connection(key) => {
                let known = app.store.connections().get(key);
                known.is_some_and(|c| app.sieve.passes(&c.row))
            }
        }
    }

    fn marks(&self) -> BTreeSet<Name> {
        let events = self.app.events.marks.iter().map(Name::Event);
        let connections = self.app.connections.marks.iter().map(Name::Connection);
        events.chain(connections).collect()
    }

    fn is_kept(&self, name: Name) -> bool {
        match name {
            Name::Event(id) => self.app.store.log().get(id).is_some(),
            Name::Connection(key) => self.app.store.connections().get(key).is_some(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// What is selected stays selected until somebody moves, it goes, or it is hidden; and it is on
    /// the screen. What is marked stays marked until somebody takes the mark away, or it goes.
    #[test]
    fn selection_and_marks_are_rows_and_not_lines(steps in prop::collection::vec(step(), 1..60)) {
        let mut desk = Desk::new();
        let mut ports = 0;
        for step in steps {
            let (tab, wanted, marks) = (desk.app.tab, desk.wanted(), desk.marks());
            desk.take(step, &mut ports);

            if tab == desk.app.tab && !matches!(step, Step::Move(_) | Step::Mark(_)) {
                prop_assert_eq!(desk.wanted(), wanted, "after {:?}", step);
            }
            // While it is hidden, or gone, what stands in its place is selected instead.
            if let Some(wanted) = desk.wanted().filter(|name| desk.is_shown(*name)) {
                prop_assert_eq!(desk.chosen(), Some(wanted), "after {:?}", step);
            }
            let visible = desk.app.visible();
            let lines = visible.top..visible.top + desk.app.height();
            prop_assert!(visible.selected.is_none_or(|place| lines.contains(&place)));

            let unmarks = matches!(step, Step::Mark(_) | Step::Show("\x1b"));
            if !unmarks {
                let kept = marks.into_iter().filter(|name| desk.is_kept(*name)).collect();
                prop_assert_eq!(desk.marks(), kept, "after {:?}", step);
            }
        }
    }

    /// A file has the marked rows, else all that the view has, in its order.
    #[test]
    fn what_is_written_is_what_the_view_shows(steps in prop::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut desk = Desk::new();
        let mut ports = 0;
        for step in steps {
            desk.take(step, &mut ports);
        }
        let shown: Vec<Name> = (0..).map_while(|place| desk.name(place)).collect();
        let of_view = |name: &Name| matches!(name, Name::Event(_)) == (desk.app.tab == Tab::Events);
        let marks: Vec<Name> = desk.marks().into_iter().filter(of_view).collect();
        let marked = |name: &&Name| marks.is_empty() || marks.contains(name);
        let hidden = marks.iter().filter(|name| !shown.contains(name));
        let port = |name: &Name| Some(match name {
            Name::Event(id) => desk.app.event(*id)?.local.port,
            Name::Connection(key) => desk.app.connection(*key)?.row.local.port,
        });
        let expected: Vec<u16> = shown.iter().filter(marked).chain(hidden).filter_map(port).collect();
        prop_assume!(!expected.is_empty());
        let text = desk.export(dir.path(), "rows.csv");
        prop_assert_eq!(written_ports(&text), expected);
    }
}
