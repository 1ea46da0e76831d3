//! Configurations that are nearly right: read, or refused with a line of the text.

use mutate::play;

use super::{Config, edit};

#[path = "../../../collector/tests/fuzz/mutate.rs"]
mod mutate;

const SAMPLE: &str = include_str!("../../config.toml");
const SMALL: &str = "theme = 'light'\n[columns]\nevents = [ 'time', \"comm\" ] # few\n\
    [keep]\nevents = 1000\n[findings]\nslow-accept = \"1.5s\"\n[filters]\n\
    \"a b\" = \"port:443 !ns:kube-*\"\n[keys]\ndown = [\"j\", \"Down\", \"^n\"]\n";
const WORDS: &[&str] = &[
    "[",
    "]",
    "[[",
    "{",
    "}",
    " = ",
    "\n",
    "\"\"\"",
    "'''",
    "\\u0000",
    "\\U0010ffff",
    "# ",
    "true",
    "nan",
    "1_0",
    "0x",
    "1979-05-27T07:32:00Z",
    "[keys]\n",
    "[columns.events]\n",
    "columns.",
    "^",
    "keep",
    "time",
    "é",
    "\u{feff}",
];

fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Config::parse(&text) {
        Ok(_) => {
            let names = ["time".to_owned()];
            if let Ok(changed) = edit::with_columns(&text, "events", &names) {
                let config = Config::parse(&changed).expect("it reads still");
                assert_eq!(config.events, names, "{changed}");
            }
        }
        Err(fault) => {
            let lines = text.split('\n').count();
            assert!((1..=lines).contains(&fault.line), "{fault:?}");
            assert!(!fault.message.is_empty());
        }
    }
}

#[test]
fn fuzz_of_configurations() {
    let seeds = [SAMPLE, SMALL, ""].map(|text| text.as_bytes().to_vec());
    play("configurations", seeds.into(), WORDS, check);
}
