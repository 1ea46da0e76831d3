//! Connections in numbered places that never move, found by their names.

use rustc_hash::FxHashMap;

use super::{ConnKey, Connection};

/// Places in one piece. A single buffer, or a hash map with the connections in it, would have to
/// copy some 100 MiB when it grows, and somebody may be typing.
const PIECE: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Slots {
    by_key: FxHashMap<ConnKey, u32>,
    pieces: Vec<Vec<Option<(ConnKey, Connection)>>>,
    /// Places that were given up.
    free: Vec<u32>,
}

impl Slots {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// How many places there are, taken or not.
    pub(super) fn places(&self) -> usize {
        self.len() + self.free.len()
    }

    /// What is at a place.
    pub(super) fn at(&self, place: usize) -> Option<(ConnKey, &Connection)> {
        let slot = self.pieces.get(place / PIECE)?.get(place % PIECE)?;
        slot.as_ref().map(|(key, row)| (*key, row))
    }

    fn slot(&mut self, place: u32) -> Option<&mut Option<(ConnKey, Connection)>> {
        let place = place as usize;
        self.pieces.get_mut(place / PIECE)?.get_mut(place % PIECE)
    }

    pub(super) fn get(&self, key: ConnKey) -> Option<&Connection> {
        let place = self.by_key.get(&key)?;
        self.at(*place as usize).map(|(_, row)| row)
    }

    pub(super) fn get_mut(&mut self, key: ConnKey) -> Option<&mut Connection> {
        let place = *self.by_key.get(&key)?;
        self.slot(place)?.as_mut().map(|(_, row)| row)
    }

    /// Puts a connection in; what was there under that name comes out.
    pub(super) fn insert(&mut self, key: ConnKey, row: Connection) -> Option<Connection> {
        if let Some(known) = self.get_mut(key) {
            return Some(std::mem::replace(known, row));
        }
        let place = self.free.pop().unwrap_or_else(|| self.new_place());
        self.by_key.insert(key, place);
        if let Some(slot) = self.slot(place) {
            *slot = Some((key, row));
        }
        None
    }

    fn new_place(&mut self) -> u32 {
        let full = |piece: &Vec<_>| piece.len() == PIECE;
        if self.pieces.last().is_none_or(full) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(None);
        }
        let places = self.by_key.len();
        // There are fewer connections than 2^32: the limits say so, or there is no memory for more.
        u32::try_from(places).unwrap_or(u32::MAX)
    }

    pub(super) fn remove(&mut self, key: ConnKey) -> Option<Connection> {
        let place = self.by_key.remove(&key)?;
        self.free.push(place);
        self.slot(place)?.take().map(|(_, row)| row)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnKey, &Connection)> {
        let slots = self.pieces.iter().flatten();
        slots.flatten().map(|(key, row)| (*key, row))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (ConnKey, &mut Connection)> {
        let slots = self.pieces.iter_mut().flatten();
        slots.flatten().map(|(key, row)| (*key, row))
    }
}
