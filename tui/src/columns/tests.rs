//! What fits, and what goes.

use collector::model::TcpState;
use proptest::prelude::*;

use super::*;
use crate::sample;

fn events(pods: bool) -> Choice {
    Choice::events::<&str>(&[], pods).unwrap()
}

fn names(choice: &Choice, width: u16) -> String {
    let fitted = choice.fit(width);
    let names: Vec<&str> = fitted.iter().map(|(c, _)| c.name).collect();
    names.join(" ")
}

#[test]
fn each_column_is_there_and_wide_enough_for_its_name() {
    for name in EVENTS.iter().chain(&CONNECTIONS) {
        assert_eq!(named(name).map(|c| c.name), Some(*name));
    }
    for name in EVENTS_DROP.iter().chain(CONNECTIONS_DROP) {
        assert!(
            EVENTS.contains(name) || CONNECTIONS.contains(name),
            "{name}"
        );
    }
    for (name, _, [min, ample, max]) in LAYOUT {
        assert!(name.len() <= usize::from(min), "{name}");
        assert!(min <= ample && ample <= max, "{name}");
    }
}

#[test]
fn at_80_the_columns_that_never_go_are_there() {
    assert_eq!(
        names(&events(true), 80),
        "TIME POD T PID COMM DADDR DPORT REASON"
    );
    assert_eq!(
        names(&events(false), 80),
        "TIME T PID COMM SADDR DADDR DPORT REASON"
    );
}

#[test]
fn at_80_a_connection_says_whose_it_is_and_why_it_is_over() {
    assert_eq!(
        names(&Choice::connections(false), 80),
        "STATE AGE PID COMM DADDR DPORT REASON TX"
    );
    assert_eq!(
        names(&Choice::connections(true), 80),
        "STATE AGE POD COMM DADDR DPORT REASON TX"
    );
}

#[test]
fn with_room_everything_is_there() {
    assert_eq!(names(&events(true), 220), EVENTS.join(" "));
    assert_eq!(
        names(&events(false), 200),
        "TIME NODE T PID COMM IP SADDR DADDR SPORT DPORT REASON PEER LAT DUR TX RX RTT RETR"
    );
}

#[test]
fn columns_can_be_chosen() {
    let chosen = Choice::events(&["uid", "Comm", "lat_us"], false).unwrap();
    assert_eq!(names(&chosen, 80), "UID COMM LAT");
    assert_eq!(
        Choice::events(&["comm", "size"], false).unwrap_err().name,
        "size"
    );
}

#[test]
fn columns_go_one_by_one_in_their_order() {
    for pods in [true, false] {
        let choice = events(pods);
        let mut gone = Vec::new();
        let mut before = choice.fit(400);
        for width in (80..400).rev() {
            let now = choice.fit(width);
            let is_there = |name: &&str| now.iter().any(|(c, _)| c.name == *name);
            gone.extend(before.iter().map(|(c, _)| c.name).filter(|n| !is_there(n)));
            before = now;
        }
        let there = |name: &&&str| choice.columns.iter().any(|c| c.name == **name);
        let keep = if pods { "" } else { "SADDR" };
        let expected = EVENTS_DROP.iter().filter(there).filter(|n| **n != keep);
        assert_eq!(gone, expected.copied().collect::<Vec<_>>());
    }
}

proptest! {
    #[test]
    fn the_columns_fill_no_more_than_the_width(width in 80_u16..400, pods: bool) {
        for choice in [events(pods), Choice::connections(pods)] {
            let fitted = choice.fit(width);
            prop_assert!(total(fitted.iter().map(|(_, w)| *w)) <= width);
            prop_assert!(fitted.iter().all(|(c, w)| (c.min..=c.max).contains(w)));
        }
    }
}

#[test]
fn what_is_listed_later_has_its_time_and_its_state() {
    let at = Moment {
        now: sample::NOW,
        tz: &TimeZone::UTC,
    };
    let mut event = sample::listed(80);
    let cells = |event: &Event| {
        let row = Row {
            event,
            connection: None,
        };
        ["TIME", "REASON"].map(|name| named(name).unwrap().cell(row, 12, at).into_owned())
    };
    assert_eq!(cells(&event), ["before", "ESTABLISHED"]);
    event.before = false;
    event.state = Some(TcpState::CloseWait);
    let [time, reason] = cells(&event);
    assert!(time.starts_with("03:04:05."), "{time}");
    assert_eq!(reason, "CLOSE_WAIT");
}
