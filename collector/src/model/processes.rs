//! One copy of a process for the many events that are credited to it.

use std::hash::BuildHasher;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::Process;

/// Processes that are remembered: those that many events are of, at a moment.
const SLOTS: usize = 1_024;

/// The processes of the newest events, each at the place that its hash names: another one with the
/// same place takes it.
#[derive(Debug)]
pub(super) struct Processes(Vec<Option<Arc<Process>>>);

impl Default for Processes {
    fn default() -> Self {
        Self(vec![None; SLOTS])
    }
}

impl Processes {
    /// The copy that is shared, in the place of an equal one.
    pub(super) fn share(&mut self, process: &mut Arc<Process>) {
        let hash = FxBuildHasher.hash_one(&**process);
        // The remainder is below SLOTS.
        let place = usize::try_from(hash % SLOTS as u64).unwrap_or_default();
        match &mut self.0[place] {
            Some(known) if known == process => *process = Arc::clone(known),
            slot => *slot = Some(Arc::clone(process)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::event;

    #[test]
    fn equal_processes_are_one() {
        let mut processes = Processes::default();
        let process = event().process.expect("it has one");
        let mut one = Arc::new(Process::clone(&process));
        let mut other = Arc::new(Process::clone(&process));
        processes.share(&mut one);
        processes.share(&mut other);
        assert!(Arc::ptr_eq(&one, &other));
    }
}
