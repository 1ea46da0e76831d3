//! `tcpscope agent`: from the command line to a running agent.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use collector::agent::auth::{Authorize, Remembered, SharedToken};
use collector::agent::{self, probe};
use collector::filter::Filter;
use collector::identity::Hierarchy;
use collector::identity::host::node_name;
use collector::identity::node::node_root;
use collector::kube::review::Reviews;
use collector::kube::{access, node_pods};
use collector::privileges;
use collector::source::named::{self, Names};
use collector::source::{Stop, host, watched};

use crate::cli::{Agent, Listen, Probe, Probes, lasting};
use crate::signals::Signals;
use crate::sources::host_options;

/// Serves until a signal comes or the source fails.
///
/// # Errors
/// If there is no address, nobody who decides about tokens, or no source.
pub(crate) async fn run(options: Agent, probes: &Probes) -> anyhow::Result<ExitCode> {
    if let Some(what) = options.probe {
        return ask(options.port, what).await;
    }
    let filter = options.filter.as_deref().map(lasting);
    let filter = filter.map(|filter| filter.unwrap_or_else(|error| error.exit()));
    let filter = filter.filter(|filter| *filter != Filter::all());
    let address = match (options.listen, options.address) {
        (Listen::Loopback, _) => None,
        (Listen::Proxy, Some(address)) => Some(address),
        (Listen::Proxy, None) => bail!("--listen proxy needs the pod's address: set $POD_IP"),
    };
    let node = options
        .node_name
        .as_deref()
        .map_or_else(node_name, Arc::from);
    let mut signals = Signals::new().context("cannot listen to signals")?;

    let place = agent::Options {
        address,
        port: options.port,
        ..agent::Options::default()
    };
    let bound = agent::Agent::bind(&place)?;
    let (authorize, names) = surroundings(&options, &node).await?;
    let (source, stop) = (Stop::default(), Stop::default());
    let mut host = host_options(probes, Arc::clone(&node));
    if let Some(filter) = &filter {
        host.probe.wanted = filter.wanted();
    }
    let mut updates = host::start(host, source.clone());
    if let Some(names) = names {
        updates = named::start(updates, names);
    }
    if let Some(filter) = filter {
        updates = watched::start(updates, filter);
    }
    // The source has its threads by now: whoever speaks to clients has nothing to do with probes.
    privileges::keep(privileges::SHOWING);
    eprintln!("tcpscope: serving {node} on port {}", options.port);
    let mut serving = std::pin::pin!(bound.serve(updates, &source, &stop, authorize));
    loop {
        tokio::select! {
            served = serving.as_mut() => {
                served?;
                return Ok(ExitCode::SUCCESS);
            }
            _ = signals.next() => stop.request(),
        }
    }
}

/// Who decides about tokens, and in a cluster the names of what runs here.
async fn surroundings(
    options: &Agent,
    node: &Arc<str>,
) -> anyhow::Result<(Arc<dyn Authorize>, Option<Names>)> {
    if let Some(path) = &options.token_file {
        return Ok((Arc::new(shared_token(path)?), None));
    }
    let cluster = access::in_cluster().map_err(anyhow::Error::msg);
    let (client, namespace) =
        cluster.context("outside of a cluster an agent needs --token-file")?;
    let reviews = Remembered::new(Reviews::new(client.clone(), namespace));
    let hierarchy = Hierarchy::find();
    let own = std::env::var("POD_UID").ok();
    let root = hierarchy.as_ref().zip(own.as_deref());
    let root = root.and_then(|(hierarchy, own)| node_root(hierarchy, own));
    if root.is_none() {
        eprintln!(
            "tcpscope: the own pod's cgroup was not found: all that this kernel does is reported"
        );
    }
    let pods = node_pods::follow(client, node).await;
    let root = root.as_deref().unwrap_or("/");
    let names = Names::new(Arc::clone(node), hierarchy, root, pods).but_for(own);
    Ok((Arc::new(reviews), Some(names)))
}

fn shared_token(path: &Path) -> anyhow::Result<SharedToken> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    SharedToken::new(&text).with_context(|| format!("the token in {name} is shorter than 16 bytes"))
}

async fn ask(port: u16, what: Probe) -> anyhow::Result<ExitCode> {
    let path = match what {
        Probe::Health => "/healthz",
        Probe::Ready => "/readyz",
    };
    probe::ask(port, path).await.map_err(anyhow::Error::msg)?;
    Ok(ExitCode::SUCCESS)
}
