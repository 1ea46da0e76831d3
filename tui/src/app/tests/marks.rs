//! Marking rows with keys.

use super::*;

fn marked(desk: &Desk) -> Vec<u16> {
    let ids = desk.app.events.marks.iter();
    ids.filter_map(|id| desk.app.event(id))
        .map(|event| event.local.port)
        .collect()
}

#[test]
fn marks_stay_with_their_rows() {
    let mut desk = Desk::new();
    desk.connect(0, 50);
    desk.keys(" ");
    assert!(desk.message().starts_with("no row is selected"));
    desk.keys("kkk k ");
    assert_eq!(marked(&desk), [46, 47]);
    desk.connect(50, 60);
    desk.keys("/port:47,52\n");
    assert_eq!(marked(&desk), [46, 47]);
    // Marked again is unmarked.
    desk.keys("\x1bgg");
    desk.keys("/port:47\nk ");
    assert_eq!(marked(&desk), [46]);
}

#[test]
fn a_range_is_from_the_last_mark_to_the_selection() {
    let mut desk = Desk::new();
    desk.connect(0, 50);
    desk.keys("gg jjjv");
    assert_eq!(marked(&desk), [0, 1, 2, 3]);
    // The next range begins where this one ended.
    desk.keys("jj");
    desk.ctrl(' ');
    assert_eq!(marked(&desk), [0, 1, 2, 3, 4, 5]);
    desk.keys("V");
    assert_eq!(marked(&desk), [0; 0]);
    // Without a mark, it begins here; and it can go up.
    desk.keys("v");
    assert!(desk.message().starts_with("marked: move"));
    desk.keys("kkv");
    assert_eq!(marked(&desk), [3, 4, 5]);
}

#[test]
fn what_is_hidden_is_not_in_a_range() {
    let mut desk = Desk::new();
    desk.connect(0, 10);
    desk.keys("/!port:2,3\ngg jjjv\x1b");
    assert_eq!(marked(&desk), [0, 1, 4, 5]);
}

#[test]
fn esc_ends_the_filter_and_then_the_marks() {
    let mut desk = Desk::new();
    desk.connect(0, 10);
    desk.keys("k /port:9\n\x1b");
    assert_eq!(desk.app.marked(), (1, 0));
    assert!(desk.app.mode().closable);
    desk.keys("\x1b");
    assert_eq!(desk.app.marked(), (0, 0));
    assert!(!desk.app.mode().closable);
}

#[test]
fn marked_rows_that_are_evicted_are_counted() {
    let mut desk = Desk::new();
    desk.connect(0, 100);
    desk.keys("gg jjjv");
    desk.connect(100, 102);
    assert_eq!(marked(&desk), [2, 3]);
    assert_eq!(desk.app.marked(), (2, 2));
    desk.keys("V");
    assert_eq!(desk.app.marked(), (0, 0));
}

#[test]
fn each_view_has_marks_of_its_own() {
    let mut desk = Desk::new();
    desk.connect(0, 10);
    desk.keys("k 2j jjv");
    assert_eq!(desk.app.marked(), (3, 0));
    desk.keys("1");
    assert_eq!(desk.app.marked(), (1, 0));
}
