//! What the screen is to be like, from the command line and the environment.

use collector::filter::Filter;
use collector::model::Limits;
use collector::source::replay;
use jiff::tz::TimeZone;

use crate::app::Settings;
use crate::cli::{self, Source, View, When};
use crate::columns::Choice;
use crate::theme::{MONO, THEMES, Theme};

/// The settings that a command line asks for.
///
/// # Errors
/// A usage error, if it names a column that there is none of.
pub(crate) fn settings(
    source: &Source,
    view: &View,
    filter: Filter,
) -> Result<Settings, clap::Error> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let wrong = |error| cli::usage(format_args!("invalid value for --columns: {error}"));
    let pods = match source {
        Source::Host(_) | Source::Poll => false,
        Source::Replay(file, _) => replay::names_pods(file),
        Source::Demo(_) | Source::Cluster(_) => true,
    };
    let columns = Choice::events(&view.columns, pods).map_err(wrong)?;
    Ok(Settings {
        source: match source {
            Source::Host(_) => "host".to_owned(),
            Source::Poll => "poll".to_owned(),
            Source::Replay(file, _) => file.display().to_string(),
            Source::Demo(_) => "demo".to_owned(),
            Source::Cluster(cluster) => match &cluster.access.context {
                Some(context) => format!("cluster {context}"),
                None => "cluster".to_owned(),
            },
        },
        filter,
        theme: theme(view.theme.as_deref(), view.color, no_color),
        mouse: !view.no_mouse,
        columns,
        pods,
        tz: TimeZone::system(),
        limits: Limits::default(),
    })
}

/// The theme by that name, or the one without colours where none are wanted.
fn theme(name: Option<&str>, color: Option<When>, no_color: bool) -> &'static Theme {
    let colors = match color.unwrap_or(When::Auto) {
        When::Always => true,
        When::Never => false,
        When::Auto => !no_color,
    };
    if !colors {
        return MONO;
    }
    name.and_then(Theme::named).unwrap_or(&THEMES[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_is_obeyed_unless_the_command_line_says_otherwise() {
        assert_eq!(theme(None, None, false).name, "default");
        assert_eq!(theme(Some("light"), None, false).name, "light");
        assert_eq!(theme(Some("light"), None, true).name, "mono");
        assert_eq!(theme(Some("light"), Some(When::Always), true).name, "light");
        assert_eq!(theme(None, Some(When::Never), false).name, "mono");
    }
}
