//! The agent on its port, with scripts for sources and a client that reads what comes.

mod door;
mod ending;
mod streams;
mod tls;

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use super::auth::{Deciding, Verdict};
use super::*;
use crate::model::{
    Batch, Event, Hello, LossKind, Lost, Meta, NodeState, Origin, Timestamp, sample,
};
use crate::source::poll;

const BOUND: Duration = Duration::from_secs(20);
const GOOD: &str = "a-token-that-is-good";

/// Knows three tokens, and one for its first request only.
#[derive(Debug, Default)]
struct Door(AtomicBool);

impl Authorize for Door {
    fn decide<'a>(&'a self, token: &'a str) -> Deciding<'a> {
        let verdict = match token {
            GOOD => Verdict::Allowed,
            "stranger" => Verdict::Forbidden("stranger may not".to_owned()),
            "once" if !self.0.swap(true, Ordering::Relaxed) => Verdict::Allowed,
            "once" => Verdict::Forbidden("once may no longer".to_owned()),
            "stuck" => return Box::pin(std::future::pending()),
            "later" => Verdict::Undecided("nobody can say".to_owned()),
            _ => Verdict::Unknown,
        };
        Box::pin(std::future::ready(verdict))
    }
}

struct Running {
    port: u16,
    says: mpsc::Sender<Update>,
    stop: Stop,
    ended: JoinHandle<Result<(), AgentError>>,
}

impl Running {
    /// An agent whose source says what the test does.
    async fn start(options: Options) -> Self {
        let (says, updates) = mpsc::channel(16);
        let running = Self::with(&options, Box::pin(ReceiverStream::new(updates)), says);
        running.say(Update::Hello(hello())).await;
        running.is(SourceState::Live).await;
        running
    }

    fn with(options: &Options, updates: Updates, says: mpsc::Sender<Update>) -> Self {
        let agent = Agent::bind(&Options {
            port: 0,
            ..options.clone()
        })
        .unwrap();
        let (port, stop) = (agent.port().unwrap(), Stop::default());
        let asked = stop.clone();
        let ended = tokio::spawn(async move {
            let source = Stop::default();
            agent
                .serve(updates, &source, &asked, Arc::new(Door::default()))
                .await
        });
        Self {
            port,
            says,
            stop,
            ended,
        }
    }

    async fn say(&self, update: Update) {
        self.says.send(update).await.unwrap();
    }

    /// The source says how it is.
    async fn is(&self, state: SourceState) {
        let (node, via) = ("n1".into(), None);
        self.say(Update::State(NodeState { node, state, via }))
            .await;
    }

    async fn happen(&self, events: Vec<Event>, lost: Vec<Lost>) {
        let node = "n1".into();
        self.say(Update::Batch(Batch { node, events, lost })).await;
    }

    async fn get(&self, target: &str) -> Answer {
        self.get_as(target, &[(TOKEN_HEADER, GOOD)]).await
    }

    async fn get_as(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await;
        get(socket.unwrap(), target, headers).await
    }

    async fn stream(&self, query: &str) -> Answer {
        let mut stream = self.get(&format!("/v1/stream?proto=1{query}")).await;
        assert_eq!(stream.status, 200, "{query}");
        assert_eq!(stream.headers["content-type"], CONTENT_TYPE);
        assert_eq!(stream.line().await["t"], "hello");
        stream
    }

    /// Waits until the agent has taken in all that was said.
    async fn settled(&self, events: u64) {
        let mut stream = self.get("/v1/stream?proto=1").await;
        let hello = stream.line().await;
        let since = format!("&since={}:0", hello["instance"].as_str().unwrap());
        drop(stream);
        let all = async {
            let mut stream = self.stream(&since).await;
            for _ in 0..events {
                stream.line().await;
            }
        };
        timeout(BOUND, all).await.unwrap();
    }
}

/// What came back, and what of it is still to come.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Incoming,
    read: Vec<u8>,
    connection: JoinHandle<()>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

async fn get(
    socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    target: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
    let connection = tokio::spawn(async move { drop(connection.await) });
    let mut request = Request::get(target).header("host", "agent");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let response: Response<Incoming> = timeout(BOUND, sender.send_request(request))
        .await
        .unwrap()
        .unwrap();
    let (head, body) = response.into_parts();
    assert_eq!(head.headers["server"], SERVER);
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
        read: Vec::new(),
        connection,
    }
}

impl Answer {
    /// The next line of a stream; null at its end.
    async fn line(&mut self) -> Value {
        loop {
            if let Some(end) = self.read.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return serde_json::from_slice(&line).unwrap();
            }
            match timeout(BOUND, self.body.frame()).await.unwrap() {
                Some(frame) => self.read.extend(frame.unwrap().into_data().unwrap()),
                None => return Value::Null,
            }
        }
    }

    async fn text(&mut self) -> String {
        while let Some(frame) = timeout(BOUND, self.body.frame()).await.unwrap() {
            self.read.extend(frame.unwrap().into_data().unwrap());
        }
        String::from_utf8(std::mem::take(&mut self.read)).unwrap()
    }

    async fn error(mut self) -> (u16, String) {
        assert_eq!(self.headers["content-type"], "application/json");
        let body: Value = serde_json::from_str(&self.text().await).unwrap();
        assert_eq!(body["status"], self.status);
        (self.status, body["error"].as_str().unwrap().to_owned())
    }
}

fn hello() -> Hello {
    Hello {
        node: "n1".into(),
        version: Some("0.1.0".into()),
        kernel: "6.12".into(),
        accept_hook: None,
        filter: None,
        degraded: Vec::new(),
        seeded: 1,
        ts: Timestamp(0),
    }
}

fn ring(n: u64) -> Lost {
    Lost::new(LossKind::Ring, n)
}
