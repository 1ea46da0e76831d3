//! What the probes of this process remember and what the kernel says of them, seen from outside.

use std::collections::BTreeMap;

use aya::maps::{HashMap, Map, MapData};
use probe_common::Tracked;

use crate::case::{Fallible, no};

/// The lines of a descriptor's `fdinfo` that are numbers.
pub type Fields = BTreeMap<String, u64>;

type Bytes = [u8; size_of::<Tracked>()];

/// The map of sockets of one tracer.
pub struct Sockets(HashMap<MapData, u64, Bytes>);

impl Sockets {
    /// Of the one tracer of this process that has this many entries at the most.
    pub fn of_size(max_entries: u32) -> Fallible<Self> {
        let such = |fields: &Fields| fields.get("max_entries") == Some(&max_entries.into());
        Self::first(such)
    }

    /// Of the tracer that all cases share: it is the first that was started.
    pub fn of_the_shared_tracer() -> Fallible<Self> {
        Self::first(|_| true)
    }

    /// The oldest of those that are `such`. Not all of them, since whoever looks keeps a map alive
    /// whose tracer has ended.
    fn first(such: impl Fn(&Fields) -> bool) -> Fallible<Self> {
        let value = u32::try_from(size_of::<Tracked>())?;
        let all = fdinfo()?;
        let maps = all
            .iter()
            .filter(|fields| fields.get("value_size") == Some(&value.into()) && such(fields));
        let id = maps
            .filter_map(|fields| fields.get("map_id").copied())
            .min();
        let id = u32::try_from(id.ok_or_else(no("map of sockets"))?)?;
        let map = Map::HashMap(MapData::from_id(id)?);
        Ok(Self(HashMap::try_from(map)?))
    }

    pub fn all(&self) -> Vec<(u64, Tracked)> {
        let entries = self.0.iter().filter_map(Result::ok);
        entries
            .map(|(key, bytes)| (key, Tracked::from_bytes(&bytes)))
            .collect()
    }

    /// As if the probes had missed what is `such`.
    pub fn forget(&mut self, such: impl Fn(&Tracked) -> bool) -> Fallible<()> {
        let all = self.all();
        let (key, _) = all
            .iter()
            .find(|(_, tracked)| such(tracked))
            .ok_or_else(no("such socket"))?;
        Ok(self.0.remove(key)?)
    }

    /// As if the probes had missed the end of it.
    pub fn remember(&mut self, key: u64, tracked: Tracked) -> Fallible<()> {
        let mut bytes = [0; size_of::<Tracked>()];
        let at = std::mem::offset_of!(Tracked, conn);
        bytes[at..at + 8].copy_from_slice(&tracked.conn.to_ne_bytes());
        let at = std::mem::offset_of!(Tracked, netns);
        bytes[at..at + 4].copy_from_slice(&tracked.netns.to_ne_bytes());
        bytes[std::mem::offset_of!(Tracked, state)] = tracked.state;
        Ok(self.0.insert(key, bytes, 0)?)
    }
}

/// `recursion_misses` of every program of this process, where there are any.
pub fn skipped() -> Fallible<Vec<(u64, u64)>> {
    let of = |fields: &Fields| {
        let skipped = *fields.get("recursion_misses")?;
        (skipped > 0).then_some((*fields.get("prog_id")?, skipped))
    };
    let mut found: Vec<_> = fdinfo()?.iter().filter_map(of).collect();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The programs of this process: the names that the kernel keeps, and `verified_insns`, which is 0 where
/// the kernel does not tell (before 5.16). Those of several tracers are one if they are the same.
pub fn programs() -> Fallible<Vec<(String, u64)>> {
    let mut found = Vec::new();
    for fields in fdinfo()? {
        // Links have the number of their program too.
        let (Some(id), Some(_)) = (fields.get("prog_id"), fields.get("prog_type")) else {
            continue;
        };
        let insns = fields.get("verified_insns").copied().unwrap_or_default();
        let loaded = aya::programs::loaded_programs().filter_map(Result::ok);
        let mut ours = loaded.filter(|info| u64::from(info.id()) == *id);
        let info = ours.next().ok_or_else(no("such program"))?;
        found.push((info.name_as_str().unwrap_or_default().to_owned(), insns));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// What the kernel says of each descriptor of this process, as far as it is numbers.
pub fn fdinfo() -> Fallible<Vec<Fields>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fdinfo")? {
        let Ok(text) = std::fs::read_to_string(entry?.path()) else {
            continue;
        };
        let field = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().parse().ok()?))
        };
        all.push(text.lines().filter_map(field).collect());
    }
    Ok(all)
}
