//! The poll source, against connections that the test makes.
#![allow(clippy::unwrap_used)] // A helper that fails fails the test.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use collector::model::{ConnId, Event, EventType, Hello, Phase, SourceState, TcpState, Update};
use collector::source::poll::{self, Options};
use collector::source::{Stop, Updates};
use tokio::time::timeout;
use tokio_stream::StreamExt;

const BOUND: Duration = Duration::from_secs(20);

/// The events of one port, whichever end it is.
struct Watch {
    updates: Updates,
    port: u16,
    stop: Stop,
}

impl Watch {
    async fn start(port: u16) -> (Self, Hello) {
        let stop = Stop::default();
        let options = Options {
            interval: Duration::from_millis(20),
            node: "host1".into(),
        };
        let mut updates = poll::start(options, stop.clone());
        let mut next = async || timeout(BOUND, updates.next()).await.unwrap().unwrap();
        assert!(matches!(next().await, Update::State(s) if s.state == SourceState::Connecting));
        let Update::Hello(hello) = next().await else {
            panic!("no hello");
        };
        assert!(matches!(next().await, Update::State(s) if s.state == SourceState::Live));
        let watch = Self {
            updates,
            port,
            stop,
        };
        (watch, hello)
    }

    /// The next `n` events of the port.
    async fn events(&mut self, n: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < n {
            let update = timeout(BOUND, self.updates.next()).await.unwrap();
            let Update::Batch(batch) = update.unwrap() else {
                panic!("not a batch");
            };
            assert_eq!(&*batch.node, "host1");
            assert!(batch.lost.is_empty());
            let ours = |e: &Event| e.local.port == self.port || e.remote.port == self.port;
            events.extend(batch.events.into_iter().filter(ours));
        }
        assert_eq!(events.len(), n, "{events:?}");
        events
    }
}

fn pair(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

fn conns(events: &[Event]) -> HashSet<ConnId> {
    events.iter().map(|event| event.conn).collect()
}

#[tokio::test]
async fn before_open_and_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let before = pair(&listener);
    let (mut watch, hello) = Watch::start(port).await;
    assert_eq!(hello.accept_hook, None);
    assert!(hello.seeded >= 2);

    let listed = watch.events(2).await;
    for row in &listed {
        assert_eq!((row.kind, row.phase, row.seq), (None, None, None));
        assert_eq!(row.state, Some(TcpState::Established));
        assert!(row.before);
        let process = row.process.as_ref().unwrap();
        assert_eq!(process.pid, std::process::id());
        assert_eq!(process.tid, None);
        assert_eq!(&*row.origin.node, "host1");
    }

    let (mut client, mut server) = pair(&listener);
    client.write_all(&[1; 5000]).unwrap();
    server.read_exact(&mut [0; 5000]).unwrap();
    let opened = watch.events(2).await;
    for event in &opened {
        assert_eq!(event.kind, Some(EventType::Unknown));
        assert_eq!(event.phase, Some(Phase::Open));
        assert!(!event.before && event.reason.is_none() && event.state.is_none());
    }
    assert!(conns(&opened).is_disjoint(&conns(&listed)));

    drop((client, server));
    let ended = watch.events(2).await;
    assert_eq!(conns(&ended), conns(&opened));
    for event in &ended {
        assert_eq!(event.kind, Some(EventType::Unknown));
        assert_eq!(event.phase, Some(Phase::End));
        assert!(event.figures.dur_us.is_some());
    }
    let accepted = ended.iter().find(|e| e.local.port == port).unwrap();
    assert_eq!(accepted.figures.rx_bytes.map(|n| n.get()), Some(5000));

    drop(before);
    let ended = watch.events(2).await;
    assert_eq!(conns(&ended), conns(&listed));
    assert!(ended.iter().all(|e| e.before && e.figures.dur_us.is_none()));
    let seqs: Vec<_> = ended.iter().map(|e| e.seq.unwrap()).collect();
    assert!(seqs.is_sorted());
}

#[tokio::test]
async fn a_connection_in_the_accept_queue_gets_its_owner_when_accepted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut watch, _) = Watch::start(port).await;
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let opened = watch.events(2).await;
    let queued = opened.iter().find(|e| e.local.port == port).unwrap();
    assert_eq!(queued.process, None);
    let server = listener.accept().unwrap().0;
    // Another connection: once it is seen, so is the accept.
    let second = pair(&listener);
    watch.events(2).await;
    drop((client, server, second));
    let ended = watch.events(4).await;
    let accepted = ended.iter().find(|e| e.conn == queued.conn).unwrap();
    assert_eq!(accepted.process.as_ref().unwrap().pid, std::process::id());
}

#[tokio::test]
async fn when_asked_to_stop_it_looks_once_more_and_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut watch, _) = Watch::start(listener.local_addr().unwrap().port()).await;
    watch.stop.request();
    let rest = timeout(BOUND, StreamExt::collect::<Vec<_>>(&mut watch.updates)).await;
    let last = rest.unwrap().pop().unwrap();
    assert!(matches!(last, Update::State(s) if s.state == SourceState::Ended));
}

#[tokio::test]
async fn dropping_the_stream_ends_the_thread() {
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let comm = |task: std::fs::DirEntry| std::fs::read(task.path().join("comm")).ok();
        tasks
            .flatten()
            .filter_map(comm)
            .filter(|comm| comm.trim_ascii_end() == b"poll")
            .count()
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (watch, _) = Watch::start(listener.local_addr().unwrap().port()).await;
    assert!(threads() > 0);
    drop(watch);
    let gone = async {
        while threads() > 0 {
            tokio::task::yield_now().await;
        }
    };
    // Other tests of this process may poll too; nextest runs each alone.
    if std::env::var_os("NEXTEST").is_some() {
        timeout(BOUND, gone).await.unwrap();
    }
}
