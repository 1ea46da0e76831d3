//! What the screen is to be like, from the command line, the configuration and the environment.

use std::fs;

use collector::filter::Filter;
use collector::kube::access;
use collector::source::replay;
use jiff::tz::TimeZone;

use crate::action::Tab;
use crate::app::{Custom, Settings};
use crate::cli::{self, Source, View, When};
use crate::columns::Choice;
use crate::config::Config;
use crate::contexts::Contexts;
use crate::home;
use crate::sources::Player;
use crate::theme::{MONO, Theme};

/// The settings that a command line asks for.
///
/// # Errors
/// A usage error, if it names a column that there is none of.
pub(crate) fn settings(
    source: &Source,
    view: &View,
    player: Option<&Player>,
    filter: Filter,
    config: Config,
) -> Result<Settings, clap::Error> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let wrong = |error| cli::usage(format_args!("invalid value for --columns: {error}"));
    let pods = match source {
        Source::Host(_) | Source::Poll => false,
        Source::Replay(file, _) => replay::names_pods(file),
        Source::Demo(_) | Source::Cluster(_) => true,
    };
    // The configuration's are known to be there.
    let own = |tab, names: &[String]| Choice::of(tab, names, pods).map_err(wrong);
    let columns = if view.columns.is_empty() {
        own(Tab::Events, &config.events)?
    } else {
        own(Tab::Events, &view.columns)?
    };
    let connection_columns = own(Tab::Connections, &config.connections)?;
    let mut list_columns = Vec::new();
    for (tab, names) in &config.lists {
        list_columns.push((*tab, own(*tab, names)?));
    }
    let history_file = config.history.then(home::history_file).flatten();
    let history = history_file
        .as_ref()
        .and_then(|path| fs::read_to_string(path).ok());
    let custom = Custom {
        // It lives as long as the program.
        keymap: Box::leak(Box::new(config.keymap)),
        presets: config.presets,
        connection_columns: Some(connection_columns),
        list_columns,
        history: history.map_or(Vec::new(), |text| text.lines().map(str::to_owned).collect()),
        history_file,
        file: config.file,
        contexts: Contexts::of(source, view).map_or(Vec::new(), |contexts| contexts.names()),
    };
    let named = view.theme.as_deref().and_then(Theme::named);
    Ok(Settings {
        local: matches!(source, Source::Host(_) | Source::Poll),
        source: match source {
            Source::Host(_) => "host".to_owned(),
            Source::Poll => "poll".to_owned(),
            Source::Replay(..) => player.map_or(String::new(), Player::name),
            Source::Demo(_) => "demo".to_owned(),
            Source::Cluster(cluster) => {
                let chosen = cluster.access.context.clone();
                let current = || access::contexts(&cluster.access.options()).1;
                // Within a cluster there is no context.
                let name = chosen.or_else(current).unwrap_or_default();
                format!("cluster {name}").trim_end().to_owned()
            }
        },
        replay: player.map(|player| player.playing),
        recorded: view.record.is_some(),
        filter,
        theme: theme(named.unwrap_or(config.theme), view.color, no_color),
        mouse: config.mouse && !view.no_mouse,
        columns,
        pods,
        tz: TimeZone::system(),
        limits: config.limits,
        thresholds: config.thresholds,
        custom,
    })
}

/// The theme, or the one without colours where none are wanted.
fn theme(theme: &'static Theme, color: Option<When>, no_color: bool) -> &'static Theme {
    let colors = match color.unwrap_or(When::Auto) {
        When::Always => true,
        When::Never => false,
        When::Auto => !no_color,
    };
    if colors { theme } else { MONO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_is_obeyed_unless_the_command_line_says_otherwise() {
        let light = Theme::named("light").unwrap();
        assert_eq!(theme(light, None, false).name, "light");
        assert_eq!(theme(light, None, true).name, "mono");
        assert_eq!(theme(light, Some(When::Always), true).name, "light");
        assert_eq!(theme(light, Some(When::Never), false).name, "mono");
    }
}
