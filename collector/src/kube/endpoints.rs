//! What is behind a Service and is no pod: a database outside, the API server itself. It has the
//! Service's name.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Endpoints, ObjectReference};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::peers::holder;
use crate::identity::peers::{Holder, Source};
use crate::model::PeerKind;

/// The label of a slice that names its Service.
const SERVICE: &str = "kubernetes.io/service-name";

/// A pod has a name of its own, which says more.
fn is_pod(target: Option<&ObjectReference>) -> bool {
    target.is_some_and(|target| target.kind.as_deref() == Some("Pod"))
}

/// Each address with each port: only there is it the Service's.
fn on_ports<'a>(
    addresses: impl Iterator<Item = &'a String>,
    ports: &[u16],
) -> Vec<(IpAddr, Option<u16>)> {
    let addresses = addresses.filter_map(|text| text.parse().ok());
    addresses
        .flat_map(|addr: IpAddr| ports.iter().map(move |port| (addr, Some(*port))))
        .collect()
}

fn port(port: i32) -> Option<u16> {
    u16::try_from(port).ok()
}

pub(super) fn slice(slice: &EndpointSlice) -> Option<Holder> {
    let service = slice.metadata.labels.as_ref()?.get(SERVICE)?;
    let ports = slice.ports.iter().flatten();
    let ports: Vec<u16> = ports.filter_map(|p| port(p.port?)).collect();
    let outside = slice
        .endpoints
        .iter()
        .filter(|e| !is_pod(e.target_ref.as_ref()));
    let all = on_ports(outside.flat_map(|e| &e.addresses), &ports);
    let mut holder = holder(&slice.metadata, (Source::Endpoints, PeerKind::Service), all)?;
    holder.peer.name = service.as_str().into();
    Some(holder)
}

pub(super) fn whole(endpoints: &Endpoints) -> Option<Holder> {
    let mut all = Vec::new();
    for subset in endpoints.subsets.iter().flatten() {
        let ports = subset.ports.iter().flatten();
        let ports: Vec<u16> = ports.filter_map(|p| port(p.port)).collect();
        let ready = subset.addresses.iter().flatten();
        let addresses = ready.chain(subset.not_ready_addresses.iter().flatten());
        let outside = addresses.filter(|a| !is_pod(a.target_ref.as_ref()));
        all.extend(on_ports(outside.map(|a| &a.ip), &ports));
    }
    holder(
        &endpoints.metadata,
        (Source::Endpoints, PeerKind::Service),
        all,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str, port: u16) -> (IpAddr, Option<u16>) {
        (text.parse().unwrap(), Some(port))
    }

    #[test]
    fn what_is_no_pod_has_the_services_name() {
        let read = slice(&serde_json::from_value(json!({
            "metadata": {"uid": "u", "namespace": "shop", "name": "db-x7", "labels": {SERVICE: "db"}},
            "addressType": "IPv4",
            "ports": [{"port": 5432}],
            "endpoints": [
                {"addresses": ["192.0.2.9"]},
                {"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": "db-0"}},
            ],
        })).unwrap()).unwrap();
        assert_eq!(
            (&*read.peer.name, read.peer.kind),
            ("db", PeerKind::Service)
        );
        assert_eq!(read.addresses, [at("192.0.2.9", 5432)]);
    }

    #[test]
    fn the_older_way_says_the_same() {
        let read = whole(&serde_json::from_value(json!({
            "metadata": {"uid": "u", "namespace": "default", "name": "kubernetes"},
            "subsets": [{
                "addresses": [{"ip": "192.0.2.1"}, {"ip": "10.0.0.1", "targetRef": {"kind": "Pod"}}],
                "ports": [{"port": 6443}, {"port": 443}],
            }],
        })).unwrap()).unwrap();
        assert_eq!(&*read.peer.name, "kubernetes");
        assert_eq!(
            read.addresses,
            [at("192.0.2.1", 6443), at("192.0.2.1", 443)]
        );
    }
}
