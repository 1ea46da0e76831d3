//! From what the terminal says to what is to be done.

use crossterm::event::{Event, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Size;
use tui_input::backend::crossterm::to_input_request;

use super::key::Key;
use super::mode::Mode;
use crate::action::Action;

/// What an event of the terminal means in a mode.
pub(crate) fn resolve(event: &Event, mode: Mode) -> Option<Action> {
    match event {
        Event::Resize(width, height) => Some(Action::Resize(Size::new(*width, *height))),
        Event::Mouse(mouse) => pointed(*mouse, mode),
        Event::Paste(text) => {
            let typing = mode.prompt.is_some() && !mode.asked;
            typing.then(|| Action::Paste(text.clone()))
        }
        Event::Key(key) => {
            let bound = Key::of(*key).and_then(|key| mode.press(key));
            match bound {
                None if mode.asked => everywhere(*key, mode),
                None if mode.prompt.is_some() => typed(event, mode),
                bound => bound,
            }
        }
        Event::FocusGained | Event::FocusLost => None,
    }
}

/// At the prompt, the keys that work everywhere do so unless they edit.
fn typed(event: &Event, mode: Mode) -> Option<Action> {
    if let Some(edit) = to_input_request(event) {
        return Some(Action::Edit(edit));
    }
    let Event::Key(key) = event else { return None };
    everywhere(*key, mode)
}

/// What a key means even where letters are text.
fn everywhere(event: KeyEvent, mode: Mode) -> Option<Action> {
    let key = Key::of(event).filter(|key| key.ctrl)?;
    let bound = Mode {
        covered: true,
        keymap: mode.keymap,
        ..Mode::default()
    };
    bound.press(key)
}

fn pointed(mouse: MouseEvent, mode: Mode) -> Option<Action> {
    match mouse.kind {
        MouseEventKind::ScrollDown => Some(Action::Wheel(1)),
        MouseEventKind::ScrollUp => Some(Action::Wheel(-1)),
        MouseEventKind::Down(MouseButton::Left) if !mode.covered && !mode.asked => {
            Some(Action::Click {
                column: mouse.column,
                line: mouse.row,
            })
        }
        _ => None,
    }
}
