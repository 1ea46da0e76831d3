//! Who is let in, and what they may ask.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::*;

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

/// So many connections that send this and no more, each made anew when it is closed; until it is
/// dropped.
pub(super) struct Crowd {
    _all: JoinSet<()>,
}

impl Crowd {
    /// From an address of this host to one.
    pub(super) fn come(n: usize, from: [u8; 4], to: SocketAddr, sends: &'static [u8]) -> Self {
        let mut crowd = JoinSet::new();
        for _ in 0..n {
            crowd.spawn(async move {
                loop {
                    // Whatever fails: the next one comes.
                    let _ = stay(from, to, sends).await;
                    tokio::task::yield_now().await;
                }
            });
        }
        Self { _all: crowd }
    }
}

/// Until it is sent away.
async fn stay(from: [u8; 4], to: SocketAddr, sends: &[u8]) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    // Nothing of it stays behind: tests of the list of sockets look at all there are.
    socket.set_zero_linger()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    let mut socket = socket.connect(to).await?;
    socket.write_all(sends).await?;
    socket.read_to_end(&mut Vec::new()).await?;
    Ok(())
}

const LOCALHOST: [u8; 4] = [127, 0, 0, 1];
const HALF_A_HEAD: &[u8] = b"GET /v1/hello HTTP/1.1\r\nhost: agent\r\nx-more: ";

impl Running {
    pub(super) fn at(&self, address: [u8; 4]) -> SocketAddr {
        SocketAddr::from((address, self.port))
    }

    async fn evicted(&self) -> u64 {
        let metrics = self.get("/metrics").await.text().await;
        let name = "tcpscope_evicted_total ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().parse().unwrap()
    }

    /// Waits until one that comes from there now and is silent has to go.
    pub(super) async fn crowded(&self, from: [u8; 4], to: SocketAddr) {
        let before = self.evicted().await;
        // However it ends.
        let _ = timeout(BOUND, stay(from, to, b"")).await.unwrap();
        assert!(self.evicted().await > before);
    }
}

#[tokio::test]
async fn those_who_say_nothing_shut_nobody_out() {
    let agent = Running::start(Options::default()).await;
    let mut stream = agent.stream("").await;
    assert_eq!(agent.evicted().await, 0);
    let to = agent.at(LOCALHOST);
    let _silent = Crowd::come(160, LOCALHOST, to, b"");
    let _half = Crowd::come(160, LOCALHOST, to, HALF_A_HEAD);
    agent.crowded(LOCALHOST, to).await;

    let mut answered = BTreeMap::new();
    for _ in 0..5 {
        let mut asking = JoinSet::new();
        for _ in 0..6 {
            let port = agent.port;
            asking.spawn(async move { format!("{:?}", probe::ask(port, "/healthz").await) });
            asking.spawn(async move {
                let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
                let token = [(TOKEN_HEADER, GOOD)];
                let answer = get(socket.unwrap(), "/v1/hello", &token).await;
                answer.status.to_string()
            });
        }
        for answer in asking.join_all().await {
            *answered.entry(answer).or_insert(0) += 1;
        }
    }
    let expected = [("200".to_owned(), 30), ("Ok(())".to_owned(), 30)];
    assert_eq!(answered, BTreeMap::from(expected));
    let mut another = agent.stream("").await;
    agent.happen(vec![sample::connect(1, 1)], vec![]).await;
    for stream in [&mut stream, &mut another] {
        let heard = async { while stream.line().await["t"] != "ev" {} };
        timeout(BOUND, heard).await.unwrap();
    }
}

#[tokio::test]
async fn those_with_tokens_of_nobody_shut_nobody_out() {
    const GARBAGE: &[u8] = b"GET /v1/hello HTTP/1.1\r\nx-tcpscope-token: nobody\r\n\r\n";
    const STUCK: &[u8] = b"GET /v1/hello HTTP/1.1\r\nx-tcpscope-token: stuck\r\n\r\n";
    let agent = Running::start(Options::default()).await;
    let to = agent.at(LOCALHOST);
    let _garbage = Crowd::come(80, LOCALHOST, to, GARBAGE);
    let _stuck = Crowd::come(80, LOCALHOST, to, STUCK);
    agent.crowded(LOCALHOST, to).await;
    for _ in 0..30 {
        assert_eq!(probe::ask(agent.port, "/healthz").await, Ok(()));
        assert_eq!(agent.get("/v1/hello").await.status, 200);
    }
}

#[tokio::test]
async fn other_addresses_do_not_wait_for_one_that_is_crowded() {
    let agent = Running::start(Options::default()).await;
    let mut first = TcpStream::connect(agent.at(LOCALHOST)).await.unwrap();
    let (from, to) = ([127, 0, 0, 3], agent.at(LOCALHOST));
    let _crowd = Crowd::come(160, from, to, b"");
    agent.crowded(from, to).await;
    // It came before all of them, and is here still.
    let request = b"GET /healthz HTTP/1.1\r\nhost: agent\r\n\r\n";
    first.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(BOUND, first.read_to_end(&mut answer)).await;
    read.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{answer:?}");
}
