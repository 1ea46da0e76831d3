//! Key scripts: what somebody presses, and what is on the screen then.

use collector::model::{LossKind, Lost};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseEvent, MouseEventKind};

use super::*;
use crate::keymap;
use crate::sample::{self, NOW};
use crate::theme::THEMES;

fn settings() -> Settings {
    Settings {
        source: "host".into(),
        replay: None,
        recorded: false,
        local: false,
        filter: Filter::all(),
        theme: &THEMES[0],
        mouse: true,
        columns: Choice::events::<&str>(&[], false).unwrap(),
        pods: false,
        tz: TimeZone::UTC,
        thresholds: Thresholds::default(),
        limits: Limits {
            events: 100,
            ..Limits::default()
        },
        custom: Custom::default(),
    }
}

mod export;
mod laws;
mod marks;
mod prompt;
mod replay;

/// An app and its clock.
struct Desk {
    app: App,
    now: Timestamp,
    /// What the last thing that happened led to.
    effect: Effect,
}

impl Desk {
    /// 19 rows of events fit on the screen.
    fn new() -> Self {
        Self::of(settings())
    }

    fn of(settings: Settings) -> Self {
        let app = App::new(settings, Size::new(80, 24), NOW);
        Self {
            app,
            now: NOW,
            effect: Effect::Nothing,
        }
    }

    fn happen(&mut self, action: Action) {
        self.effect = self.app.update(action, self.now);
    }

    /// Connects from the ports `from` to `to`.
    fn connect(&mut self, from: u16, to: u16) {
        let events = (from..to).map(sample::connect).collect();
        self.happen(Action::Update(sample::batch(events)));
        while self.app.is_behind() {
            self.happen(Action::CatchUp);
        }
    }

    fn press(&mut self, code: KeyCode) {
        let key = KeyEvent::new(code, KeyModifiers::NONE);
        self.effect = Effect::Nothing;
        let event = crossterm::event::Event::Key(key);
        if let Some(action) = keymap::resolve(&event, self.app.mode()) {
            self.happen(action);
        }
    }

    fn ctrl(&mut self, c: char) {
        let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        let event = crossterm::event::Event::Key(key);
        if let Some(action) = keymap::resolve(&event, self.app.mode()) {
            self.happen(action);
        }
    }

    fn message(&self) -> &str {
        self.app.message().map_or("", |message| &message.text)
    }

    /// Presses characters; a newline is Enter, an escape is Esc.
    fn keys(&mut self, keys: &str) {
        for c in keys.chars() {
            self.press(match c {
                '\n' => KeyCode::Enter,
                '\x1b' => KeyCode::Esc,
                c => KeyCode::Char(c),
            });
        }
    }

    /// The ports of the events on the screen.
    fn ports(&self) -> Vec<u16> {
        let events = self
            .app
            .visible_events()
            .filter_map(|id| self.app.event(id));
        events.map(|event| event.local.port).collect()
    }

    fn selected(&self) -> Option<u16> {
        let visible = self.app.visible();
        let line = visible.selected?.checked_sub(visible.top)?;
        self.ports().get(line).copied()
    }
}

#[test]
fn the_newest_event_is_at_the_bottom_until_somebody_moves() {
    let mut desk = Desk::new();
    desk.connect(0, 50);
    assert_eq!(desk.ports(), (31..50).collect::<Vec<_>>());
    assert!(desk.app.follows());

    desk.keys("kk");
    assert_eq!(desk.selected(), Some(48));
    desk.connect(50, 60);
    assert_eq!(desk.selected(), Some(48));
    assert_eq!(desk.ports(), (31..50).collect::<Vec<_>>());

    desk.keys("G");
    assert!(desk.app.follows());
    assert_eq!(desk.ports().last(), Some(&59));
}

#[test]
fn the_selected_event_stays_when_older_ones_are_evicted() {
    let mut desk = Desk::new();
    desk.connect(0, 100);
    desk.keys("ggjjj");
    assert_eq!(desk.selected(), Some(3));
    desk.connect(100, 102);
    assert_eq!(desk.selected(), Some(3));
    // It is gone: what is closest to it is selected.
    desk.connect(102, 110);
    assert_eq!(desk.selected(), Some(10));
}

#[test]
fn the_filter_works_while_it_is_typed_and_an_error_keeps_the_last_good_one() {
    let mut desk = Desk::new();
    desk.connect(0, 40);
    desk.keys("/port:7");
    assert_eq!(desk.ports(), [7]);
    desk.keys("x");
    let error = desk.app.prompt().and_then(|p| p.error.clone()).unwrap();
    assert_eq!(error.column, 5);
    assert_eq!(desk.ports(), [7]);
    // What is wrong is not kept.
    desk.keys("\n");
    assert!(desk.app.prompt().is_some());

    desk.press(KeyCode::Backspace);
    desk.keys("\n");
    assert!(desk.app.prompt().is_none());
    assert_eq!(desk.app.sieve().filter.to_string(), "port:7");

    desk.keys("/ comm:nobody");
    assert_eq!(desk.ports(), Vec::<u16>::new());
    desk.keys("\x1b");
    assert_eq!(desk.ports(), [7]);
    desk.keys("\x1b");
    assert_eq!(desk.app.sieve().filter, Filter::all());
    assert_eq!(desk.ports().len(), 19);
}

#[test]
fn the_selection_comes_back_when_the_filter_goes() {
    let mut desk = Desk::new();
    desk.connect(0, 60);
    desk.keys("k");
    for _ in 0..20 {
        desk.keys("k");
    }
    let selected = desk.selected();
    assert_eq!(selected, Some(39));
    desk.keys("/port:50,51\n");
    assert_eq!(desk.selected(), Some(50));
    desk.keys("\x1b");
    assert_eq!(desk.selected(), selected);
}

#[test]
fn types_are_hidden_and_shown() {
    let mut desk = Desk::new();
    desk.happen(Action::Update(sample::batch(vec![
        sample::listed(1),
        sample::connect(2),
        sample::close(2),
    ])));
    desk.keys("tc");
    assert_eq!(desk.ports(), [1, 2]);
    desk.keys("tx");
    assert_eq!(desk.ports(), [1]);
    desk.keys("tcty");
    assert_eq!(desk.ports(), [1, 2]);
    assert!(desk.app.mode().begun.is_none());
}

#[test]
fn pause_freezes_the_rows_even_when_they_are_evicted() {
    let mut desk = Desk::new();
    desk.connect(0, 50);
    let before = desk.ports();
    desk.keys("P");
    desk.connect(50, 400);
    assert_eq!(desk.ports(), before);
    assert_eq!(desk.app.paused(), Some(350));
    desk.keys("P");
    assert_eq!(desk.ports().last(), Some(&399));
    assert_eq!(desk.app.paused(), None);
}

#[test]
fn a_paused_view_can_be_filtered() {
    let mut desk = Desk::new();
    desk.connect(0, 50);
    desk.keys("P/port:20,60\n");
    desk.connect(50, 70);
    assert_eq!(desk.ports(), [20]);
    desk.keys("P");
    assert_eq!(desk.ports(), [20, 60]);
}

#[test]
fn a_paused_view_that_is_sorted_holds_still() {
    let mut desk = Desk::new();
    desk.connect(0, 5);
    // By the next column: all rows say the same in it.
    desk.keys("l");
    desk.connect(5, 10);
    assert_eq!(desk.ports(), [0, 1, 2, 3, 4]);
    desk.keys("P");
    desk.now.0 += 2_000_000_000;
    desk.happen(Action::Second);
    assert_eq!(desk.ports(), [0, 1, 2, 3, 4]);
    desk.keys("P");
    desk.now.0 += 2_000_000_000;
    desk.happen(Action::Second);
    assert_eq!(desk.ports(), (0..10).collect::<Vec<_>>());
}

#[test]
fn connections_are_one_row_each_and_open_ones_stand_first() {
    let mut desk = Desk::new();
    desk.happen(Action::Update(sample::batch(vec![
        sample::connect(1),
        sample::connect(2),
        sample::connect(3),
        sample::close(2),
    ])));
    desk.keys("2");
    let order = |desk: &Desk| {
        desk.app
            .visible_connections()
            .map(|k| k.conn.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(order(&desk), [3, 1, 2]);

    // The order holds for a second; then it is made anew, and the selection moves with its row.
    desk.keys("j");
    desk.happen(Action::Update(sample::batch(vec![sample::connect(4)])));
    assert_eq!(order(&desk), [3, 1, 2]);
    assert!(desk.app.ticks());
    desk.now = Timestamp(NOW.0 + 1_000_000_000);
    desk.happen(Action::Second);
    assert_eq!(order(&desk), [4, 3, 1, 2]);
    assert_eq!(desk.app.visible().selected, Some(1));
}

#[test]
fn help_covers_the_rows_and_esc_closes_the_topmost() {
    let mut desk = Desk::new();
    desk.connect(0, 40);
    desk.keys("/port:7\n?");
    assert_eq!(desk.app.help(), Some(0));
    // The rows are covered: what would change them does nothing.
    desk.keys("P");
    assert_eq!(desk.app.paused(), None);
    desk.keys("\x1b");
    assert_eq!(desk.app.help(), None);
    assert_eq!(desk.ports(), [7]);
}

#[test]
fn the_wheel_and_clicks_work_on_rows() {
    let mut desk = Desk::new();
    desk.connect(0, 50);
    let mouse = |kind, row| {
        crossterm::event::Event::Mouse(MouseEvent {
            kind,
            column: 3,
            row,
            modifiers: KeyModifiers::NONE,
        })
    };
    let wheel = keymap::resolve(&mouse(MouseEventKind::ScrollUp, 9), desk.app.mode()).unwrap();
    desk.happen(wheel);
    assert_eq!(desk.ports(), (28..47).collect::<Vec<_>>());
    let button = MouseEventKind::Down(crossterm::event::MouseButton::Left);
    let click = keymap::resolve(&mouse(button, 4), desk.app.mode()).unwrap();
    desk.happen(click);
    assert_eq!(desk.selected(), Some(28));
    // A click on the header selects nothing.
    let click = keymap::resolve(&mouse(button, 1), desk.app.mode()).unwrap();
    desk.happen(click);
    assert_eq!(desk.selected(), Some(28));
}

#[test]
fn what_says_nothing_draws_nothing() {
    let mut desk = Desk::new();
    desk.happen(Action::Update(sample::batch(vec![])));
    assert_eq!(desk.effect, Effect::Nothing);
    let lost = Batch {
        node: "host1".into(),
        events: vec![],
        lost: vec![Lost::new(LossKind::Ring, 1)],
    };
    desk.happen(Action::Update(Update::Batch(lost)));
    assert_eq!(desk.effect, Effect::Draw);
    desk.keys("z");
    assert_eq!(desk.effect, Effect::Nothing);
    assert!(!desk.app.ticks());
    desk.keys("q");
    assert_eq!(desk.effect, Effect::Quit);
}

#[test]
fn a_tiny_terminal_does_no_harm() {
    let mut desk = Desk::new();
    desk.connect(0, 50);
    desk.keys("k");
    desk.happen(Action::Resize(Size::new(3, 1)));
    desk.keys("jkgG?\x1bP2");
    desk.connect(50, 60);
    desk.happen(Action::Resize(Size::new(80, 24)));
    desk.keys("1P");
    assert_eq!(desk.ports().len(), 19);
}

#[test]
fn events_are_sorted_by_a_column_until_g_follows_again() {
    let mut desk = Desk::new();
    desk.connect(0, 50);
    // TIME NODE T PID COMM IP SADDR DADDR SPORT
    desk.keys("wllllllll");
    let by = desk.app.sort().unwrap();
    assert_eq!((by.column.name, by.inverted), ("SPORT", false));
    assert!(!desk.app.follows());
    assert_eq!(desk.ports(), (0..19).collect::<Vec<_>>());
    desk.keys("i");
    assert_eq!(desk.ports(), (31..50).rev().collect::<Vec<_>>());

    // What is selected stays selected; new rows wait while somebody moves.
    desk.keys("jj");
    assert_eq!(desk.selected(), Some(48));
    desk.connect(50, 60);
    assert_eq!(desk.ports()[0], 49);
    desk.now = Timestamp(NOW.0 + 2_000_000_000);
    desk.happen(Action::Second);
    assert_eq!(desk.selected(), Some(48));
    desk.keys("gg");
    assert_eq!(desk.ports()[0], 59);

    desk.keys("G");
    assert!(desk.app.follows());
    assert_eq!(desk.ports().last(), Some(&59));
    assert_eq!(desk.app.sort().map(|by| by.column.name), Some("TIME"));
}

#[test]
fn the_newest_events_can_stand_first() {
    let mut desk = Desk::new();
    desk.connect(0, 5);
    desk.keys("i");
    assert_eq!(desk.ports(), [4, 3, 2, 1, 0]);
    desk.connect(5, 7);
    assert_eq!(desk.ports()[..2], [6, 5]);
    desk.keys("G");
    assert_eq!(desk.ports()[..2], [0, 1]);
}

#[test]
fn a_click_on_a_title_sorts_and_another_one_turns_it_round() {
    let mut desk = Desk::new();
    desk.connect(0, 5);
    for inverted in [false, true] {
        // TIME is 8 cells wide, and T stands after it.
        desk.happen(Action::Click { column: 9, line: 3 });
        let by = desk.app.sort().unwrap();
        assert_eq!((by.column.name, by.inverted), ("T", inverted));
    }
}
