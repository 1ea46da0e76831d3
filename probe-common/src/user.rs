//! What user space reads and sets. Decoding is checked: bytes from the ring are not trusted to be what
//! they should.

use crate::{Owner, Record, Share, Task, Tracked, Wanted, flag, kind};

/// Takes fixed-size pieces off the front of bytes that are known to be long enough.
struct Reader<'a, const LEN: usize>(&'a [u8; LEN], usize);

impl<const LEN: usize> Reader<'_, LEN> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut piece = [0; N];
        piece.copy_from_slice(&self.0[self.1..self.1 + N]);
        self.1 += N;
        piece
    }

    fn u64(&mut self) -> u64 {
        u64::from_ne_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_ne_bytes(self.take())
    }

    fn u16(&mut self) -> u16 {
        u16::from_ne_bytes(self.take())
    }

    fn u8(&mut self) -> u8 {
        let [byte] = self.take();
        byte
    }

    fn task(&mut self) -> Task {
        Task {
            pid: self.u32(),
            tid: self.u32(),
            uid: self.u32(),
            gid: self.u32(),
            comm: self.take(),
            thread: self.take(),
            cgroup: self.u64(),
            mntns: self.u32(),
            reserved: self.u32(),
        }
    }

    fn owner(&mut self) -> Owner {
        Owner {
            task: self.task(),
            leader: self.u64(),
            descriptor: self.u32(),
            reserved: self.u32(),
        }
    }
}

impl Record {
    /// Reads a record in the machine's byte order, what is cut off as zeros; `None` if the length
    /// is none of a record's, or not one of the family's.
    ///
    /// Every field may hold any value: what it means is for the caller to check.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        const AF_INET6: u8 = 10;
        let (figures, rest) = bytes.split_first_chunk()?;
        let mut record = Self::figures(figures);
        if rest.is_empty() {
            let after_fin = record.kind == kind::END && record.flags & flag::FIN_SENT != 0;
            return after_fin.then_some(record);
        }
        let (task, addresses) = rest.split_first_chunk::<{ size_of::<Task>() }>()?;
        record.task = Reader(task, 0).task();
        match (addresses.len(), record.family == AF_INET6) {
            (8, false) => {
                let (source, destination) = addresses.split_at(4);
                record.saddr[..4].copy_from_slice(source);
                record.daddr[..4].copy_from_slice(destination);
            }
            (40, true) => {
                let (source, rest) = addresses.split_at(16);
                let (destination, device) = rest.split_at(16);
                record.saddr.copy_from_slice(source);
                record.daddr.copy_from_slice(destination);
                record.ifindex = u32::from_ne_bytes(*device.first_chunk()?);
            }
            _ => return None,
        }
        Some(record)
    }

    /// The number of the share of the ring that a record's bytes take from, and how many they take;
    /// `None` if they are too few for a record.
    #[must_use]
    pub fn share_of(bytes: &[u8]) -> Option<(u32, u64)> {
        /// In front of each record the kernel keeps its length.
        const HEADER: usize = 8;
        let share = bytes.get(core::mem::offset_of!(Self, share)..)?;
        let share = u16::from_ne_bytes(*share.first_chunk()?);
        Some((share.into(), (bytes.len() + HEADER) as u64))
    }

    fn figures(bytes: &[u8; Self::FIGURES]) -> Self {
        let mut r = Reader(bytes, 0);
        // The order of evaluation is that of the fields below, which is that of the layout.
        Self {
            ts_ns: r.u64(),
            conn: r.u64(),
            start_ns: r.u64(),
            opened_ns: r.u64(),
            sport: r.u16(),
            dport: r.u16(),
            err: r.u16(),
            err_soft: r.u16(),
            flags: r.u32(),
            family: r.u8(),
            kind: r.u8(),
            old_state: r.u8(),
            new_state: r.u8(),
            sent: r.u64(),
            received: r.u64(),
            unsent: r.u32(),
            rtt_us: r.u32(),
            retrans: r.u32(),
            netns: r.u32(),
            inode: r.u32(),
            share: r.u16(),
            reserved: r.u16(),
            ..Self::default()
        }
    }
}

impl Tracked {
    /// Reads an entry of the map of sockets.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; size_of::<Self>()]) -> Self {
        let mut r = Reader(bytes, 0);
        Self {
            conn: r.u64(),
            start_ns: r.u64(),
            opened_ns: r.u64(),
            owner: r.owner(),
            flags: r.u32(),
            netns: r.u32(),
            state: r.u8(),
            told: r.u8(),
            reserved: r.take(),
        }
    }
}

impl Tracked {
    /// Whether it is open and waits in an accept queue.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.flags & (flag::QUEUED | flag::ENDED) == flag::QUEUED
    }
}

impl Task {
    /// Its bytes, as words in the machine's byte order.
    #[must_use]
    pub fn words(&self) -> [u64; 8] {
        let mut bytes = [0; size_of::<Self>()];
        let fields: [&[u8]; 9] = [
            &self.pid.to_ne_bytes(),
            &self.tid.to_ne_bytes(),
            &self.uid.to_ne_bytes(),
            &self.gid.to_ne_bytes(),
            &self.comm,
            &self.thread,
            &self.cgroup.to_ne_bytes(),
            &self.mntns.to_ne_bytes(),
            &self.reserved.to_ne_bytes(),
        ];
        let mut at = 0;
        for field in fields {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        }
        let mut words = [0; 8];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = bytes
                .first_chunk()
                .map_or(0, |bytes| u64::from_ne_bytes(*bytes));
        }
        words
    }
}

impl Share {
    /// Reads an entry of the map of shares.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; size_of::<Self>()]) -> Self {
        let mut r = Reader(bytes, 0);
        Self {
            put: r.u64(),
            dropped: r.u64(),
            cgroup: r.u64(),
            uid: r.u32(),
            reserved: r.u32(),
        }
    }
}

impl Wanted {
    /// Its bytes, as words in the machine's byte order.
    #[must_use]
    pub fn words(&self) -> [u64; Self::WORDS] {
        let pair = |low: u32, high: u32| {
            let mut bytes = [0; 8];
            bytes[..4].copy_from_slice(&low.to_ne_bytes());
            bytes[4..].copy_from_slice(&high.to_ne_bytes());
            u64::from_ne_bytes(bytes)
        };
        let flags = [pair(self.openings_only, self.ports_are_unwanted)];
        let ports = self
            .ports
            .iter()
            .flat_map(|ports| [pair(ports.ends, ports.from), pair(ports.to, ports.reserved)]);
        let nets = self.nets.iter().flat_map(|net| {
            let ([mask, mask_low], [addr, addr_low]) = (net.mask, net.addr);
            [pair(net.ends, net.reserved), mask, mask_low, addr, addr_low]
        });
        let mut words = [0; Self::WORDS];
        let all = flags.into_iter().chain(ports).chain(nets);
        words
            .iter_mut()
            .zip(all)
            .for_each(|(word, value)| *word = value);
        words
    }
}
