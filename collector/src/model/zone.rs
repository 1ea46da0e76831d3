//! The zone of a link-local address: the interface without which it names nothing (RFC 4007).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU8;

use super::{Endpoint, Event};

/// An interface's name has less than 16 bytes (`IFNAMSIZ` in `include/uapi/linux/if.h`).
const MOST: usize = 15;

/// An interface by its name, or by its number where nobody knows the name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Zone {
    // First, so that `None` takes no room.
    len: NonZeroU8,
    text: [u8; MOST],
}

impl Zone {
    /// The zone of a name. `None` where no interface can have it, and where it has a character that
    /// no terminal should see: such an interface goes by its number.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let shown = |b: u8| b.is_ascii_graphic() && b != b'/' && b != b'%';
        let mut text = [0; MOST];
        text.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        let len = NonZeroU8::new(u8::try_from(name.len()).ok()?)?;
        name.bytes().all(shown).then_some(Self { len, text })
    }

    /// The zone of an interface whose name is not known; 0 is none.
    #[must_use]
    pub fn numbered(index: u32) -> Option<Self> {
        Self::new(itoa::Buffer::new().format(index)).filter(|_| index != 0)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = self.text.get(..self.len.get().into()).unwrap_or_default();
        // ASCII, as it was made.
        std::str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// Whether an address names something on one link only: it is in `fe80::/10`.
#[must_use]
pub fn is_link_local(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(_) => false,
        IpAddr::V6(addr) => Ipv6Addr::is_unicast_link_local(&addr),
    }
}

/// An address with its zone, where it has one: `fe80::1%eth0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scoped {
    addr: IpAddr,
    zone: Option<Zone>,
}

impl Scoped {
    /// An address of a socket with that scope, which is the address's own only where that is
    /// link-local.
    #[must_use]
    pub fn new(addr: IpAddr, scope: Option<Zone>) -> Self {
        let zone = scope.filter(|_| is_link_local(addr));
        Self { addr, zone }
    }

    /// The zone.
    #[must_use]
    pub fn zone(self) -> Option<Zone> {
        self.zone
    }

    /// With a port: `192.0.2.1:443`, `[fe80::1%eth0]:443`.
    #[must_use]
    pub fn with_port(self, port: u16) -> String {
        match self.zone {
            Some(_) => format!("[{self}]:{port}"),
            None => SocketAddr::new(self.addr, port).to_string(),
        }
    }
}

impl fmt::Display for Scoped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.zone {
            Some(zone) => write!(f, "{}%{zone}", self.addr),
            None => self.addr.fmt(f),
        }
    }
}

impl Endpoint {
    /// Its address, in a socket with that scope.
    #[must_use]
    pub fn scoped(self, scope: Option<Zone>) -> Scoped {
        Scoped::new(self.addr, scope)
    }
}

impl Event {
    /// The own address, with its zone.
    #[must_use]
    pub fn saddr(&self) -> Scoped {
        self.local.scoped(self.scope)
    }

    /// The other end's address, with its zone.
    #[must_use]
    pub fn daddr(&self) -> Scoped {
        self.remote.scoped(self.scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_name_that_an_interface_can_have() {
        for name in ["eth0", "v", "enp0s31f6.4094", "br-5f0c6e2a91b4", "3"] {
            assert_eq!(
                Zone::new(name).map(|z| z.to_string()).as_deref(),
                Some(name)
            );
        }
        for name in [
            "",
            "a b",
            "a/b",
            "a%b",
            "\u{1b}[2J",
            "é",
            "sixteen_bytes_xx",
        ] {
            assert_eq!(Zone::new(name), None, "{name}");
        }
        assert_eq!(Zone::numbered(0), None);
        assert_eq!(Zone::numbered(u32::MAX), Zone::new("4294967295"));
        assert_eq!(size_of::<Option<Zone>>(), 16);
    }

    #[test]
    fn only_link_local_addresses_have_one() {
        let eth0 = Zone::new("eth0");
        for (addr, scope, shown, with_port) in [
            ("fe80::1", eth0, "fe80::1%eth0", "[fe80::1%eth0]:80"),
            ("febf::1", eth0, "febf::1%eth0", "[febf::1%eth0]:80"),
            ("fe80::1", None, "fe80::1", "[fe80::1]:80"),
            ("fec0::1", eth0, "fec0::1", "[fec0::1]:80"),
            ("2001:db8::1", eth0, "2001:db8::1", "[2001:db8::1]:80"),
            ("192.0.2.1", eth0, "192.0.2.1", "192.0.2.1:80"),
        ] {
            let scoped = Scoped::new(addr.parse().unwrap(), scope);
            assert_eq!(scoped.to_string(), shown);
            assert_eq!(scoped.with_port(80), with_port);
        }
    }
}
