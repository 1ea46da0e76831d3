//! Doing what was typed after `:`.

use collector::export::Format;
use collector::filter::{FIELDS, Filter};

use collector::model::Hello;

use super::prompt::Complaint;
use super::replay::RECORDED;
use super::{App, By, Message, Prompt};
use crate::action::{Effect, Tab};
use crate::columns::{self, Choice, Column};
use crate::commands::{self, COMMANDS, DEFAULT, Does, SAVE};
use crate::complete::{self, Completion};
use crate::job::{Job, Saved};
use crate::theme::{THEMES, Theme};

impl App {
    /// Does it, or opens the prompt again with what is wrong.
    pub(super) fn command(&mut self, mut prompt: Prompt) -> Effect {
        let line = prompt.input.value().trim().to_owned();
        if line.is_empty() {
            return Effect::Draw;
        }
        match self.run(&line) {
            Ok(effect) => {
                self.commands.add(&line);
                effect
            }
            Err(complaint) => {
                prompt.error = Some(complaint);
                self.prompt = Some(prompt);
                Effect::Draw
            }
        }
    }

    fn run(&mut self, line: &str) -> Result<Effect, Complaint> {
        let (command, argument) = commands::parse(line).map_err(Complaint::whole)?;
        // Columns of complaints about the argument count from the beginning of the line.
        let before = line.chars().count() - argument.chars().count();
        let within = |complaint: Complaint| Complaint {
            column: before + complaint.column,
            ..complaint
        };
        let wrong = |message: String| within(Complaint::whole(message));
        match command.does {
            Does::Term(key) if argument.is_empty() => self.pick(key),
            Does::Term(key) => {
                let typed = self.type_term(key, argument);
                typed.map_err(|error| within(error.into()))?;
            }
            Does::Filter => {
                let filter = Filter::parse(self.preset(argument).unwrap_or(argument));
                self.set_filter(filter.map_err(|error| within(error.into()))?);
                self.remember_filter();
            }
            Does::Sort => self.sort_by_name(argument).map_err(wrong)?,
            Does::Columns => self.set_columns(argument).map_err(wrong)?,
            Does::Export => {
                let (format, name) = commands::export(argument).map_err(wrong)?;
                self.export(name, format).map_err(within)?;
            }
            Does::Record => self.record(argument).map_err(wrong)?,
            Does::Context => self.context(argument).map_err(wrong)?,
            Does::Seek => self.type_seek(argument).map_err(wrong)?,
            Does::Speed => self.type_speed(argument).map_err(wrong)?,
            Does::Theme => {
                let names = THEMES.map(|theme| theme.name).join(" ");
                let theme = Theme::named(argument);
                self.theme = theme.ok_or_else(|| wrong(format!("themes are {names}")))?;
            }
            Does::Show(tab) => self.show(tab),
            Does::Help => self.help = Some(0),
            Does::Quit if self.may_quit() => return Ok(Effect::Quit),
            Does::Quit => {}
        }
        Ok(Effect::Draw)
    }

    fn preset(&self, name: &str) -> Option<&str> {
        let mut presets = self.custom.presets.iter();
        presets
            .find(|(known, _)| known == name)
            .map(|(_, filter)| &filter[..])
    }

    /// Sorts the view by a column, which need not be on the screen; again, the other way round.
    fn sort_by_name(&mut self, name: &str) -> Result<(), String> {
        let column = match self.tab {
            Tab::Events | Tab::Connections => Column::named(name),
            _ => self.choice().find(name),
        };
        let Some(column) = column else {
            let names = self.choice().names().join(" ").to_lowercase();
            return Err(format!("name a column: {names}"));
        };
        match self.sort() {
            Some(by) if by.column.name == column.name => self.invert(),
            _ => self.sort_by(By::at_first(column)),
        }
        Ok(())
    }

    /// Sets the columns of the view, or saves them in the configuration.
    fn set_columns(&mut self, argument: &str) -> Result<(), String> {
        let names: Vec<&str> = argument
            .split([',', ' '])
            .filter(|name| !name.is_empty())
            .collect();
        let choice = match names.as_slice() {
            [] => {
                let names = self.choice().names().join(",").to_lowercase();
                self.message = Some(Message::note(format!("columns: {names}")));
                return Ok(());
            }
            [SAVE] => return self.save_columns(),
            [DEFAULT] => Choice::of(self.tab, &[] as &[&str], self.pods),
            names => Choice::of(self.tab, names, self.pods),
        };
        let choice = choice.map_err(|error| error.to_string())?;
        match self.tab {
            Tab::Events => self.event_columns = choice,
            Tab::Connections => self.connection_columns = choice,
            list => *self.lists.choice_mut(list) = choice,
        }
        self.wide = self.wide.map(|_| 0);
        Ok(())
    }

    fn save_columns(&mut self) -> Result<(), String> {
        let Some(path) = self.custom.file.clone() else {
            return Err("there is no folder for a configuration: set HOME".to_owned());
        };
        let columns = self.choice().names();
        let columns = columns.into_iter().map(str::to_lowercase).collect();
        let view = self.tab.title();
        self.jobs.push_back(Job::SaveColumns {
            path,
            view,
            columns,
        });
        Ok(())
    }

    /// Asks for another cluster.
    fn context(&mut self, name: &str) -> Result<(), String> {
        let names = &self.custom.contexts;
        if names.is_empty() {
            return Err("there is no context to go to: this is not `tcpscope -k`".to_owned());
        }
        if !names.iter().any(|known| known == name) {
            return Err(format!("contexts are {}", names.join(" ")));
        }
        if self.recorded {
            return Err(RECORDED.to_owned());
        }
        self.message = Some(Message::note(format!("connecting to {name} …")));
        self.jobs.push_back(Job::Switch(name.to_owned()));
        Ok(())
    }

    /// Asks for a recording of all that comes from now on; without a name, for the end of it.
    fn record(&mut self, name: &str) -> Result<(), String> {
        match (self.recorded, name.is_empty()) {
            (false, true) => return Err("name a file".to_owned()),
            (true, false) => {
                return Err("it is recorded already: `:record` alone ends that".to_owned());
            }
            (true, true) => {
                self.recorded = false;
                self.jobs.push_back(Job::EndRecording);
                self.message = Some(Message::good("the recording has ended"));
                return Ok(());
            }
            (false, false) => {}
        }
        if self.over {
            return Err("the source has ended: nothing will come".to_owned());
        }
        let hellos = self.store.nodes().iter().filter_map(|n| n.hello.clone());
        let hellos = hellos.map(|hello| Hello {
            // Nothing is listed in the file, which begins now.
            degraded: Vec::new(),
            seeded: 0,
            ts: self.now,
            ..hello
        });
        self.jobs.push_back(Job::Record {
            path: crate::home::expand(name),
            hellos: hellos.collect(),
        });
        Ok(())
    }

    /// What became of saving.
    pub(super) fn saved(&mut self, what: Saved, result: Result<String, String>) {
        self.message = match (what, result) {
            // Of the history only a failure is worth a word, and that only once.
            (Saved::History, Ok(_)) => return,
            (Saved::History, Err(why)) => {
                self.custom.history_file = None;
                Some(Message::bad(format!("the history is not kept: {why}")))
            }
            (Saved::Columns, Ok(path)) => Some(Message::good(format!("saved in {path}"))),
            (Saved::Recording, Ok(path)) => {
                self.recorded = true;
                Some(Message::good(format!("recording to {path} from now on")))
            }
            (Saved::Recording, Err(why)) => Some(Message::bad(why)),
            (Saved::Columns, Err(why)) => Some(Message::bad(format!("not saved: {why}"))),
        };
    }

    /// Completes the name of a command, or its argument.
    pub(super) fn complete_command(&self, text: &str) -> Option<Completion> {
        let line = text.trim_start();
        let Some((name, _)) = line.split_once(char::is_whitespace) else {
            let names = COMMANDS.iter().map(|command| command.name);
            let start = text.len() - line.len();
            return Completion::new(text, start, complete::beginning(line, names));
        };
        let command = COMMANDS.iter().find(|command| command.name == name)?;
        let start = text.rfind([' ', ','])? + 1;
        let typed = &text[start..];
        let choices = match command.does {
            Does::Term(key) => {
                let field = FIELDS.iter().find(|field| field.key == key)?;
                complete::values_of(field, typed, self.store.log())
            }
            Does::Filter => {
                let presets = self.custom.presets.iter().map(|(name, _)| &name[..]);
                let presets = complete::beginning(typed, presets);
                if presets.is_empty() {
                    return complete::filter(text, self.store.log());
                }
                presets
            }
            Does::Sort => {
                let names: Vec<String> = columns::names().map(str::to_lowercase).collect();
                complete::beginning(typed, names.iter().map(String::as_str))
            }
            Does::Columns => {
                let names = columns::names().map(str::to_lowercase);
                let all: Vec<String> = names.chain([DEFAULT, SAVE].map(str::to_owned)).collect();
                complete::beginning(typed, all.iter().map(String::as_str))
            }
            Does::Export => {
                let formats = Format::ALL;
                complete::beginning(typed, formats.map(Format::word))
            }
            Does::Context => {
                let names = self.custom.contexts.iter().map(String::as_str);
                complete::beginning(typed, names)
            }
            Does::Theme => complete::beginning(typed, THEMES.each_ref().map(|theme| theme.name)),
            Does::Seek => complete::beginning(typed, ["+10s", "-10s", "+1m", "-1m"]),
            Does::Speed => complete::beginning(typed, ["1x", "4x", "0.5x", "max"]),
            Does::Record | Does::Show(_) | Does::Help | Does::Quit => return None,
        };
        Completion::new(text, start, choices)
    }
}
