//! Screens as snapshots.

use collector::filter::Filter;
use collector::model::{
    Batch, Comm, Event, EventType, Hello, HookKind, Limits, LossKind, Lost, NodeState, Origin,
    Peer, PeerKind, Process, Reason, SourceState, TcpState, Thresholds, Timestamp, Update,
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use insta::assert_snapshot;
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Size;
use ratatui::style::{Color, Modifier};
use std::sync::Arc;

use crate::action::Action;
use crate::app::{App, Custom, Settings};
use crate::columns::Choice;
use crate::keymap;
use crate::sample::{self, NOW};
use crate::theme::{MONO, THEMES, Theme};

mod asking;
mod every;
mod lists;
mod zones;

/// A second after the events came, so that the rates show them.
const LATER: Timestamp = Timestamp(NOW.0 + 1_000_000_000);

fn app(width: u16, height: u16, theme: &'static Theme, pods: bool) -> App {
    let settings = Settings {
        source: "host".into(),
        replay: None,
        recorded: false,
        local: false,
        filter: Filter::all(),
        theme,
        mouse: true,
        columns: Choice::events::<&str>(&[], pods).unwrap(),
        pods,
        tz: TimeZone::UTC,
        limits: Limits::default(),
        thresholds: Thresholds::default(),
        custom: Custom::default(),
    };
    App::new(settings, Size::new(width, height), NOW)
}

fn tell(app: &mut App, update: Update) {
    let _ = app.update(Action::Update(update), NOW);
}

fn keys(app: &mut App, keys: &str) {
    for c in keys.chars() {
        let code = match c {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            c => KeyCode::Char(c),
        };
        let event = crossterm::event::Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
        if let Some(action) = keymap::resolve(&event, app.mode()) {
            let _ = app.update(action, LATER);
        }
    }
}

fn screen(app: &mut App, width: u16, height: u16) -> Terminal<TestBackend> {
    let _ = app.update(Action::Second, LATER);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| super::draw(frame, app)).unwrap();
    terminal
}

fn buffer(app: &mut App) -> Buffer {
    screen(app, 80, 24).backend().buffer().clone()
}

fn hello() -> Update {
    Update::Hello(Hello {
        node: "host1".into(),
        version: Some("0.1.0".into()),
        kernel: "6.12.9".into(),
        accept_hook: Some(HookKind::Fexit),
        filter: None,
        degraded: Vec::new(),
        seeded: 2,
        ts: NOW,
    })
}

fn at(event: Event, ms: i64) -> Event {
    Event {
        ts: Timestamp(event.ts.0 + ms * 1_000_000),
        ..event
    }
}

/// Two connections from before, a few that come and go, one that fails.
fn story() -> Update {
    let mut listener = sample::listed(22);
    listener.remote.addr = "2001:db8:85a3:8d3:1319:8a2e:370:7348".parse().unwrap();
    listener.local.addr = "2001:db8::1".parse().unwrap();
    listener.process = Some(process(812, "sshd"));
    let mut closing = sample::listed(40_112);
    closing.state = Some(TcpState::CloseWait);
    closing.process = None;

    let mut accept = sample::connect(80);
    accept.kind = Some(EventType::Accept);
    accept.process = Some(process(4_194_303, "nginx: worker p"));
    accept.remote.port = 51_034;
    let mut refused = sample::connect(34_880);
    refused.reason = Some(Reason::Refused);
    refused.remote.port = 5_432;
    let mut reset = sample::close(80);
    reset.kind = Some(EventType::Unknown);
    reset.reason = Some(Reason::ResetByPeer);
    reset.process = accept.process.clone();
    reset.remote.port = 51_034;
    let mut connect = sample::connect(34_878);
    connect.figures.lat_us = 1_423_u64.try_into().ok();
    let mut close = sample::close(34_878);
    close.figures.dur_us = 250_000_u64.try_into().ok();
    close.figures.tx_bytes = 312_u64.try_into().ok();
    close.figures.rx_bytes = 123_456_u64.try_into().ok();
    close.figures.rtt_us = 880_u32.try_into().ok();
    close.figures.retrans = 2_u32.try_into().ok();
    sample::batch(vec![
        listener,
        closing,
        connect,
        at(accept, 2),
        at(refused, 5),
        at(reset, 90),
        at(close, 250),
    ])
}

fn process(pid: u32, comm: &str) -> Arc<Process> {
    Arc::new(Process {
        pid,
        tid: None,
        uid: None,
        gid: None,
        comm: Comm::from_text(comm),
        thread: None,
    })
}

fn in_pod(event: Event) -> Event {
    Event {
        origin: Arc::new(Origin {
            node: "worker-a-1.example.com".into(),
            namespace: Some("shop".into()),
            pod: Some("cart-7c9d8f6b5-x2x4q".into()),
            container: Some("app".into()),
        }),
        peer: Some(Arc::new(Peer {
            kind: PeerKind::Service,
            namespace: Some("shop".into()),
            name: "payments".into(),
        })),
        ..event
    }
}

#[test]
fn the_first_frame_says_what_is_awaited() {
    let mut app = app(80, 24, &THEMES[0], false);
    assert_snapshot!(screen(&mut app, 80, 24).backend());
}

#[test]
fn loss_filter_and_pause_stand_in_the_header() {
    let mut app = app(80, 24, &THEMES[0], false);
    tell(&mut app, hello());
    tell(&mut app, story());
    let lost = |kind, n| Lost::new(kind, n);
    keys(&mut app, "/!reason:refused\nP");
    tell(
        &mut app,
        Update::Batch(Batch {
            node: "host1".into(),
            events: vec![sample::connect(1), sample::connect(2)],
            lost: vec![lost(LossKind::Ring, 1_200), lost(LossKind::Queue, 7)],
        }),
    );
    let why = "the kernel has no BTF: CONFIG_DEBUG_INFO_BTF is off".to_owned();
    tell(
        &mut app,
        Update::State(NodeState {
            node: "host1".into(),
            state: SourceState::Lost(why),
            via: None,
        }),
    );
    assert_snapshot!(screen(&mut app, 80, 24).backend());
}

#[test]
fn a_filter_for_pods_where_there_are_none_is_told_of() {
    let mut app = app(80, 24, &THEMES[0], false);
    tell(&mut app, hello());
    tell(&mut app, story());
    let notice = |app: &mut App| {
        screen(app, 80, 24)
            .backend()
            .to_string()
            .contains("no pod or")
    };
    keys(&mut app, "/ns:shop");
    assert!(notice(&mut app));
    tell(&mut app, sample::batch(vec![in_pod(sample::connect(1))]));
    assert!(!notice(&mut app));
}

#[test]
fn an_error_stands_under_the_prompt_at_its_column() {
    let mut app = app(80, 24, &THEMES[0], false);
    tell(&mut app, story());
    keys(&mut app, "/comm:wget prot:443");
    let terminal = screen(&mut app, 80, 24);
    assert_snapshot!(terminal.backend());
}

#[test]
fn a_prefix_shows_its_choices() {
    let mut app = app(80, 24, &THEMES[0], false);
    tell(&mut app, story());
    keys(&mut app, "tct");
    assert_snapshot!(screen(&mut app, 80, 24).backend());
}

#[test]
fn without_colour_the_selection_and_the_failures_still_show() {
    let mut app = app(80, 24, MONO, false);
    tell(&mut app, hello());
    tell(&mut app, story());
    keys(&mut app, "k");
    let buffer = buffer(&mut app);
    for cell in &buffer.content {
        assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
    }
    let reversed = |y| (0..80).all(|x| buffer[(x, y)].modifier.contains(Modifier::REVERSED));
    let lines: Vec<u16> = (0..24).filter(|y| reversed(*y)).collect();
    assert_eq!(lines, [10]);
    let refused =
        (0..24).find(|y| buffer[(67, *y)].symbol() == "r" && buffer[(69, *y)].symbol() == "f");
    assert!(refused.is_some_and(|y| buffer[(67, y)].modifier.contains(Modifier::BOLD)));
}

#[test]
fn a_terminal_that_is_too_small_is_told_what_is_needed() {
    for (width, height) in [(79, 24), (40, 3), (9, 1), (1, 1)] {
        let mut app = app(width, height, &THEMES[0], false);
        tell(&mut app, story());
        let terminal = screen(&mut app, width, height);
        let text = terminal.backend().to_string();
        assert!(
            text.contains(&"tcpscope needs 80 x 10"[..usize::from(width.min(22)) - 1]),
            "{text}"
        );
    }
}

#[test]
fn a_frame_that_is_smaller_than_the_state_thinks_does_no_harm() {
    let mut app = app(200, 50, &THEMES[0], false);
    tell(&mut app, story());
    keys(&mut app, "/comm:wget pid:x");
    for (width, height) in [(80, 10), (100, 12), (20, 2), (200, 11)] {
        let _ = screen(&mut app, width, height);
    }
}

/// A connection over the loopback address, with both its ends.
fn both_ends() -> Update {
    let mut connect = sample::connect(34_878);
    connect.remote.addr = connect.local.addr;
    connect.figures.lat_us = 1_423_u64.try_into().ok();
    let other = |event: &Event, ms| Event {
        local: event.remote,
        remote: event.local,
        conn: collector::model::ConnId(7),
        process: Some(process(812, "nginx")),
        ..at(event.clone(), ms)
    };
    let mut accept = other(&connect, 1);
    accept.kind = Some(EventType::Accept);
    let mut close = at(sample::close(34_878), 250);
    close.remote = connect.remote;
    close.figures.dur_us = 250_000_u64.try_into().ok();
    close.figures.tx_bytes = 312_u64.try_into().ok();
    close.figures.rx_bytes = 123_456_u64.try_into().ok();
    close.figures.rtt_us = 880_u32.try_into().ok();
    close.figures.retrans = 2_u32.try_into().ok();
    sample::batch(vec![connect, accept, close])
}

#[test]
fn the_detail_tells_all_of_a_connection() {
    let mut app = app(80, 24, &THEMES[0], false);
    tell(&mut app, hello());
    tell(&mut app, both_ends());
    keys(&mut app, "k\n");
    assert_snapshot!("detail_80x24", screen(&mut app, 80, 24).backend());
    keys(&mut app, "G");
    assert_snapshot!("detail_80x24_end", screen(&mut app, 80, 24).backend());
    // The other end has the first one for its own.
    keys(&mut app, "\n");
    let accepted = |app: &mut App| {
        screen(app, 80, 24)
            .backend()
            .to_string()
            .contains("this one accepted")
    };
    assert!(accepted(&mut app));
    keys(&mut app, "\x1b");
    assert!(app.detail().is_some() && !accepted(&mut app));
    keys(&mut app, "\x1b");
    assert!(app.detail().is_none());
}

#[test]
fn the_detail_of_a_failure_says_it_in_words() {
    let mut app = app(120, 40, &THEMES[0], true);
    let mut refused = in_pod(sample::connect(34_880));
    refused.reason = Some(Reason::Refused);
    refused.errno = std::num::NonZeroU16::new(111);
    refused.figures.lat_us = 45_u64.try_into().ok();
    tell(&mut app, sample::batch(vec![refused]));
    keys(&mut app, "k\n");
    assert_snapshot!("detail_120x40", screen(&mut app, 120, 40).backend());
}
