//! `tcpscope`: live TCP connection inspection in the terminal.
//!
//! The command line names a source and an output; a source is a stream of updates, and an output
//! is either the screen or text on stdout.

mod action;
mod app;
mod check;
mod cli;
mod clipboard;
mod columns;
mod export;
mod format;
mod frozen;
mod headless;
mod help;
mod home;
mod job;
mod keymap;
mod log;
mod pace;
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

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use cli::{Format, Job};
use collector::source::Stop;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (job, log) = cli::parse();
    match run(job, log.as_deref()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tcpscope: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(job: Job, log: Option<&Path>) -> anyhow::Result<ExitCode> {
    log.map(log::start).transpose()?;
    let (source, view) = match job {
        Job::Check => return check::run(),
        Job::Watch(source, view) => (source, view),
    };
    let filter = view.filter().unwrap_or_else(|error| error.exit());
    let stop = Stop::default();
    match view.format(std::io::stdout().is_terminal()) {
        Format::Tui => {
            let settings = settings::settings(&source, &view, filter);
            let settings = settings.unwrap_or_else(|error| error.exit());
            run::run(sources::start(&source, stop), settings).await
        }
        text => {
            let options = headless::Options::new(&view, text, filter);
            let options = options.unwrap_or_else(|error| error.exit());
            let updates = sources::start(&source, stop.clone());
            headless::run(updates, &stop, options).await
        }
    }
}
