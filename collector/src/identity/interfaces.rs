//! The names of network interfaces, which sockets know by number.
//!
//! Each network namespace has numbers of its own, and gives one anew when its interface is gone. What
//! has an IPv6 address stands in `/proc/PID/net/if_inet6` of each process there (proc(5)).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::model::{Endpoint, Zone, is_link_local};
use crate::sock_diag::Socket;
use crate::sock_diag::netns;

/// How long a name holds: its interface may be gone by then, and another one have its number.
const HOLDS: Duration = Duration::from_secs(1);
/// How long it holds that an interface is not there: one that was just made may be used at once.
const MISSING: Duration = Duration::from_millis(20);
/// Network namespaces that are remembered; with one more, all are forgotten.
const MOST: usize = 1_024;

/// The names of interfaces, as they were lately.
#[derive(Debug)]
pub struct Interfaces {
    /// By network namespace; `None` is that of a thread which can't tell.
    known: FxHashMap<Option<u32>, Known>,
    /// The own network namespace.
    own: Option<u32>,
}

/// Nothing is known yet; the own network namespace is that of the calling thread.
impl Default for Interfaces {
    fn default() -> Self {
        Self {
            known: FxHashMap::default(),
            own: netns::of("/proc/thread-self"),
        }
    }
}

/// What is known of a network namespace.
#[derive(Debug)]
struct Known {
    /// `None` where no process was found there.
    names: Option<FxHashMap<u32, Zone>>,
    read: Instant,
}

impl Interfaces {
    /// The name of the interface with that number, in a network namespace: the own one where that is
    /// `None`. Its number where the name can't be known, and nothing for 0, which is no interface.
    ///
    /// `pid` is a process that is likely to be there, as the kernel numbers it in the initial
    /// namespace: others are asked too, but have to be found first.
    pub fn name(&mut self, netns: Option<u32>, ifindex: u32, pid: Option<u32>) -> Option<Zone> {
        self.name_at(Instant::now(), netns, ifindex, pid)
    }

    /// The scope of a socket between two ends: nothing where none of them is link-local.
    pub fn scope(
        &mut self,
        ends: [Endpoint; 2],
        netns: Option<u32>,
        ifindex: u32,
        pid: Option<u32>,
    ) -> Option<Zone> {
        let link_local = ends.iter().any(|end| is_link_local(end.addr));
        link_local.then(|| self.name(netns, ifindex, pid))?
    }

    /// The scope of a socket that was listed in a network namespace.
    pub fn scope_of(&mut self, netns: Option<u32>, socket: &Socket) -> Option<Zone> {
        self.scope([socket.local, socket.remote], netns, socket.interface, None)
    }

    fn name_at(
        &mut self,
        now: Instant,
        netns: Option<u32>,
        ifindex: u32,
        pid: Option<u32>,
    ) -> Option<Zone> {
        let numbered = Zone::numbered(ifindex)?;
        let own = self.own;
        let netns = netns.or(own);
        if self.known.len() >= MOST && !self.known.contains_key(&netns) {
            self.known.clear();
        }
        let known = self
            .known
            .entry(netns)
            .or_insert_with(|| Known::read(now, netns, own, pid));
        let age = now.saturating_duration_since(known.read);
        // To find a process takes longer than to ask it.
        let missing = known
            .names
            .as_ref()
            .is_some_and(|names| !names.contains_key(&ifindex));
        if age >= HOLDS || missing && age >= MISSING {
            *known = Known::read(now, netns, own, pid);
        }
        let name = known.names.as_ref().and_then(|names| names.get(&ifindex));
        Some(name.copied().unwrap_or(numbered))
    }
}

impl Known {
    fn read(now: Instant, netns: Option<u32>, own: Option<u32>, pid: Option<u32>) -> Self {
        let names = if netns == own {
            read("/proc/thread-self")
        } else {
            let hint = pid.map(|pid| format!("/proc/{pid}"));
            let hint = hint.filter(|process| netns::of(process) == netns);
            let found = hint
                .map(PathBuf::from)
                .or_else(|| netns::process_in(netns?));
            found.and_then(read)
        };
        Self { names, read: now }
    }
}

/// The interfaces that a process sees, by their numbers.
fn read(process: impl AsRef<Path>) -> Option<FxHashMap<u32, Zone>> {
    let text = fs::read_to_string(process.as_ref().join("net/if_inet6")).ok()?;
    Some(text.lines().filter_map(interface).collect())
}

/// `fe800000000000000000000000000001 02 40 20 80     eth0`: the second field is the number, as are
/// all in hexadecimal, and the last one the name.
fn interface(line: &str) -> Option<(u32, Zone)> {
    let mut fields = line.split_ascii_whitespace();
    let index = u32::from_str_radix(fields.nth(1)?, 16).ok()?;
    Some((index, Zone::new(fields.nth(3)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_number_and_the_name() {
        let line = "fe800000000000000000000000000001 1f 40 20 80     eth0";
        assert_eq!(interface(line), Zone::new("eth0").map(|zone| (31, zone)));
        assert_eq!(
            interface("fe800000000000000000000000000001 02 40 20 80"),
            None
        );
        assert_eq!(interface(""), None);
    }

    #[test]
    fn an_interface_that_nobody_knows_goes_by_its_number_and_0_is_none() {
        let mut interfaces = Interfaces::default();
        let mut name = |netns, ifindex| interfaces.name(netns, ifindex, None);
        assert_eq!(name(None, 0), None);
        assert_eq!(name(None, 4_000_000_000), Zone::new("4000000000"));
        assert_eq!(name(Some(7), 1), Zone::new("1"));
    }

    #[test]
    fn a_socket_without_a_link_local_address_has_no_scope() {
        let mut interfaces = Interfaces::default();
        let end = |addr: &str| Endpoint {
            addr: addr.parse().unwrap(),
            port: 1,
        };
        let mut scope = |a, b| interfaces.scope([end(a), end(b)], None, 4_000_000_000, None);
        assert_eq!(scope("10.0.0.1", "10.0.0.2"), None);
        assert_eq!(scope("::1", "2001:db8::1"), None);
        assert!(scope("fe80::1", "2001:db8::1").is_some());
        assert!(scope("2001:db8::1", "fe80::1").is_some());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_short_lived() {
        let mut interfaces = Interfaces::default();
        let mut now = Instant::now();
        let stale = |now| Known {
            names: Some([(1, Zone::new("stale").unwrap())].into_iter().collect()),
            read: now,
        };
        // No namespace has such a number, so that nothing takes the place of what is known.
        interfaces.known.insert(Some(7), stale(now));
        let mut name = |now| interfaces.name_at(now, Some(7), 1, None);
        assert_eq!(name(now), Zone::new("stale"));
        now += HOLDS;
        assert_eq!(name(now), Zone::new("1"));
        let many = (0..2_000).map(|netns| (Some(netns), stale(now)));
        interfaces.known.extend(many.take(MOST));
        interfaces.name_at(now, Some(5_000), 1, None);
        assert!(interfaces.known.len() <= MOST);
    }
}
