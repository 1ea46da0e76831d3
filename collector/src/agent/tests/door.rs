//! Who is let in, and what they may ask.

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
