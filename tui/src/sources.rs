//! From what the command line asks for to a stream of updates: one function for each source.

use std::sync::Arc;

use collector::filter::Filter;
use collector::identity::host::node_name;
use collector::kube::access::Access;
use collector::kube::transport::Ways;
use collector::model::Via;
use collector::record::{Failure, Recording};
use collector::source::replay::{self, Speed};
use collector::source::{Stop, Updates, cluster, demo, host, poll};

use crate::cli::{self, AcceptHook, Cluster, Format, Probes, Source, View};

/// Opens a cluster, if that is the source. Whoever the kubeconfig names for the credentials may ask
/// for something on the terminal, so this comes before the screen.
///
/// # Errors
/// If there is no kubeconfig that can be used.
pub(crate) async fn open(source: &Source, view: &mut View) -> anyhow::Result<Option<Access>> {
    let Source::Cluster(cluster) = source else {
        return Ok(None);
    };
    let access = Access::open(&cluster.access.options()).await?;
    view.default_namespace(&access.namespace);
    Ok(Some(access))
}

/// Starts a source, and its recording if there is to be one: what became of that is known at the
/// end. What goes wrong with the source, also at its start, is said in the stream.
///
/// # Errors
/// If there can be no recording.
pub(crate) fn start(
    source: &Source,
    access: Option<&Access>,
    view: &View,
    format: Format,
    stop: &Stop,
) -> anyhow::Result<(Updates, Failure)> {
    let recording = view.record.as_deref().map(Recording::create).transpose()?;
    let updates = match (source, access) {
        (Source::Cluster(cluster), Some(access)) => watch(cluster, access, view, format, stop)?,
        _ => updates(source, format, stop.clone()),
    };
    Ok(match recording {
        Some(recording) => recording.tee(updates, stop.clone())?,
        None => (updates, Failure::default()),
    })
}

/// Starts to watch a cluster that was opened.
///
/// # Errors
/// As [`View::filter`].
pub(crate) fn watch(
    cluster: &Cluster,
    access: &Access,
    view: &View,
    format: Format,
    stop: &Stop,
) -> anyhow::Result<Updates> {
    let options = cluster_options(cluster, view.scope(format)?);
    Ok(cluster::start(access, options, stop.clone()))
}

fn updates(source: &Source, format: Format, stop: Stop) -> Updates {
    match source {
        Source::Host(probes) => host::start(host_options(probes, node_name()), stop),
        Source::Poll => poll::start(poll::Options::default(), stop),
        Source::Replay(file, speed) => {
            // Who reads text need not wait for it.
            let speed = speed.unwrap_or(match format {
                Format::Tui => Speed::NORMAL,
                _text => Speed::Max,
            });
            let file = file.clone();
            replay::start(replay::Options { file, speed }, stop)
        }
        Source::Demo(seed) => demo::start(demo::Options { seed: *seed }, stop),
        // Only one that was opened can be started.
        Source::Cluster(_) => Box::pin(tokio_stream::empty()),
    }
}

fn cluster_options(cluster: &Cluster, scope: Filter) -> cluster::Options {
    cluster::Options {
        namespace: cluster.access.agent_namespace().to_owned(),
        ways: match cluster.via {
            None | Some(cli::Via::Auto) => Ways::Auto,
            Some(cli::Via::Proxy) => Ways::Only(Via::Proxy),
            Some(cli::Via::PortForward) => Ways::Only(Via::PortForward),
        },
        scope,
        selector: cluster.selector.clone(),
    }
}

/// How the probes of a node by that name are loaded.
pub(crate) fn host_options(probes: &Probes, node: Arc<str>) -> host::Options {
    let mut options = host::Options {
        probe: collector::probe::Options::default(),
        node,
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
