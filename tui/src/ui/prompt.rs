//! The line that is typed into, and what is wrong with what was typed.
//!
//! ```text
//! / port:44x pod:cart-*
//!        ^ `44x` is not a number
//! ```

use collector::format::count;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::{App, Asking, Prompt, words};
use crate::complete::Completion;
use crate::screen::Panels;
use crate::text;

/// What stands before the text.
fn sign(prompt: &Prompt, app: &App) -> String {
    match &prompt.asking {
        Asking::Filter { .. } => "/ ".to_owned(),
        Asking::Command => ": ".to_owned(),
        Asking::Pick { key, .. } => format!("{} ", words(*key).0),
        Asking::Export { format } => {
            let n = app.to_export();
            let (rows, s) = (count(n as u64), if n == 1 { "" } else { "s" });
            let marked = if app.marked().0 > 0 { " marked" } else { "" };
            format!("{rows}{marked} row{s} as {} to ", format.word())
        }
    }
}

pub(super) fn draw(frame: &mut Frame, panels: &Panels, app: &App) {
    let Some(prompt) = app.prompt() else { return };
    let theme = app.theme();
    let line = panels.prompt;
    let said = sign(prompt, app);
    let sign = u16::try_from(text::width(&said)).unwrap_or_default();
    // One cell stays free, for the cursor behind the last character.
    let room = usize::from(line.width.saturating_sub(sign + 1));
    let scroll = prompt.input.visual_scroll(room);
    let value = prompt.input.value();

    let buffer = frame.buffer_mut();
    buffer.set_stringn(line.x, line.y, said, usize::from(line.width), theme.key);
    let start = line.x + sign;
    buffer.set_stringn(
        start,
        line.y,
        from_cell(value, scroll),
        room,
        ratatui::style::Style::new(),
    );

    if let Some(completion) = prompt.completion.as_ref().filter(|c| c.at.is_some()) {
        choices(frame, panels.footer, completion, app);
    } else if let Some(error) = &prompt.error {
        let before: String = value.chars().take(error.column).collect();
        let column = text::width(&before).saturating_sub(scroll).min(room);
        let at = start + u16::try_from(column).unwrap_or_default();
        complain(frame, panels.footer, at, &error.message, app);
    }
    let cursor = prompt
        .input
        .visual_cursor()
        .saturating_sub(scroll)
        .min(room);
    frame.set_cursor_position((start + u16::try_from(cursor).unwrap_or_default(), line.y));
}

/// The choices that Tab goes through, from the one that is in the text on where they do not all fit.
fn choices(frame: &mut Frame, line: Rect, completion: &Completion, app: &App) {
    let buffer = frame.buffer_mut();
    blank(buffer, line);
    let at = completion.at.unwrap_or_default();
    let cells = |choice: &String| text::width(choice) + 2;
    let upto: usize = completion.choices[..=at].iter().map(cells).sum();
    let first = if upto > usize::from(line.width) {
        at
    } else {
        0
    };
    let mut x = line.x;
    for (n, choice) in completion.choices.iter().enumerate().skip(first) {
        let room = usize::from(line.right().saturating_sub(x));
        let choice = text::clean(choice);
        if text::width(&choice) > room && n > first {
            break;
        }
        let style = if n == at {
            app.theme().selected
        } else {
            app.theme().key
        };
        x = buffer
            .set_stringn(x, line.y, text::cut_end(&choice, room), room, style)
            .0;
        x = x.saturating_add(2).min(line.right());
    }
}

fn blank(buffer: &mut Buffer, line: Rect) {
    for x in line.x..line.right() {
        buffer[(x, line.y)].reset();
    }
}

/// Points at a cell of the line above, and says what is wrong there, on whichever side there is room.
fn complain(frame: &mut Frame, line: Rect, at: u16, message: &str, app: &App) {
    let bad = app.theme().bad;
    let buffer = frame.buffer_mut();
    blank(buffer, line);
    let message = text::clean(message);
    let cells = text::width(&message);
    let (after, before) = (usize::from(line.right() - at), usize::from(at - line.x));
    let (x, room) = if cells + 2 <= after || after >= before {
        (at + 2, after.saturating_sub(2))
    } else {
        let room = before.saturating_sub(1);
        let shift = u16::try_from(cells.min(room) + 1).unwrap_or_default();
        (at.saturating_sub(shift), room)
    };
    buffer.set_stringn(at, line.y, "^", 1, bad);
    buffer.set_stringn(x, line.y, text::cut_end(&message, room), room, bad);
}

/// The text from a cell on.
fn from_cell(text: &str, cell: usize) -> &str {
    let mut cells = 0;
    for (at, c) in text.char_indices() {
        if cells >= cell {
            return &text[at..];
        }
        let mut utf8 = [0; 4];
        cells += text::width(c.encode_utf8(&mut utf8));
    }
    if cells >= cell {
        &text[text.len()..]
    } else {
        text
    }
}
