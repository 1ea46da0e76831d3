//! What the command line says of agents and clusters.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use collector::kube::access;
use collector::kube::deploy::NAMESPACE;

/// How an agent serves.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct Agent {
    /// The node's name [default: this host's]
    #[arg(long, value_name = "NAME", env = "NODE_NAME", hide_env_values = true)]
    pub(crate) node_name: Option<String>,
    /// Who is to reach it
    #[arg(long, value_enum, value_name = "WHERE", default_value = "loopback")]
    pub(crate) listen: Listen,
    /// The address for `--listen proxy`
    #[arg(long, value_name = "IP", env = "POD_IP", hide_env_values = true)]
    pub(crate) address: Option<IpAddr>,
    /// The port, on that address and on loopback
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = collector::agent::PORT,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub(crate) port: u16,
    /// Outside of a cluster: who knows the token in FILE may see all
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Watch these connections only, at all: by addresses, ports, namespace, pod and container
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// Ask the agent that runs here how it is, and exit
    #[arg(long, value_enum, value_name = "WHAT", hide = true)]
    pub(crate) probe: Option<Probe>,
}

/// Where an agent listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listen {
    /// The API server, on the pod's address, with TLS; and loopback
    Proxy,
    /// Port-forwards and this host only
    Loopback,
}

/// What a container asks its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Probe {
    /// Whether it runs.
    Health,
    /// Whether events arrive.
    Ready,
}

/// Which cluster, and where in it the agents are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct Access {
    /// The context of the kubeconfig [default: the current one]
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    pub(crate) context: Option<String>,
    /// The kubeconfig [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Act as this user, if you may impersonate
    #[arg(long = "as", value_name = "USER", help_heading = "Cluster")]
    pub(crate) as_user: Option<String>,
    /// Act as one of this group; repeats add
    #[arg(long, value_name = "GROUP", help_heading = "Cluster")]
    pub(crate) as_group: Vec<String>,
    /// The agents' namespace [default: tcpscope]
    #[arg(long, value_name = "NS", help_heading = "Cluster")]
    pub(crate) agent_namespace: Option<String>,
}

impl Access {
    /// The agents' namespace.
    pub(crate) fn agent_namespace(&self) -> &str {
        self.agent_namespace.as_deref().unwrap_or(NAMESPACE)
    }

    /// What opens the cluster.
    pub(crate) fn options(&self) -> access::Options {
        access::Options {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            user: self.as_user.clone(),
            groups: self.as_group.clone(),
            mute: false,
        }
    }
}

/// CLUSTER: the agents of a cluster as a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct Cluster {
    /// Watch the cluster of the kubeconfig, through its API server
    #[arg(short, long, help_heading = "Cluster")]
    pub(crate) kubernetes: bool,
    /// Only pods with these labels, as in `kubectl get pods -l`
    #[arg(short = 'l', long, value_name = "LABELS", help_heading = "Cluster")]
    pub(crate) selector: Option<String>,
    /// The way to the agents [default: auto, the proxy where it works]
    #[arg(long, value_enum, value_name = "WAY", help_heading = "Cluster")]
    pub(crate) via: Option<Via>,
    #[command(flatten)]
    pub(crate) access: Access,
}

impl Cluster {
    /// Whether anything was said that needs `-k`.
    pub(crate) fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// A choice of `--via`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    /// The proxy where it works, else port-forwards
    Auto,
    /// The API server's proxy to pods
    Proxy,
    /// Port-forwards
    PortForward,
}

/// What to do with the agents.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct K8s {
    #[command(subcommand)]
    pub(crate) command: K8sCommand,
}

/// What to do with the agents.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum K8sCommand {
    /// Run an agent on each node, or bring those that run up to date
    Deploy {
        /// Print the objects and change nothing
        #[arg(long)]
        print_only: bool,
        /// Wait until all agents are ready
        #[arg(long, conflicts_with = "print_only")]
        wait: bool,
        /// The agents' image
        #[arg(long, value_name = "IMAGE", default_value = concat!("tcpscope:", env!("CARGO_PKG_VERSION")))]
        image: String,
        /// Who is to reach the agents
        #[arg(long, value_enum, value_name = "WHERE", default_value = "proxy")]
        listen: Listen,
        /// Give the agents more rights: for kernels that are strict about memory or perf events
        #[arg(long)]
        compat: bool,
        /// Watch these connections only, at all: by addresses, ports, namespace, pod and container
        #[arg(long, value_name = "EXPR")]
        filter: Option<String>,
        #[command(flatten)]
        access: Access,
    },
    /// Remove the agents and all that belongs to them
    Undeploy {
        #[command(flatten)]
        access: Access,
    },
    /// Say how the agents are, node by node
    Status {
        #[command(flatten)]
        access: Access,
    },
}
