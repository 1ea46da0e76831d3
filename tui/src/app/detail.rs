//! One connection, above the rows.

use collector::identity::process::Living;
use collector::model::{ConnKey, Connection, Event, EventId, Gap, Meta, Timestamp};

use super::App;
use crate::detail::{End, Facts, Line, Lookup, lines, wrapped};
use crate::job::Job;
use crate::view::Motion;

/// What is shown of a connection. All of it is copies: what is looked at may be evicted meanwhile.
#[derive(Debug)]
pub(crate) struct Detail {
    key: Option<ConnKey>,
    connection: Option<Connection>,
    other: Option<(ConnKey, Connection)>,
    /// What the cgroups of this end and of the other are.
    meta: Option<Meta>,
    other_meta: Option<Meta>,
    /// The row that it was opened from, where that is an event.
    from: Option<(EventId, Event)>,
    /// Its events, by their identities in the log: those that are no longer kept have no event.
    events: Vec<(EventId, Option<Event>)>,
    gaps: Vec<Gap>,
    process: Lookup,
    /// Who was looked up.
    asked: Option<(u32, Timestamp)>,
    /// The first line on the screen.
    line: usize,
}

/// Where to look for the process that a detail shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) pid: u32,
    /// When an event was credited to it.
    pub(crate) seen: Timestamp,
}

impl Detail {
    fn new(key: Option<ConnKey>, from: Option<(EventId, Event)>) -> Self {
        Self {
            key,
            connection: None,
            other: None,
            meta: None,
            other_meta: None,
            from,
            events: Vec::new(),
            gaps: Vec::new(),
            process: Lookup::Elsewhere,
            asked: None,
            line: 0,
        }
    }

    /// This end, as it is known now or as its event says.
    fn end(&self) -> Option<End<'_>> {
        let connection = self.connection.as_ref();
        let event = connection.map(|c| &c.row);
        let event = event.or_else(|| self.from.as_ref().map(|(_, event)| event))?;
        Some(End {
            event,
            connection,
            meta: self.meta.as_ref(),
        })
    }
}

impl App {
    /// Opens the detail of the selected row, which is an event or a connection.
    pub(super) fn open_detail(&mut self, key: Option<ConnKey>, from: Option<EventId>) {
        let from = from.and_then(|id| Some((id, self.event(id)?)));
        let of_event = |(_, event): &(EventId, Event)| self.store.connection_of(event);
        let key = key.or_else(|| from.as_ref().and_then(of_event));
        let mut detail = Detail::new(key, from);
        self.look_again(&mut detail);
        if detail.end().is_some() {
            self.details.push(detail);
        }
    }

    /// Opens the detail of the other end, if its socket is known.
    pub(super) fn open_other_end(&mut self) {
        let other = self.details.last().and_then(|d| d.other.as_ref());
        if let Some((key, _)) = other {
            self.open_detail(Some(*key), None);
        }
    }

    pub(super) fn has_other_end(&self) -> bool {
        self.details.last().is_some_and(|d| d.other.is_some())
    }

    /// Brings the detail up to date, unless the view is frozen.
    pub(super) fn settle_detail(&mut self) {
        if self.frozen.is_none()
            && let Some(mut detail) = self.details.pop()
        {
            self.look_again(&mut detail);
            self.details.push(detail);
        }
    }

    fn look_again(&mut self, detail: &mut Detail) {
        let all = self.store.connections();
        if let Some((key, known)) = detail.key.and_then(|key| Some((key, all.get(key)?))) {
            let ids = [Some(known.first), known.opening, Some(known.last)];
            for id in ids.into_iter().flatten() {
                if detail.events.iter().all(|(known, _)| *known != id) {
                    detail.events.push((id, self.store.log().get(id)));
                }
            }
            let until = known.ended.unwrap_or(self.now);
            let from = known.opened.unwrap_or(known.row.ts);
            detail.gaps = self
                .store
                .gaps()
                .of(key.node, from, until)
                .copied()
                .collect();
            detail.connection = Some(known.clone());
            if let Some(other) = all.other_end(key) {
                detail.other = all.get(other).map(|row| (other, row.clone()));
            }
        }
        if let Some((id, event)) = &detail.from
            && detail.events.iter().all(|(known, _)| known != id)
        {
            detail.events.push((*id, Some(event.clone())));
        }
        detail.events.sort_unstable_by_key(|(id, _)| *id);
        let meta = |event: &Event| self.store.meta_of(event).cloned();
        detail.meta = detail
            .end()
            .and_then(|end| meta(end.event))
            .or(detail.meta.take());
        let other = detail.other.as_ref().and_then(|(_, row)| meta(&row.row));
        detail.other_meta = other.or(detail.other_meta.take());
        self.want_process(detail);
    }

    /// Has the process looked up, once.
    fn want_process(&mut self, detail: &mut Detail) {
        let who = detail.end().and_then(|end| {
            let process = end.event.process.as_ref()?;
            // The first event that it was credited with: the earlier, the surer.
            Some((process.pid, end.event.ts))
        });
        let Some((pid, seen)) = who.filter(|_| self.local) else {
            return;
        };
        if detail.asked.is_none() {
            detail.asked = Some((pid, seen));
            detail.process = Lookup::Waiting;
            self.jobs.push_back(Job::LookUp(Wanted { pid, seen }));
        }
    }

    /// Somebody has looked a process up.
    pub(super) fn looked_up(&mut self, wanted: Wanted, found: Option<Living>) {
        let process = found.map_or(Lookup::Gone, Lookup::Found);
        for detail in &mut self.details {
            if detail.asked == Some((wanted.pid, wanted.seen)) {
                detail.process = process.clone();
            }
        }
    }

    /// The lines of the detail, if one is open, and the first of them on the screen.
    pub(crate) fn detail(&self) -> Option<(Vec<Line>, usize)> {
        let detail = self.details.last()?;
        let end = detail.end()?;
        let kept = detail.events.iter().filter_map(|(_, event)| event.clone());
        let events: Vec<Event> = kept.collect();
        let facts = Facts {
            end,
            other: detail.other.as_ref().map(|(_, row)| End {
                event: &row.row,
                connection: Some(row),
                meta: detail.other_meta.as_ref(),
            }),
            process: &detail.process,
            evicted: events.len() < detail.events.len(),
            events: &events,
            gaps: &detail.gaps,
            now: self.moment().now,
            tz: &self.tz,
        };
        Some((wrapped(lines(&facts), self.size.width), detail.line))
    }

    /// Moves in the detail. Says whether there is one.
    pub(super) fn scroll_detail(&mut self, motion: Result<Motion, isize>) -> bool {
        let Some((lines, line)) = self.detail() else {
            return false;
        };
        let height = self.height();
        let most = lines.len().saturating_sub(height);
        let line = match motion {
            Ok(motion) => motion.scrolled(line, height),
            Err(lines) => line.saturating_add_signed(lines),
        };
        if let Some(detail) = self.details.last_mut() {
            detail.line = line.min(most);
        }
        true
    }
}
