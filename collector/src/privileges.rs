//! Capabilities that are not needed any more are given up, thread by thread, as capabilities(7)
//! has them: a fault in what comes after can't use them.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// What watching takes once the probes are attached: maps and the iterator, and looking at the
/// sockets of other processes and network namespaces, which `CAP_SYS_ADMIN` is for.
pub const WATCHING: CapabilitySet = CapabilitySet::BPF
    .union(CapabilitySet::PERFMON)
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::DAC_READ_SEARCH);

/// What showing takes: looking processes up, and files that belong to the user who called sudo.
pub const SHOWING: CapabilitySet = CapabilitySet::SYS_PTRACE
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::FOWNER);

/// Gives up all capabilities but these, for the calling thread and those that it starts from now on.
pub fn keep(kept: CapabilitySet) {
    let less = |had: CapabilitySets| CapabilitySets {
        effective: had.effective & kept,
        permitted: had.permitted & kept,
        inheritable: had.inheritable & kept,
    };
    let given_up = capabilities(None).and_then(|had| set_capabilities(None, less(had)));
    // Not a reason to end: whoever may not give up what it has works all the same.
    if let Err(error) = given_up {
        tracing::debug!("capabilities are kept: {error}");
    }
}
