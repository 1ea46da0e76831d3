//! Prompts, lists, questions and marks.

use super::*;
use crate::export::Outcome;
use crate::job::{Done, Job};

/// The story, in pods where there are to be some.
fn told(width: u16, height: u16, pods: bool) -> App {
    let mut app = app(width, height, &THEMES[0], pods);
    tell(&mut app, hello());
    let Update::Batch(batch) = story() else {
        return app;
    };
    let events = batch.events.into_iter();
    let events = events.map(|event| if pods { in_pod(event) } else { event });
    tell(&mut app, sample::batch(events.collect()));
    app
}

fn code(app: &mut App, code: KeyCode) {
    let event = crossterm::event::Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
    if let Some(action) = keymap::resolve(&event, app.mode()) {
        let _ = app.update(action, LATER);
    }
}

#[test]
fn a_question_and_what_came_of_it() {
    let mut app = told(80, 24, false);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rows.csv"), "mine").unwrap();
    keys(&mut app, "s\n");
    let Some(Job::Export(mut export)) = app.next_job() else {
        panic!("nothing to write");
    };
    export.path = dir.path().join("rows.csv");
    let Outcome::Exists(mut export) = export.run() else {
        panic!("it is replaced unasked");
    };
    // A name of a length that does not change from run to run.
    export.path = format!("/home/alice/{}/rows.csv", "folder/".repeat(9)).into();
    let outcome = Outcome::Exists(export);
    let _ = app.update(Action::Done(Done::Exported(outcome)), LATER);
    assert_snapshot!("question_80x24", screen(&mut app, 80, 24).backend());
    let failed = Outcome::Failed("cannot create /srv/rows.csv: Permission denied".into());
    keys(&mut app, "n");
    let _ = app.update(Action::Done(Done::Exported(failed)), LATER);
    assert_snapshot!("failed_80x24", screen(&mut app, 80, 24).backend());
}

#[test]
fn a_list_that_nothing_fits_says_so() {
    let mut app = told(80, 24, true);
    keys(&mut app, "nxyz");
    assert_snapshot!("picker_empty", screen(&mut app, 80, 24).backend());
}

#[test]
fn completions_stand_under_the_prompt() {
    let mut app = told(80, 24, false);
    keys(&mut app, "/reason:");
    code(&mut app, KeyCode::Tab);
    code(&mut app, KeyCode::Tab);
    assert_snapshot!("completion_80x24", screen(&mut app, 80, 24).backend());
    // What is chosen is on the screen, however many there are.
    let mut app = told(80, 24, false);
    keys(&mut app, "/");
    code(&mut app, KeyCode::BackTab);
    let footer = screen(&mut app, 80, 24).backend().to_string();
    assert!(footer.lines().last().unwrap().contains("is:"), "{footer}");
}

#[test]
fn where_there_are_no_pods_the_foot_of_the_screen_says_so() {
    let mut app = told(80, 24, false);
    keys(&mut app, "p");
    assert_snapshot!("no_pods_80x24", screen(&mut app, 80, 24).backend());
}
