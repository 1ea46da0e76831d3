//! `tcpscope k8s`: the agents of a cluster, put there, looked at, removed.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use collector::kube::deploy::{self, Objects, Options};
use collector::kube::discover::AgentPod;
use collector::kube::{access, discover};

use crate::cli::{Access, K8sCommand, Listen, lasting};
use crate::manual::print;

/// How long `deploy --wait` waits for the agents, and `undeploy` until they are gone.
const WITHIN: Duration = Duration::from_secs(120);
/// For which server objects are printed if there is none to ask: any that is supported upstream.
const MINOR: u32 = 33;

/// Does what was asked for.
///
/// # Errors
/// If the cluster can't be reached, or refuses.
pub(crate) async fn run(command: K8sCommand) -> anyhow::Result<ExitCode> {
    match command {
        K8sCommand::Deploy {
            print_only,
            wait,
            image,
            listen,
            compat,
            filter,
            access,
        } => {
            if let Some(filter) = &filter {
                lasting(filter).unwrap_or_else(|error| error.exit());
            }
            let mut options = Options {
                image,
                listen: match listen {
                    Listen::Proxy => deploy::Listen::Proxy,
                    Listen::Loopback => deploy::Listen::Loopback,
                },
                compat,
                filter,
                ..plain(&access)
            };
            if print_only {
                if let Ok(cluster) = access::Access::open(&access.options()).await {
                    let minor = deploy::server_minor(&cluster.client).await;
                    options.minor = minor.unwrap_or(MINOR);
                }
                return print(Objects::new(&options)?.to_yaml()?.as_bytes());
            }
            put(options, &access, wait).await
        }
        K8sCommand::Undeploy { access } => {
            let cluster = access::Access::open(&access.options()).await?;
            let objects = Objects::new(&plain(&access))?;
            deploy::delete(&cluster.client, &objects, WITHIN, say).await?;
            Ok(ExitCode::SUCCESS)
        }
        K8sCommand::Status { access } => status(&access).await,
    }
}

fn plain(access: &Access) -> Options {
    Options {
        namespace: access.agent_namespace().to_owned(),
        image: String::new(),
        listen: deploy::Listen::Proxy,
        compat: false,
        filter: None,
        minor: MINOR,
    }
}

async fn put(mut options: Options, access: &Access, wait: bool) -> anyhow::Result<ExitCode> {
    let cluster = access::Access::open(&access.options()).await?;
    options.minor = deploy::server_minor(&cluster.client).await?;
    let objects = Objects::new(&options)?;
    deploy::apply(&cluster.client, &objects, say).await?;
    if wait {
        let ready = deploy::wait(&cluster.client, &options.namespace, WITHIN, say).await?;
        say(&format!("{ready} agents are ready"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Progress is for a person, not for a pipe.
fn say(what: &str) {
    eprintln!("tcpscope: {what}");
}

async fn status(access: &Access) -> anyhow::Result<ExitCode> {
    let cluster = access::Access::open(&access.options()).await?;
    let namespace = access.agent_namespace();
    let agents = discover::list(&cluster.client, namespace).await?;
    if agents.is_empty() {
        anyhow::bail!(
            "there are no agents in namespace {namespace}: `tcpscope k8s deploy` puts them there"
        );
    }
    print(table(&agents).as_bytes())?;
    Ok(if agents.iter().all(|agent| agent.down.is_none()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn table(agents: &[AgentPod]) -> String {
    let width = |of: fn(&AgentPod) -> &str, title: &str| {
        let longest = agents.iter().map(|agent| of(agent).len()).max();
        longest.unwrap_or_default().max(title.len()) + 2
    };
    let node = width(|agent| &agent.node, "NODE");
    let pod = width(|agent| &agent.name, "POD");
    let mut text = format!("{:node$}{:pod$}{:10}STATE\n", "NODE", "POD", "LISTEN");
    for agent in agents {
        let listen = if agent.proxy { "proxy" } else { "loopback" };
        let state = agent.down.as_deref().unwrap_or("running");
        // A String takes all that is written.
        let _ = writeln!(
            text,
            "{:node$}{:pod$}{listen:10}{state}",
            agent.node, agent.name
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_has_a_line_and_those_that_are_down_say_why() {
        let agent = |node: &str, down: Option<&str>| AgentPod {
            node: node.to_owned(),
            name: "tcpscope-agent-x".to_owned(),
            uid: String::new(),
            port: 7171,
            proxy: down.is_none(),
            down: down.map(str::to_owned),
        };
        let agents = [agent("node-1", None), agent("b", Some("no BTF"))];
        assert_eq!(
            table(&agents),
            "\
NODE    POD               LISTEN    STATE
node-1  tcpscope-agent-x  proxy     running
b       tcpscope-agent-x  loopback  no BTF
"
        );
    }
}
