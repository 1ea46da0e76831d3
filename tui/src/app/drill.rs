//! From a row to what is behind it, and back.

use collector::model::{ConnKey, EventId};

use super::scope::{Of, Scope};
use super::{App, By, Sum};
use crate::action::Tab;
use crate::columns::{Item, whom};
use crate::view::{Home, Motion, Rows, Window};

/// Where somebody came from.
#[derive(Debug)]
pub(super) struct Place {
    tab: Tab,
    scope: Option<Scope>,
    /// Of the events and of the connections: what is behind a row is shown there.
    windows: (Window<EventId>, Window<ConnKey>),
    sorts: (Option<By>, Option<By>),
}

impl Place {
    pub(super) fn tab(&self) -> Tab {
        self.tab
    }
}

impl App {
    /// Opens what is behind the selected row; in a detail, the other end of the connection.
    pub(super) fn drill(&mut self) {
        if !self.details.is_empty() {
            self.open_other_end();
            return;
        }
        let Some(place) = self.visible().selected else {
            // Selects the row that is to be opened; what moves is not opened unseen.
            let near = if self.follows() {
                Motion::Up
            } else {
                Motion::Down
            };
            self.go(near);
            return;
        };
        match self.tab {
            Tab::Events => self.open_detail(None, self.events.index.key(place)),
            Tab::Connections => self.open_detail(self.connections.index.key(place), None),
            Tab::Pods | Tab::Types | Tab::Problems | Tab::Nodes => {
                let sum = self.selected_sum();
                if let Some((tab, scope)) = sum.and_then(|sum| self.behind(sum)) {
                    self.enter(tab, scope);
                }
            }
        }
    }

    /// What is behind a row of a list of sums.
    fn behind(&self, sum: Sum) -> Option<(Tab, Scope)> {
        let scope = |of, label: String| Scope {
            of,
            label,
            explanation: None,
        };
        Some(match self.item(sum)? {
            Item::Pod(workload) => {
                let Sum::Pod(ix) = sum else { return None };
                let names = [&workload.origin.namespace, &workload.origin.pod];
                let names: Vec<&str> = names.into_iter().flatten().map(|name| &**name).collect();
                let container = workload.origin.container.as_deref();
                let comm = workload.comm.map(|comm| comm.to_text().into_owned());
                let label = match (names.is_empty(), container, comm) {
                    (false, ..) => format!("pod {}", names.join("/")),
                    (_, Some(container), _) => format!("workload {container}"),
                    (_, _, Some(comm)) => format!("command {comm}"),
                    _ => format!("nobody known on {}", workload.origin.node),
                };
                (Tab::Connections, scope(Of::Workload(ix), label))
            }
            Item::Type(kind, _) => {
                let reason = kind
                    .reason
                    .map_or("without a reason", |reason| reason.word());
                let label = format!("{} {reason}", kind.kind.letter());
                (Tab::Events, scope(Of::Kind(kind), label))
            }
            Item::Problem(problem) => {
                let label = format!("{} {}", problem.word, whom(problem, &self.store));
                (Tab::Events, Scope::of_problem(problem, label))
            }
            Item::Node(node) => {
                let label = format!("node {}", node.name);
                (Tab::Events, scope(Of::Node(node.name.clone()), label))
            }
        })
    }

    fn enter(&mut self, tab: Tab, scope: Scope) {
        self.trail.push(Place {
            tab: self.tab,
            scope: self.sieve.scope.replace(scope),
            windows: (self.events.window, self.connections.window),
            sorts: (
                self.sorts[Tab::Events as usize],
                self.sorts[Tab::Connections as usize],
            ),
        });
        self.tab = tab;
        self.events.window = Window::new(Home::End);
        self.connections.window = Window::new(Home::Start);
        self.resift();
        self.go_home();
    }

    /// Goes back one step. Says whether there was one.
    pub(super) fn step_back(&mut self) -> bool {
        if self.details.pop().is_some() {
            return true;
        }
        let Some(place) = self.trail.pop() else {
            return false;
        };
        self.tab = place.tab;
        self.return_to(place);
        true
    }

    /// Shows a view with all its rows.
    pub(super) fn show(&mut self, tab: Tab) {
        if !self.trail.is_empty() {
            let first = self.trail.swap_remove(0);
            self.trail.clear();
            self.return_to(first);
        }
        self.tab = tab;
        self.wide = self.wide.map(|_| 0);
    }

    /// Puts things as they were there, but for the view.
    fn return_to(&mut self, place: Place) {
        self.sieve.scope = place.scope;
        (self.events.window, self.connections.window) = place.windows;
        let now = self.tab;
        for (tab, by) in [
            (Tab::Events, place.sorts.0),
            (Tab::Connections, place.sorts.1),
        ] {
            self.tab = tab;
            self.sorts[tab as usize] = by;
            self.resort();
        }
        self.tab = now;
        (self.events.window, self.connections.window) = place.windows;
        self.resift();
    }

    /// There is something behind what is shown or selected.
    pub(super) fn can_drill(&self) -> bool {
        if self.details.is_empty() {
            self.pane().rows() > 0
        } else {
            self.has_other_end()
        }
    }

    /// There is a step back.
    pub(super) fn is_drilled(&self) -> bool {
        !self.details.is_empty() || !self.trail.is_empty()
    }
}
