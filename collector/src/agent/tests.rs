//! The agent on its port, with scripts for sources and a client that reads what comes.

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
use crate::model::{Batch, Event, Hello, LossKind, Lost, NodeState, Timestamp, sample};
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
        let running = Self::with(options, Box::pin(ReceiverStream::new(updates)), says).await;
        let node = "n1".into();
        let state = SourceState::Live;
        running.say(Update::Hello(hello())).await;
        running
            .say(Update::State(NodeState {
                node,
                state,
                via: None,
            }))
            .await;
        running
    }

    async fn with(options: Options, updates: Updates, says: mpsc::Sender<Update>) -> Self {
        let agent = Agent::bind(&Options { port: 0, ..options }).await.unwrap();
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
        seeded: 1,
        ts: Timestamp(0),
    }
}

fn ring(n: u64) -> Lost {
    Lost {
        kind: LossKind::Ring,
        n,
    }
}

#[tokio::test]
async fn a_stream_says_what_is_open_what_happens_and_what_is_lost() {
    let agent = Running::start(Options::default()).await;
    agent.happen(vec![sample::listed(1, 1)], vec![]).await;
    agent.happen(vec![sample::connect(2, 2)], vec![]).await;
    agent.settled(1).await;

    let mut stream = agent.get("/v1/stream?proto=1").await;
    let hello = stream.line().await;
    assert_eq!(
        (&hello["seeded"], &hello["node"]),
        (&2.into(), &"n1".into())
    );
    assert_eq!(
        (&hello["proto"], &hello["resumed"]),
        (&1.into(), &false.into())
    );
    for _ in 0..2 {
        let open = stream.line().await;
        assert_eq!((&open["t"], &open["seq"]), (&"open".into(), &Value::Null));
    }
    agent.happen(vec![sample::close(2, 3)], vec![ring(7)]).await;
    let closed = stream.line().await;
    assert_eq!((&closed["type"], &closed["seq"]), (&"X".into(), &2.into()));
    let lost = stream.line().await;
    assert_eq!((&lost["src"], &lost["n"]), (&"ring".into(), &7.into()));
    assert_eq!(lost["seq"], 3);
}

#[tokio::test]
async fn who_comes_back_goes_on_where_it_was() {
    let agent = Running::start(Options::default()).await;
    let mut stream = agent.get("/v1/stream?proto=1").await;
    let instance = stream.line().await["instance"].as_str().unwrap().to_owned();
    agent.happen(vec![sample::connect(1, 1)], vec![]).await;
    assert_eq!(stream.line().await["seq"], 1);
    drop(stream);
    agent.happen(vec![sample::close(1, 1)], vec![]).await;
    agent.settled(2).await;

    let target = format!("/v1/stream?proto=1&since={instance}:1");
    let mut stream = agent.get(&target).await;
    let hello = stream.line().await;
    assert_eq!(
        (&hello["resumed"], &hello["seeded"]),
        (&true.into(), &0.into())
    );
    let missed = stream.line().await;
    assert_eq!((&missed["seq"], &missed["type"]), (&2.into(), &"X".into()));

    let mut stream = agent.get("/v1/stream?proto=1&since=another:1").await;
    assert_eq!(stream.line().await["resumed"], false);
}

#[tokio::test]
async fn filters_and_rates_are_applied_here() {
    let agent = Running::start(Options::default()).await;
    let filter = URL_SAFE_NO_PAD.encode("type:x");
    let mut closes = agent.stream(&format!("&filter={filter}")).await;
    let mut few = agent.stream("&max_rate=2").await;
    let opens = (0..9).map(|i| sample::connect(i, 1));
    let events = opens.chain([sample::close(1, 1)]).collect();
    agent.happen(events, vec![]).await;
    assert_eq!(closes.line().await["seq"], 10);
    let lost = few.line().await;
    assert_eq!((&lost["src"], &lost["n"]), (&"rate".into(), &8.into()));
    assert_eq!(few.line().await["seq"], 1);
    assert_eq!(few.line().await["seq"], 2);
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_oldest_and_nobody_else_waits() {
    // More than the sockets' buffers and the queue hold.
    const EVENTS: u64 = 40_000;
    let options = Options {
        queued: 2_000,
        ..Options::default()
    };
    let agent = Running::start(options).await;
    let mut stuck = agent.stream("").await;
    let mut quick = agent.stream("").await;
    let reading = tokio::spawn(async move {
        let mut heard = 0;
        while heard < EVENTS {
            let line = quick.line().await;
            heard += line["n"].as_u64().unwrap_or(1);
        }
    });
    for block in 0..EVENTS / 1000 {
        let events = (0..1000).map(|i| sample::close(block * 1000 + i, 1));
        agent.happen(events.collect(), vec![]).await;
    }
    timeout(BOUND, reading).await.unwrap().unwrap();

    // All is accounted for: what comes, and what is said to be lost.
    let (mut heard, mut lost, mut newest) = (0, 0, 0);
    while heard + lost < EVENTS {
        let line = stuck.line().await;
        match line["t"].as_str() {
            Some("ev") => {
                heard += 1;
                newest = line["seq"].as_u64().unwrap();
            }
            Some("lost") => {
                assert_eq!(line["src"], "client");
                lost += line["n"].as_u64().unwrap();
            }
            other => assert_eq!(other, Some("hb")),
        }
    }
    assert!(lost > 0 && newest == EVENTS, "{lost} {newest}");
}

#[tokio::test]
async fn only_those_who_may_are_told_anything() {
    let agent = Running::start(Options::default()).await;
    let bearer = format!("Bearer {GOOD}");
    for (target, headers, status) in [
        ("/v1/hello", &[][..], 401),
        ("/nowhere", &[], 401),
        ("/v1/hello", &[(TOKEN_HEADER, "wrong")], 401),
        ("/v1/hello", &[("authorization", "Basic eDp5")], 401),
        ("/v1/stream?proto=1", &[(TOKEN_HEADER, "stranger")], 403),
        ("/metrics", &[(TOKEN_HEADER, "later")], 500),
        ("/nowhere", &[(TOKEN_HEADER, GOOD)], 404),
        ("/v1/stream", &[(TOKEN_HEADER, GOOD)], 400),
        ("/v1/stream?proto=7", &[(TOKEN_HEADER, GOOD)], 406),
    ] {
        let answer = agent.get_as(target, headers).await;
        let (code, why) = answer.error().await;
        assert_eq!(code, status, "{target} {headers:?}: {why}");
    }
    for (target, headers) in [
        ("/v1/hello", &[("authorization", &*bearer)][..]),
        ("/healthz", &[]),
        ("/readyz", &[]),
    ] {
        let answer = agent.get_as(target, headers).await;
        assert_eq!(answer.status, 200, "{target}");
    }
    assert_eq!(probe::ask(agent.port, "/readyz").await, Ok(()));
    let refused = probe::ask(agent.port, "/metrics").await.unwrap_err();
    assert!(refused.contains("401"), "{refused}");
}

#[tokio::test]
async fn whoever_may_no_longer_is_told_so_and_no_more() {
    let options = Options {
        recheck: Duration::from_millis(20),
        ..Options::default()
    };
    let agent = Running::start(options).await;
    let target = "/v1/stream?proto=1";
    let mut stream = agent.get_as(target, &[(TOKEN_HEADER, "once")]).await;
    assert_eq!(stream.line().await["t"], "hello");
    assert_eq!(stream.line().await["reason"], "once may no longer");
    assert_eq!(stream.line().await, Value::Null);
    let (status, _) = agent
        .get_as(target, &[(TOKEN_HEADER, "once")])
        .await
        .error()
        .await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn hello_and_metrics() {
    let agent = Running::start(Options::default()).await;
    agent
        .happen(vec![sample::connect(1, 1)], vec![ring(3)])
        .await;
    agent.settled(2).await;
    let mut answer = agent.get("/v1/hello").await;
    let hello: Value = serde_json::from_str(&answer.text().await).unwrap();
    assert_eq!(
        (&hello["proto_max"], &hello["node"]),
        (&1.into(), &"n1".into())
    );
    assert!(hello["now_realtime_ns"].as_i64().unwrap() > 0);
    let metrics = agent.get("/metrics").await.text().await;
    for line in [
        "tcpscope_events_total{type=\"C\"} 1",
        "tcpscope_lost_total{src=\"ring\"} 3",
        "# TYPE tcpscope_clients gauge",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[tokio::test]
async fn the_ninth_client_is_refused_until_one_goes() {
    let agent = Running::start(Options::default()).await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(agent.stream("").await);
    }
    let ninth = agent.get("/v1/stream?proto=1").await;
    assert_eq!(ninth.headers["retry-after"], "5");
    let (status, why) = ninth.error().await;
    assert_eq!((status, &*why), (429, "8 clients are being served already"));
    streams.pop();
    let admitted = async {
        while agent.get("/v1/stream?proto=1").await.status == 429 {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, admitted).await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_too_long_is_refused() {
    let agent = Running::start(Options::default()).await;
    let long = "x".repeat(20 << 10);
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, agent.port))
        .await
        .unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
    let connection = tokio::spawn(async move { drop(connection.await) });
    let request = Request::get("/healthz").header("x-long", long);
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let answer = timeout(BOUND, sender.send_request(request)).await.unwrap();
    assert!(answer.is_err() || answer.is_ok_and(|a| a.status() == 431));
    connection.abort();
}

#[tokio::test]
async fn when_it_is_stopped_it_says_bye() {
    let agent = Running::start(Options::default()).await;
    let mut stream = agent.stream("").await;
    agent.happen(vec![sample::connect(1, 1)], vec![]).await;
    assert_eq!(stream.line().await["t"], "ev");
    agent.stop.request();
    drop(agent.says);
    let bye = stream.line().await;
    assert_eq!((&bye["t"], &bye["events"]), (&"bye".into(), &1.into()));
    assert_eq!(
        (&bye["retry_ms"], &bye["reason"]),
        (&1000.into(), &"the agent was stopped".into())
    );
    assert_eq!(stream.line().await, Value::Null);
    timeout(BOUND, agent.ended).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_source_that_fails_ends_it_with_its_sentence() {
    let agent = Running::start(Options::default()).await;
    let mut stream = agent.stream("").await;
    let state = SourceState::Lost("the ring broke".to_owned());
    let node = "n1".into();
    agent
        .say(Update::State(NodeState {
            node,
            state,
            via: None,
        }))
        .await;
    drop(agent.says);
    assert_eq!(stream.line().await["reason"], "the ring broke");
    let ended = timeout(BOUND, agent.ended).await.unwrap().unwrap();
    assert_eq!(ended.unwrap_err().to_string(), "the ring broke");

    let (says, updates) = mpsc::channel(1);
    let updates: Updates = Box::pin(ReceiverStream::new(updates));
    let agent = Running::with(Options::default(), updates, says).await;
    let state = SourceState::Lost("no privileges".to_owned());
    let node = "n1".into();
    agent
        .say(Update::State(NodeState {
            node,
            state,
            via: None,
        }))
        .await;
    let ended = timeout(BOUND, agent.ended).await.unwrap().unwrap();
    assert_eq!(ended.unwrap_err().to_string(), "no privileges");
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = Options {
        port,
        ..Options::default()
    };
    let error = Agent::bind(&options).await.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")),
        "{error}"
    );
}

#[tokio::test]
async fn the_pods_address_speaks_tls() {
    let address = Ipv4Addr::new(127, 0, 0, 2);
    let options = Options {
        address: Some(address.into()),
        ..Options::default()
    };
    let agent = Running::start(options).await;
    let socket = TcpStream::connect((address, agent.port)).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(trusting::anybody()));
    let tls = connector.connect(address.to_string().try_into().unwrap(), socket);
    let tls = timeout(BOUND, tls).await.unwrap().unwrap();
    let mut stream = get(tls, "/v1/stream?proto=1", &[(TOKEN_HEADER, GOOD)]).await;
    assert_eq!(stream.line().await["t"], "hello");
}

#[tokio::test]
async fn a_real_source_is_served() {
    let source = Stop::default();
    let options = poll::Options {
        interval: Duration::from_millis(20),
        ..poll::Options::default()
    };
    let (says, _) = mpsc::channel(1);
    let updates = poll::start(options, source);
    let agent = Running::with(Options::default(), updates, says).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let filter = URL_SAFE_NO_PAD.encode(format!("dport:{port}"));
    let mut stream = agent.stream(&format!("&filter={filter}")).await;
    let _client = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .unwrap();
    let seen = stream.line().await;
    assert_eq!(seen["dport"], port);
    assert_eq!(seen["pid"], std::process::id());
}

/// A client that takes any certificate, as the API server does with a pod's.
mod trusting {
    use std::sync::Arc;

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

    #[derive(Debug)]
    struct Anybody;

    impl ServerCertVerifier for Anybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            let provider = rustls::crypto::ring::default_provider();
            provider
                .signature_verification_algorithms
                .supported_schemes()
        }
    }

    pub(super) fn anybody() -> ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth()
    }
}
