//! What can be typed after `:`, as one table. Completion, the help and the errors are made from it.

use collector::export::Format;
use collector::filter::Key;

use crate::action::Tab;

/// A command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) does: Does,
    /// What the help says, the argument first; `None` for what it says elsewhere.
    pub(crate) help: Option<&'static str>,
}

/// What a command does with its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// Sets the term of the filter for this field.
    Term(Key),
    /// Sets the filter: to a preset, or to an expression.
    Filter,
    /// Sorts the view by a column.
    Sort,
    /// Sets the columns of the view.
    Columns,
    /// Writes rows to a file.
    Export,
    /// Writes what comes from now on to a file.
    Record,
    /// Plays a recording from somewhere else.
    Seek,
    /// Plays a recording at another speed.
    Speed,
    /// Sets the theme.
    Theme,
    /// Goes to another cluster of the kubeconfig.
    Context,
    /// Goes to a view.
    Show(Tab),
    /// Shows the help.
    Help,
    /// Ends the program.
    Quit,
}

const fn command(name: &'static str, does: Does, help: &'static str) -> Command {
    let help = Some(help);
    Command { name, does, help }
}

/// What somebody may type who knows it from elsewhere.
const fn also(name: &'static str, does: Does) -> Command {
    let help = None;
    Command { name, does, help }
}

/// All commands.
#[rustfmt::skip] // A table.
pub(crate) const COMMANDS: [Command; 22] = [
    command("ns", Does::Term(Key::Namespace), "NAME: only this namespace"),
    command("pod", Does::Term(Key::Pod), "NAME: only this pod"),
    command("node", Does::Term(Key::Node), "NAME: only this node"),
    command("filter", Does::Filter, "EXPR, or a preset's name"),
    command("sort", Does::Sort, "COLUMN; again, the other way"),
    command("cols", Does::Columns, "LIST, or default, or save"),
    command("export", Does::Export, "FORMAT FILE: write rows"),
    command("record", Does::Record, "FILE: keep; without, end it"),
    command("context", Does::Context, "NAME: watch this cluster"),
    command("seek", Does::Seek, "recording: +30s, -5m, 15:04"),
    command("speed", Does::Speed, "recording: 4x, 0.5x, max"),
    command("theme", Does::Theme, "NAME: other colours"),
    command("help", Does::Help, "this help"),
    command("q", Does::Quit, "quit"),
    also("quit", Does::Quit),
    also("q!", Does::Quit),
    also(Tab::Events.title(), Does::Show(Tab::Events)),
    also(Tab::Connections.title(), Does::Show(Tab::Connections)),
    also(Tab::Pods.title(), Does::Show(Tab::Pods)),
    also(Tab::Types.title(), Does::Show(Tab::Types)),
    also(Tab::Problems.title(), Does::Show(Tab::Problems)),
    also(Tab::Nodes.title(), Does::Show(Tab::Nodes)),
];

/// The words of `:cols` that are no columns.
pub(crate) const DEFAULT: &str = "default";
pub(crate) const SAVE: &str = "save";

/// The command of a line, and its argument.
///
/// # Errors
/// A sentence that lists the commands there are.
pub(crate) fn parse(line: &str) -> Result<(&'static Command, &str), String> {
    let line = line.trim();
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
        return Ok((command, argument.trim()));
    }
    let what = match name {
        "" => "name a command".to_owned(),
        name => format!("no command `{name}`"),
    };
    let names = COMMANDS.iter().filter(|command| command.help.is_some());
    let names: Vec<&str> = names.map(|command| command.name).collect();
    Err(format!("{what}: {}", names.join(" ")))
}

/// The format and the name of a file, as `:export` takes them.
///
/// # Errors
/// If there is no name.
pub(crate) fn export(argument: &str) -> Result<(Format, &str), String> {
    let (word, rest) = argument
        .split_once(char::is_whitespace)
        .unwrap_or((argument, ""));
    let (format, name) = match Format::named(word) {
        Some(format) => (Some(format), rest.trim()),
        None => (None, argument),
    };
    if name.is_empty() {
        let words = Format::ALL.map(Format::word).join(" ");
        return Err(format!(
            "name a file, after the format if you like: {words}"
        ));
    }
    let by_name = Format::of(std::path::Path::new(name));
    Ok((format.or(by_name).unwrap_or(Format::Ndjson), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_and_its_argument() {
        let (command, argument) = parse(" ns  shop ").unwrap();
        assert_eq!((command.name, argument), ("ns", "shop"));
        assert_eq!(
            parse("nx shop").unwrap_err(),
            "no command `nx`: ns pod node filter sort cols export record context seek speed theme help q"
        );
        assert!(parse("").unwrap_err().starts_with("name a command: ns pod"));
    }

    #[test]
    fn a_file_with_or_without_its_format() {
        assert_eq!(export("csv a b.txt"), Ok((Format::Csv, "a b.txt")));
        assert_eq!(export("a.md"), Ok((Format::Markdown, "a.md")));
        assert_eq!(export("rows"), Ok((Format::Ndjson, "rows")));
        assert!(export("csv").is_err());
        assert!(export("").is_err());
    }
}
