//! From the text of a configuration to what it means.

use std::collections::BTreeMap;
use std::ops::Range;

use collector::filter::Filter;
use serde::Deserialize;
use serde_spanned::Spanned;

use super::findings::Findings;
use super::keep::Keep;
use super::{Config, Fault, mistyped};
use crate::action::Tab;
use crate::columns::Choice;
use crate::keymap::Keymap;
use crate::theme::{THEMES, Theme};

/// The keys, as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    theme: Option<Spanned<String>>,
    mouse: Option<bool>,
    history: Option<bool>,
    columns: Columns,
    keep: Keep,
    findings: Findings,
    filters: BTreeMap<String, Spanned<String>>,
    keys: BTreeMap<Spanned<String>, Spanned<Vec<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Columns {
    events: Vec<Spanned<String>>,
    connections: Vec<Spanned<String>>,
    pods: Vec<Spanned<String>>,
    types: Vec<Spanned<String>>,
    problems: Vec<Spanned<String>>,
    nodes: Vec<Spanned<String>>,
}

pub(super) fn config(text: &str) -> Result<Config, Fault> {
    let at = |span: Range<usize>, message: String| Fault {
        line: line(text, span.start),
        message,
    };
    let raw: Raw = toml_edit::de::from_str(text).map_err(|error| {
        let message = error.message().trim().replace('\n', "; ");
        let span = error.span().unwrap_or_default();
        let message = mistyped::sentence(text, &span, &message).unwrap_or(message);
        at(span, message)
    })?;

    let theme = match &raw.theme {
        None => &THEMES[0],
        Some(name) => Theme::named(name.get_ref()).ok_or_else(|| {
            let names = THEMES.each_ref().map(|theme| theme.name).join(" ");
            let message = format!("there is no theme `{}`: there are {names}", name.get_ref());
            at(name.span(), message)
        })?,
    };
    for (tab, names) in [
        (Tab::Events, &raw.columns.events),
        (Tab::Connections, &raw.columns.connections),
        (Tab::Pods, &raw.columns.pods),
        (Tab::Types, &raw.columns.types),
        (Tab::Problems, &raw.columns.problems),
        (Tab::Nodes, &raw.columns.nodes),
    ] {
        for name in names {
            let known = Choice::of(tab, &[name.get_ref()], true);
            known.map_err(|error| at(name.span(), error.to_string()))?;
        }
    }
    let wrong = |(span, message)| at(span, message);
    let limits = raw.keep.limits().map_err(wrong)?;
    let thresholds = raw.findings.thresholds().map_err(wrong)?;
    let mut presets = Vec::new();
    for (name, filter) in raw.filters {
        Filter::parse(filter.get_ref()).map_err(|error| {
            let message = format!("filter `{name}`: {error}");
            at(filter.span(), message)
        })?;
        presets.push((name, filter.into_inner()));
    }
    let mut keymap = <&Keymap>::default().to_owned();
    for (action, keys) in &raw.keys {
        let bound = keymap.rebind(action.get_ref(), keys.get_ref());
        bound.map_err(|message| at(action.span(), message))?;
    }
    if let Some((key, one, other)) = keymap.conflict() {
        // The line of either, if it is of the configuration.
        let spans = raw.keys.keys().filter(|action| {
            let action = action.get_ref();
            action == one || action == other
        });
        let span = spans.map(Spanned::span).next().unwrap_or_default();
        let message = format!("the key `{key}` cannot be for `{one}` and for `{other}`");
        return Err(at(span, message));
    }
    let plain = |names: Vec<Spanned<String>>| names.into_iter().map(Spanned::into_inner).collect();
    Ok(Config {
        file: None,
        theme,
        mouse: raw.mouse.unwrap_or(true),
        history: raw.history.unwrap_or(false),
        events: plain(raw.columns.events),
        connections: plain(raw.columns.connections),
        lists: vec![
            (Tab::Pods, plain(raw.columns.pods)),
            (Tab::Types, plain(raw.columns.types)),
            (Tab::Problems, plain(raw.columns.problems)),
            (Tab::Nodes, plain(raw.columns.nodes)),
        ],
        limits,
        thresholds,
        presets,
        keymap,
    })
}

/// The line of a byte, the first being 1.
fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    1 + before.filter(|byte| **byte == b'\n').count()
}
