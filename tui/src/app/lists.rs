//! The views that are lists of sums: pods, types, problems, nodes.

use std::borrow::Cow;

use collector::export::{Cell, Sheet};
use collector::filter::Key;
use collector::model::findings::{Problem, ProblemId, problems};
use collector::model::{
    EventType, Kind, KindTally, Node, NodeIx, Reason, Store, Workload, WorkloadIx,
};
use rustc_hash::FxHashMap;

use super::panes::Pane;
use super::{App, Sieve};
use crate::action::Tab;
use crate::columns::{At, Choice, Column, Item};
use crate::view::{Home, ListIndex, Rows, Value};

/// What names a row of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Sum {
    Pod(WorkloadIx),
    Type(Kind),
    Problem(ProblemId),
    Node(NodeIx),
}

/// A copy of a row.
#[derive(Clone, Debug)]
pub(crate) enum Copied {
    Pod(Box<Workload>),
    Type(Kind, Box<KindTally>),
    Node(Box<Node>),
}

impl Copied {
    pub(crate) fn of(item: Item<'_>) -> Option<Self> {
        match item {
            Item::Pod(workload) => Some(Self::Pod(Box::new(workload.clone()))),
            Item::Type(kind, tally) => Some(Self::Type(kind, Box::new(tally.clone()))),
            Item::Node(node) => Some(Self::Node(Box::new(node.clone()))),
            // Copies in any case.
            Item::Problem(_) => None,
        }
    }

    pub(crate) fn item(&self) -> Item<'_> {
        match self {
            Self::Pod(workload) => Item::Pod(workload),
            Self::Type(kind, tally) => Item::Type(*kind, tally),
            Self::Node(node) => Item::Node(node),
        }
    }
}

/// The lists, each with the window over it.
#[derive(Debug)]
pub(super) struct Lists {
    /// One for each view: those of events and connections stay empty.
    panes: [Pane<ListIndex<Sum>>; Tab::ALL.len()],
    /// The columns of each.
    choices: [Choice; Tab::ALL.len()],
    /// How many rows each has with those that the filter hides.
    totals: [usize; Tab::ALL.len()],
    /// The problems of the list. What they were found in may be forgotten meanwhile.
    found: FxHashMap<ProblemId, Problem>,
}

impl Lists {
    /// Empty lists, some of them with columns of somebody's own.
    pub(super) fn new(columns: &[(Tab, Choice)], pods: bool) -> Self {
        let choice = |tab| {
            let own = columns.iter().find(|(known, _)| *known == tab);
            own.map_or_else(|| Choice::list(tab, pods), |(_, choice)| choice.clone())
        };
        Self {
            panes: Tab::ALL.map(|_| Pane::new(ListIndex::default(), Home::Start)),
            choices: Tab::ALL.map(choice),
            totals: Tab::ALL.map(|_| 0),
            found: FxHashMap::default(),
        }
    }

    /// Nothing is known of any row.
    pub(super) fn clear(&mut self) {
        self.panes = Tab::ALL.map(|_| Pane::new(ListIndex::default(), Home::Start));
        self.totals = Tab::ALL.map(|_| 0);
        self.found.clear();
    }

    /// Other rows pass now.
    pub(super) fn restart(&mut self) {
        for pane in &mut self.panes {
            pane.index.restart();
        }
    }

    /// How many rows a list has, and how many it would have without a filter.
    pub(super) fn counts(&self, tab: Tab) -> (usize, usize) {
        (self.pane(tab).index.len(), self.totals[tab as usize])
    }

    pub(super) fn pane(&self, tab: Tab) -> &Pane<ListIndex<Sum>> {
        &self.panes[tab as usize]
    }

    pub(super) fn pane_mut(&mut self, tab: Tab) -> &mut Pane<ListIndex<Sum>> {
        &mut self.panes[tab as usize]
    }

    pub(super) fn choice(&self, tab: Tab) -> &Choice {
        &self.choices[tab as usize]
    }

    pub(super) fn choice_mut(&mut self, tab: Tab) -> &mut Choice {
        &mut self.choices[tab as usize]
    }
}

/// All rows of a list.
fn rows(tab: Tab, store: &Store, found: &FxHashMap<ProblemId, Problem>) -> Vec<Sum> {
    match tab {
        Tab::Pods => store
            .workloads()
            .iter()
            .map(|(ix, _)| Sum::Pod(ix))
            .collect(),
        Tab::Types => store
            .kinds()
            .iter()
            .map(|(kind, _)| Sum::Type(kind))
            .collect(),
        Tab::Problems => found.keys().copied().map(Sum::Problem).collect(),
        Tab::Nodes => store.nodes_by_ix().map(|(ix, _)| Sum::Node(ix)).collect(),
        Tab::Events | Tab::Connections => Vec::new(),
    }
}

fn text(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(Cow::Borrowed)
}

/// What is known of all events of a workload. Of a pod that is not its container or its command: it
/// may have several.
fn known_of(workload: &Workload) -> Vec<(Key, Option<Cow<'_, str>>)> {
    let origin = &workload.origin;
    let mut known = vec![
        (Key::Node, Some(Cow::Borrowed(&*origin.node))),
        (Key::Namespace, text(origin.namespace.as_deref())),
        (Key::Pod, text(origin.pod.as_deref())),
    ];
    if origin.pod.is_none() {
        known.push((Key::Container, text(origin.container.as_deref())));
    }
    if origin.pod.is_none() && origin.container.is_none() {
        let comm = workload.comm.as_ref().map(collector::model::Comm::to_text);
        known.push((Key::Comm, comm));
    }
    let counts = &workload.counts;
    for kind in EventType::ALL {
        if counts.of(kind) > 0 {
            known.push((Key::Type, Some(kind.letter().into())));
        }
        for reason in Reason::ALL.map(Some).into_iter().chain([None]) {
            if counts.with_reason(kind, reason) > 0 {
                known.push((Key::Reason, reason.map(|reason| reason.word().into())));
            }
        }
    }
    if workload.failures > 0 {
        known.push((Key::Is, Some("failed".into())));
    }
    if workload.failures < counts.total() || counts.total() == 0 {
        known.push((Key::Is, None));
    }
    known
}

/// Whether an event that a row sums up can pass.
fn may_pass(item: Item<'_>, sieve: &Sieve, store: &Store) -> bool {
    let filter = &sieve.filter;
    match item {
        Item::Pod(workload) => filter.may_pass(&known_of(workload)),
        Item::Type(kind, _) => {
            let reason = kind.reason.map(|reason| reason.word().into());
            let failed = kind.is_failure().then_some("failed".into());
            sieve.shows(kind.kind)
                && filter.may_pass(&[
                    (Key::Type, Some(kind.kind.letter().into())),
                    (Key::Reason, reason),
                    (Key::Is, failed),
                ])
        }
        // The events that show it are known, unless they are no longer kept.
        Item::Problem(problem) => {
            let mut kept = problem.rows.iter().filter_map(|id| store.log().get(*id));
            let mut kept = kept.by_ref().peekable();
            if kept.peek().is_some() {
                return kept.any(|event| sieve.passes(&event));
            }
            filter.may_pass(&known_of(store.workloads().get(problem.pair.who)))
        }
        Item::Node(node) => filter.may_pass(&[(Key::Node, Some(Cow::Borrowed(&*node.name)))]),
    }
}

/// What a list is sorted by for which no column was chosen: findings about failures, other findings,
/// failures of which there are few; of each, those that began last at the top, so that nothing moves
/// while it goes on. Nodes that are lost come first.
fn own<'a>(item: Item<'a>, at: At<'a>, choice: &Choice) -> Value<'a> {
    if let Item::Problem(problem) = item {
        let rank: u128 = match problem.check {
            Some(_) if problem.is_failure() => 0,
            Some(_) => 1,
            None => 2,
        };
        let first = u64::try_from(problem.first.0).unwrap_or_default();
        return Value::Number((rank << 64) + u128::from(u64::MAX - first));
    }
    let state = choice.find("STATE");
    state.map_or(Value::Unknown, |column| column.say(item, at).value())
}

impl App {
    /// The rows of a list.
    fn item_of(&self, sum: Sum) -> Option<Item<'_>> {
        match sum {
            Sum::Pod(ix) => Some(Item::Pod(self.store.workloads().get(ix))),
            Sum::Type(kind) => Some(Item::Type(kind, self.store.kinds().get(kind)?)),
            Sum::Problem(id) => Some(Item::Problem(self.lists.found.get(&id)?)),
            Sum::Node(ix) => Some(Item::Node(self.store.node(ix)?)),
        }
    }

    /// A row of a list, as it is to be shown.
    pub(crate) fn item(&self, sum: Sum) -> Option<Item<'_>> {
        let held = self.frozen.as_ref().and_then(|frozen| frozen.sum(sum));
        held.or_else(|| self.item_of(sum))
    }

    /// The names of the rows on the screen, if the view is a list.
    pub(crate) fn visible_sums(&self) -> impl Iterator<Item = Sum> {
        self.lists.pane(self.tab).visible_keys(self.height())
    }

    /// The name of the selected row, if the view is a list.
    pub(super) fn selected_sum(&self) -> Option<Sum> {
        self.lists
            .pane(self.tab)
            .index
            .key(self.visible().selected?)
    }

    /// What the cells of lists need to know beside their row.
    pub(crate) fn at(&self) -> At<'_> {
        At {
            moment: self.moment(),
            store: &self.store,
        }
    }

    /// The rows of a list, in its order.
    pub(super) fn all_sums(&self, tab: Tab) -> Sheet {
        let index = &self.lists.pane(tab).index;
        self.sheet(tab, (0..index.len()).filter_map(|place| index.key(place)))
    }

    /// Rows of a list with the view's columns.
    pub(super) fn sheet(&self, tab: Tab, sums: impl Iterator<Item = Sum>) -> Sheet {
        let columns = self.lists.choice(tab).wide();
        let row = |sum| {
            let item = self.item(sum)?;
            let cell = |(column, width): &(Column, u16)| {
                let said = column.say(item, self.at());
                let shown = said.cell(*width, self.moment());
                let raw = said.raw();
                Cell { shown, raw }
            };
            Some(columns.iter().map(cell).collect())
        };
        Sheet {
            what: match tab {
                Tab::Pods => "pod",
                Tab::Types => "type",
                Tab::Problems => "problem",
                _ => "node",
            },
            columns: columns.iter().map(|(column, _)| column.name).collect(),
            rows: sums.filter_map(row).collect(),
        }
    }

    /// Makes the list of the view anew if that is due.
    pub(super) fn settle_list(&mut self) {
        let (tab, now) = (self.tab, self.now);
        let index = &self.lists.pane(tab).index;
        let thawed = self.frozen.is_none() || index.is_new();
        if !tab.is_list() || !thawed || !index.is_due(now, self.moved) {
            return;
        }
        if tab == Tab::Problems {
            let found = problems(&self.store, self.clock());
            self.lists.found = found.into_iter().map(|p| (p.id, p)).collect();
        }
        let by = self.sorts[tab as usize];
        let (at, choice) = (self.at(), self.lists.choice(tab));
        let value = |item| match by {
            Some(by) => by.column.say(item, at).value(),
            None => own(item, at, choice),
        };
        let rows = rows(tab, &self.store, &self.lists.found);
        let total = rows.len();
        let open = self.sieve.is_open();
        let valued = rows.into_iter().filter_map(|sum| {
            let item = self.item_of(sum)?;
            let passes = open || may_pass(item, &self.sieve, &self.store);
            passes.then(|| (sum, value(item)))
        });
        let mut index = ListIndex::default();
        index.make(valued, by.is_some_and(|by| by.inverted), now);
        self.lists.totals[tab as usize] = total;
        let pane = self.lists.pane_mut(tab);
        pane.index = index;
        pane.window.settle(&pane.index);
    }
}
