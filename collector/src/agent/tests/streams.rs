//! What a stream says, and to whom it says less.

use super::*;

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

/// A connection was made in the first container, under these names, before there is more to say.
fn contained(conn: u64, pod: Option<&str>) -> Event {
    Event {
        cgroup: nonmax::NonMaxU64::new(804),
        origin: Arc::new(Origin {
            node: "n1".into(),
            pod: pod.map(Into::into),
            ..Origin::default()
        }),
        ..sample::connect(conn, 1)
    }
}

fn cart(cgroup: u64) -> Update {
    Update::Meta(Meta {
        cgroup,
        origin: contained(1, Some("cart")).origin.clone(),
        pod_uid: None,
        container_id: Some("8f2b0d7c4a1e".into()),
    })
}

#[tokio::test]
async fn a_container_is_introduced_once_and_before_its_first_event_if_it_is_known() {
    let agent = Running::start(Options::default()).await;
    let mut late = agent.stream("").await;
    agent.happen(vec![contained(1, None)], vec![]).await;
    assert_eq!(late.line().await["t"], "ev");
    agent.say(cart(804)).await;
    agent.say(cart(805)).await;
    let meta = late.line().await;
    assert_eq!((&meta["t"], &meta["cgroup"]), (&"meta".into(), &804.into()));
    assert_eq!(
        (&meta["pod"], &meta["container_id"]),
        (&"cart".into(), &"8f2b0d7c4a1e".into())
    );

    // Of what a stream does not tell of, it does not say what it is.
    let filter = URL_SAFE_NO_PAD.encode("pod:other");
    let mut other = agent.stream(&format!("&filter={filter}")).await;
    let mut early = agent.stream("").await;
    assert_eq!(early.line().await["t"], "meta");
    assert_eq!(early.line().await["t"], "open");
    let events = vec![contained(2, Some("cart")), contained(3, Some("other"))];
    agent.happen(events, vec![]).await;
    for stream in [&mut late, &mut early] {
        assert_eq!(stream.line().await["seq"], 2);
        assert_eq!(stream.line().await["seq"], 3);
    }
    assert_eq!(other.line().await["t"], "meta");
    assert_eq!(other.line().await["seq"], 3);
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
    let agent = Running::with(&Options::default(), updates, says);
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
