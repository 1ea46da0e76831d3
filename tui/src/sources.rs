//! From what the command line asks for to a stream of updates: one function for each source.

use std::sync::Arc;

use anyhow::bail;
use collector::filter::Filter;
use collector::identity::host::node_name;
use collector::kube::access::{self, Access};
use collector::kube::transport::Ways;
use collector::model::{Timestamp, Via};
use collector::record::{Failure, Recording};
use collector::source::replay::{self, Control, Playing, Speed};
use collector::source::{Stop, Updates, cluster, demo, host, poll};

use crate::cli::{self, AcceptHook, Cluster, Format, Probes, Source, View};
use crate::job::{Again, Watching};

/// A source that is watched, and what is needed to watch another part of it, or another one.
pub(crate) struct Watched {
    source: Source,
    /// What was asked for, without what the cluster adds.
    asked: View,
    view: View,
    access: Option<Access>,
    /// How a recording is played.
    control: Option<Control>,
    stop: Stop,
}

impl Watched {
    /// Opens a cluster, if that is the source. Whoever the kubeconfig names for the credentials may
    /// ask for something on the terminal, so this comes before the screen.
    ///
    /// # Errors
    /// If there is no kubeconfig that can be used.
    pub(crate) async fn open(source: Source, asked: View, stop: Stop) -> anyhow::Result<Self> {
        let mut watched = Self {
            source,
            view: asked.clone(),
            asked,
            access: None,
            control: None,
            stop,
        };
        if let Source::Cluster(cluster) = &watched.source {
            let access = Access::open(&cluster.access.options()).await?;
            watched.view.default_namespace(&access.namespace);
            watched.access = Some(access);
        }
        Ok(watched)
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// Only some namespaces are asked for: of the others nothing comes.
    pub(crate) fn is_scoped(&self) -> bool {
        matches!(self.source, Source::Cluster(_)) && !self.view.namespace.is_empty()
    }

    /// What it is called on the screen.
    pub(crate) fn name(&self) -> String {
        match &self.source {
            Source::Host(_) => "host".to_owned(),
            Source::Poll => "poll".to_owned(),
            Source::Replay(file, _) => match file.file_name() {
                Some(name) => name.to_string_lossy().into_owned(),
                None => file.display().to_string(),
            },
            Source::Demo(_) => "demo".to_owned(),
            Source::Cluster(_) => {
                let context = self
                    .access
                    .as_ref()
                    .and_then(|access| access.context.as_ref());
                context.map_or("cluster".to_owned(), |context| format!("cluster {context}"))
            }
        }
    }

    /// Starts it, and its recording if there is to be one: what became of that is known at the
    /// end. What goes wrong with the source, also at its start, is said in the stream.
    ///
    /// # Errors
    /// If there can be no recording.
    pub(crate) fn start(&mut self, format: Format) -> anyhow::Result<(Updates, Failure)> {
        let recording = self.view.record.as_deref().map(Recording::create);
        let recording = recording.transpose()?;
        let updates = self.updates(self.playing(format), None)?;
        Ok(match recording {
            Some(recording) => recording.tee(updates, self.stop.clone())?,
            None => (updates, Failure::default()),
        })
    }

    /// How a recording is played at first.
    pub(crate) fn playing(&self, format: Format) -> Playing {
        let said = match &self.source {
            Source::Replay(_, speed) => *speed,
            _ => None,
        };
        Playing::at(said.unwrap_or(match format {
            Format::Tui => Speed::NORMAL,
            // Who reads text need not wait for it.
            _text => Speed::Max,
        }))
    }

    /// Plays the recording in another way.
    pub(crate) fn play(&self, playing: Playing) {
        if let Some(control) = &self.control {
            control.set(playing);
        }
    }

    /// Watches something else instead, a recording in the way in which it is played now.
    ///
    /// # Errors
    /// If it cannot be watched. Then all is as it was.
    pub(crate) async fn again(
        &mut self,
        again: Again,
        playing: Option<Playing>,
    ) -> anyhow::Result<(Updates, Watching)> {
        let mut namespace = None;
        let from = match again {
            Again::From(ts) => {
                if matches!(&self.source, Source::Replay(file, _) if file.as_os_str() == "-") {
                    bail!("what comes from a pipe is played once, from its beginning");
                }
                Some(ts)
            }
            Again::Context(name) => {
                let Source::Cluster(cluster) = &mut self.source else {
                    bail!("contexts are of clusters");
                };
                let options = access::Options {
                    context: Some(name.clone()),
                    ..cluster.access.options()
                };
                let access = Access::open(&options).await?;
                cluster.access.context = Some(name);
                self.view = self.asked.clone();
                self.view.default_namespace(&access.namespace);
                if self.view.namespace != self.asked.namespace {
                    namespace = Some(access.namespace.clone());
                }
                self.access = Some(access);
                None
            }
            Again::AllNamespaces => {
                self.view.namespace.clear();
                self.view.all_namespaces = true;
                None
            }
        };
        let playing = playing.unwrap_or(Playing::at(Speed::NORMAL));
        let updates = self.updates(playing, from)?;
        let source = self.name();
        let scoped = self.is_scoped();
        Ok((
            updates,
            Watching {
                source,
                namespace,
                scoped,
            },
        ))
    }

    fn updates(&mut self, playing: Playing, from: Option<Timestamp>) -> anyhow::Result<Updates> {
        let stop = self.stop.clone();
        Ok(match (&self.source, &self.access) {
            (Source::Host(probes), _) => host::start(host_options(probes, node_name()), stop),
            (Source::Poll, _) => poll::start(poll::Options::default(), stop),
            (Source::Replay(file, _), _) => {
                let control = Control::new(playing);
                self.control = Some(control.clone());
                let file = file.clone();
                replay::start(
                    replay::Options {
                        file,
                        control,
                        from,
                    },
                    stop,
                )
            }
            (Source::Demo(seed), _) => demo::start(demo::Options { seed: *seed }, stop),
            (Source::Cluster(cluster), Some(access)) => {
                let options = cluster_options(cluster, self.view.scope()?);
                cluster::start(access, options, stop)
            }
            // Only one that was opened can be started.
            (Source::Cluster(_), None) => Box::pin(tokio_stream::empty()),
        })
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
