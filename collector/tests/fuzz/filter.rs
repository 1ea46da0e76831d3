//! Filters: parse, print, parse.

use collector::filter::{FIELDS, Filter};

use super::mutate::play;

const SEEDS: [&str; 8] = [
    "ns:shop pod:cart-* port:443 dst:10.0.0.0/8 type:c,x comm:curl lat>50ms tx>=1MiB !node:a wget",
    "comm:\"a b\" pod:~\"^cart [0-9]\" container:a\\*b !!curl,wget reason:refused,reset",
    "ts>=2026-01-02T03:04:05Z ts<-000044-03-15T12:00:00Z ts>9999-12-30T22:00:00Z",
    "dur<1.5h lat=1us,2ms rx>18446744073709551615 retrans>0 seq>=17 conn:9f3c* uid:0",
    "addr:2001:db8::/32,::1 ::ffff:10.0.0.1 !fe80::/10 dst:::/0",
    "is:failed before:false phase:open state:ESTABLISHED peer:* family:6",
    "!port:9090,8081 sport>=32768 dport:~^44",
    "ns:\"\\\\\\\"\" pod:é*ü comm:~a\\,b",
];
const WORDS: &[&str] = &[
    "ts>",
    "lat<=",
    "tx:",
    "pod:",
    "!",
    ",",
    "~",
    "\"",
    "\\",
    "*",
    "us",
    "KiB",
    " ",
    "::",
    "/",
    "is:",
    "é",
    "T",
    "Z",
    "+23:59",
    "-009999-01-02T01:59:59Z",
];

fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Filter::parse(&text) {
        Ok(filter) => {
            let printed = filter.to_string();
            assert_eq!(Filter::parse(&printed), Ok(filter), "{printed}");
        }
        Err(error) => assert!(error.column <= text.chars().count(), "{error}"),
    }
    let field = FIELDS[text.len() % FIELDS.len()].name;
    for filter in [Filter::exactly(field, &text), Filter::term(field, &[&text])] {
        let Ok(filter) = filter else { continue };
        assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
    }
}

#[test]
fn fuzz_of_filters() {
    let seeds = SEEDS.map(|text| text.as_bytes().to_vec());
    play("filters", seeds.into(), WORDS, check);
}
