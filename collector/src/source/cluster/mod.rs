//! A cluster: the streams of all its agents, as one.
//!
//! ```text
//! agents' pods (a watch) ─┬▶ node: dial, read, dial again ─┐
//!                         ├▶ node …                        ├▶ names ─▶ merge ─▶ updates
//!                         └▶ node …                        ┘
//! ```
//!
//! Nodes come and go while it runs. Each is in one of three states, connecting, live or lost, and
//! when it is lost it says why, and is tried again.

mod backoff;
mod frames;
mod merge;
mod met;
mod names;
mod node;

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use self::merge::Dated;
use self::names::Names;
use self::node::Node;
use super::{Stop, Updates};
use crate::filter::Filter;
use crate::kube::access::Access;
use crate::kube::discover::{self, AgentPod};
use crate::kube::labels::Labelled;
use crate::kube::peers::Followed;
use crate::kube::token::Tokens;
use crate::kube::transport::{Transport, Ways};
use crate::kube::watch::Change;
use crate::model::{NodeState, SourceState, Update};

/// How a cluster is watched.
#[derive(Clone, Debug)]
pub struct Options {
    /// The agents' namespace.
    pub namespace: String,
    /// The way to them.
    pub ways: Ways,
    /// What agents are asked for, and which nodes; the rest does not travel.
    pub scope: Filter,
    /// Only pods with these labels, in Kubernetes' own language.
    pub selector: Option<String>,
}

/// How many updates wait for a slow reader. When they are full the agents drop, and count.
const QUEUE: usize = 64;
/// How many agents are dialled at once: each dial is a few requests to the API server.
const DIALS: usize = 20;

/// Starts to watch a cluster. The stream ends when it is asked to stop, and when there are no
/// agents or they can't be looked for at the start; that is said in the name of the namespace.
#[must_use]
pub fn start(access: &Access, options: Options, stop: Stop) -> Updates {
    let (updates, said) = mpsc::channel(QUEUE);
    let cluster = Cluster {
        transport: Transport::new(access.streaming.clone(), &options.namespace, options.ways),
        tokens: Tokens::new(access.client.clone(), &options.namespace),
        dials: Arc::new(Semaphore::new(DIALS)),
        updates,
        options,
        nodes: HashMap::new(),
    };
    let client = access.client.clone();
    let (reader, outcome) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let mut cluster = cluster;
        let labelled = match &cluster.options.selector {
            None => None,
            Some(selector) => match Labelled::follow(client.clone(), selector).await {
                Ok(labelled) => Some(labelled),
                Err(why) => {
                    // A reader who has gone need not be told.
                    let _ = reader.send(cluster.hopeless(why)).await;
                    return;
                }
            },
        };
        let names = Names {
            peers: Followed::start(&client),
            labelled,
        };
        let (to_merge, dated) = mpsc::channel(QUEUE);
        tokio::spawn(names.name(said, to_merge));
        tokio::spawn(merge::run(dated, reader.clone()));
        let agents = discover::agents(client, &cluster.options.namespace);
        cluster.follow(agents, &stop).await;
        cluster.end().await;
    });
    Box::pin(ReceiverStream::new(outcome))
}

struct Cluster {
    transport: Transport,
    tokens: Tokens,
    dials: Arc<Semaphore>,
    updates: mpsc::Sender<Dated>,
    options: Options,
    /// By the UID of the agent's pod.
    nodes: HashMap<String, Running>,
}

/// A node that is being followed.
struct Running {
    name: Arc<str>,
    agent: watch::Sender<AgentPod>,
    task: JoinHandle<()>,
}

impl Cluster {
    async fn follow(&mut self, mut agents: crate::kube::watch::Changes<Pod>, stop: &Stop) {
        let mut known = false;
        loop {
            let change = tokio::select! {
                biased;
                () = stop.requested() => return,
                () = self.updates.closed() => return,
                change = agents.next() => change,
            };
            match change {
                None => return,
                Some(Change::All(pods)) => {
                    let agents: Vec<AgentPod> = pods.iter().filter_map(discover::read).collect();
                    if agents.is_empty() && !known {
                        return self.send(self.hopeless(self.nobody())).await;
                    }
                    known = true;
                    self.replace(agents).await;
                }
                Some(Change::Applied(pod)) => {
                    if let Some(agent) = discover::read(&pod) {
                        self.apply(agent);
                    }
                }
                Some(Change::Deleted(pod)) => {
                    if let Some(uid) = &pod.metadata.uid {
                        self.remove(uid).await;
                    }
                }
                // Whoever is known goes on; who is new is seen later.
                Some(Change::Failed(why)) if known => tracing::warn!("agents: {why}"),
                Some(Change::Failed(why)) => {
                    let why = format!("cannot look for agents: {why}");
                    return self.send(self.hopeless(why)).await;
                }
            }
        }
    }

    fn nobody(&self) -> String {
        format!(
            "there are no agents in namespace {}: `tcpscope k8s deploy` puts them there",
            self.options.namespace
        )
    }

    /// Why it is over before it has begun.
    fn hopeless(&self, why: String) -> Update {
        state(
            self.options.namespace.as_str().into(),
            SourceState::Lost(why),
        )
    }

    async fn replace(&mut self, agents: Vec<AgentPod>) {
        let gone: Vec<String> = self.nodes.keys().cloned().collect();
        for uid in gone {
            if agents.iter().all(|agent| agent.uid != uid) {
                self.remove(&uid).await;
            }
        }
        for agent in agents {
            self.apply(agent);
        }
    }

    fn apply(&mut self, agent: AgentPod) {
        if let Some(running) = self.nodes.get(&agent.uid) {
            running.agent.send_if_modified(|known| {
                let changed = *known != agent;
                *known = agent;
                changed
            });
            return;
        }
        if !self.options.scope.passes_node(&agent.node) {
            return;
        }
        let name: Arc<str> = agent.node.as_str().into();
        let uid = agent.uid.clone();
        let (agent, heard) = watch::channel(agent);
        let node = Node::new(
            Arc::clone(&name),
            heard,
            self.transport.clone(),
            self.tokens.clone(),
            Arc::clone(&self.dials),
            &self.options.scope,
            self.updates.clone(),
        );
        let task = tokio::spawn(node.run());
        self.nodes.insert(uid, Running { name, agent, task });
    }

    async fn remove(&mut self, uid: &str) {
        let Some(running) = self.nodes.remove(uid) else {
            return;
        };
        running.task.abort();
        // A new agent on the same node speaks for it already.
        if self.nodes.values().all(|other| other.name != running.name) {
            let why = "its agent is gone".to_owned();
            self.say(running.name, SourceState::Lost(why)).await;
        }
    }

    async fn end(&mut self) {
        for (_, running) in std::mem::take(&mut self.nodes) {
            running.task.abort();
            self.say(running.name, SourceState::Ended).await;
        }
    }

    async fn say(&self, node: Arc<str>, says: SourceState) {
        self.send(state(node, says)).await;
    }

    async fn send(&self, update: Update) {
        // A reader who has gone need not be told.
        let _ = self.updates.send(Dated { update, ahead: 0 }).await;
    }
}

fn state(node: Arc<str>, state: SourceState) -> Update {
    Update::State(NodeState {
        node,
        state,
        via: None,
    })
}
