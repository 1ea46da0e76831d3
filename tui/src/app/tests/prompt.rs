//! Commands, lists to pick from, completion and what was typed before.

use std::sync::Arc;

use collector::model::Origin;

use super::*;
use crate::job::Saved;

fn typed(desk: &Desk) -> &str {
    desk.app.prompt().map_or("", |prompt| prompt.input.value())
}

fn complaint(desk: &Desk) -> (usize, &str) {
    let error = desk.app.prompt().and_then(|prompt| prompt.error.as_ref());
    error.map_or((0, ""), |error| (error.column, &error.message))
}

fn filter(desk: &Desk) -> String {
    desk.app.sieve().filter.to_string()
}

/// Events of pods in two namespaces; both have a pod of the same name.
fn pods() -> Desk {
    let mut desk = Desk::new();
    let names = [("shop", "cart-1"), ("shop", "web-1"), ("ops", "web-1")];
    let events = (0..9)
        .zip(names.iter().cycle())
        .map(|(port, (namespace, pod))| Event {
            origin: Arc::new(Origin {
                node: "host1".into(),
                namespace: Some((*namespace).into()),
                pod: Some((*pod).into()),
                container: None,
            }),
            ..sample::connect(port)
        });
    desk.happen(Action::Update(sample::batch(events.collect())));
    desk
}

#[test]
fn a_namespace_and_a_pod_are_picked_and_let_go() {
    let mut desk = pods();
    desk.keys("/curl\n");
    desk.keys("n");
    assert!(desk.app.mode().covered);
    desk.keys("op\n");
    assert_eq!(filter(&desk), "curl ns:ops");
    // A pod is one in its namespace, and takes the place of the one before.
    desk.keys("p");
    desk.press(KeyCode::Down);
    desk.keys("\n");
    assert_eq!(filter(&desk), "curl ns:shop pod:cart-1");
    desk.keys("pshopweb\n");
    assert_eq!(filter(&desk), "curl ns:shop pod:web-1");
    // With another namespace the pod goes.
    desk.keys("nops\n");
    assert_eq!(filter(&desk), "curl ns:ops");
    desk.keys("0");
    assert_eq!(filter(&desk), "curl");
    // Nothing is picked by leaving.
    desk.keys("n\x1b");
    assert_eq!(filter(&desk), "curl");
    assert!(desk.app.prompt().is_none());
}

#[test]
fn where_there_are_no_pods_that_is_said() {
    let mut desk = Desk::new();
    desk.connect(0, 5);
    desk.keys("p");
    assert!(desk.app.prompt().is_none());
    assert!(desk.message().starts_with("no pods on this host"));
    desk.keys("n");
    assert!(desk.message().starts_with("no namespaces on this host"));
}

#[test]
fn commands_do_what_the_keys_do() {
    let mut desk = pods();
    desk.keys(":ns shop,o*\n");
    assert_eq!(filter(&desk), "ns:shop,o*");
    desk.keys(":node\n");
    assert!(desk.app.picker().is_some());
    desk.keys("\n");
    assert_eq!(filter(&desk), "ns:shop,o* node:host1");
    desk.keys(":filter port:4\n");
    assert_eq!(desk.ports(), [4]);
    desk.keys(":theme mono\n");
    assert_eq!(desk.app.theme().name, "mono");
    desk.keys(":cols time,uid,daddr\n");
    assert_eq!(desk.app.choice().names(), ["TIME", "UID", "DADDR"]);
    desk.keys(":sort daddr\n");
    assert_eq!(
        desk.app.sort().map(|by| (by.column.name, by.inverted)),
        Some(("DADDR", false))
    );
    desk.keys(":sort daddr\n");
    assert_eq!(desk.app.sort().map(|by| by.inverted), Some(true));
    desk.keys(":cols default\n");
    assert!(desk.app.choice().names().len() > 10);
    desk.keys(":help\n");
    assert_eq!(desk.app.help(), Some(0));
    desk.keys("\x1b:q\n");
    assert_eq!(desk.effect, Effect::Quit);
}

#[test]
fn a_command_that_is_wrong_stays_to_be_mended() {
    let mut desk = pods();
    desk.keys(":fly\n");
    assert!(complaint(&desk).1.starts_with("no command `fly`: ns pod"));
    desk.keys("x");
    assert_eq!(complaint(&desk).1, "");
    desk.ctrl('u');
    desk.keys("filter port:4x\n");
    assert_eq!(
        complaint(&desk),
        (12, "`4x` is not a number: `port` is one")
    );
    desk.ctrl('u');
    desk.keys("cols time,size\n");
    assert!(complaint(&desk).1.starts_with("there is no column `size`"));
    desk.ctrl('u');
    desk.keys("theme dark\n");
    assert_eq!(
        complaint(&desk),
        (6, "themes are default light colorblind mono")
    );
    desk.ctrl('u');
    desk.keys("export csv\n");
    assert!(complaint(&desk).1.starts_with("name a file"));
    // Nothing is typed: nothing is wanted.
    desk.ctrl('u');
    desk.keys("\n");
    assert!(desk.app.prompt().is_none());
}

#[test]
fn tab_completes_fields_values_and_commands() {
    let mut desk = pods();
    desk.keys("/po");
    desk.press(KeyCode::Tab);
    assert_eq!(typed(&desk), "pod:");
    desk.press(KeyCode::Tab);
    assert_eq!(typed(&desk), "port:");
    desk.press(KeyCode::BackTab);
    desk.keys("w");
    desk.press(KeyCode::Tab);
    assert_eq!(typed(&desk), "pod:web-1");
    // It works while it is completed.
    assert_eq!(filter(&desk), "pod:web-1");
    // What is behind the cursor stays.
    desk.ctrl('u');
    desk.keys("x comm:curl");
    desk.press(KeyCode::Home);
    desk.press(KeyCode::Delete);
    desk.keys("ns:o");
    desk.press(KeyCode::Tab);
    assert_eq!(typed(&desk), "ns:ops comm:curl");
    desk.keys("\x1b:th");
    desk.press(KeyCode::Tab);
    desk.keys(" li");
    desk.press(KeyCode::Tab);
    assert_eq!(typed(&desk), "theme light");
    desk.ctrl('u');
    desk.keys("cols time,uid,dad");
    desk.press(KeyCode::Tab);
    assert_eq!(typed(&desk), "cols time,uid,daddr");
    desk.ctrl('u');
    desk.keys("pod ca");
    desk.press(KeyCode::Tab);
    assert_eq!(typed(&desk), "pod cart-1");
    desk.ctrl('u');
    desk.keys("export ");
    desk.press(KeyCode::Tab);
    assert_eq!(typed(&desk), "export ndjson");
}

#[test]
fn what_was_typed_before_comes_back() {
    let mut desk = Desk::new();
    desk.connect(0, 9);
    desk.keys("/port:1\n\x1b/port:2\n\x1b/is");
    desk.press(KeyCode::Up);
    assert_eq!((typed(&desk), filter(&desk).as_str()), ("port:2", "port:2"));
    desk.press(KeyCode::Up);
    assert_eq!(typed(&desk), "port:1");
    desk.press(KeyCode::Down);
    desk.press(KeyCode::Down);
    assert_eq!(typed(&desk), "is");
    // Commands are remembered apart.
    desk.keys("\x1b:theme light\n:");
    desk.press(KeyCode::Up);
    assert_eq!(typed(&desk), "theme light");
}

#[test]
fn filters_are_kept_for_later_runs_only_if_somebody_wants_that() {
    let mut desk = Desk::new();
    desk.keys("/port:1\n");
    assert!(desk.app.next_job().is_none());

    let mut settings = settings();
    settings.custom.history = vec!["is:failed".to_owned()];
    settings.custom.history_file = Some("/state/filters".into());
    let mut desk = Desk::of(settings);
    desk.keys("/port:1\n");
    let Some(Job::Save { path, text, what }) = desk.app.next_job() else {
        panic!("nothing to save");
    };
    assert_eq!(path.to_str(), Some("/state/filters"));
    assert_eq!(text, "is:failed\nport:1\n");
    // What fails is said once, and not tried again.
    let why = "no room".to_owned();
    desk.happen(Action::Done(Done::Saved(what, Err(why))));
    assert_eq!(desk.message(), "the history is not kept: no room");
    desk.keys("/port:2\n");
    assert!(desk.app.next_job().is_none());
}

#[test]
fn presets_are_set_by_their_names() {
    let mut settings = settings();
    settings.custom.presets = vec![("web".to_owned(), "port:80,443".to_owned())];
    let mut desk = Desk::of(settings);
    desk.keys(":filter w");
    desk.press(KeyCode::Tab);
    desk.keys("\n");
    assert_eq!(filter(&desk), "port:80,443");
}

#[test]
fn columns_are_saved_when_somebody_says_so() {
    let mut settings = settings();
    settings.custom.file = Some("/config/config.toml".into());
    let mut desk = Desk::of(settings);
    desk.keys(":cols time,uid\n");
    assert!(desk.app.next_job().is_none());
    desk.keys(":cols save\n");
    let Some(Job::SaveColumns { view, columns, .. }) = desk.app.next_job() else {
        panic!("nothing to save");
    };
    assert_eq!(
        (view, columns),
        ("events", vec!["time".to_owned(), "uid".to_owned()])
    );
    let path = "/config/config.toml".to_owned();
    desk.happen(Action::Done(Done::Saved(Saved::Columns, Ok(path))));
    assert_eq!(desk.message(), "saved in /config/config.toml");
}
