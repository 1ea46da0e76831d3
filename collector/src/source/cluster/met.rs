//! The other end's name from the word of its own node.
//!
//! The API server has a pod's address only when the kubelet has told it, a second or two after the
//! pod's first connect; a pod that lives for less never has one there. But what connected on one node
//! is named by its agent, and what was accepted from it on another is the same connection.

use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::{Endpoint, Event, EventType, Peer, PeerKind, Timestamp, Update, is_link_local};

/// So many connects are remembered, and as many of those before them.
const MET: usize = 16_384;
/// The two ends of a connection are no further apart than that, in nanoseconds: an end that is used
/// again is another connection's.
const APART: i64 = 60_000_000_000;

/// What connected lately.
#[derive(Debug, Default)]
pub(super) struct Met {
    young: FxHashMap<Endpoint, Connected>,
    old: FxHashMap<Endpoint, Connected>,
}

#[derive(Debug)]
struct Connected {
    who: Arc<Peer>,
    to: Endpoint,
    /// Whether that is a Service: then the other end has the address of a pod behind it.
    service: bool,
    ts: Timestamp,
}

impl Met {
    /// Names the other ends that have no name, and remembers who may be one.
    pub(super) fn name(&mut self, update: &mut Update) {
        let Update::Batch(batch) = update else { return };
        for event in &mut batch.events {
            match event.kind {
                Some(EventType::Connect) if event.reason.is_none() => self.remember(event),
                Some(EventType::Connect) => {}
                _ if event.peer.is_none() => event.peer = self.other_end(event),
                _ => {}
            }
        }
    }

    fn remember(&mut self, event: &Event) {
        let Some(pod) = &event.origin.pod else { return };
        // The same address is another one in each network namespace, or on each link.
        if is_everybodys(event.local.addr) {
            return;
        }
        if self.young.len() >= MET {
            self.old = std::mem::take(&mut self.young);
        }
        let to_service = |peer: &Arc<Peer>| peer.kind == PeerKind::Service;
        let connected = Connected {
            who: Arc::new(Peer {
                kind: PeerKind::Pod,
                namespace: event.origin.namespace.clone(),
                name: Arc::clone(pod),
            }),
            to: event.remote,
            service: event.peer.as_ref().is_some_and(to_service),
            ts: event.ts,
        };
        self.young.insert(event.local, connected);
    }

    fn other_end(&self, event: &Event) -> Option<Arc<Peer>> {
        let end = &event.remote;
        let met = self.young.get(end).or_else(|| self.old.get(end))?;
        let same = met.service || met.to == event.local;
        // Of an ending it is not known when the connection began.
        let near = event.kind != Some(EventType::Accept)
            || event.ts.0.saturating_sub(met.ts.0).saturating_abs() < APART;
        (same && near).then(|| Arc::clone(&met.who))
    }
}

fn is_everybodys(addr: IpAddr) -> bool {
    addr.is_loopback() || addr.is_unspecified() || is_link_local(addr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Batch, Origin, sample};

    fn end(text: &str) -> Endpoint {
        let (addr, port) = text.rsplit_once(':').unwrap();
        Endpoint {
            addr: addr.parse().unwrap(),
            port: port.parse().unwrap(),
        }
    }

    fn event(kind: EventType, pod: &str, local: &str, remote: &str, second: i64) -> Event {
        Event {
            kind: Some(kind),
            ts: Timestamp(second * 1_000_000_000),
            origin: Arc::new(Origin {
                node: "n1".into(),
                namespace: Some("shop".into()),
                pod: Some(pod.into()),
                container: None,
            }),
            local: end(local),
            remote: end(remote),
            peer: None,
            ..sample::connect(1, 1)
        }
    }

    fn who(met: &mut Met, event: Event) -> Option<String> {
        let mut update = Update::Batch(Batch {
            node: "n1".into(),
            events: vec![event],
            lost: Vec::new(),
        });
        met.name(&mut update);
        let Update::Batch(batch) = update else {
            unreachable!()
        };
        batch.events[0]
            .peer
            .as_ref()
            .map(|peer| peer.name.to_string())
    }

    use EventType::{Accept, Close, Connect};

    #[test]
    fn what_was_accepted_is_from_who_connected() {
        let mut met = Met::default();
        let connect = event(Connect, "job", "10.0.0.7:4000", "10.0.0.1:80", 1);
        assert_eq!(who(&mut met, connect), None);
        let mut from =
            |local, remote, kind, second| who(&mut met, event(kind, "web", local, remote, second));
        let job = Some("job".to_owned());
        assert_eq!(from("10.0.0.1:80", "10.0.0.7:4000", Accept, 2), job);
        assert_eq!(from("10.0.0.1:80", "10.0.0.7:4000", Close, 90), job);
        // Another connection, by its port, by its other end, by its time.
        assert_eq!(from("10.0.0.1:80", "10.0.0.7:4001", Accept, 2), None);
        assert_eq!(from("10.0.0.2:80", "10.0.0.7:4000", Accept, 2), None);
        assert_eq!(from("10.0.0.1:80", "10.0.0.7:4000", Accept, 90), None);
    }

    #[test]
    fn behind_a_service_there_is_another_address() {
        let mut met = Met::default();
        let mut connect = event(Connect, "job", "10.0.0.7:4000", "10.96.0.1:80", 1);
        connect.peer = Some(Arc::new(Peer {
            kind: PeerKind::Service,
            namespace: Some("shop".into()),
            name: "front".into(),
        }));
        assert_eq!(who(&mut met, connect).as_deref(), Some("front"));
        let accept = event(Accept, "web", "10.0.0.1:8080", "10.0.0.7:4000", 1);
        assert_eq!(who(&mut met, accept).as_deref(), Some("job"));
    }

    #[test]
    fn what_everybody_has_names_nobody() {
        let mut met = Met::default();
        for addr in ["127.0.0.1", "fe80::1"] {
            let [client, server] = [4000, 80].map(|port| format!("{addr}:{port}"));
            who(&mut met, event(Connect, "job", &client, &server, 1));
            let accept = event(Accept, "web", &server, &client, 1);
            assert_eq!(who(&mut met, accept), None);
        }
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut met = Met::default();
        for port in 0..=u16::MAX {
            let local = format!("10.0.0.7:{port}");
            who(&mut met, event(Connect, "job", &local, "10.0.0.1:80", 1));
        }
        assert!(met.young.len() + met.old.len() <= 2 * MET);
        let accept = |port| event(Accept, "web", "10.0.0.1:80", &format!("10.0.0.7:{port}"), 1);
        assert_eq!(who(&mut met, accept(0)), None);
        assert_eq!(who(&mut met, accept(65_535)).as_deref(), Some("job"));
    }
}
