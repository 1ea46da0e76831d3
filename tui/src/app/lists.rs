//! The views that are lists of sums: pods, types, problems, nodes.

use collector::model::findings::{Problem, ProblemId, problems};
use collector::model::{Kind, KindTally, Node, NodeIx, Store, Workload, WorkloadIx};
use rustc_hash::FxHashMap;

use super::App;
use super::panes::Pane;
use crate::action::Tab;
use crate::columns::{At, Choice, Item};
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
            found: FxHashMap::default(),
        }
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

/// What a list is sorted by for which no column was chosen: findings before single failures, those
/// that began last at the top, so that nothing moves while it goes on; nodes that are lost first.
fn own<'a>(item: Item<'a>, at: At<'a>, choice: &Choice) -> Value<'a> {
    if let Item::Problem(problem) = item {
        let single = u128::from(problem.check.is_none());
        let first = u64::try_from(problem.first.0).unwrap_or_default();
        return Value::Number((single << 64) + u128::from(u64::MAX - first));
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

    /// Makes the list of the view anew if that is due.
    pub(super) fn settle_list(&mut self) {
        let (tab, now) = (self.tab, self.now);
        let index = &self.lists.pane(tab).index;
        let thawed = self.frozen.is_none() || index.is_new();
        if !tab.is_list() || !thawed || !index.is_due(now, self.moved) {
            return;
        }
        if tab == Tab::Problems {
            let found = problems(&self.store, now);
            self.lists.found = found.into_iter().map(|p| (p.id, p)).collect();
        }
        let by = self.sorts[tab as usize];
        let (at, choice) = (self.at(), self.lists.choice(tab));
        let value = |item| match by {
            Some(by) => by.column.say(item, at).value(),
            None => own(item, at, choice),
        };
        let rows = rows(tab, &self.store, &self.lists.found);
        let valued = rows
            .into_iter()
            .filter_map(|sum| Some((sum, value(self.item_of(sum)?))));
        let mut index = ListIndex::default();
        index.make(valued, by.is_some_and(|by| by.inverted), now);
        let pane = self.lists.pane_mut(tab);
        pane.index = index;
        pane.window.settle(&pane.index);
    }
}
