//! From the text of a configuration to what it means.

use std::collections::BTreeMap;
use std::ops::Range;

use collector::filter::Filter;
use collector::model::Limits;
use serde::Deserialize;
use serde_spanned::Spanned;

use super::findings::Findings;
use super::{Config, Fault};
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

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Keep {
    events: Option<Spanned<usize>>,
    open: Option<Spanned<usize>>,
    ended: Option<Spanned<usize>>,
    workloads: Option<Spanned<usize>>,
    pairs: Option<Spanned<usize>>,
    nodes: Option<Spanned<usize>>,
}

/// How many of a kind may be kept: a screenful, and what still fits into the memory of a host.
const KEPT: Range<usize> = 100..50_000_001;

pub(super) fn config(text: &str) -> Result<Config, Fault> {
    let at = |span: Range<usize>, message: String| Fault {
        line: line(text, span.start),
        message,
    };
    let raw: Raw = toml_edit::de::from_str(text).map_err(|error| {
        let message = error.message().trim().replace('\n', "; ");
        at(error.span().unwrap_or_default(), message)
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
    let mut limits = Limits::default();
    for (kept, limit) in [
        (&raw.keep.events, &mut limits.events),
        (&raw.keep.open, &mut limits.open),
        (&raw.keep.ended, &mut limits.ended),
        (&raw.keep.workloads, &mut limits.workloads),
        (&raw.keep.pairs, &mut limits.pairs),
        (&raw.keep.nodes, &mut limits.nodes),
    ] {
        let Some(kept) = kept else { continue };
        if !KEPT.contains(kept.get_ref()) {
            let (least, most) = (KEPT.start, KEPT.end - 1);
            let message = format!("{} cannot be kept: {least} to {most} can", kept.get_ref());
            return Err(at(kept.span(), message));
        }
        *limit = *kept.get_ref();
    }
    let thresholds = raw.findings.thresholds();
    let thresholds = thresholds.map_err(|(span, message)| at(span, message))?;
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
