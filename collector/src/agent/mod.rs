//! The agent: one node's events, served to whoever may see them.
//!
//! ```text
//! source ─▶ Hub ─┬▶ History (what a client is told that comes later, or comes back)
//!                └▶ Queue of each client ─▶ stream ─▶ HTTP/1.1, chunked
//! ```
//!
//! One reader of the source, many clients, and none of them can slow it: a client that does not
//! keep up loses its oldest events, and is told how many.

pub mod auth;
mod history;
mod hub;
mod lines;
mod listen;
mod metrics;
mod places;
pub mod probe;
mod queue;
mod rate;
mod reply;
mod request;
mod server;
mod stream;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_stream::StreamExt;

use self::auth::Authorize;
use self::hub::Hub;
use self::listen::Listener;
use crate::model::{Bye, SourceState, Update};
use crate::source::{Stop, Updates};

pub use self::lines::{About, Allowed};
pub use self::request::FILTER_MAX;

/// The port, where none is given: free in the registry, and outside of the node ports.
pub const PORT: u16 = 7171;
/// The versions of the protocol that are spoken.
pub const PROTO: std::ops::RangeInclusive<u32> = crate::wire::PROTO..=crate::wire::PROTO;
/// The value of the header `Server`, by which a client tells our answers from a proxy's.
pub const SERVER: &str = "tcpscope";
/// The header that carries a client's token. The API server passes it on, and `Authorization` not.
pub const TOKEN_HEADER: &str = "x-tcpscope-token";
/// The type of the stream.
pub const CONTENT_TYPE: &str = "application/vnd.tcpscope.v1+ndjson";
/// How often a stream says that it is alive.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// When to come back after an agent has said bye.
const RETRY: Duration = Duration::from_secs(1);
/// How long the last words may take.
const GRACE: Duration = Duration::from_secs(2);

/// Where an agent listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The pod's address, for those who come through the API server's proxy; TLS there, with a
    /// certificate made at the start. `None` is loopback only.
    pub address: Option<IpAddr>,
    /// The port, there and on loopback; 0 is one that is free.
    pub port: u16,
    /// How many streams at once.
    pub clients: usize,
    /// How many events wait for each of them at the most.
    pub queued: usize,
    /// How often it is asked whether they still may.
    pub recheck: Duration,
}

impl Default for Options {
    /// On loopback, for eight clients; half a minute of 2,000 events a second, which is some 20 MiB
    /// where nobody else keeps them.
    fn default() -> Self {
        Self {
            address: None,
            port: PORT,
            clients: 8,
            queued: 65_536,
            recheck: auth::ALLOWED_FOR,
        }
    }
}

/// Why an agent ends before it is asked to.
#[derive(Debug, Error)]
pub enum AgentError {
    /// The address can't be had.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// The source has failed, or ended: its sentence.
    #[error("{0}")]
    Source(String),
}

/// An agent that has its addresses, and serves nobody yet.
#[derive(Debug)]
pub struct Agent {
    listeners: Vec<Listener>,
    clients: usize,
    queued: usize,
    recheck: Duration,
}

impl Agent {
    /// Takes the addresses, for the runtime that this is called in.
    ///
    /// # Errors
    /// If one of them can't be had, or no certificate can be made.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn bind(options: &Options) -> Result<Self, AgentError> {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let mut listeners = vec![Listener::plain(loopback)?];
        if let Some(address) = options.address {
            let port = listeners[0].port()?;
            listeners.push(Listener::tls(SocketAddr::from((address, port)))?);
        }
        Ok(Self {
            listeners,
            clients: options.clients,
            queued: options.queued,
            recheck: options.recheck,
        })
    }

    /// The port, on all addresses.
    ///
    /// # Errors
    /// If the system does not know it.
    pub fn port(&self) -> Result<u16, AgentError> {
        self.listeners[0].port()
    }

    /// Serves what the source says until `stop` is requested or the source ends. Clients wait until
    /// the source has greeted; then each is told what is open, and what happens from then on.
    ///
    /// # Errors
    /// If the source fails or ends without having been asked to.
    pub async fn serve(
        self,
        mut updates: Updates,
        source: &Stop,
        stop: &Stop,
        authorize: Arc<dyn Authorize>,
    ) -> Result<(), AgentError> {
        let hub = Arc::new(Hub::new(self.queued));
        let asked = tokio::select! {
            biased;
            () = stop.requested() => true,
            greeted = greeting(&hub, &mut updates) => {
                greeted?;
                false
            }
        };
        if asked {
            source.request();
            return Ok(());
        }

        let (over, is_over) = watch::channel(false);
        let server = server::Server::new(Arc::clone(&hub), authorize, self.clients, self.recheck);
        let serving = tokio::spawn(server.run(self.listeners, is_over));
        let ended = tokio::select! {
            biased;
            () = stop.requested() => None,
            why = follow(&hub, &mut updates) => Some(why),
        };
        if ended.is_none() {
            // What the source still holds back goes out before the farewell.
            source.request();
            let _ = timeout(GRACE, follow(&hub, &mut updates)).await;
        }
        let reason = ended.as_ref().map_or("the agent was stopped", |why| why);
        hub.close(&farewell(reason.to_owned()));
        let _ = over.send(true);
        // It ends by itself, within its own grace; if it panicked there is nothing to wait for.
        let _ = serving.await;
        ended.map_or(Ok(()), |why| Err(AgentError::Source(why)))
    }
}

/// A last word; who hears it may come again.
fn farewell(why: String) -> Bye {
    Bye {
        reason: Some(why),
        retry_ms: u64::try_from(RETRY.as_millis()).ok(),
        ..Bye::default()
    }
}

/// Reads until the source has greeted.
async fn greeting(hub: &Hub, updates: &mut Updates) -> Result<(), AgentError> {
    while let Some(update) = updates.next().await {
        let greeted = matches!(update, Update::Hello(_));
        if let Update::State(state) = &update
            && let SourceState::Lost(why) = &state.state
        {
            return Err(AgentError::Source(why.clone()));
        }
        hub.publish(update);
        if greeted {
            return Ok(());
        }
    }
    let why = "the source ended before it began";
    Err(AgentError::Source(why.to_owned()))
}

/// Reads until the source ends; its last sentence.
async fn follow(hub: &Hub, updates: &mut Updates) -> String {
    let mut why = None;
    while let Some(update) = updates.next().await {
        if let Update::State(state) = &update {
            why = match &state.state {
                SourceState::Lost(why) => Some(why.clone()),
                _ => None,
            };
        }
        hub.publish(update);
    }
    why.unwrap_or_else(|| "the source has ended".to_owned())
}

#[cfg(test)]
mod tests;
