//! Who has how much of the ring: user space says what it has taken out, and hears who dropped what.

use aya::Ebpf;
use aya::maps::{Array, MapData};
use probe_common::{Record, Share};

use super::load::{ProbeError, take_map};

/// How much of the ring each source of records has.
pub struct Shares {
    map: Array<MapData, [u8; size_of::<Share>()]>,
    taken: Array<MapData, u64>,
    /// Bytes that were taken out, by share.
    totals: Vec<u64>,
    /// The shares of [`Self::totals`] that the programs have not heard of.
    changed: Vec<u32>,
    /// Events that were dropped so far, by share.
    dropped: Vec<u64>,
}

/// Events that did not fit into the ring, of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The user.
    pub uid: u32,
    /// The cgroup, as [`probe_common::Task::cgroup`].
    pub cgroup: u64,
    /// How many events.
    pub n: u64,
}

impl Shares {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        Ok(Self {
            map: take_map(ebpf, "SHARES")?,
            taken: take_map(ebpf, "TAKEN")?,
            totals: vec![0; Share::COUNT as usize],
            changed: Vec::new(),
            dropped: vec![0; Share::COUNT as usize],
        })
    }

    /// Counts a record that was read.
    pub fn count(&mut self, record: &[u8]) {
        let Some((number, bytes)) = Record::share_of(record) else {
            return;
        };
        if let Some(total) = self.totals.get_mut(number as usize) {
            *total += bytes;
            if self.changed.last() != Some(&number) {
                self.changed.push(number);
            }
        }
    }

    /// Tells the programs what was read.
    pub fn give_back(&mut self) {
        self.changed.sort_unstable();
        self.changed.dedup();
        for number in self.changed.drain(..) {
            let total = self.totals.get(number as usize).copied();
            // A share that can't be told of is told of with its next record.
            if let Err(error) = self.taken.set(number, total.unwrap_or_default(), 0) {
                tracing::debug!("a share of the ring was not given back: {error}");
            }
        }
    }

    /// Who has dropped events since the last call.
    pub fn take_dropped(&mut self) -> Vec<Dropped> {
        let seen = self.dropped.iter_mut().zip(0..);
        let dropped = seen.filter_map(|(seen, number)| {
            let share = Share::from_bytes(&self.map.get(&number, 0).ok()?);
            let n = share.dropped.saturating_sub(*seen);
            *seen = share.dropped;
            (n > 0).then_some(Dropped {
                uid: share.uid,
                cgroup: share.cgroup,
                n,
            })
        });
        dropped.collect()
    }
}
