//! The sample is true, and mistakes are told.

use std::collections::BTreeSet;

use toml_edit::{DocumentMut, Item};

use super::*;
use crate::action::Tab;
use crate::columns::Choice;
use crate::theme::THEMES;

const SAMPLE: &str = include_str!("../../config.toml");

fn keys(keymap: &Keymap) -> Vec<(&'static str, Vec<String>)> {
    let written = |keys: &Vec<crate::keymap::Key>| {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        keys.join(" ")
    };
    let bound = keymap.bound();
    bound
        .map(|b| {
            (
                b.binding.command.name(),
                b.keys.iter().map(written).collect(),
            )
        })
        .collect()
}

#[test]
fn the_sample_has_the_defaults() {
    let (sample, empty) = (Config::parse(SAMPLE).unwrap(), Config::parse("").unwrap());
    assert_eq!(sample.theme.name, empty.theme.name);
    assert_eq!(sample.theme.name, THEMES[0].name);
    assert_eq!((sample.mouse, empty.mouse), (true, true));
    assert_eq!((sample.history, empty.history), (false, false));
    assert_eq!(sample.limits, empty.limits);
    assert_eq!(sample.limits, Limits::default());
    assert_eq!(sample.thresholds, Thresholds::default());
    assert_eq!(keys(&sample.keymap), keys(&empty.keymap));
    // Columns that are not named depend on whether there are pods.
    for (tab, names) in [
        (Tab::Events, &sample.events),
        (Tab::Connections, &sample.connections),
        (Tab::Pods, &sample.lists[0].1),
        (Tab::Types, &sample.lists[1].1),
        (Tab::Problems, &sample.lists[2].1),
        (Tab::Nodes, &sample.lists[3].1),
    ] {
        assert!(!names.is_empty());
        let usual = Choice::of(tab, &[] as &[&str], true).unwrap();
        let named = Choice::of(tab, names, true).unwrap();
        assert_eq!(named.names(), usual.names());
    }
}

#[test]
fn the_sample_has_every_key() {
    let document: DocumentMut = SAMPLE.parse().unwrap();
    let all = |name: &str| -> BTreeSet<String> {
        let table = document.get(name).and_then(Item::as_table_like).unwrap();
        table.iter().map(|(key, _)| key.to_owned()).collect()
    };
    let of =
        |names: &[&str]| -> BTreeSet<String> { names.iter().map(|n| (*n).to_owned()).collect() };
    let top: BTreeSet<String> = document.iter().map(|(key, _)| key.to_owned()).collect();
    let expected = [
        "theme", "mouse", "history", "columns", "keep", "findings", "filters", "keys",
    ];
    assert_eq!(top, of(&expected));
    assert_eq!(all("columns"), of(&Tab::ALL.map(Tab::title)));
    assert_eq!(
        all("keep"),
        of(&["events", "open", "ended", "workloads", "pairs", "nodes"])
    );
    assert_eq!(
        all("findings"),
        of(&[
            "failures",
            "slow-accept",
            "slow-accepts",
            "unaccepted",
            "short",
            "churn",
            "retransmissions",
            "storms",
            "ports",
            "ports-percent",
            "peer-failing-percent",
        ])
    );
    assert_eq!(all("keys"), of(&crate::keymap::actions()));
    // A key that is not in the sample is unknown.
    assert!(
        Config::parse("colour = 1")
            .unwrap_err()
            .message
            .contains("expected one of")
    );
}

#[test]
fn every_line_of_the_sample_says_what_it_is() {
    assert!(SAMPLE.lines().filter(|line| line.starts_with('#')).count() >= 15);
}

#[test]
fn a_mistake_is_told_with_its_line() {
    for (text, line, message) in [
        (
            "theme = \"dark\"",
            1,
            "there is no theme `dark`: there are default light colorblind mono",
        ),
        ("\n\ncolour = 1", 3, "unknown field `colour`"),
        ("\nmouse = ", 2, ""),
        (
            "[columns]\nevents = [\n  \"time\",\n  \"size\",\n]",
            4,
            "there is no column `size`",
        ),
        ("[keep]\nevents = 3", 2, "3 is none of 100 to 50000000"),
        ("[findings]\nchurn = 0", 2, "0 is none of 1 to 1000000"),
        (
            "[findings]\n\nslow-accept = \"100\"",
            3,
            "`100` has no unit: use us, ms, s, m, h",
        ),
        (
            "[filters]\nweb = \"prot:443\"",
            2,
            "filter `web`: column 1: unknown field `prot`",
        ),
        ("[keys]\nfly = [\"f\"]", 2, "there is no action `fly`"),
        ("[keys]\npause = [\"hyper\"]", 2, "`hyper` is no key"),
        (
            "[keys]\npause = [\"w\"]",
            2,
            "the key `w` cannot be for `pause` and for `wide`",
        ),
    ] {
        let fault = Config::parse(text).unwrap_err();
        assert_eq!(fault.line, line, "{text}: {}", fault.message);
        assert!(
            fault.message.starts_with(message),
            "{text}: {}",
            fault.message
        );
        assert!(!fault.message.contains('\n'), "{text}");
    }
}

#[test]
fn a_wrong_type_is_told_with_its_key_and_what_belongs_there() {
    for (text, line, message) in [
        ("mouse = 1", 1, "`mouse` has to be `true` or `false`, not 1"),
        ("theme = 3", 1, "`theme` has to be a text in quotes, not 3"),
        (
            "theme = []",
            1,
            "`theme` has to be a text in quotes, not a list",
        ),
        ("keep = 3", 1, "`keep` has to be a table, not 3"),
        ("keys = \"x\"", 1, "`keys` has to be a table, not \"x\""),
        (
            "[mouse]\nx = 1",
            1,
            "`mouse` has to be `true` or `false`, not a table",
        ),
        (
            "history = { x = 1 }",
            1,
            "`history` has to be `true` or `false`, not a table",
        ),
        (
            "[keep]\n\nevents = \"many\"",
            3,
            "`keep.events` has to be a whole number, not \"many\"",
        ),
        (
            "keep.open = 1.5",
            1,
            "`keep.open` has to be a whole number, not 1.5",
        ),
        (
            "[keep]\nended = -3",
            2,
            "`keep.ended` has to be a whole number in its range, not -3",
        ),
        (
            "findings.storms = 5_000_000_000",
            1,
            "`findings.storms` has to be a whole number in its range, not 5_000_000_000",
        ),
        (
            "mouse = \"\"\"x\ny\"\"\"",
            1,
            "`mouse` has to be `true` or `false`, not \"\"\"x",
        ),
        (
            "[findings]\nchurn = true\n",
            2,
            "`findings.churn` has to be a whole number, not true",
        ),
        (
            "[findings]\nslow-accept = 100",
            2,
            "`findings.slow-accept` has to be a text in quotes, not 100",
        ),
        (
            "[columns]\nevents = \"time\"",
            2,
            "`columns.events` has to be a list, not \"time\"",
        ),
        (
            "[columns]\npods = [\n  \"pod\",\n  7,\n]",
            4,
            "each of `columns.pods` has to be a text in quotes, not 7",
        ),
        (
            "[filters]\nweb = 443",
            2,
            "`filters.web` has to be a text in quotes, not 443",
        ),
        (
            "[keys]\npause = \"w\"",
            2,
            "`keys.pause` has to be a list, not \"w\"",
        ),
    ] {
        let message = message.to_owned();
        assert_eq!(
            Config::parse(text).unwrap_err(),
            Fault { line, message },
            "{text}"
        );
    }
}

#[test]
fn what_is_said_is_what_holds() {
    let config = Config::parse(
        "theme = \"light\"\nmouse = false\nhistory = true\n\
         [columns]\nevents = [\"Time\", \"uid\"]\n\
         [keep]\nevents = 5000\n\
         [findings]\nslow-accept = \"1.5s\"\nchurn = 7\n\
         [filters]\nweb = \"port:80,443\"\n\
         [keys]\npause = [\"F2\", \"^p\"]\nwide = []\n",
    )
    .unwrap();
    assert_eq!(config.theme.name, "light");
    assert!(!config.mouse && config.history);
    assert_eq!(config.events, ["Time", "uid"]);
    assert_eq!(config.limits.events, 5_000);
    assert_eq!(config.limits.open, Limits::default().open);
    assert_eq!(
        config.thresholds,
        Thresholds {
            slow_accept_us: 1_500_000,
            short: 7,
            ..Thresholds::default()
        }
    );
    assert_eq!(
        config.presets,
        [("web".to_owned(), "port:80,443".to_owned())]
    );
    let of = |name| keys(&config.keymap).into_iter().find(|(n, _)| *n == name);
    assert_eq!(of("pause").unwrap().1, ["F2", "^p"]);
    assert_eq!(of("wide").unwrap().1, [""; 0]);
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let error = Config::load(Some(Path::new("/nonexistent/config.toml"))).unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "cannot read the configuration /nonexistent/config.toml: \
         No such file or directory (os error 2)"
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.toml");
    std::fs::write(&path, "\ntheme = 3\n").unwrap();
    let error = format!("{:#}", Config::load(Some(&path)).unwrap_err());
    assert!(
        error.contains("bad.toml, line 2: `theme` has to be a text in quotes, not 3"),
        "{error}"
    );
}
