//! `tcpscope`: live TCP connection inspection in the terminal.
//!
//! The command line names a source and an output; a source is a stream of updates, and an output
//! is either the screen or text on stdout.

mod action;
mod app;
mod cli;
mod columns;
mod format;
mod frozen;
mod help;
mod keymap;
mod log;
mod pace;
mod run;
#[cfg(test)]
mod sample;
mod screen;
mod settings;
mod sources;
mod term;
mod text;
mod theme;
mod ui;
mod view;

use std::io::IsTerminal;
use std::process::ExitCode;

use cli::{Format, Job};

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

async fn run(job: Job, log: Option<&std::path::Path>) -> anyhow::Result<ExitCode> {
    log.map(log::start).transpose()?;
    let (source, view) = match job {
        Job::Check => anyhow::bail!("the requirements are not wired up"),
        Job::Watch(source, view) => (source, view),
    };
    let filter = view.filter().unwrap_or_else(|error| error.exit());
    let stop = collector::source::Stop::default();
    let updates = sources::start(&source, stop);
    match view.format(std::io::stdout().is_terminal()) {
        Format::Tui => run::run(updates, settings::settings(&source, &view, filter)?).await,
        _text => anyhow::bail!("text output is not wired up"),
    }
}
