//! The columns of the views that are lists of sums: pods, types, problems, nodes.
//!
//! Each column is one function, which says both what stands in a cell and what is sorted by.

mod nodes;
mod pods;
mod problems;
mod said;
mod types;

use collector::export::UnknownColumn;
use collector::model::findings::Problem;
use collector::model::{Kind, KindTally, Node, Store, Workload};

pub(crate) use self::problems::whom;
pub(crate) use self::said::{Look, Said};
use super::sort::First;
use super::{Align, Choice, Column, Kind as ColumnKind, Moment};
use crate::action::Tab;

/// A row of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Item<'a> {
    Pod(&'a Workload),
    Type(Kind, &'a KindTally),
    Problem(&'a Problem),
    Node(&'a Node),
}

/// What cells need to know beside their row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) moment: Moment<'a>,
    pub(crate) store: &'a Store,
}

/// What a column says of a row.
type Say = for<'a> fn(Item<'a>, At<'a>) -> Said<'a>;

/// A column of a list.
#[derive(Debug)]
pub(crate) struct ListColumn {
    name: &'static str,
    align: Align,
    /// Cells in which it is of use, nearly everything fits, and everything fits.
    cells: [u16; 3],
    first: First,
    say: Say,
}

const fn word(name: &'static str, cells: [u16; 3], say: Say) -> ListColumn {
    ListColumn {
        name,
        align: Align::Left,
        cells,
        first: First::Least,
        say,
    }
}

const fn figure(name: &'static str, cells: u16, say: Say) -> ListColumn {
    ListColumn {
        name,
        align: Align::Right,
        cells: [cells; 3],
        first: First::Greatest,
        say,
    }
}

impl Choice {
    /// The columns of a list; of the other views, none.
    pub(crate) fn list(tab: Tab, pods: bool) -> Self {
        let (columns, drop): (&[ListColumn], &[&'static str]) = match tab {
            Tab::Pods => (&pods::COLUMNS, pods::DROP),
            Tab::Types => (&types::COLUMNS, types::DROP),
            Tab::Problems => (&problems::COLUMNS, problems::DROP),
            Tab::Nodes => (&nodes::COLUMNS, nodes::DROP),
            Tab::Events | Tab::Connections => (&[], &[]),
        };
        Self {
            columns: columns
                .iter()
                .filter(|column| pods || !matches!(column.name, "NAMESPACE" | "VIA"))
                .map(Column::of_list)
                .collect(),
            drop: drop.to_vec(),
        }
    }

    /// Some of its columns, in that order; all of them if none are named.
    ///
    /// # Errors
    /// If one of them is not there.
    pub(super) fn picked<S: AsRef<str>>(self, names: &[S]) -> Result<Self, UnknownColumn> {
        if names.is_empty() {
            return Ok(self);
        }
        let columns = names.iter().map(|name| {
            let name = name.as_ref();
            self.find(name).ok_or_else(|| UnknownColumn {
                name: name.to_owned(),
            })
        });
        Ok(Self {
            columns: columns.collect::<Result<_, _>>()?,
            drop: self.drop.clone(),
        })
    }

    /// The column of that name, in any case, among those of the view.
    pub(crate) fn find(&self, name: &str) -> Option<Column> {
        let mut columns = self.columns.iter();
        columns
            .find(|column| column.name.eq_ignore_ascii_case(name))
            .copied()
    }
}

impl Column {
    fn of_list(list: &'static ListColumn) -> Self {
        let [min, ample, max] = list.cells;
        Self {
            name: list.name,
            kind: ColumnKind::Plain,
            align: list.align,
            min,
            ample,
            max,
            text: None,
            sort: None,
            list: Some(list),
        }
    }

    /// What it says of a row of its list.
    pub(crate) fn say<'a>(&self, item: Item<'a>, at: At<'a>) -> Said<'a> {
        self.list.map_or(Said::Unknown, |list| (list.say)(item, at))
    }

    pub(super) fn first(&self) -> Option<First> {
        let of_list = self.list.map(|list| list.first);
        of_list.or(self.sort.map(|(first, ..)| first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_80_each_list_fits_and_says_what_matters() {
        for (tab, names) in [
            (
                Tab::Pods,
                "NAMESPACE WORKLOAD OPEN C/s A/s X/s U/s FAILED TX RX",
            ),
            (Tab::Types, "T REASON COUNT RATE MINUTE FIRST LAST"),
            (Tab::Problems, "! PROBLEM COUNT RATE WHO WHOM LAST"),
            (Tab::Nodes, "NODE STATE VIA RATE EVENTS LOST VERSION WHY"),
        ] {
            let fitted = Choice::list(tab, true).fit(80);
            let shown: Vec<&str> = fitted.iter().map(|(column, _)| column.name).collect();
            assert_eq!(shown.join(" "), names);
            let cells: u16 = fitted.iter().map(|(_, cells)| cells + 1).sum();
            assert!(cells <= 81, "{names}: {cells}");
        }
    }
}
