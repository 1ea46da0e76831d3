use collector::model::EventType;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::action::{Action, Command, Picks};
use crate::view::Motion;

fn press(mode: Mode, code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
    resolve(&Event::Key(KeyEvent::new(code, modifiers)), mode)
}

fn command(mode: Mode, c: char) -> Option<Command> {
    match press(mode, KeyCode::Char(c), KeyModifiers::NONE) {
        Some(Action::Command(command)) => Some(command),
        _ => None,
    }
}

fn rows() -> Mode {
    Mode {
        prompt: None,
        asked: false,
        covered: false,
        records: true,
        replay: false,
        drill: false,
        closable: false,
        begun: None,
        keymap: &USUAL,
    }
}

#[test]
fn no_key_has_two_meanings_in_one_mode() {
    {
        for mode in [
            rows(),
            Mode {
                covered: true,
                ..rows()
            },
            Mode {
                prompt: Some(Asks::Filter),
                ..rows()
            },
        ] {
            let mode = Mode {
                closable: true,
                ..mode
            };
            let all: Vec<&[Key]> = mode.working().map(|(_, keys)| keys).collect();
            for (i, keys) in all.iter().enumerate() {
                for other in &all[i + 1..] {
                    assert!(
                        !keys.starts_with(other) && !other.starts_with(keys),
                        "{keys:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_prefix_waits_for_its_key_and_another_one_cancels() {
    let Some(Action::Begin(t)) = press(rows(), KeyCode::Char('t'), KeyModifiers::NONE) else {
        panic!("t is no prefix");
    };
    let begun = Mode {
        begun: Some(t),
        ..rows()
    };
    assert_eq!(command(begun, 'x'), Some(Command::Toggle(EventType::Close)));
    assert!(matches!(
        press(begun, KeyCode::Char('q'), KeyModifiers::NONE),
        Some(Action::Cancel)
    ));
    let footer = begun.footer();
    let words: Vec<&str> = footer.iter().map(|(_, word)| *word).collect();
    assert_eq!(words, ["connect", "accept", "close", "unknown"]);
}

#[test]
fn letters_are_text_at_the_prompt_and_quit_still_quits() {
    let prompt = Mode {
        prompt: Some(Asks::Filter),
        ..rows()
    };
    assert!(matches!(
        press(prompt, KeyCode::Char('q'), KeyModifiers::NONE),
        Some(Action::Edit(_))
    ));
    assert!(matches!(
        press(prompt, KeyCode::Char('c'), KeyModifiers::CONTROL),
        Some(Action::Command(Command::Quit))
    ));
    assert!(matches!(
        press(prompt, KeyCode::Char('u'), KeyModifiers::CONTROL),
        Some(Action::Edit(_))
    ));
}

#[test]
fn shift_is_part_of_the_letter() {
    let upper = press(rows(), KeyCode::Char('G'), KeyModifiers::SHIFT);
    assert!(matches!(
        upper,
        Some(Action::Command(Command::Move(Motion::Last)))
    ));
    assert_eq!(command(rows(), 'p'), Some(Command::Pick(Picks::Pod)));
    assert_eq!(command(rows(), 'P'), Some(Command::Pause));
}

#[test]
fn the_footer_says_what_works_now() {
    let words = |mode: Mode| {
        mode.footer()
            .iter()
            .map(|(k, w)| format!("{k} {w}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        words(rows()),
        [
            "/ filter",
            "Space mark",
            "s export",
            "P pause",
            "Tab view",
            ": command",
            "t types",
            "←/→ sort",
            "w wide",
            "n namespace",
            "p pod",
            "i invert",
            "v range",
            "Y copy",
            "? help",
            "q quit"
        ]
    );
    assert_eq!(
        words(Mode {
            prompt: Some(Asks::Filter),
            ..rows()
        }),
        ["Enter ok", "Esc cancel", "Tab complete", "↑ before"]
    );
    assert_eq!(
        words(Mode {
            covered: true,
            closable: true,
            ..rows()
        }),
        ["Esc back", "? help", "q quit"]
    );
}
