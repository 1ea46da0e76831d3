//! Recordings: their clock, and what is asked of whoever plays them.

use collector::source::replay::{Playing, Speed};

use super::*;

fn played() -> Settings {
    Settings {
        replay: Some(Playing::at(Speed::NORMAL)),
        ..settings()
    }
}

fn recording() -> Desk {
    Desk::of(played())
}

/// A connect of long ago, so many seconds after the first.
fn long_ago(port: u16, seconds: i64) -> Update {
    let mut event = sample::connect(port);
    event.ts = Timestamp((1_000_000 + seconds) * 1_000_000_000);
    sample::batch(vec![event])
}

fn asked(desk: &mut Desk) -> Option<Job> {
    std::iter::from_fn(|| desk.app.next_job()).last()
}

#[test]
fn ages_and_rates_are_those_of_the_time_that_is_played() {
    let mut desk = recording();
    desk.happen(Action::Update(long_ago(1, 0)));
    desk.happen(Action::Update(long_ago(2, 90)));
    assert_eq!(desk.app.clock(), Timestamp(1_000_090 * 1_000_000_000));
    assert_eq!(desk.app.moment().now, desk.app.clock());
    // Ninety seconds came at once, and are not taken for one.
    let Update::Batch(mut both) = long_ago(3, 91) else {
        return;
    };
    let Update::Batch(later) = long_ago(4, 95) else {
        return;
    };
    both.events.extend(later.events);
    desk.happen(Action::Update(Update::Batch(both)));
    let rates = desk.app.store().rates().of(EventType::Connect);
    assert_eq!(
        rates
            .series(Timestamp(1_000_096 * 1_000_000_000))
            .iter()
            .max(),
        Some(&1)
    );
    assert!(!desk.app.ticks());
}

#[test]
fn it_is_held_sped_up_and_gone_about_in() {
    let mut desk = recording();
    desk.happen(Action::Update(long_ago(1, 60)));
    desk.keys("P");
    let held = |job| matches!(job, Some(Job::Play(Playing { held: true, .. })));
    assert!(held(asked(&mut desk)) && desk.app.paused().is_none());
    desk.keys("P");
    assert!(!held(asked(&mut desk)));
    for (keys, speed) in [
        (">", 2_000),
        (">", 4_000),
        ("<", 2_000),
        (":speed 0.5x\n", 500),
    ] {
        desk.keys(keys);
        let Some(Job::Play(playing)) = asked(&mut desk) else {
            panic!("{keys}");
        };
        assert_eq!(playing.speed, Speed::Thousandths(speed));
    }
    for (keys, seconds) in [
        ("]", 70),
        ("[", 60),
        (":seek +1m\n", 120),
        (":seek -1m\n", 60),
        // The day began 49,600 seconds before: it is 13:47:40 then.
        (":seek 13:47\n", 20),
    ] {
        desk.keys(keys);
        let Some(Job::Seek(ts)) = asked(&mut desk) else {
            panic!("{keys}: {}", desk.message());
        };
        assert_eq!(ts.0 / 1_000_000_000 - 1_000_000, seconds, "{keys}");
    }
}

#[test]
fn what_is_watched_instead_begins_with_nothing() {
    let mut desk = recording();
    desk.happen(Action::Update(long_ago(1, 0)));
    desk.keys("3gg\nP");
    desk.happen(Action::Switch("other".into(), Some("shop".into())));
    assert_eq!((desk.app.tab(), desk.app.source()), (Tab::Pods, "other"));
    assert_eq!(desk.app.sieve().filter.to_string(), "ns:shop");
    assert!(desk.app.store().log().is_empty() && desk.app.sieve().scope.is_none());
    // Held as it was.
    assert!(desk.app.replay().is_some_and(|replay| replay.playing.held));
}

#[test]
fn what_cannot_be_is_said() {
    let mut desk = Desk::new();
    desk.connect(0, 1);
    desk.keys("[");
    assert_eq!(desk.message(), "");
    for (typed, said) in [
        (":seek +1s\n", "this is no recording"),
        (":speed 4x\n", "this is no recording"),
        (":context prod\n", "there is no context to go to"),
    ] {
        desk.keys(typed);
        let prompt = desk.app.prompt().and_then(|prompt| prompt.error.clone());
        let message = prompt.map_or(String::new(), |error| error.message);
        assert!(message.starts_with(said), "{message}");
        desk.keys("\x1b");
    }
    let mut desk = Desk::of(Settings {
        recorded: true,
        ..played()
    });
    desk.happen(Action::Update(long_ago(1, 0)));
    desk.keys("]");
    assert!(desk.message().starts_with("not while it is recorded"));
    assert!(desk.app.is_recorded());
    desk.keys(":record\n");
    assert_eq!(desk.message(), "the recording has ended");
    assert!(!desk.app.is_recorded());
}
