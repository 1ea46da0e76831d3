//! Text from outside, made fit for a cell of the screen.
//!
//! Names come from the kernel, from processes and from a cluster: any of them may try to move the
//! cursor, to turn the line around, or to be wider on the terminal than it is by our count.

use std::borrow::Cow;

use collector::format;
use unicode_truncate::UnicodeTruncateStr;
use unicode_width::UnicodeWidthStr;

/// Stands where something was cut.
const CUT: &str = "…";

/// The text without what is not to be drawn as it is: what steers a terminal, and joiners and
/// invisible characters, whose width each terminal counts in its own way.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    match format::plain(text) {
        Cow::Borrowed(text) if !text.contains(is_slippery) => text.into(),
        text => text.replace(is_slippery, "\u{fffd}").into(),
    }
}

fn is_slippery(c: char) -> bool {
    matches!(c,
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// How many cells a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// A text in lines of at most `cells`, parted at spaces where there are any.
pub(crate) fn wrapped(text: &str, cells: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && cells > 0 {
        let (mut line, _) = rest.unicode_truncate(cells);
        if line.is_empty() {
            break;
        }
        if line.len() < rest.len()
            && !rest[line.len()..].starts_with(' ')
            && let Some(space) = line.rfind(' ').filter(|at| *at > 0)
        {
            line = &line[..space];
        }
        rest = rest[line.len()..].trim_start();
        lines.push(line);
    }
    lines
}

/// What of a text fits into `cells`, with a mark at its end if that is not all of it.
pub(crate) fn cut_end(text: &str, cells: usize) -> Cow<'_, str> {
    if width(text) <= cells {
        return text.into();
    }
    if cells == 0 {
        return "".into();
    }
    let (head, _) = text.unicode_truncate(cells - 1);
    format!("{head}{CUT}").into()
}

/// What of a text fits into `cells`, its beginning and its end, with a mark between them.
///
/// For addresses: the network stands in front, the host at the end, and both tell them apart.
pub(crate) fn cut_middle(text: &str, cells: usize) -> Cow<'_, str> {
    if width(text) <= cells {
        return text.into();
    }
    let Some(room) = cells.checked_sub(1) else {
        return "".into();
    };
    let (tail, _) = text.unicode_truncate_start(room / 2);
    let (head, _) = text.unicode_truncate(room - room / 2);
    format!("{head}{CUT}{tail}").into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cuts_keep_what_tells_things_apart() {
        assert_eq!(cut_end("nginx-ingress", 8), "nginx-i…");
        assert_eq!(cut_end("nginx", 5), "nginx");
        assert_eq!(cut_middle("2001:db8:1:2:3:4:5:678", 15), "2001:db…4:5:678");
        assert_eq!(cut_middle("10.0.0.1", 15), "10.0.0.1");
        assert_eq!(cut_middle("10.0.0.1", 0), "");
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        let hostile = "a\x1b[31mb\u{202e}c\u{200d}d\u{9b}e\r\n\u{feff}";
        let clean = clean(hostile);
        assert!(!clean.contains(|c: char| c.is_control() || is_slippery(c) || c == '\u{202e}'));
        assert!(clean.starts_with("a\u{fffd}[31mb\u{fffd}c"));
    }

    #[test]
    fn lines_are_parted_at_spaces_where_there_are_any() {
        assert_eq!(
            wrapped("the agent does not answer", 10),
            ["the agent", "does not", "answer"]
        );
        assert_eq!(wrapped("0123456789", 4), ["0123", "4567", "89"]);
        assert_eq!(wrapped("ab cd", 2), ["ab", "cd"]);
        assert_eq!(wrapped(" ", 2), [""; 0]);
        assert_eq!(wrapped("日本", 1), [""; 0]);
    }

    proptest! {
        #[test]
        fn a_cut_fits(text in "\\PC{0,40}", cells in 0_usize..30) {
            let text = clean(&text);
            prop_assert!(width(&cut_end(&text, cells)) <= cells);
            prop_assert!(width(&cut_middle(&text, cells)) <= cells);
        }
    }
}
