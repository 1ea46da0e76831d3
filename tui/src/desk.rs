//! The screen without a terminal, a clock or a source: what benches and tests drive.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use collector::filter::Filter;
use collector::model::{
    Batch, Comm, ConnId, Endpoint, Event, EventType, Family, Figures, Limits, Origin, Phase,
    Process, Reason, Thresholds, Timestamp, Update,
};
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;

use crate::action::{Action, Effect};
use crate::app::{App, Custom, Settings};
use crate::columns::Choice;
use crate::keymap;
use crate::theme::THEMES;
use crate::ui;

/// A screen of its own, at a time that only moves when it is told to.
#[derive(Debug)]
pub struct Desk {
    app: App,
    terminal: Terminal<TestBackend>,
    now: Timestamp,
}

impl Desk {
    /// An empty screen of so many cells, which keeps so many events.
    #[must_use]
    pub fn new(width: u16, height: u16, events: usize) -> Self {
        let now = Timestamp(1_767_323_045_123_456_000);
        let settings = Settings {
            source: "bench".into(),
            replay: None,
            recorded: false,
            local: false,
            filter: Filter::all(),
            theme: &THEMES[0],
            mouse: false,
            columns: Choice::events::<&str>(&[], true)
                .unwrap_or_else(|_| Choice::connections(true)),
            pods: true,
            tz: TimeZone::UTC,
            thresholds: Thresholds::default(),
            limits: Limits {
                events,
                ..Limits::default()
            },
            custom: Custom::default(),
        };
        let Ok(terminal) = Terminal::new(TestBackend::new(width, height));
        Self {
            app: App::new(settings, Size::new(width, height), now),
            terminal,
            now,
        }
    }

    /// Lets time pass, in nanoseconds.
    pub fn wait(&mut self, nanos: i64) {
        self.now.0 += nanos;
    }

    /// Takes in what a source says. Says whether there is something to draw.
    pub fn apply(&mut self, update: Update) -> bool {
        self.app.update(Action::Update(update), self.now) == Effect::Draw
    }

    /// Presses keys: characters, `\n` for Enter, `\x1b` for Esc.
    pub fn press(&mut self, keys: &str) {
        for c in keys.chars() {
            let code = match c {
                '\n' => KeyCode::Enter,
                '\x1b' => KeyCode::Esc,
                c => KeyCode::Char(c),
            };
            let input = Input::Key(KeyEvent::new(code, KeyModifiers::NONE));
            if let Some(action) = keymap::resolve(&input, self.app.mode()) {
                let _ = self.app.update(action, self.now);
            }
        }
    }

    /// Does a piece of what was put off. Says whether there was anything to do.
    pub fn catch_up(&mut self) -> bool {
        let behind = self.app.is_behind();
        if behind {
            let _ = self.app.update(Action::CatchUp, self.now);
        }
        behind
    }

    /// A second has passed.
    pub fn tick(&mut self) {
        let _ = self.app.update(Action::Second, self.now);
    }

    /// Draws a frame.
    pub fn draw(&mut self) {
        let Ok(_frame) = self.terminal.draw(|frame| ui::draw(frame, &self.app));
    }

    /// What is on the screen, line by line.
    #[must_use]
    pub fn text(&self) -> String {
        self.terminal.backend().to_string()
    }

    /// How many rows the view has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.app.shown_of_total().0
    }
}

/// Workloads of [`traffic`].
const WORKLOADS: u64 = 256;

/// `n` events from number `from` on, as a busy node has them: each connection is opened, and ended
/// some events later; one in 64 connects fails. The same numbers always give the same events.
#[must_use]
pub fn traffic(from: u64, n: u64) -> Update {
    thread_local! {
        static ORIGINS: Vec<Arc<Origin>> = (0..WORKLOADS)
            .map(|i| {
                Arc::new(Origin {
                    node: "node-1".into(),
                    namespace: Some(format!("team-{}", i % 16).into()),
                    pod: Some(format!("app-{i}-7c9d8f6b5-x2x4q").into()),
                    container: Some("app".into()),
                })
            })
            .collect();
    }
    ORIGINS.with(|origins| {
        Update::Batch(Batch {
            node: "node-1".into(),
            events: (from..from + n).map(|i| event(i, origins)).collect(),
            lost: Vec::new(),
        })
    })
}

/// Numbers that look like chance.
fn mixed(i: u64) -> u64 {
    let i = (i ^ (i >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    i ^ (i >> 29)
}

#[allow(clippy::cast_possible_truncation)] // What is left is as good.
fn event(i: u64, origins: &[Arc<Origin>]) -> Event {
    const OPEN: u64 = 512;
    let ends = i % 2 == 1 && i > OPEN;
    let conn = if ends { (i - OPEN) & !1 } else { i };
    let chance = mixed(conn);
    let fails = chance.is_multiple_of(64);
    let accepts = chance.is_multiple_of(3);
    let workload = chance % WORKLOADS;
    let kind = match (ends, accepts) {
        (true, _) => EventType::Close,
        (false, true) => EventType::Accept,
        (false, false) => EventType::Connect,
    };
    let reason = match (ends, fails && !accepts) {
        (true, _) => Some(Reason::FinLocal),
        (false, true) => Some(Reason::Refused),
        (false, false) => None,
    };
    let figures = Figures {
        lat_us: (!ends)
            .then_some(chance % 10_000)
            .and_then(|n| n.try_into().ok()),
        dur_us: ends
            .then_some(chance % 5_000_000)
            .and_then(|n| n.try_into().ok()),
        tx_bytes: ends
            .then_some(chance % 100_000)
            .and_then(|n| n.try_into().ok()),
        rx_bytes: ends
            .then_some(chance % 1_000_000)
            .and_then(|n| n.try_into().ok()),
        rtt_us: ends
            .then_some((chance % 3_000) as u32)
            .and_then(|n| n.try_into().ok()),
        retrans: ends
            .then_some((chance % 3) as u32)
            .and_then(|n| n.try_into().ok()),
    };
    Event {
        seq: i.try_into().ok(),
        ts: Timestamp(1_767_323_045_123_456_000 + i64::try_from(i).unwrap_or_default() * 20_000),
        origin: Arc::clone(&origins[workload as usize]),
        kind: Some(kind),
        phase: Some(if ends { Phase::End } else { Phase::Open }),
        state: None,
        reason,
        errno: None,
        process: Some(Arc::new(Process {
            pid: 1_000 + workload as u32,
            tid: None,
            uid: None,
            gid: None,
            comm: Comm::from_text("server"),
            thread: None,
        })),
        family: Family::V4,
        local: Endpoint {
            addr: IpAddr::V4(Ipv4Addr::new(10, 1, 0, workload as u8)),
            port: (chance >> 16) as u16,
        },
        remote: Endpoint {
            addr: IpAddr::V4(Ipv4Addr::new(
                10,
                2,
                (chance >> 40) as u8 & 3,
                (chance >> 32) as u8,
            )),
            port: [80, 443, 5432, 6379][(chance >> 48) as usize % 4],
        },
        conn: ConnId(conn + 1),
        before: false,
        figures,
        netns: None,
        mntns: None,
        cgroup: None,
        peer: None,
        scope: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_on_the_screen() {
        let mut desk = Desk::new(120, 40, 10_000);
        desk.apply(traffic(0, 2_000));
        desk.press("/reason:refused\n");
        while desk.catch_up() {}
        desk.draw();
        assert!((1..100).contains(&desk.rows()), "{}", desk.text());
        assert!(desk.text().contains("app-"));
    }
}
