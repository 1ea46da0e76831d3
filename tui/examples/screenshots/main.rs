//! Draws the pictures in `screenshots/`: the real program, on real traffic, in a terminal of a
//! given size.
//!
//! `screenshots PROGRAM FOLDER [SCENE]...`; without scenes all of them. See `screenshots/make`.

mod scenes;
mod svg;
mod terminal;
mod traffic;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use portable_pty::CommandBuilder;

use scenes::{SCENES, Scene, Step};
use terminal::Terminal;
use traffic::Traffic;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let usage = "usage: screenshots PROGRAM FOLDER [SCENE]...";
    let program = arguments.next().context(usage)?.canonicalize()?;
    let folder = arguments.next().context(usage)?;
    let wanted: Vec<PathBuf> = arguments.collect();

    let _traffic = Traffic::start()?;
    for scene in SCENES {
        if wanted.is_empty() || wanted.contains(&PathBuf::from(scene.name)) {
            let path = folder.join(scene.name).with_extension("svg");
            let picture = play(scene, &program).with_context(|| format!("scene {}", scene.name))?;
            std::fs::write(&path, picture).with_context(|| path.display().to_string())?;
            println!("{}", path.display());
        }
    }
    Ok(())
}

/// Plays a scene, and draws what is on the screen at its end.
fn play(scene: &Scene, program: &Path) -> anyhow::Result<String> {
    let mut command = CommandBuilder::new(program);
    command.args(scene.arguments);
    command.env("TERM", "xterm-256color");
    command.env("COLORTERM", "truecolor");
    command.env_remove("NO_COLOR");
    let mut terminal = Terminal::start(command, scene.size)?;
    for step in scene.steps {
        match step {
            Step::See(text) => {
                terminal.when(
                    &format!("{text:?}"),
                    |screen| screen.contents().contains(text),
                    |_| (),
                )?;
            }
            Step::Lines(n) => {
                let filled = |screen: &vt100::Screen| {
                    screen
                        .contents()
                        .lines()
                        .filter(|line| !line.trim().is_empty())
                        .count()
                        >= *n
                };
                terminal.when(&format!("{n} lines"), filled, |_| ())?;
            }
            Step::Press(keys) => terminal.press(keys)?,
            Step::Watch(seconds) => std::thread::sleep(Duration::from_secs(*seconds)),
        }
    }
    let title = std::iter::once("tcpscope")
        .chain(scene.arguments.iter().copied())
        .collect::<Vec<_>>()
        .join(" ");
    terminal.when(
        "the screen",
        |_| true,
        |screen| svg::draw(screen, &title, scene.paper),
    )
}
