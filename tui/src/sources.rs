//! From what the command line asks for to a stream of updates: one function for each source.

use collector::identity::host::node_name;
use collector::source::{Stop, Updates, host, poll};

use crate::cli::{AcceptHook, Probes, Source};

/// Starts a source. What goes wrong, also at its start, is said in the stream.
pub(crate) fn start(source: &Source, stop: Stop) -> Updates {
    match source {
        Source::Host(probes) => host::start(host_options(probes), stop),
        Source::Poll => poll::start(poll::Options::default(), stop),
    }
}

fn host_options(probes: &Probes) -> host::Options {
    let mut options = host::Options {
        probe: collector::probe::Options::default(),
        node: node_name(),
        seed: !probes.no_seed,
    };
    if let Some(bytes) = probes.buffer {
        options.probe.buffer = bytes;
    }
    if let Some(AcceptHook::Only(hook)) = probes.accept_hook {
        options.probe.accept_hook = Some(hook);
    }
    options
}
