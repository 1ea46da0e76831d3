//! The way to an agent: through the API server's proxy, or through a port-forward.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, SERVER};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Portforwarder;
use kube::client::Body;
use kube::{Api, Client};
use thiserror::Error;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::discover::AgentPod;
use super::watch::sentence;
use crate::agent::{self, TOKEN_HEADER};
use crate::model::Via;

/// How long an agent may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// An error's body is read no further, in bytes.
const ERROR_MAX: usize = 4096;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Which ways may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ways {
    /// The proxy, and a port-forward where that does not work.
    Auto,
    /// This one.
    Only(Via),
}

/// An answer that has begun.
pub struct Incoming {
    /// The way that it came.
    pub via: Via,
    body: UnsyncBoxBody<Bytes, BoxError>,
    _tunnel: Option<Tunnel>,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Incoming via {}", self.via.word())
    }
}

impl Incoming {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// A sentence, if the connection broke.
    pub async fn next(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(sentence(&*error)),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }
}

/// Why an agent could not be reached.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DialError {
    /// The agent answered, and not with what was asked for.
    #[error("the agent refuses: {1}")]
    Agent(u16, String),
    /// This way does not lead there; another one may.
    #[error("{0}")]
    Way(String),
    /// There is no sense in trying another way.
    #[error("{0}")]
    Closed(String),
}

/// Asks an agent through the API server.
#[derive(Clone)]
pub struct Transport {
    client: Client,
    namespace: String,
    ways: Ways,
}

impl Transport {
    /// To the agents of a namespace. The client must not try again by itself: see
    /// [`super::access::Access::streaming`].
    #[must_use]
    pub fn new(client: Client, namespace: &str, ways: Ways) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            ways,
        }
    }

    /// Gets `target`, a path and a query. `first` is the way that worked before.
    ///
    /// # Errors
    /// If no way leads there, or the agent refuses.
    pub async fn get(
        &self,
        agent: &AgentPod,
        target: &str,
        token: &str,
        first: Option<Via>,
    ) -> Result<Incoming, DialError> {
        let ways = match self.ways {
            Ways::Only(way) => vec![way],
            // It listens where the proxy does not get to.
            Ways::Auto if !agent.proxy => vec![Via::PortForward],
            Ways::Auto if first == Some(Via::PortForward) => vec![Via::PortForward, Via::Proxy],
            Ways::Auto => Via::ALL.to_vec(),
        };
        let mut closed = Vec::new();
        let mut silent = Vec::new();
        for way in ways {
            let got = match way {
                Via::Proxy => timeout(ANSWER_WITHIN, self.proxy(agent, target, token)).await,
                Via::PortForward => {
                    timeout(ANSWER_WITHIN, self.forward(agent, target, token)).await
                }
            };
            match got {
                Ok(Err(DialError::Way(why))) => closed.push(format!("{}: {why}", way.word())),
                Ok(done) => return done,
                Err(_) => silent.push(way.word()),
            }
        }
        if !silent.is_empty() {
            closed.push(no_answer(&silent, &agent.node));
        }
        Err(DialError::Way(closed.join("; ")))
    }

    async fn proxy(
        &self,
        agent: &AgentPod,
        target: &str,
        token: &str,
    ) -> Result<Incoming, DialError> {
        let AgentPod { name, port, .. } = agent;
        let namespace = &self.namespace;
        let path = format!("/api/v1/namespaces/{namespace}/pods/https:{name}:{port}/proxy{target}");
        let request = Request::get(path).header(TOKEN_HEADER, token);
        let request = request
            .body(Body::empty())
            .map_err(|error| DialError::Closed(error.to_string()))?;
        let response = self.client.send(request).await;
        let response = response.map_err(|error| DialError::Way(sentence(&error)))?;
        let response = response.map(|body| body.map_err(BoxError::from).boxed_unsync());
        accepted(Via::Proxy, response, None).await
    }

    async fn forward(
        &self,
        agent: &AgentPod,
        target: &str,
        token: &str,
    ) -> Result<Incoming, DialError> {
        let way = |error: &dyn std::error::Error| DialError::Way(sentence(error));
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let opened = pods.portforward(&agent.name, &[agent.port]).await;
        let mut forwarder = opened.map_err(|error| way(&error))?;
        let no_stream = || DialError::Way("the port-forward has no stream".to_owned());
        let stream = forwarder.take_stream(agent.port).ok_or_else(no_stream)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| way(&error))?;
        // It is always read, so that the WebSocket never fills: the agent drops, if anybody must.
        let driver = tokio::spawn(connection);
        let tunnel = Tunnel {
            driver: driver.abort_handle(),
            forwarder,
        };
        let request = Request::get(target)
            .header(HOST, "localhost")
            .header(TOKEN_HEADER, token)
            .body(Empty::<Bytes>::new())
            .map_err(|error| DialError::Closed(error.to_string()))?;
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| way(&error))?;
        let response = response.map(|body| body.map_err(BoxError::from).boxed_unsync());
        accepted(Via::PortForward, response, Some(tunnel)).await
    }
}

/// Where nothing comes back by any way, the node may be what is to be looked at.
fn no_answer(ways: &[&str], node: &str) -> String {
    let ways = ways.join(" or ");
    let within = ANSWER_WITHIN.as_secs();
    format!("no answer within {within} s by {ways}: is the node up? `kubectl get node {node}`")
}

/// The port-forward of one stream; it ends with it.
struct Tunnel {
    driver: AbortHandle,
    forwarder: Portforwarder,
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.driver.abort();
        self.forwarder.abort();
    }
}

/// The stream, or what the answer means if it is none.
async fn accepted(
    via: Via,
    response: Response<UnsyncBoxBody<Bytes, BoxError>>,
    tunnel: Option<Tunnel>,
) -> Result<Incoming, DialError> {
    let status = response.status();
    let agents_own = response
        .headers()
        .get(SERVER)
        .is_some_and(|name| name == agent::SERVER);
    let mut incoming = Incoming {
        via,
        body: response.into_body(),
        _tunnel: tunnel,
    };
    if agents_own && status == StatusCode::OK {
        return Ok(incoming);
    }
    let mut text = Vec::new();
    while text.len() < ERROR_MAX
        && let Ok(Some(bytes)) = incoming.next().await
    {
        text.extend_from_slice(&bytes);
    }
    Err(refusal(agents_own, status, &String::from_utf8_lossy(&text)))
}

/// What an answer that is no stream means. Pure.
fn refusal(agents_own: bool, status: StatusCode, body: &str) -> DialError {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    // Ours say `error`, Kubernetes' say `message`.
    let said = json.get("error").or_else(|| json.get("message"));
    let said = said.and_then(serde_json::Value::as_str).map(str::to_owned);
    let said = said.unwrap_or_else(|| {
        let line = body.lines().next().unwrap_or_default().trim();
        format!("{status} {line}").trim_end().to_owned()
    });
    match status.as_u16() {
        code if agents_own => DialError::Agent(code, said),
        403 | 500 | 502 | 503 | 504 => DialError::Way(said),
        _ => DialError::Closed(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_one_sentence() {
        assert_eq!(
            no_answer(&["proxy", "port-forward"], "n1"),
            "no answer within 5 s by proxy or port-forward: is the node up? `kubectl get node n1`"
        );
    }

    #[test]
    fn what_an_answer_means() {
        let agents = r#"{"status":429,"error":"8 clients are being served already"}"#;
        let servers = r#"{"kind":"Status","message":"pods is forbidden","code":403}"#;
        let status = |code| StatusCode::from_u16(code).unwrap();
        let way = |said: &str| DialError::Way(said.to_owned());
        let closed = |said: &str| DialError::Closed(said.to_owned());
        let full = "8 clients are being served already".to_owned();
        assert_eq!(
            refusal(true, status(429), agents),
            DialError::Agent(429, full)
        );
        assert_eq!(
            refusal(false, status(403), servers),
            way("pods is forbidden")
        );
        assert_eq!(
            refusal(false, status(401), "no"),
            closed("401 Unauthorized no")
        );
        assert_eq!(refusal(false, status(404), ""), closed("404 Not Found"));
        let upstream = "Error trying to reach service: 'dial tcp: i/o timeout'";
        for code in [500, 502, 503] {
            assert!(matches!(
                refusal(false, status(code), upstream),
                DialError::Way(_)
            ));
        }
        // Something else that listens there.
        assert!(matches!(
            refusal(false, StatusCode::OK, "hi"),
            DialError::Closed(_)
        ));
    }
}
