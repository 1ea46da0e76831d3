//! Exporting: the marked rows of the view, or else all that pass the filter.

use std::path::{Path, PathBuf};

use collector::export::Format;
use collector::format::count;
use collector::model::{ConnKey, Connection, Event, EventId};
use collector::private_file::Existing;
use jiff::Timestamp as Moment;
use rustc_hash::FxHashMap;
use tui_input::Input;

use super::prompt::{Asking, Complaint, Prompt};
use super::{App, Message, Question};
use crate::action::Tab;
use crate::export::{self, Cancel, Events, Export, Outcome, Rows};
use crate::frozen::Frozen;
use crate::job::Job;

/// Connections that are copied in one go.
const PIECE: usize = 4_096;

const NOTHING: &str = "there are no rows to export";

/// An export between the key that asked for it and the file.
#[derive(Debug)]
pub(crate) struct Exporting {
    /// Where to and how; the rows are still to be put in.
    stage: Stage,
    /// Somebody was told that leaving now ends it.
    warned: bool,
    cancel: Cancel,
}

/// How far it is.
#[derive(Debug)]
enum Stage {
    /// It waits until the filter has looked at everything.
    Sifting(Target),
    /// Connections are copied, a piece at a time.
    Copying {
        target: Target,
        keys: Vec<ConnKey>,
        at: usize,
        rows: Vec<Connection>,
    },
    /// It is written, or somebody is asked whether it may be.
    Writing,
}

/// What is written, where to, and how.
#[derive(Debug)]
struct Target {
    tab: Tab,
    path: PathBuf,
    format: Format,
}

/// Nobody is left to want it.
impl Drop for Exporting {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl App {
    /// Opens the prompt for the name of a file.
    pub(super) fn ask_export(&mut self) {
        if self.exporting.is_some() {
            let text = "an export is being written: wait for it";
            self.message = Some(Message::note(text));
            return;
        }
        if self.to_export() == 0 {
            self.message = Some(Message::note(NOTHING));
            return;
        }
        let format = Format::Ndjson;
        let name = self.default_name(format);
        self.prompt = Some(Prompt::new(name, Asking::Export { format }));
    }

    /// A name that tells what is in the file and sorts by time.
    pub(super) fn default_name(&self, format: Format) -> String {
        let now = Moment::from_nanosecond(i128::from(self.now.0)).unwrap_or_default();
        let time = now.to_zoned(self.tz.clone()).strftime("%Y%m%d-%H%M%S");
        let (what, extension) = (self.tab.title(), format.extension());
        format!("tcpscope-{what}-{time}.{extension}")
    }

    /// How many rows an export has now.
    pub(crate) fn to_export(&self) -> usize {
        match self.marked() {
            (0, _) => self.shown_of_total().0,
            (marked, _) => marked,
        }
    }

    /// Changes the format, and the ending of the name with it.
    pub(super) fn next_format(&mut self, forth: bool) {
        let Some(prompt) = &mut self.prompt else {
            return;
        };
        let Asking::Export { format } = &mut prompt.asking else {
            return;
        };
        let all = Format::ALL;
        let at = all.iter().position(|f| f == format).unwrap_or_default();
        let step = if forth { 1 } else { all.len() - 1 };
        let next = all[(at + step) % all.len()];
        let name = Path::new(prompt.input.value());
        if Format::of(name) == Some(*format) {
            let name = name.with_extension(next.extension());
            prompt.input = Input::new(name.display().to_string());
        }
        *format = next;
    }

    /// Begins an export to what was typed, or opens the prompt again with what is wrong with it.
    pub(super) fn export_to(&mut self, prompt: &Prompt, format: Format) {
        let name = prompt.input.value();
        if let Err(wrong) = self.export(name, format) {
            let mut again = Prompt::new(name, Asking::Export { format });
            again.error = Some(wrong);
            self.prompt = Some(again);
        }
    }

    /// Begins an export.
    ///
    /// # Errors
    /// If that can be no name of a file, there is nothing to export, or one is under way.
    pub(super) fn export(&mut self, name: &str, format: Format) -> Result<(), Complaint> {
        let name = name.trim();
        if name.is_empty() || name.ends_with('/') {
            return Err(Complaint::whole("the name of a file is missing"));
        }
        if self.exporting.is_some() {
            return Err(Complaint::whole("an export is being written: wait for it"));
        }
        if self.to_export() == 0 {
            return Err(Complaint::whole(NOTHING));
        }
        let path = crate::home::expand(name);
        let tab = self.tab;
        self.exporting = Some(Exporting {
            stage: Stage::Sifting(Target { tab, path, format }),
            warned: false,
            cancel: Cancel::default(),
        });
        Ok(())
    }

    /// Takes an export as far as it goes in a few milliseconds.
    pub(super) fn settle_export(&mut self) {
        let Some(mut exporting) = self.exporting.take() else {
            return;
        };
        let cancel = &exporting.cancel;
        exporting.stage = match std::mem::replace(&mut exporting.stage, Stage::Writing) {
            Stage::Sifting(target) => self.sifted(target, cancel),
            Stage::Copying {
                target,
                keys,
                at,
                rows,
            } => self.copy(target, keys, at, rows, cancel),
            Stage::Writing => Stage::Writing,
        };
        self.exporting = Some(exporting);
    }

    /// Goes on as soon as it is known which rows there are.
    fn sifted(&mut self, target: Target, cancel: &Cancel) -> Stage {
        match target.tab {
            Tab::Events if self.events.index.is_behind() => Stage::Sifting(target),
            Tab::Events => {
                let rows = Rows::Events(self.picked_events());
                self.write(target, rows, cancel)
            }
            Tab::Connections if self.connections.index.is_filling() => Stage::Sifting(target),
            Tab::Connections => {
                let pane = &self.connections;
                let shown = keys(&pane.index);
                let marked: Vec<ConnKey> = pane.marks.iter().collect();
                let keys = if marked.is_empty() {
                    shown
                } else {
                    export::chosen(&shown, &marked)
                };
                let rows = Vec::with_capacity(keys.len());
                self.copy(target, keys, 0, rows, cancel)
            }
            list => {
                let sheet = self.all_sums(list);
                self.write(target, Rows::Sums(sheet), cancel)
            }
        }
    }

    fn copy(
        &mut self,
        target: Target,
        keys: Vec<ConnKey>,
        at: usize,
        mut rows: Vec<Connection>,
        cancel: &Cancel,
    ) -> Stage {
        let end = keys.len().min(at + PIECE);
        let copies = keys[at..end].iter().filter_map(|key| self.connection(*key));
        rows.extend(copies.cloned());
        if end < keys.len() {
            return Stage::Copying {
                target,
                keys,
                at: end,
                rows,
            };
        }
        let missed = (keys.len() - rows.len()) as u64;
        self.write(target, Rows::Connections { rows, missed }, cancel)
    }

    /// The marked events, or all that are shown.
    fn picked_events(&self) -> Events {
        let marked: Vec<EventId> = self.events.marks.iter().collect();
        let held: FxHashMap<EventId, Event> = self
            .frozen
            .as_ref()
            .map(Frozen::events)
            .cloned()
            .unwrap_or_default();
        Events {
            log: self.store.log().clone(),
            held,
            shown: keys(&self.events.index),
            marked,
        }
    }

    fn write(&mut self, target: Target, rows: Rows, cancel: &Cancel) -> Stage {
        let Target { tab, path, format } = target;
        let text = format!("writing {} …", path.display());
        self.message = Some(Message::note(text));
        let hellos = self.store.nodes().iter().filter_map(|n| n.hello.clone());
        self.jobs.push_back(Job::Export(Box::new(Export {
            path,
            format,
            existing: Existing::Kept,
            rows,
            columns: self.choice_of(tab).names(),
            hellos: hellos.collect(),
            lost: export::losses(&self.store),
            cancel: cancel.clone(),
        })));
        Stage::Writing
    }

    /// Says what became of an export.
    pub(super) fn exported(&mut self, outcome: Outcome) {
        if let Outcome::Exists(export) = outcome {
            self.message = None;
            self.question = Some(Question::Replace(export));
            return;
        }
        self.exporting = None;
        self.message = Some(match outcome {
            Outcome::Written {
                path,
                rows,
                missed,
                unsaid,
            } => {
                let s = if rows == 1 { "" } else { "s" };
                let more = |n: u64, text: String| if n > 0 { text } else { String::new() };
                let gone = format!("; {} more were evicted before", count(missed));
                let lost = format!("; CSV has no place for what was lost: {}", count(unsaid));
                Message::good(format!(
                    "wrote {} row{s} to {}{}{}",
                    count(rows),
                    path.display(),
                    more(missed, gone),
                    more(unsaid, lost)
                ))
            }
            Outcome::Failed(why) => Message::bad(format!("nothing was written: {why}")),
            Outcome::Exists(_) => return,
        });
    }

    /// Something is to be copied or looked at before it can be written.
    pub(super) fn export_is_behind(&self) -> bool {
        self.exporting.as_ref().is_some_and(|exporting| {
            matches!(exporting.stage, Stage::Sifting(_) | Stage::Copying { .. })
        })
    }

    /// Whether the program may end. It may not the first time, if an export would be lost by that.
    pub(super) fn may_quit(&mut self) -> bool {
        match &mut self.exporting {
            Some(exporting) if !exporting.warned => {
                exporting.warned = true;
                let text = "an export is being written: quit again to leave without it";
                self.message = Some(Message::bad(text));
                false
            }
            _ => true,
        }
    }
}

fn keys<R: crate::view::Rows>(rows: &R) -> Vec<R::Key> {
    (0..rows.len()).map_while(|at| rows.key(at)).collect()
}
