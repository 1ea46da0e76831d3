//! What the command line says of agents and clusters.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

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
