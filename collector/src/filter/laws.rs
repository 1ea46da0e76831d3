//! What holds for every filter and every event.

use proptest::prelude::*;
use proptest::sample::select;

use super::{FIELDS, Field, Filter, Key, Kind, wanted};
use crate::model::{Event, EventType};
use crate::testing::{any_event, event, link_local, open_socket};

fn parse(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn passes(text: &str) -> bool {
    parse(text).matches(&event())
}

#[test]
fn each_part_of_the_language_does_what_it_says() {
    for (text, expected) in [
        ("", true),
        ("  ", true),
        ("ns:shop", true),
        ("namespace:shop", true),
        ("ns:sho", false),
        ("ns:other,shop", true),
        ("pod:cart-*", true),
        ("pod:cart-* comm:wget", false),
        ("!pod:cart-*", false),
        ("!!pod:cart-*", true),
        ("pod:~^cart-[0-9]$", true),
        ("pod:~art", true),
        ("pod:~^art", false),
        ("pod:\"cart-1\"", true),
        ("pod:ca\"rt\"-1", true),
        ("type:c", true),
        ("type:C,x", true),
        ("type:x", false),
        ("port:443", true),
        ("port:34878", true),
        ("sport:443", false),
        ("dport:443", true),
        ("dport:44*", true),
        ("port:~^348", true),
        ("pid>4000 pid<5000", true),
        ("pid=1,4242", true),
        ("lat>1ms", true),
        ("lat>=1423us", true),
        ("lat_us=1423", true),
        ("lat:1423", true),
        ("lat<1.5ms", true),
        ("lat>2ms", false),
        ("tx>0", false),
        ("!tx>0", true),
        ("dst:192.0.2.1", true),
        ("dst:192.0.2.0/24", true),
        ("dst:192.0.2.*", true),
        ("dst:::ffff:192.0.2.1", true),
        ("src:192.0.2.0/24", false),
        ("addr:10.0.0.0/8", true),
        ("addr:fe80::1%eth0", false),
        ("scope:*", false),
        ("thread:*", false),
        ("dst:::/0", false),
        ("192.0.2.1", true),
        ("10.0.0.0/8", true),
        ("!10.0.0.0/8", false),
        ("::1", false),
        ("fe80::/10,10.0.0.0/8", true),
        ("CURL", true),
        ("url", true),
        ("cu*l", true),
        ("wget", false),
        ("wget,curl", true),
        ("192.0.2", true),
        ("reason:refused", false),
        ("!reason:refused", true),
        ("is:failed", false),
        ("!is:failed", true),
        ("before:false", true),
        ("ts>=2026-01-02T03:04:05Z ts<2026-01-02T03:04:06Z", true),
        ("ts:2026-01-02T*", true),
        ("conn:9f3c*", true),
        ("ip:4 family:4 phase:open", true),
        ("state:ESTABLISHED", false),
        ("peer:*", false),
    ] {
        assert_eq!(passes(text), expected, "{text}");
    }
}

#[test]
fn a_socket_from_the_snapshot_has_a_state_and_no_type() {
    for (text, expected) in [
        ("type:*", false),
        ("!type:c", true),
        ("state:ESTABLISHED", true),
        ("estab", true),
        ("before:true", true),
        ("seq>=0", false),
    ] {
        assert_eq!(parse(text).matches(&open_socket()), expected, "{text}");
    }
}

#[test]
fn errors_have_a_column_and_say_what_to_write() {
    for (text, said) in [
        ("a: b", "column 3: a value is missing here"),
        (
            "poD:x",
            "column 1: unknown field `poD`: did you mean `pod`?",
        ),
        (
            "curl lta>5ms",
            "column 6: unknown field `lta`: did you mean `lat`?",
        ),
        (
            "reason:refusd",
            "column 8: unknown reason `refusd`: did you mean `refused`?",
        ),
        ("type:c,q", "column 8: unknown type `q`: there are C A X U"),
        ("is:x", "column 4: unknown is `x`: there are failed"),
        (
            "port:http",
            "column 6: `http` is not a number: `port` is one",
        ),
        (
            "lat>5min",
            "column 5: unknown unit `min`: use us, ms, s, m, h",
        ),
        (
            "tx>=1MB",
            "column 5: unknown unit `MB`: use B, KiB, MiB, GiB, TiB",
        ),
        (
            "comm>5",
            "column 1: `comm` has no order for `>`: use `comm:VALUE`",
        ),
        ("pid!=5", "column 4: to negate, write `!pid:…` or `!pid=…`"),
        (
            "reason:!refused",
            "column 8: to negate, write `!reason:…`; a `!` that is meant as text needs quotes",
        ),
        ("comm:\"a b", "column 6: this quote is not closed"),
        ("é comm:\"", "column 8: this quote is not closed"),
        (
            "pod:~(",
            "column 5: this is not a regular expression: unclosed group",
        ),
        ("pod:~", "column 5: a value is missing here"),
        ("pod:a,", "column 7: a value is missing here"),
        (",a", "column 1: a value is missing here"),
        (
            "! a",
            "column 2: `!` negates a term: it needs one right after it",
        ),
        (
            "!",
            "column 2: `!` negates a term: it needs one right after it",
        ),
        (
            ":x",
            "column 1: a field is missing here; to search for this text, put it in quotes",
        ),
        (
            ">5",
            "column 1: a field is missing here; to search for this text, put it in quotes",
        ),
        (
            "curl,port:443",
            "column 10: `,` joins values of one field; to search for this text, put it in quotes",
        ),
        (
            "ts>yesterday",
            "column 4: `yesterday` is not a time such as 2026-01-02T03:04:05Z",
        ),
        (
            "dst:10.0.0.0/33",
            "column 5: `10.0.0.0/33` is not an address: write 192.0.2.1, 192.0.2.0/24, 2001:db8::/32 or a pattern with `*`",
        ),
    ] {
        let error = Filter::parse(text).expect_err(text);
        assert_eq!(error.to_string(), said, "{text}");
    }
    let error = Filter::parse("nonsense:x").expect_err("no such field");
    assert!(
        error
            .message
            .starts_with("unknown field `nonsense`: there are seq ts node"),
        "{error}"
    );
}

#[test]
fn it_prints_in_one_form() {
    for (text, printed) in [
        ("namespace:shop   pod:a,b", "ns:shop pod:a,b"),
        (
            "lat_us>1500 lat>2000000us tx>=1048576",
            "lat>1500us lat>2s tx>=1MiB",
        ),
        ("type:C,x", "type:c,x"),
        ("dst:10.1.2.3/8 10.0.0.1", "dst:10.0.0.0/8 10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("!!!Curl", "!curl"),
        (
            "comm:\"a b\" comm:a\\*b \"10.0.0.1\"",
            "comm:\"a b\" comm:\"a\\*b\" \"10.0.0.1\"",
        ),
        ("comm:~a\\,b comm:~\"a b\"", "comm:~\"a\\,b\" comm:~\"a b\""),
        ("container:a\\x2db", "container:\"a\\\\x2db\""),
        (
            "ts>2263-01-01T00:00:00Z ts>=-000044-03-15T12:00:00Z",
            "ts>2263-01-01T00:00:00.000000000Z ts>=-000044-03-15T12:00:00.000000000Z",
        ),
    ] {
        assert_eq!(parse(text).to_string(), printed, "{text}");
        assert_eq!(parse(printed), parse(text), "{text}");
    }
}

#[test]
fn flags_mean_terms() {
    for (flag, text) in [
        (Filter::term("namespace", &["shop"]), "ns:shop"),
        (Filter::term("pod", &["a,b", "c*"]), "pod:a,b,c*"),
        (Filter::term("pod", &["~^a"]), "pod:~^a"),
        (Filter::term("container", &["a b"]), "container:\"a b\""),
        (Filter::term("type", &["C", "x"]), "type:c,x"),
        (
            Ok(Filter::without_types([
                EventType::Connect,
                EventType::Close,
            ])),
            "!type:c,x",
        ),
        (Ok(Filter::without_types([])), ""),
        (Filter::term::<&str>("pod", &[]), ""),
        (Ok(Filter::failed()), "is:failed"),
        (
            Filter::term("ns", &["a"]).map(|f| f.and(parse("curl"))),
            "ns:a curl",
        ),
    ] {
        assert_eq!(flag, Ok(parse(text)), "{text}");
    }
    let error = Filter::term("type", &["q"]).expect_err("no such type");
    assert_eq!(error.column, 0);
    assert!(Filter::term("nonsense", &["q"]).is_err());
}

#[test]
fn what_a_filter_needs_is_what_it_asks_without_a_no() {
    use super::Key;
    assert!(parse("curl pod:a").needs(Key::Pod));
    assert!(!parse("!pod:a").needs(Key::Pod));
    assert!(!parse("curl").needs(Key::Pod));
}

/// A term that reads, of any kind.
fn any_term() -> impl Strategy<Value = String> {
    let field = select(&FIELDS[..]);
    let sign = select(&[">", ">=", "<", "<=", "="][..]);
    let text = prop_oneof![
        "[a-z]{1,3}\\*?",
        "\"([^\"\\\\]|\\\\[\\\\\"*])*\"",
        "~[a-z][a-z.]{0,3}[+]?",
        "~\"[a-z, ]{0,5}\"",
        "[a-z\\\\]{1,4}",
    ];
    let term = (field, sign, text, any::<u32>(), any::<[u8; 4]>(), 0..=32u8).prop_map(
        |(field, sign, text, number, [a, b, c, d], prefix)| match field.kind {
            Kind::Text => format!("{}:{text}", field.name),
            Kind::Word(words) | Kind::CaselessWord(words) => {
                let words = words();
                let nth = number as usize % words.len();
                format!("{}:{},{}*", field.shortest(), words[nth], words[nth])
            }
            Kind::Number => format!("{}{sign}{number}", field.name),
            Kind::Duration => format!("{}{sign}{number}ms,1us", field.shortest()),
            Kind::Size => format!("{}:{number}KiB", field.name),
            // All years that a time can have.
            Kind::Time => {
                let year = i64::from(number) % 19_998 - 9_999;
                let sign_of_year = if year < 0 { "-00" } else { "" };
                let year = format!("{sign_of_year}{:04}", year.abs());
                let fraction = u16::from_le_bytes([b, c]);
                format!(
                    "{}{sign}{year}-12-02T03:04:{:02}.{fraction}Z",
                    field.name,
                    a % 60
                )
            }
            Kind::Address if a % 2 == 0 => {
                let (link, len) = (["eth0", "v-1", "3"][usize::from(b) % 3], 10 + prefix);
                format!(
                    "{}:fe80::{c:x}%{link},fe80::{d:x}%{link}/{len},fe80::1",
                    field.name
                )
            }
            Kind::Address => format!("{}:{a}.{b}.{c}.{d}/{prefix},10.*", field.name),
        },
    );
    let word = prop_oneof![
        "[a-z0-9.]{1,5}",
        "\"[^\"\\\\]{1,5}\"",
        "10\\.[0-3]\\.0\\.0/1[0-6]",
        "fe80::[0-3](%(eth[0-2]|3))?(/1[0-6])?"
    ];
    ("!{0,2}", prop_oneof![3 => term, 1 => word]).prop_map(|(bangs, term)| bangs + &term)
}

fn any_filter() -> impl Strategy<Value = String> {
    prop::collection::vec(any_term(), 0..4).prop_map(|terms| terms.join(" "))
}

proptest! {
    #[test]
    fn print_and_parse_give_the_same_filter(text in any_filter()) {
        let filter = parse(&text);
        prop_assert_eq!(&parse(&filter.to_string()), &filter, "{}", filter);
    }

    #[test]
    fn whatever_reads_survives_printing(text in "[a-z:,!~*\"\\\\<>=. 0-9é]{0,24}|pod:\\PC{0,12}|\\PC{0,24}|comm:~\\PC{0,12}") {
        match Filter::parse(&text) {
            Ok(filter) => prop_assert_eq!(&parse(&filter.to_string()), &filter, "{}", filter),
            Err(error) => prop_assert!(error.column <= text.chars().count()),
        }
    }

    #[test]
    fn flags_take_any_text_without_a_panic(text in "\\PC{0,24}") {
        for field in &FIELDS {
            let _ = Filter::term(field.name, &[&text]);
        }
    }

    #[test]
    fn a_negated_term_passes_what_the_term_does_not(term in any_term(), event in any_event()) {
        let (plain, negated) = (parse(&term), parse(&format!("!{term}")));
        prop_assert_ne!(plain.matches(&event), negated.matches(&event));
    }

    #[test]
    fn what_passes_is_wanted_of_the_probes(filter in any_filter(), event in any_event()) {
        let filter = parse(&filter);
        let wanted = filter.wanted();
        let ends = [&event.local, &event.remote];
        let ports = || ends.map(|end| end.port);
        let takes = wanted.takes(ports, || ends.map(|end| wanted::address(end.addr)));
        let opens = matches!(event.kind, Some(EventType::Connect | EventType::Accept));
        let sees = takes && (opens || !wanted.openings_only());
        prop_assert!(sees || !filter.matches(&event), "{wanted:?}");
    }

    #[test]
    fn terms_are_and_ed(a in any_filter(), b in any_filter(), event in any_event()) {
        let both = parse(&a).matches(&event) && parse(&b).matches(&event);
        // As they are printed: a backslash at the end of what is typed would take the space.
        let text = format!("{} {}", parse(&a), parse(&b));
        prop_assert_eq!(parse(&text).matches(&event), both);
        prop_assert_eq!(parse(&a).and(parse(&b)).matches(&event), both);
    }

    #[test]
    fn it_agrees_with_plain_code(event in any_event(), n in 0..100u64) {
        let figures = &event.figures;
        let lat = figures.lat_us.map(|n| n.get());
        let checks: [(String, bool); 8] = [
            ("ns:shop".to_owned(), event.origin.namespace.as_deref() == Some("shop")),
            ("pod:cart-*".to_owned(), event.origin.pod.as_deref().is_some_and(|p| p.starts_with("cart-"))),
            ("port:443".to_owned(), event.local.port == 443 || event.remote.port == 443),
            (format!("lat>{n}"), lat.is_some_and(|lat| lat > n)),
            (format!("!lat<={n}us"), lat.is_none_or(|lat| lat > n)),
            ("type:x,a".to_owned(), matches!(event.kind, Some(EventType::Close | EventType::Accept))),
            ("dst:10.1.0.0/16".to_owned(), event.remote.addr.to_string().starts_with("10.1.")),
            ("is:failed".to_owned(), event.is_failure()),
        ];
        for (text, expected) in checks {
            prop_assert_eq!(parse(&text).matches(&event), expected, "{}", text);
        }
    }

    #[test]
    fn a_bare_word_is_a_part_of_a_text_column(event in any_event(), word in "[a-z]{1,2}|10\\.[0-3]|[A-Z]") {
        let contains = |text: &str| text.to_ascii_lowercase().contains(&word.to_ascii_lowercase());
        prop_assert_eq!(parse(&word).matches(&event), texts(&event).iter().any(|t| contains(t)));
    }
}

#[test]
fn a_zone_is_one_link_and_none_is_any() {
    let event = link_local("eth0");
    for (text, expected) in [
        ("addr:fe80::1", true),
        ("addr:fe80::1%eth0", true),
        ("addr:fe80::1%eth1", false),
        ("!addr:fe80::1%eth1", true),
        ("src:fe80::1%eth0", true),
        ("src:fe80::2%eth0", false),
        ("dst:fe80::2%eth0,192.0.2.1", true),
        ("dst:fe80::%eth0/64", true),
        ("dst:fe80::%eth1/64", false),
        ("dst:fe80::2%eth*", true),
        ("dst:*::2", true),
        ("dst:~%eth0$", true),
        ("dst:\"fe80::2%eth0\"", true),
        ("fe80::1%eth0", true),
        ("fe80::1%eth1", false),
        ("fe80::1", true),
        ("fe80::%eth0/10", true),
        ("\"::1%et\"", true),
        ("eth0", true),
        ("scope:eth0", true),
        ("scope:eth1", false),
    ] {
        assert_eq!(parse(text).matches(&event), expected, "{text}");
    }
    // An interface whose name is not known goes by its number.
    assert!(parse("src:fe80::1%3").matches(&link_local("3")));
    for text in ["src:10.0.0.1%eth0", "dst:2001:db8::1%eth0", "addr:fe80::1%"] {
        let error = Filter::parse(text).expect_err(text);
        assert!(error.message.contains("has no zone"), "{error}");
    }
}

fn texts(event: &Event) -> Vec<String> {
    let origin = &event.origin;
    let mut texts = vec![
        origin.node.to_string(),
        event.saddr().to_string(),
        event.daddr().to_string(),
    ];
    texts.extend(
        [&origin.namespace, &origin.pod, &origin.container]
            .into_iter()
            .flatten()
            .map(ToString::to_string),
    );
    texts.extend(event.kind.map(|kind| kind.letter().to_owned()));
    texts.extend(
        event
            .process
            .as_ref()
            .map(|process| process.comm.to_string()),
    );
    let thread = event.process.as_ref().and_then(|process| process.thread);
    texts.extend(thread.map(|name| name.to_string()));
    texts.extend(event.scope.map(|zone| zone.to_string()));
    texts.extend(event.reason.map(|reason| reason.word().to_owned()));
    texts.extend(event.state.map(|state| state.name().to_owned()));
    if let Some(peer) = &event.peer {
        texts.push(match &peer.namespace {
            Some(namespace) => format!("{namespace}/{}", peer.name),
            None => peer.name.to_string(),
        });
    }
    texts
}

#[test]
fn a_text_is_taken_as_it_is_and_a_field_can_be_let_go() {
    let filter = Filter::exactly("pod", "a*b c,d").expect("a filter");
    assert_eq!(filter.to_string(), "pod:\"a\\*b c,d\"");
    assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
    let port = Filter::exactly("port", "443").expect("a filter");
    assert_eq!(port.to_string(), "port:443");
    assert!(Filter::exactly("port", "x").is_err());
    let state = Filter::exactly("state", "LISTEN").expect("a filter");
    assert_eq!(state.to_string(), "state:LISTEN");
    assert!(Filter::exactly("state", "LISTE").is_err());

    let all = Filter::parse("ns:a pod:x !ns:b ns:c curl").expect("a filter");
    assert_eq!(all.without(Key::Namespace).to_string(), "pod:x !ns:b curl");
}

#[test]
fn a_field_tells_its_texts() {
    let told = |name: &str| {
        let mut all = Vec::new();
        let field = Field::named(name).expect("a field");
        field.texts(&event(), |text| all.push(text.to_owned()));
        all
    };
    assert_eq!(told("comm"), ["curl"]);
    assert_eq!(told("port"), ["443", "34878"]);
    assert_eq!(told("reason"), [""; 0]);
    assert_eq!(told("type"), ["C"]);
}
