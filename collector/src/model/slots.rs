//! Connections in numbered places that never move, found by their names.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::{ConnKey, Connection};

/// Places in one piece. A single buffer, or a hash map with the connections in it, would have to
/// copy some 100 MiB when it grows, and somebody may be typing.
const PIECE: usize = 512;

type Piece = Vec<Option<(ConnKey, Connection)>>;

#[derive(Debug, Default)]
pub(super) struct Slots {
    by_key: FxHashMap<ConnKey, u32>,
    pieces: Vec<Piece>,
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
        let free = self.free.last().copied();
        // Looked up once, whether it is known or not.
        let place = match self.by_key.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let place = free.unwrap_or_else(|| Self::new_place(&mut self.pieces));
                self.free.pop();
                *new.insert(place)
            }
        };
        let before = self.slot(place)?.replace((key, row));
        before.map(|(_, row)| row)
    }

    fn new_place(pieces: &mut Vec<Piece>) -> u32 {
        let full = |piece: &Piece| piece.len() == PIECE;
        if pieces.last().is_none_or(full) {
            pieces.push(Vec::with_capacity(PIECE));
        }
        let mut places = (pieces.len() - 1) * PIECE;
        if let Some(piece) = pieces.last_mut() {
            places += piece.len();
            piece.push(None);
        }
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
