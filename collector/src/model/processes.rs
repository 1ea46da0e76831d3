//! One copy of a process for the many events that are credited to it.

use std::hash::BuildHasher;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::Process;

/// Processes that are remembered: those that many events are of, at a moment.
const SLOTS: usize = 1_024;

/// The processes of the newest events, each at the place that its ids name: another one with the same
/// place takes it.
#[derive(Debug)]
pub(crate) struct Processes(Vec<Option<Arc<Process>>>);

impl Default for Processes {
    fn default() -> Self {
        Self(vec![None; SLOTS])
    }
}

impl Processes {
    /// The copy that is shared, in the place of an equal one.
    pub(super) fn share(&mut self, process: &mut Arc<Process>) {
        match self.slot(process) {
            Some(known) if Arc::ptr_eq(known, process) => {}
            Some(known) if known == process => *process = Arc::clone(known),
            slot => *slot = Some(Arc::clone(process)),
        }
    }

    /// The copy that is shared.
    pub(crate) fn get(&mut self, process: Process) -> Arc<Process> {
        match self.slot(&process) {
            Some(known) if **known == process => Arc::clone(known),
            slot => Arc::clone(slot.insert(Arc::new(process))),
        }
    }

    fn slot(&mut self, process: &Process) -> &mut Option<Arc<Process>> {
        let hash = FxBuildHasher.hash_one((process.pid, process.tid));
        // The remainder is below SLOTS.
        &mut self.0[usize::try_from(hash % SLOTS as u64).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Comm;
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
        let third = processes.get(Process::clone(&process));
        assert!(Arc::ptr_eq(&one, &third));
        let renamed = processes.get(Process {
            comm: Comm::from_text("other"),
            ..Process::clone(&process)
        });
        assert_ne!(renamed, third);
    }
}
