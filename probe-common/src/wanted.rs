//! What user space wants to hear of: the part of a filter that the probes can decide.
#![expect(
    clippy::inline_always,
    reason = "in a function of its own the verifier would not know the constants"
)]

use core::ptr;

/// Which end of a connection is asked about, bits of [`Ports::ends`] and [`Net::ends`].
pub mod ends {
    /// This end.
    pub const SOURCE: u32 = 1 << 0;
    /// The other end.
    pub const DESTINATION: u32 = 1 << 1;
    /// One of them, whichever.
    pub const EITHER: u32 = SOURCE | DESTINATION;
}

/// An IPv6 address as it is in memory; IPv4 is mapped into it.
pub type Address = [u64; 2];

/// A range of ports.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Bits of [`ends`]; 0 is no range.
    pub ends: u32,
    /// The least.
    pub from: u32,
    /// The greatest.
    pub to: u32,
    /// Makes the padding explicit.
    pub reserved: u32,
}

/// A range of addresses.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Net {
    /// Bits of [`ends`]; 0 is no range.
    pub ends: u32,
    /// Makes the padding explicit.
    pub reserved: u32,
    /// Which bits of an address count.
    pub mask: Address,
    /// What they are.
    pub addr: Address,
}

/// Which connections are wanted, and what of them. One that is not is left at once, and not
/// remembered. User space sets it before the probes are loaded, so that it is constant to the
/// verifier, and costs nothing where all is wanted.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// 1: of no ending anything is said.
    pub openings_only: u32,
    /// 1: a port in one of [`Self::ports`] makes it one that is not wanted.
    pub ports_are_unwanted: u32,
    /// A port is in one of these, if there are any. They stand in front.
    pub ports: [Ports; Self::MOST],
    /// An address is in one of these, likewise.
    pub nets: [Net; Self::MOST],
}

impl Wanted {
    /// How many ranges there can be of each.
    pub const MOST: usize = 4;

    /// Its size in words of 64 bits.
    pub const WORDS: usize = 1 + Self::MOST * (2 + 5);

    /// Everything.
    pub const ALL: Self = Self {
        openings_only: 0,
        ports_are_unwanted: 0,
        ports: [Ports {
            ends: 0,
            from: 0,
            to: 0,
            reserved: 0,
        }; Self::MOST],
        nets: [Net {
            ends: 0,
            reserved: 0,
            mask: [0; 2],
            addr: [0; 2],
        }; Self::MOST],
    };

    /// Whether a connection between these ports and addresses is wanted, source and destination; they
    /// are asked for only where it matters.
    #[inline(always)]
    #[must_use]
    pub fn takes(
        &self,
        ports: impl FnOnce() -> [u16; 2],
        addresses: impl FnOnce() -> [Address; 2],
    ) -> bool {
        self.takes_ports(ports) && self.takes_addresses(addresses)
    }

    #[inline(always)]
    fn takes_ports(&self, ports: impl FnOnce() -> [u16; 2]) -> bool {
        if set(&self.ports[0].ends) == 0 {
            return true;
        }
        let [source, destination] = ports().map(u32::from);
        let within = |range: &Ports, port| (set(&range.from)..=set(&range.to)).contains(&port);
        let found = self.ports.iter().any(|range| {
            let ends = set(&range.ends);
            ends & ends::SOURCE != 0 && within(range, source)
                || ends & ends::DESTINATION != 0 && within(range, destination)
        });
        found == (set(&self.ports_are_unwanted) == 0)
    }

    #[inline(always)]
    fn takes_addresses(&self, addresses: impl FnOnce() -> [Address; 2]) -> bool {
        if set(&self.nets[0].ends) == 0 {
            return true;
        }
        let [source, destination] = addresses();
        let differs = |net: &Net, addr: Address, half: usize| {
            addr[half] & set(&net.mask[half]) != set(&net.addr[half])
        };
        let within = |net, addr| !differs(net, addr, 0) && !differs(net, addr, 1);
        self.nets.iter().any(|net| {
            let ends = set(&net.ends);
            ends & ends::SOURCE != 0 && within(net, source)
                || ends & ends::DESTINATION != 0 && within(net, destination)
        })
    }

    /// Whether endings are left out.
    #[inline(always)]
    #[must_use]
    pub fn openings_only(&self) -> bool {
        set(&self.openings_only) != 0
    }
}

/// Reads what the loader has set, where the compiler of the probes sees only zeros.
#[inline(always)]
#[expect(unsafe_code, reason = "a volatile read")]
fn set<T: Copy>(at: &T) -> T {
    // SAFETY: a reference is valid to read from.
    unsafe { ptr::read_volatile(at) }
}

const _: () = assert!(size_of::<Wanted>() == Wanted::WORDS * size_of::<u64>());
