//! Addresses as they are asked for: one, or a network; of a link-local one, maybe its zone.

use std::fmt::{self, Display};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::syntax::{ESCAPED, OPERATORS};
use crate::model::{Zone, is_link_local};

/// A network, on any link or on one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Net {
    pub(super) net: IpNet,
    zone: Option<Zone>,
}

impl Net {
    /// An address or a CIDR, IPv4-mapped ones as IPv4; with a zone as RFC 4007 writes it,
    /// `fe80::1%eth0` and `fe80::%eth0/64`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Some((addr, zone)) = text.split_once('%') else {
            return plain(text).map(|net| Self { net, zone: None });
        };
        let (zone, len) = match zone.split_once('/') {
            Some((zone, len)) => (zone, len.parse().ok()?),
            None => (zone, HOST_LEN),
        };
        let net = Ipv6Net::new(addr.parse().ok()?, len).ok()?.trunc();
        // A network that is more than link-local is on no one link.
        let link_local = is_link_local(net.addr().into()) && len >= LINK_LOCAL_LEN;
        // Others would need quotes: `scope:` takes them.
        let special = |c: char| ESCAPED.contains(&c) || OPERATORS.contains(&c);
        let zone = Zone::new(zone).filter(|_| link_local && !zone.contains(special))?;
        Some(Self {
            net: net.into(),
            zone: Some(zone),
        })
    }

    /// Whether an address of a socket with that scope is in it: no IPv4 address is in a network of
    /// IPv6.
    pub(super) fn contains(&self, addr: IpAddr, scope: Option<Zone>) -> bool {
        let inside = match (&self.net, addr) {
            (IpNet::V4(net), IpAddr::V4(addr)) => {
                (net.addr().to_bits() ^ addr.to_bits()) & net.netmask().to_bits() == 0
            }
            (IpNet::V6(net), IpAddr::V6(addr)) => {
                (net.addr().to_bits() ^ addr.to_bits()) & net.netmask().to_bits() == 0
            }
            _ => false,
        };
        inside && (self.zone.is_none() || self.zone == scope)
    }

    /// Whether a text is an address in it.
    pub(super) fn has_text(&self, text: &str) -> bool {
        let (addr, zone) = match text.split_once('%') {
            Some((addr, zone)) => (addr, Zone::new(zone)),
            None => (text, None),
        };
        addr.parse().is_ok_and(|addr| self.contains(addr, zone))
    }
}

/// Of `fe80::/10`, and of a single address.
const LINK_LOCAL_LEN: u8 = 10;
const HOST_LEN: u8 = 128;

fn plain(text: &str) -> Option<IpNet> {
    let net = match text.parse::<IpAddr>() {
        Ok(addr) => IpNet::from(addr),
        Err(_) => text.parse::<IpNet>().ok()?,
    };
    let mapped = match net {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => v6
            .addr()
            .to_ipv4_mapped()
            .and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - 96).ok()),
        _ => None,
    };
    Some(mapped.map_or(net, IpNet::V4).trunc())
}

impl Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.net.addr().fmt(f)?;
        if let Some(zone) = self.zone {
            write!(f, "%{zone}")?;
        }
        if self.net.prefix_len() < self.net.max_prefix_len() {
            write!(f, "/{}", self.net.prefix_len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_stands_where_the_rfc_has_it_and_on_link_local_addresses_only() {
        for text in [
            "fe80::1%eth0",
            "fe80::%eth0/64",
            "febf::1%3",
            "fe80::%br-1.2@x/10",
        ] {
            assert_eq!(
                Net::parse(text).map(|net| net.to_string()).as_deref(),
                Some(text)
            );
        }
        for text in [
            "fe80::1%",
            "%eth0",
            "fe80::1%a b",
            "fe80::1%a,b",
            "fe80::1%eth0/129",
            "fe80::1/64%eth0",
            "fe80::%eth0/9",
            "2001:db8::1%eth0",
            "10.0.0.1%eth0",
        ] {
            assert_eq!(Net::parse(text), None, "{text}");
        }
    }

    #[test]
    fn without_a_zone_any_link_will_do() {
        let addr: IpAddr = "fe80::1".parse().unwrap();
        let [eth0, eth1] = ["eth0", "eth1"].map(Zone::new);
        let is_in = |text, scope| Net::parse(text).unwrap().contains(addr, scope);
        assert!(is_in("fe80::1", eth0) && is_in("fe80::/10", None));
        assert!(is_in("fe80::1%eth0", eth0) && is_in("fe80::%eth0/64", eth0));
        assert!(!is_in("fe80::1%eth0", eth1) && !is_in("fe80::1%eth0", None));
    }
}
