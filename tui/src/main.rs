//! `tcpscope`: live TCP connection inspection in the terminal.
//!
//! The command line names a source and an output; a source is a stream of updates, and an output
//! is either the screen or text on stdout.

mod cli;
mod log;
mod sources;

use std::io::IsTerminal;
use std::process::ExitCode;

use cli::{Format, Job};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (job, log) = cli::parse();
    match run(job, log.as_deref()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tcpscope: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(job: Job, log: Option<&std::path::Path>) -> anyhow::Result<ExitCode> {
    log.map(log::start).transpose()?;
    let (source, view) = match job {
        Job::Check => anyhow::bail!("the requirements are not wired up"),
        Job::Watch(source, view) => (source, view),
    };
    let _filter = view.filter().unwrap_or_else(|error| error.exit());
    let stop = collector::source::Stop::default();
    let _updates = sources::start(&source, stop);
    match view.format(std::io::stdout().is_terminal()) {
        Format::Tui => anyhow::bail!("the screen is not wired up"),
        _text => anyhow::bail!("text output is not wired up"),
    }
}
