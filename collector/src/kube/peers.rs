//! The client's side of names: which pods, services and nodes have which addresses.
//!
//! Once for a whole cluster, and only with the rights for it: without them addresses stay numbers.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::StreamExt;

use super::endpoints;
use super::watch::{Change, watch};
use crate::identity::peers::{Holder, Peers, Source};
use crate::model::{Peer, PeerKind, Timestamp};

/// How long the first lists may take before events are shown without them.
const FIRST_WITHIN: Duration = Duration::from_secs(2);

/// What is known of addresses, kept up to date while this lives.
#[derive(Debug)]
pub struct Followed {
    peers: Arc<Mutex<Peers>>,
    known: Receiver<Known>,
    _watches: JoinSet<()>,
}

/// Of each source whether it is known what it says, or why not.
pub type Known = BTreeMap<Source, Result<(), String>>;

impl Followed {
    /// Begins to follow what is in a cluster.
    #[must_use]
    pub fn start(client: &Client) -> Self {
        let peers: Arc<Mutex<Peers>> = Arc::default();
        let (tell, known) = channel(Known::new());
        let following = Following {
            client: client.clone(),
            peers: Arc::clone(&peers),
            tell,
        };
        let mut watches = JoinSet::new();
        watches.spawn(following.clone().follow(Source::Pods, pod));
        watches.spawn(following.clone().follow(Source::Services, service));
        watches.spawn(following.clone().endpoints());
        watches.spawn(following.follow(Source::Nodes, node));
        Self {
            peers,
            known,
            _watches: watches,
        }
    }

    /// Waits until all sources are known, or will not be, for a while.
    pub async fn ready(&mut self) {
        let all = |known: &Known| Source::ALL.iter().all(|source| known.contains_key(source));
        // Without some of them there are fewer names.
        let _ = timeout(FIRST_WITHIN, self.known.wait_for(all)).await;
    }

    /// What is known now.
    #[must_use]
    pub fn peers(&self) -> &Mutex<Peers> {
        &self.peers
    }

    /// Which sources are known, as that changes.
    #[must_use]
    pub fn known(&self) -> Receiver<Known> {
        self.known.clone()
    }
}

#[derive(Clone)]
struct Following {
    client: Client,
    peers: Arc<Mutex<Peers>>,
    tell: Sender<Known>,
}

impl Following {
    /// Slices of endpoints, or whole ones where the API server has no slices: before 1.21.
    async fn endpoints(self) {
        let slices: Api<EndpointSlice> = Api::all(self.client.clone());
        match slices.list(&ListParams::default().limit(1)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {
                self.follow(Source::Endpoints, endpoints::whole).await;
            }
            _ => self.follow(Source::Endpoints, endpoints::slice).await,
        }
    }

    async fn follow<K>(self, source: Source, read: fn(&K) -> Option<Holder>)
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let mut changes = watch::<K>(Api::all(self.client), "", "");
        while let Some(change) = changes.next().await {
            let now = Timestamp::now();
            let known = {
                let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
                match change {
                    Change::All(all) => {
                        peers.replace(source, all.iter().filter_map(read).collect(), now);
                        Ok(())
                    }
                    Change::Applied(one) => {
                        if let Some(holder) = read(&one) {
                            peers.apply(holder);
                        }
                        Ok(())
                    }
                    Change::Deleted(one) => {
                        if let Some(uid) = &one.meta().uid {
                            peers.delete(uid, now);
                        }
                        peers.sweep(now);
                        Ok(())
                    }
                    Change::Failed(why) => Err(why),
                }
            };
            self.tell.send_if_modified(|all| {
                let is_new = all.get(&source) != Some(&known);
                all.insert(source, known);
                is_new
            });
        }
    }
}

/// Something that has these addresses since it was created, under its own name.
pub(super) fn holder(
    metadata: &ObjectMeta,
    (source, kind): (Source, PeerKind),
    addresses: Vec<(IpAddr, Option<u16>)>,
) -> Option<Holder> {
    let created = metadata.creation_timestamp.as_ref();
    Some(Holder {
        source,
        uid: metadata.uid.as_deref()?.into(),
        peer: Peer {
            kind,
            namespace: metadata.namespace.as_deref().map(Arc::from),
            name: metadata.name.as_deref()?.into(),
        },
        addresses,
        since: created.map_or(Timestamp(0), timestamp),
        until: None,
    })
}

fn timestamp(time: &Time) -> Timestamp {
    let nanos = time.0.as_nanosecond();
    Timestamp(i64::try_from(nanos).unwrap_or(i64::MAX))
}

fn addresses<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<(IpAddr, Option<u16>)> {
    let parsed = texts.filter_map(|text| text.parse().ok());
    parsed.map(|addr| (addr, None)).collect()
}

fn pod(pod: &Pod) -> Option<Holder> {
    let (spec, status) = (pod.spec.as_ref()?, pod.status.as_ref()?);
    let ips = status.pod_ips.iter().flatten().map(|ip| &ip.ip);
    let mut own = addresses(ips.chain(status.pod_ip.iter()));
    own.sort_unstable();
    own.dedup();
    if spec.host_network == Some(true) {
        // The node's address is also others': only what is declared as a port is this pod's.
        let ports = spec
            .containers
            .iter()
            .flat_map(|c| c.ports.iter().flatten());
        let ports: Vec<u16> = ports
            .filter_map(|port| u16::try_from(port.host_port.unwrap_or(port.container_port)).ok())
            .collect();
        let on_ports = |(addr, _): &(IpAddr, Option<u16>)| {
            let addr = *addr;
            ports.iter().map(move |port| (addr, Some(*port)))
        };
        own = own.iter().flat_map(on_ports).collect();
    }
    let mut holder = holder(&pod.metadata, (Source::Pods, PeerKind::Pod), own)?;
    if let Some(started) = &status.start_time {
        holder.since = timestamp(started);
    }
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        holder.until = Some(ended(pod).unwrap_or(holder.since));
    }
    Some(holder)
}

/// When the last container of a pod that is over ended: its address is another's after that.
fn ended(pod: &Pod) -> Option<Timestamp> {
    let statuses = pod.status.as_ref()?.container_statuses.iter().flatten();
    let ends = statuses.filter_map(|status| {
        let over = status.state.as_ref()?.terminated.as_ref()?;
        over.finished_at.as_ref().map(timestamp)
    });
    ends.max()
}

fn service(service: &Service) -> Option<Holder> {
    let spec = service.spec.as_ref()?;
    let cluster = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
    let balancer = service
        .status
        .as_ref()
        .and_then(|status| status.load_balancer.as_ref());
    let ingress = balancer.and_then(|balancer| balancer.ingress.as_ref());
    let ingress = ingress
        .into_iter()
        .flatten()
        .filter_map(|ingress| ingress.ip.as_ref());
    let external = spec.external_ips.iter().flatten();
    // Headless services say `None`, which is no address.
    let mut all = addresses(cluster.chain(ingress).chain(external));
    all.sort_unstable();
    all.dedup();
    holder(
        &service.metadata,
        (Source::Services, PeerKind::Service),
        all,
    )
}

fn node(node: &Node) -> Option<Holder> {
    let all = node.status.as_ref()?.addresses.iter().flatten();
    let all = all.filter(|address| address.type_.ends_with("IP"));
    holder(
        &node.metadata,
        (Source::Nodes, PeerKind::Node),
        addresses(all.map(|address| &address.address)),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_has_its_addresses_from_its_start() {
        let read = pod(&serde_json::from_value(json!({
            "metadata": {"uid": "u", "namespace": "shop", "name": "cart", "creationTimestamp": "1970-01-01T00:00:05Z"},
            "spec": {"containers": [{"name": "app"}]},
            "status": {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "2001:db8::1"}],
                       "startTime": "1970-01-01T00:00:09Z", "phase": "Running"},
        })).unwrap())
        .unwrap();
        assert_eq!(read.addresses.len(), 2);
        assert_eq!((read.since.0, read.until), (9_000_000_000, None));
        assert_eq!(read.peer.namespace.as_deref(), Some("shop"));
    }

    #[test]
    fn a_pod_that_is_over_has_no_address_any_more() {
        let read = pod(&serde_json::from_value(json!({
            "metadata": {"uid": "u", "namespace": "shop", "name": "job"},
            "spec": {"containers": [{"name": "app"}]},
            "status": {"podIP": "10.0.0.1", "phase": "Succeeded", "containerStatuses": [{
                "name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": 0, "finishedAt": "1970-01-01T00:01:00Z"}},
            }]},
        }))
        .unwrap())
        .unwrap();
        assert_eq!(read.until, Some(Timestamp(60_000_000_000)));
    }

    #[test]
    fn on_the_nodes_network_only_declared_ports_are_a_pods() {
        let read = pod(&serde_json::from_value(json!({
            "metadata": {"uid": "u", "namespace": "kube-system", "name": "proxy"},
            "spec": {"hostNetwork": true, "containers": [{"name": "app", "ports": [{"containerPort": 10256}]}]},
            "status": {"podIP": "192.0.2.1"},
        })).unwrap())
        .unwrap();
        assert_eq!(
            read.addresses,
            [("192.0.2.1".parse().unwrap(), Some(10256))]
        );
    }

    #[test]
    fn services_and_nodes() {
        let read = service(&serde_json::from_value(json!({
            "metadata": {"uid": "u", "namespace": "shop", "name": "cart"},
            "spec": {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "externalIPs": ["198.51.100.1"]},
            "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}},
        })).unwrap())
        .unwrap();
        assert_eq!(read.addresses.len(), 3);
        let headless = service(
            &serde_json::from_value(json!({
                "metadata": {"uid": "u", "namespace": "shop", "name": "db"},
                "spec": {"clusterIP": "None", "clusterIPs": ["None"]},
            }))
            .unwrap(),
        )
        .unwrap();
        assert!(headless.addresses.is_empty());
        let read = node(&serde_json::from_value(json!({
            "metadata": {"uid": "u", "name": "n1"},
            "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "Hostname", "address": "n1"}]},
        })).unwrap())
        .unwrap();
        assert_eq!((read.addresses.len(), read.peer.kind), (1, PeerKind::Node));
    }
}
