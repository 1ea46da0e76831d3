//! The part of a filter that the probes can decide: ports, addresses, and that no ending is asked for.
//! What it takes is never less than what the filter does.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use probe_common::{Address, Net, Ports, Wanted, ends};

use super::fields::Key;
use super::net::Net as AskedNet;
use super::terms::{Filter, Term, Test, Value, Word};
use crate::model::{EventType, Number};

impl Filter {
    /// What to have of the probes: everything that may pass, and little else.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let asked = || self.terms.iter().filter(|term| !term.negated);
        let none = Wanted::ALL;
        let ports = asked().find_map(|term| few(term.ports()?.into_iter()));
        let unwanted = || self.terms.iter().filter(|term| term.negated);
        let unwanted = || few_of_all(unwanted().filter_map(Term::ports));
        Wanted {
            openings_only: u32::from(asked().any(Term::is_of_openings)),
            ports_are_unwanted: u32::from(ports.is_none() && unwanted().is_some()),
            ports: ports.or_else(unwanted).unwrap_or(none.ports),
            nets: asked().find_map(Term::nets).unwrap_or(none.nets),
        }
    }
}

impl Term {
    /// Whether it holds for connects and accepts only.
    fn is_of_openings(&self) -> bool {
        let Test::Is(field, values) = &self.test else {
            return false;
        };
        let is_asked = |kind: &EventType| values.iter().any(|value| value.is_text(kind.letter()));
        field.key == Key::Type && ![EventType::Close, EventType::Unknown].iter().any(is_asked)
    }

    /// The ports that it asks for, if it does.
    fn ports(&self) -> Option<Vec<Ports>> {
        let (Test::Is(field, _) | Test::Compare(field, ..)) = &self.test else {
            return None;
        };
        let ends = match field.key {
            Key::Sport => ends::SOURCE,
            Key::Dport => ends::DESTINATION,
            Key::Port => ends::EITHER,
            _ => return None,
        };
        let port = |n: u64| u16::try_from(n).unwrap_or(u16::MAX).into();
        let ranges = self.test.ranges(Number::Dport)?.into_iter();
        // What is no port is not the last one.
        let ranges = ranges.filter(|range| *range.start() <= u16::MAX.into());
        let ranges = ranges.map(|range| Ports {
            ends,
            from: port(*range.start()),
            to: port(*range.end()),
            ..Ports::default()
        });
        Some(ranges.collect())
    }

    /// The addresses that it asks for, if it does, and they are few.
    fn nets(&self) -> Option<[Net; Wanted::MOST]> {
        let ends = match self.test.keys() {
            [Key::Saddr] => ends::SOURCE,
            [Key::Daddr] => ends::DESTINATION,
            _ => ends::EITHER,
        };
        few(self.test.nets()?.into_iter().map(|net| Net {
            ends,
            mask: mask(&net.net),
            addr: address(net.net.network()),
            ..Net::default()
        }))
    }
}

impl Test {
    /// The networks that it asks for, if it asks for nothing else.
    pub(super) fn nets(&self) -> Option<Vec<AskedNet>> {
        match self {
            Self::Is(_, values) => values.iter().map(Value::net).collect(),
            Self::Any(words) => words.iter().map(Word::net).collect(),
            Self::Compare(..) => None,
        }
    }
}

/// All of them, if there is room; a term without any would be one that takes nothing.
fn few<T: Copy + Default>(ranges: impl Iterator<Item = T>) -> Option<[T; Wanted::MOST]> {
    let mut few = [T::default(); Wanted::MOST];
    let mut n = 0;
    for range in ranges {
        *few.get_mut(n)? = range;
        n += 1;
    }
    (n > 0).then_some(few)
}

/// Those of each term, as long as there is room for all of a term's.
fn few_of_all<T: Copy + Default>(terms: impl Iterator<Item = Vec<T>>) -> Option<[T; Wanted::MOST]> {
    let mut all = Vec::new();
    for ranges in terms {
        if all.len() + ranges.len() <= Wanted::MOST {
            all.extend(ranges);
        }
    }
    few(all.into_iter())
}

/// An address as the probes have it.
pub(super) fn address(addr: IpAddr) -> Address {
    let v6 = match addr {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    words(v6)
}

fn mask(net: &IpNet) -> Address {
    let len = match net {
        IpNet::V4(v4) => u32::from(v4.prefix_len()) + u128::BITS - u32::BITS,
        IpNet::V6(v6) => v6.prefix_len().into(),
    };
    let bits = u128::MAX.checked_shl(u128::BITS - len).unwrap_or_default();
    words(bits.into())
}

/// The two halves, as they are in memory.
fn words(v6: Ipv6Addr) -> Address {
    let mut halves = [0; 2];
    let octets = v6.octets();
    for (half, bytes) in halves.iter_mut().zip(octets.as_chunks().0) {
        *half = u64::from_ne_bytes(*bytes);
    }
    halves
}

impl Value {
    fn net(&self) -> Option<AskedNet> {
        match self {
            Self::Net(net) => Some(*net),
            _ => None,
        }
    }
}

impl Word {
    fn net(&self) -> Option<AskedNet> {
        match self {
            Self::Net(net) => Some(*net),
            Self::Text(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(filter: &str) -> Wanted {
        Filter::parse(filter).expect("a filter").wanted()
    }

    /// Whether a connection between these is wanted.
    fn takes(filter: &str, ports: [u16; 2], addrs: [&str; 2]) -> bool {
        let addrs = addrs.map(|addr| address(addr.parse().expect("an address")));
        wanted(filter).takes(|| ports, || addrs)
    }

    #[test]
    fn ports_are_known_to_the_probes() {
        let takes = |filter, ports| takes(filter, ports, ["10.0.0.1"; 2]);
        for (filter, taken, left) in [
            ("port:5432", [[40_000, 5432], [5432, 9]], [9, 10]),
            ("dport:80,443", [[443, 80], [80, 443]], [443, 9]),
            ("sport<1024", [[1023, 1], [0, 2]], [1024, 80]),
            ("port>65000", [[65_535, 1], [1, 65_001]], [65_000, 1]),
            ("!port:9090", [[1, 2], [9089, 9091]], [9090, 1]),
            ("!port:9090,80", [[1, 2], [9089, 9091]], [1, 80]),
            ("!dport:80 !sport:90", [[80, 90], [1, 2]], [90, 1]),
            ("!port:1,2,3 !port:4,5 !port:6", [[4, 5], [7, 8]], [8, 6]),
            ("!port:80 port:443", [[80, 443], [443, 1]], [80, 8]),
        ] {
            assert!(taken.iter().all(|ports| takes(filter, *ports)), "{filter}");
            assert!(!takes(filter, left), "{filter}");
        }
    }

    #[test]
    fn addresses_are_known_to_the_probes() {
        let takes = |filter, addrs| takes(filter, [1, 2], addrs);
        for (filter, taken, left) in [
            (
                "dst:10.0.0.0/8",
                ["::1", "::ffff:10.9.9.9"],
                ["10.0.0.1", "11.0.0.1"],
            ),
            (
                "src:192.0.2.7",
                ["192.0.2.7", "::"],
                ["192.0.2.6", "192.0.2.7"],
            ),
            ("fe80::/10", ["::", "febf::1"], ["fec0::", "10.0.0.1"]),
            // On which link is not known to them.
            ("fe80::1%eth0", ["::", "fe80::1"], ["fe80::2", "::"]),
            (
                "2001:db8::5,10.0.0.1",
                ["2001:db8::5", "::"],
                ["2001:db8::4", "::"],
            ),
        ] {
            assert!(takes(filter, taken), "{filter}");
            assert!(!takes(filter, left), "{filter}");
        }
    }

    #[test]
    fn what_the_probes_cannot_decide_is_had_in_full() {
        for filter in [
            "",
            "port:80*",
            "port:1,2,3,4,5",
            "!port:70000",
            "!dst:10.0.0.0/8",
            "dst:10.*",
            "10.0.0.1,wget",
            "type:c,u",
            "type:*",
            "!type:x",
            "is:failed",
            "ns:shop",
            "lat>1ms",
        ] {
            assert_eq!(wanted(filter), Wanted::ALL, "{filter}");
        }
        for (filter, openings_only) in [("type:c", 1), ("type:A,C", 1), ("type:x", 0)] {
            assert_eq!(wanted(filter).openings_only, openings_only, "{filter}");
        }
    }
}
