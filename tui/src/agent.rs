//! `tcpscope agent`: from the command line to a running agent.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use collector::agent::auth::{Authorize, Remembered, SharedToken};
use collector::agent::{self, probe};
use collector::identity::host::node_name;
use collector::kube::review::Reviews;
use collector::source::{Stop, host};

use crate::cli::{Agent, Listen, Probe, Probes};
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
    let address = match (options.listen, options.address) {
        (Listen::Loopback, _) => None,
        (Listen::Proxy, Some(address)) => Some(address),
        (Listen::Proxy, None) => bail!("--listen proxy needs the pod's address: set $POD_IP"),
    };
    let authorize = authorize(&options)?;
    let node = options.node_name.map_or_else(node_name, Arc::from);
    let mut signals = Signals::new().context("cannot listen to signals")?;

    let place = agent::Options {
        address,
        port: options.port,
        ..agent::Options::default()
    };
    let bound = agent::Agent::bind(&place).await?;
    let (source, stop) = (Stop::default(), Stop::default());
    let updates = host::start(host_options(probes, Arc::clone(&node)), source.clone());
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

fn authorize(options: &Agent) -> anyhow::Result<Arc<dyn Authorize>> {
    let Some(path) = &options.token_file else {
        let reviews = Reviews::in_cluster().map_err(anyhow::Error::msg);
        let reviews = reviews.context("outside of a cluster an agent needs --token-file")?;
        return Ok(Arc::new(Remembered::new(reviews)));
    };
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let token = SharedToken::new(&text);
    let token = token.with_context(|| format!("the token in {name} is shorter than 16 bytes"))?;
    Ok(Arc::new(token))
}

async fn ask(port: u16, what: Probe) -> anyhow::Result<ExitCode> {
    let path = match what {
        Probe::Health => "/healthz",
        Probe::Ready => "/readyz",
    };
    probe::ask(port, path).await.map_err(anyhow::Error::msg)?;
    Ok(ExitCode::SUCCESS)
}
