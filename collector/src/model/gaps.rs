//! When events were lost: what may be missing between two events of a connection.

use std::collections::VecDeque;

use super::{LossKind, Lost, NodeIx, Timestamp};

/// Gaps that are remembered, on all nodes together.
const KEPT: usize = 1_024;

/// Losses of one kind on one node within the same second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The node.
    pub node: NodeIx,
    /// Where they were lost.
    pub kind: LossKind,
    /// How many events.
    pub n: u64,
    /// When the first of them was told.
    pub from: Timestamp,
    /// When the last of them was told.
    pub to: Timestamp,
}

/// The newest gaps; the oldest are forgotten.
#[derive(Debug, Default)]
pub struct Gaps(VecDeque<Gap>);

const TOGETHER_NANOS: i64 = 1_000_000_000;

impl Gaps {
    pub(super) fn add(&mut self, node: NodeIx, lost: &Lost, now: Timestamp) {
        let is_it = |gap: &&mut Gap| gap.node == node && gap.kind == lost.kind;
        let near = |gap: &&mut Gap| now.0.saturating_sub(gap.from.0) < TOGETHER_NANOS;
        let mut newest = self.0.iter_mut().rev().take_while(near);
        if let Some(gap) = newest.find(is_it) {
            gap.n = gap.n.saturating_add(lost.n);
            gap.to = now;
            return;
        }
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Gap {
            node,
            kind: lost.kind,
            n: lost.n,
            from: now,
            to: now,
        });
    }

    /// The gaps of a node that were told of between two moments, the oldest first.
    pub fn of(&self, node: NodeIx, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &Gap> {
        let gaps = self.0.iter().filter(move |gap| gap.node == node);
        gaps.filter(move |gap| gap.to >= from && gap.from <= to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_of_a_second_are_one_gap_and_the_oldest_go() {
        let at = |seconds: i64| Timestamp(seconds * 1_000_000_000);
        let lost = Lost::new(LossKind::Ring, 3);
        let mut gaps = Gaps::default();
        gaps.add(NodeIx(0), &lost, at(5));
        gaps.add(NodeIx(1), &lost, at(5));
        gaps.add(NodeIx(0), &lost, Timestamp(at(5).0 + 1));
        gaps.add(NodeIx(0), &lost, at(9));
        let n = |gaps: &Gaps, from, to| {
            gaps.of(NodeIx(0), at(from), at(to))
                .map(|g| g.n)
                .collect::<Vec<_>>()
        };
        assert_eq!(n(&gaps, 0, 10), [6, 3]);
        assert_eq!(n(&gaps, 6, 10), [3]);
        assert_eq!(n(&gaps, 0, 4), [0; 0]);
        for second in 0..2_000 {
            gaps.add(NodeIx(0), &lost, at(second));
        }
        assert_eq!(gaps.0.len(), KEPT);
    }
}
