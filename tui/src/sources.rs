//! From what the command line asks for to a stream of updates: one function for each source.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use collector::filter::Filter;
use collector::identity::host::node_name;
use collector::kube::access::Access;
use collector::kube::transport::Ways;
use collector::model::{Thresholds, Timestamp, Via};
use collector::record::{Recording, Taping};
use collector::source::replay::{self, Control, Playing, Speed};
use collector::source::{Stop, Updates, cluster, demo, host, poll};

use crate::cli::{self, AcceptHook, Cluster, Format, Probes, Source, View};
use crate::contexts::Switched;

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
/// If there can be no recording, or as [`View::filter`].
pub(crate) fn start(
    source: &Source,
    access: Option<&Access>,
    view: &View,
    format: Format,
    player: Option<&Player>,
    thresholds: &Thresholds,
    stop: &Stop,
) -> anyhow::Result<(Updates, Taping)> {
    let recording = view.record.as_deref().map(Recording::create).transpose()?;
    let updates = match (source, access, player) {
        (Source::Cluster(cluster), Some(access), _) => watch(cluster, access, view, format, stop)?,
        (Source::Host(probes), ..) => {
            let mut options = host_options(probes, node_name());
            options.probe.wanted = view.scope(format)?.wanted();
            options.probe.unaccepted_after = Duration::from_micros(thresholds.unaccepted_us);
            host::start(options, stop.clone())
        }
        (Source::Poll, ..) => poll::start(poll::Options::default(), stop.clone()),
        (Source::Replay(..), _, Some(player)) => player.start(None, stop.clone()),
        (Source::Demo(seed), ..) => demo::start(demo::Options { seed: *seed }, stop.clone()),
        // Only what was opened can be started.
        (Source::Cluster(_), None, _) | (Source::Replay(..), _, None) => {
            Box::pin(tokio_stream::empty())
        }
    };
    Ok(match recording {
        Some(recording) => recording.tee(updates, stop.clone())?,
        None => (updates, Taping::default()),
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

/// Plays a recording.
#[derive(Clone, Debug)]
pub(crate) struct Player {
    file: PathBuf,
    control: Control,
    /// As it is played at first.
    pub(crate) playing: Playing,
}

impl Player {
    /// For a source that is a recording.
    pub(crate) fn of(source: &Source, format: Format) -> Option<Self> {
        let Source::Replay(file, speed) = source else {
            return None;
        };
        let playing = Playing::at(speed.unwrap_or(match format {
            Format::Tui => Speed::NORMAL,
            // Who reads text need not wait for it.
            _text => Speed::Max,
        }));
        Some(Self {
            file: file.clone(),
            control: Control::new(playing),
            playing,
        })
    }

    /// Plays it in another way from now on.
    pub(crate) fn play(&self, playing: Playing) {
        self.control.set(playing);
    }

    /// Plays it from its beginning, all at once up to `from`.
    fn start(&self, from: Option<Timestamp>, stop: Stop) -> Updates {
        let (file, control) = (self.file.clone(), self.control.clone());
        let options = replay::Options {
            file,
            control,
            from,
        };
        replay::start(options, stop)
    }

    /// Plays it again, from another moment on.
    ///
    /// # Errors
    /// A sentence, if it can be read only once.
    pub(crate) fn seek(&self, from: Timestamp) -> Result<Switched, String> {
        if self.file.as_os_str() == "-" {
            return Err("what comes from a pipe is played once, from its beginning".to_owned());
        }
        let stop = Stop::default();
        Ok(Switched {
            source: self.name(),
            namespace: None,
            updates: self.start(Some(from), stop.clone()),
            stop,
        })
    }

    /// What it is called on the screen.
    pub(crate) fn name(&self) -> String {
        let name = self.file.file_name().unwrap_or(self.file.as_os_str());
        name.to_string_lossy().into_owned()
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
