//! Rows on their way into a file, away from the thread that draws.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use collector::export::{Document, Format, Of, Row, Sheet};
use collector::model::{Connection, Event, EventId, Hello, Log, LossKind, Lost};
use collector::private_file::{CreateError, Existing, Whole};
use rustc_hash::{FxHashMap, FxHashSet};

/// Rows between two looks at whether anybody still wants them.
const PIECE: usize = 4_096;

/// What is to be written, and where.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    pub(crate) existing: Existing,
    pub(crate) rows: Rows,
    /// The view's columns.
    pub(crate) columns: Vec<&'static str>,
    pub(crate) hellos: Vec<Hello>,
    /// What was lost, by node.
    pub(crate) lost: Vec<(Arc<str>, Lost)>,
    pub(crate) cancel: Cancel,
}

/// Rows as they were at the moment at which somebody asked for them.
#[derive(Debug)]
pub(crate) enum Rows {
    Events(Events),
    Connections {
        rows: Vec<Connection>,
        /// How many more there were that are gone.
        missed: u64,
    },
    Sums(Sheet),
}

/// Some events of a log.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) log: Log,
    /// Those that may have left the log, and are still on the screen.
    pub(crate) held: FxHashMap<EventId, Event>,
    /// Those that pass the filter, in the order in which they stand.
    pub(crate) shown: Vec<EventId>,
    /// Only these, if there are any.
    pub(crate) marked: Vec<EventId>,
}

impl Events {
    /// The rows to write: the marked ones in the order on the screen, then those that are marked
    /// and hidden by the filter; or all that are shown.
    fn chosen(&self) -> Vec<EventId> {
        if self.marked.is_empty() {
            return self.shown.clone();
        }
        chosen(&self.shown, &self.marked)
    }

    fn get(&self, id: EventId) -> Option<Event> {
        self.held.get(&id).cloned().or_else(|| self.log.get(id))
    }
}

/// The marked among rows in the order in which they stand, and then the other marked ones.
pub(crate) fn chosen<K: Copy + Eq + std::hash::Hash>(shown: &[K], marked: &[K]) -> Vec<K> {
    let mut left: FxHashSet<K> = marked.iter().copied().collect();
    let mut chosen: Vec<K> = shown.iter().copied().filter(|k| left.remove(k)).collect();
    chosen.extend(marked.iter().filter(|key| left.contains(key)));
    chosen
}

/// Ends an export when it is dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub(crate) fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What became of an export.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The file is there.
    Written {
        path: PathBuf,
        rows: u64,
        /// How many more rows there were that are no longer kept.
        missed: u64,
        /// What was lost, where the format has no place for it.
        unsaid: u64,
    },
    /// There is a file of that name: it may be replaced.
    Exists(Box<Export>),
    /// No file has come of it, and why.
    Failed(String),
}

impl Export {
    /// Writes the file.
    pub(crate) fn run(mut self) -> Outcome {
        match self.write() {
            Ok(outcome) => outcome,
            Err(CreateError::Exists(_)) => {
                // What was to be kept is replaced, if that is the answer to the question.
                self.existing = Existing::Replaced;
                Outcome::Exists(Box::new(self))
            }
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    fn write(&self) -> Result<Outcome, CreateError> {
        let failed = |error| CreateError::Io(self.path.clone(), error);
        let mut whole = Whole::begin(&self.path, self.existing)?;
        let mut out = BufWriter::with_capacity(1 << 18, whole.file());
        let (rows, missed) = self.rows(&mut out).map_err(failed)?;
        out.flush().map_err(failed)?;
        drop(out);
        whole.keep()?;
        let unsaid = self.lost.iter().map(|(_, lost)| lost.n).sum();
        Ok(Outcome::Written {
            path: std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone()),
            rows,
            missed,
            unsaid: if self.format == Format::Csv {
                unsaid
            } else {
                0
            },
        })
    }

    /// Writes the rows: how many, and how many more there would have been.
    fn rows(&self, out: &mut impl Write) -> io::Result<(u64, u64)> {
        let lost: Vec<(&str, Lost)> = self
            .lost
            .iter()
            .map(|(node, lost)| (&**node, lost.clone()))
            .collect();
        let of = match &self.rows {
            Rows::Events(_) => Of::Events,
            Rows::Connections { .. } => Of::Connections,
            Rows::Sums(sheet) => {
                let mut bytes = Vec::new();
                sheet.write(self.format, &lost, &mut bytes);
                out.write_all(&bytes)?;
                return Ok((sheet.rows.len() as u64, 0));
            }
        };
        let mut document = Document::new(self.format, of, &self.columns);
        let mut bytes = Vec::new();
        document.begin(&self.hellos, &mut bytes);
        let (mut written, mut missed) = (0, 0);
        let mut row = |row: Row, out: &mut dyn Write| {
            document.row(row, &mut bytes);
            written += 1;
            if written % PIECE == 0 && self.cancel.is_cancelled() {
                return Err(io::Error::other("cancelled"));
            }
            out.write_all(&bytes)?;
            bytes.clear();
            Ok(())
        };
        match &self.rows {
            Rows::Events(events) => {
                for id in events.chosen() {
                    match events.get(id) {
                        Some(event) => row(Row::Event(&event), out)?,
                        None => missed += 1,
                    }
                }
            }
            Rows::Connections { rows, missed: gone } => {
                for connection in rows {
                    row(Row::Connection(connection), out)?;
                }
                missed += gone;
            }
            Rows::Sums(_) => {}
        }
        document.finish(&lost, &mut bytes);
        out.write_all(&bytes)?;
        Ok((written as u64, missed))
    }
}

/// What was lost before it came here, by node, and what is no longer kept. That is known of all
/// nodes together: it is told of the first.
pub(crate) fn losses(store: &collector::model::Store) -> Vec<(Arc<str>, Lost)> {
    let mut lost: Vec<(Arc<str>, Lost)> = Vec::new();
    for node in store.nodes() {
        let of_node = node.losses.iter().map(|(kind, n)| Lost::new(kind, n));
        lost.extend(of_node.map(|lost| (Arc::clone(&node.name), lost)));
    }
    if let (n @ 1.., Some(node)) = (store.evicted(), store.nodes().first()) {
        let kind = LossKind::Evicted;
        lost.push((Arc::clone(&node.name), Lost::new(kind, n)));
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_rows_stand_as_on_the_screen_and_hidden_ones_after_them() {
        assert_eq!(chosen(&[5, 3, 9, 1], &[1, 2, 3, 4, 9]), [3, 9, 1, 2, 4]);
    }
}
