//! Checked decoding: bytes from the ring are not trusted to be what they should.

use crate::{Record, Task};

/// Takes fixed-size pieces off the front of a slice that is known to be long enough.
struct Reader<'a>(&'a [u8; size_of::<Record>()], usize);

impl Reader<'_> {
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
}

impl Record {
    /// Reads a record in the machine's byte order; `None` if the length is not exactly a record's.
    ///
    /// Every field may hold any value: what it means is for the caller to check.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes.try_into().ok()?, 0);
        // The order of evaluation is that of the fields below, which is that of the layout.
        Some(Self {
            ts_ns: r.u64(),
            conn: r.u64(),
            start_ns: r.u64(),
            opened_ns: r.u64(),
            sent: r.u64(),
            received: r.u64(),
            unsent: r.u32(),
            rtt_us: r.u32(),
            retrans: r.u32(),
            netns: r.u32(),
            saddr: r.take(),
            daddr: r.take(),
            sport: r.u16(),
            dport: r.u16(),
            family: r.u16(),
            flags: r.u16(),
            err: r.u16(),
            err_soft: r.u16(),
            kind: r.u8(),
            old_state: r.u8(),
            new_state: r.u8(),
            reserved: r.u8(),
            task: Task {
                pid: r.u32(),
                tid: r.u32(),
                uid: r.u32(),
                gid: r.u32(),
                comm: r.take(),
                cgroup: r.u64(),
                mntns: r.u32(),
                reserved: r.u32(),
            },
        })
    }
}
