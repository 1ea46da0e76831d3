//! `tcpscope completions` and `tcpscope man`: what is made from the definition of the command line.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::{Arg, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli;

/// Writes the completions of a shell to stdout.
///
/// # Errors
/// If stdout can't be written to.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli::definition(), "tcpscope", &mut text);
    print(&text)
}

/// Writes the manual page to stdout.
///
/// # Errors
/// If stdout can't be written to.
pub(crate) fn page() -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    write_page(&mut text)?;
    print(&text)
}

/// A reader who has seen enough is none who has to be told so.
pub(crate) fn print(text: &[u8]) -> anyhow::Result<ExitCode> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// One page for all: what the subcommands have of their own stands under their names.
fn write_page(out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut command = cli::definition();
    command.build();
    let page = Man::new(command.clone()).title("TCPSCOPE");
    page.render_title(out)?;
    page.render_name_section(out)?;
    synopsis(&command).to_writer(out)?;
    page.render_description_section(out)?;
    let mut sections = Vec::new();
    page.render_options_section(&mut sections)?;
    subcommands(&command).to_writer(&mut sections)?;
    examples(&command).to_writer(&mut sections)?;
    out.extend(keep_tables(&String::from_utf8_lossy(&sections)).bytes());
    page.render_version_section(out)
}

/// A line for each subcommand: clap's own would list all options and name no subcommand.
fn synopsis(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([bold("tcpscope"), roman(" [OPTIONS]")]);
    for subcommand in own_subcommands(command) {
        let arguments: Vec<String> = subcommand
            .get_positionals()
            .map(ToString::to_string)
            .collect();
        roff.control("br", []);
        let name = format!("tcpscope {}", subcommand.get_name());
        roff.text([
            bold(name),
            roman(format!(" [OPTIONS] {}", arguments.join(" "))),
        ]);
    }
    roff
}

fn subcommands(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SUBCOMMANDS"]);
    for subcommand in own_subcommands(command) {
        roff.control("SS", [subcommand.get_name()]);
        let about = subcommand
            .get_long_about()
            .or(subcommand.get_about())
            .map(ToString::to_string)
            .unwrap_or_default();
        for paragraph in about.split("\n\n") {
            roff.control("PP", []);
            roff.text([roman(paragraph)]);
        }
        let known = |arg: &&Arg| command.get_arguments().any(|a| a.get_id() == arg.get_id());
        for arg in subcommand.get_arguments().filter(|arg| !known(arg)) {
            roff.control("TP", []);
            roff.text([bold(arg.to_string())]);
            let help = arg.get_help().map(ToString::to_string);
            roff.text([roman(help.unwrap_or_default())]);
        }
    }
    roff
}

/// What stands after the options in the help, under its own heading.
fn examples(command: &Command) -> Roff {
    let text = command.get_after_help().map(ToString::to_string);
    let text = text.unwrap_or_default();
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    for line in text.trim_start_matches("Examples:\n").lines() {
        match line {
            "" => roff.control("PP", []),
            line => roff.text([roman(line)]),
        };
    }
    roff
}

fn own_subcommands(command: &Command) -> impl Iterator<Item = &Command> {
    let all = command.get_subcommands();
    all.filter(|subcommand| subcommand.get_name() != "help")
}

/// Lines that are indented are a table or an example: they stay lines, and keep their spaces.
fn keep_tables(roff: &str) -> String {
    let mut text = String::new();
    let mut table = false;
    for line in roff.lines() {
        if line.starts_with("  ") != table {
            table = !table;
            text.push_str(if table { ".nf\n" } else { ".fi\n" });
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    fn names() -> Vec<String> {
        let definition = cli::definition();
        let names = own_subcommands(&definition).map(|command| command.get_name().to_owned());
        names.collect()
    }

    #[test]
    fn every_shell_completes_every_subcommand() {
        for shell in Shell::value_variants() {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut cli::definition(), "tcpscope", &mut text);
            let text = String::from_utf8(text).expect("UTF-8");
            for name in names() {
                assert!(text.contains(&name), "{shell} does not know {name}");
            }
            assert!(
                text.contains("--record") || text.contains("record"),
                "{shell}"
            );
        }
    }

    #[test]
    fn the_page_has_a_section_for_every_subcommand_and_all_options() {
        let mut page = Vec::new();
        write_page(&mut page).expect("a Vec takes all");
        let page = String::from_utf8(page).expect("UTF-8");
        for name in names() {
            assert!(page.contains(&format!(".SS {name}\n")), "{name} in {page}");
        }
        let page = page.replace("\\-", "-");
        for arg in cli::definition().get_arguments() {
            let long = arg.get_long().unwrap_or_default();
            assert!(page.contains(&format!("--{long}")), "--{long}");
        }
        assert!(page.contains(".SH EXAMPLES\n.nf\n  tcpscope "), "{page}");
        for own in ["--speed", "--seed", "<FILE>", "<SHELL>"] {
            assert!(page.contains(own), "{own}");
        }
    }

    #[test]
    fn examples_keep_their_lines() {
        let kept = "text\n.nf\n  a    b\n  c\n.fi\n.SH X\n";
        assert_eq!(keep_tables("text\n  a    b\n  c\n.SH X"), kept);
    }
}
