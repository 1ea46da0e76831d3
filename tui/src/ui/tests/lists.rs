//! The lists of sums, and the way from a sum to the rows behind it.

use super::*;

/// Pods that talk to each other, some of it in vain, on two nodes.
pub(super) fn shop() -> Vec<Update> {
    let mut events: Vec<Event> = (1..6_u16)
        .map(|port| {
            let mut refused = in_pod(sample::connect(port));
            refused.reason = Some(Reason::Refused);
            at(refused, i64::from(port))
        })
        .collect();
    for port in 10..13_u16 {
        let mut accept = in_pod(sample::connect(port));
        accept.kind = Some(EventType::Accept);
        accept.local.port = 8_080;
        accept.remote.port = port;
        accept.peer = None;
        accept.figures.lat_us = 250_000_u64.try_into().ok();
        let mut reset = at(accept.clone(), 90);
        (reset.kind, reset.phase) = (Some(EventType::Unknown), Some(collector::model::Phase::End));
        reset.reason = Some(Reason::ResetByPeer);
        reset.figures.tx_bytes = 1_000_000_u64.try_into().ok();
        events.push(at(accept, 2));
        if port == 10 {
            events.push(reset);
        }
    }
    let mut bare = sample::connect(77);
    bare.figures.lat_us = 1_423_u64.try_into().ok();
    events.push(bare);
    vec![
        hello(),
        Update::Batch(Batch {
            node: "worker-a-1.example.com".into(),
            events,
            lost: vec![Lost::new(LossKind::Ring, 12)],
        }),
        Update::State(NodeState {
            node: "worker-b-2".into(),
            state: SourceState::Lost("its agent does not answer".into()),
            via: None,
        }),
    ]
}

fn tell_all(app: &mut App) {
    for update in shop() {
        tell(app, update);
    }
}

#[test]
fn empty_lists_say_what_they_wait_for() {
    for (key, said) in [
        ("3", "nobody has"),
        ("4", "no events"),
        ("5", "no failure and no finding"),
        ("6", "no node"),
    ] {
        let mut app = app(80, 24, &THEMES[0], false);
        keys(&mut app, key);
        let text = screen(&mut app, 80, 24).backend().to_string();
        assert!(text.contains(said), "{text}");
    }
}

/// From a pod to its connections, to one of them; and all the way back.
#[test]
fn a_pod_leads_to_its_connections_and_they_to_their_details() {
    let mut app = app(80, 24, &THEMES[0], true);
    tell_all(&mut app);
    keys(&mut app, "3j");
    let text = |app: &mut App| screen(app, 80, 24).backend().to_string();
    let first = text(&mut app);
    keys(&mut app, "\n");
    assert_snapshot!("drill_pod", screen(&mut app, 80, 24).backend());
    keys(&mut app, "j\n");
    assert!(text(&mut app).contains("Timeline"));
    keys(&mut app, "\x1b\x1b");
    assert_eq!(text(&mut app), first);
}

#[test]
fn a_problem_leads_to_the_rows_that_prove_it() {
    let mut app = app(80, 24, &THEMES[0], true);
    tell_all(&mut app);
    // Failures stand first: the second is that accepts are slow.
    keys(&mut app, "5jj\n");
    let events = |app: &App| app.visible_events().count();
    assert_eq!(events(&app), 3);
    assert_snapshot!("drill_problem", screen(&mut app, 80, 24).backend());
    // A filter holds within it, and goes after it.
    keys(&mut app, "/port:11\n");
    assert_eq!(events(&app), 1);
    keys(&mut app, "\x1b");
    assert_eq!(app.tab(), crate::action::Tab::Problems);
    keys(&mut app, "1");
    assert_eq!(events(&app), 1);
    keys(&mut app, "\x1b");
    assert!(events(&app) > 3);
}

#[test]
fn what_was_left_open_leads_to_what_still_is() {
    let mut app = app(80, 24, &THEMES[0], true);
    let left = |port| {
        let mut listed = sample::listed(port);
        (listed.before, listed.state) = (false, Some(TcpState::CloseWait));
        [sample::connect(port), listed]
    };
    let left = [1, 2, 3].map(left).concat();
    tell(
        &mut app,
        sample::batch([left, vec![sample::close(2)]].concat()),
    );
    keys(&mut app, "5j\n");
    assert_eq!(app.visible_events().count(), 2);
    let text = screen(&mut app, 80, 24).backend().to_string();
    assert!(text.contains("in CLOSE_WAIT -> 192.0.2.97:443"), "{text}");
    // Their times, not that they were there before.
    assert_eq!(text.matches("03:04:05.").count(), 2, "{text}");
    // What ends meanwhile leaves, once rows may move.
    let close = |port| Action::Update(sample::batch(vec![sample::close(port)]));
    let after = |ms: i64| Timestamp(LATER.0 + ms * 1_000_000);
    let _ = app.update(close(1), after(0));
    assert_eq!(app.visible_events().count(), 2);
    let _ = app.update(Action::Second, after(1_000));
    let ports = app.visible_events().filter_map(|id| app.event(id));
    assert_eq!(ports.map(|e| e.local.port).collect::<Vec<_>>(), [3]);
    // The same, sorted by a column.
    keys(&mut app, "l");
    let _ = app.update(close(3), after(3_000));
    assert_eq!(app.visible_events().count(), 0);
}

#[test]
fn types_and_nodes_lead_to_their_events() {
    let mut app = app(80, 24, &THEMES[0], true);
    tell_all(&mut app);
    // The most of them first: five refused connects.
    keys(&mut app, "4j\n");
    assert_eq!(app.visible_events().count(), 5);
    keys(&mut app, "6gg");
    assert!(app.sieve().scope.is_none());
    // The one that is lost stands first; no events are from it.
    keys(&mut app, "\n");
    assert_eq!(app.visible_events().count(), 0);
}

#[test]
fn a_filter_hides_rows_of_each_list() {
    for (keys_, filter, shown) in [
        ("3", "ns:shop", "1/2"),
        ("3", "cart", "1/2"),
        ("3", "is:failed port:9", "1/2"),
        ("3", "!ns:shop", "1/2"),
        ("3", "ns:ops", "0/2"),
        ("4", "type:u", "1/4"),
        ("4", "reason:refused", "1/4"),
        ("5", "reason:reset-by-peer", "1/"),
        ("5", "port:1", "1/"),
        ("6", "node:worker-b-*", "1/"),
    ] {
        let mut app = app(80, 24, &THEMES[0], true);
        tell_all(&mut app);
        keys(&mut app, &format!("{keys_}/{filter}\n"));
        let text = screen(&mut app, 80, 24).backend().to_string();
        assert!(text.contains(&format!(" {shown}")), "{filter}: {text}");
        assert_eq!(
            text.contains("pass the filter"),
            shown.starts_with('0'),
            "{text}"
        );
    }
}
