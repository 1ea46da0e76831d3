//! How it ends, or does not begin.

use super::*;

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
    agent.is(SourceState::Lost("the ring broke".into())).await;
    drop(agent.says);
    assert_eq!(stream.line().await["reason"], "the ring broke");
    let ended = timeout(BOUND, agent.ended).await.unwrap().unwrap();
    assert_eq!(ended.unwrap_err().to_string(), "the ring broke");

    let (says, updates) = mpsc::channel(1);
    let updates: Updates = Box::pin(ReceiverStream::new(updates));
    let agent = Running::with(&Options::default(), updates, says);
    agent.is(SourceState::Lost("no privileges".into())).await;
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
    let error = Agent::bind(&options).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")),
        "{error}"
    );
}
