//! `tcpscope`: live TCP connection inspection in the terminal.
//!
//! The command line names a source and an output; a source is a stream of updates, and an output
//! is either the screen or text on stdout.

mod action;
mod agent;
mod app;
mod check;
mod cli;
mod clipboard;
mod columns;
mod commands;
mod complete;
mod config;
mod contexts;
mod deploy;
pub mod desk;
mod detail;
mod export;
mod format;
mod frozen;
mod headless;
mod help;
mod history;
mod home;
mod input;
mod job;
mod keymap;
mod log;
mod manual;
mod pace;
mod picker;
mod run;
#[cfg(test)]
mod sample;
mod screen;
mod settings;
mod signals;
mod sources;
mod term;
mod text;
mod theme;
mod ui;
mod view;
mod words;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use cli::{Files, Format, Job};
use collector::model::Thresholds;
use collector::privileges;
use collector::source::Stop;
use config::Config;
use contexts::Contexts;
use run::Elsewhere;
use sources::Player;

/// The program, from the command line to the exit code.
#[must_use]
pub fn main() -> ExitCode {
    start()
}

#[tokio::main(flavor = "current_thread")]
async fn start() -> ExitCode {
    let (job, files) = cli::parse();
    match run(job, &files).await {
        Ok(code) => code,
        Err(error) => {
            // Not `eprintln!`, which panics where nobody is left to read.
            let _ = writeln!(std::io::stderr(), "tcpscope: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(job: Job, files: &Files) -> anyhow::Result<ExitCode> {
    files.log.as_deref().map(log::start).transpose()?;
    let (source, view) = match job {
        Job::Agent(options, probes) => return agent::run(options, &probes).await,
        Job::K8s(command) => return deploy::run(command).await,
        Job::Check => return check::run(),
        Job::Completions(shell) => return manual::completions(shell),
        Job::Man => return manual::page(),
        Job::Watch(source, view) => (source, view),
    };
    let mut view = view;
    let contexts = Contexts::of(&source, &view);
    let access = sources::open(&source, &mut view).await?;
    let access = access.as_ref();
    let filter = view.filter().unwrap_or_else(|error| error.exit());
    let format = view.format(std::io::stdout().is_terminal());
    let stop = Stop::default();
    let player = Player::of(&source, format);
    let player = player.as_ref();
    let (code, recorded) = if format == Format::Tui {
        let config = Config::load(files.config.as_deref())?;
        let settings = settings::settings(&source, &view, player, filter, config);
        let settings = settings.unwrap_or_else(|error| error.exit());
        let thresholds = &settings.thresholds;
        let (updates, recorded) =
            sources::start(&source, access, &view, format, player, thresholds, &stop)?;
        privileges::keep(privileges::SHOWING);
        let elsewhere = Elsewhere {
            contexts,
            player: player.cloned(),
            taping: recorded.clone(),
        };
        let code = run::run(updates, stop, settings, elsewhere).await?;
        (code, recorded)
    } else {
        let options = headless::Options::new(&source, &view, format, filter);
        let options = options.unwrap_or_else(|error| error.exit());
        let thresholds = &Thresholds::default();
        let (updates, recorded) =
            sources::start(&source, access, &view, format, player, thresholds, &stop)?;
        privileges::keep(privileges::SHOWING);
        (headless::run(updates, &stop, options).await?, recorded)
    };
    match recorded.why() {
        Some(why) if code == ExitCode::SUCCESS => anyhow::bail!("{why}"),
        _ => Ok(code),
    }
}
