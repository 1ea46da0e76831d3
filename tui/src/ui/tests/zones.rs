//! Link-local addresses, and names of threads.

use collector::model::Zone;

use super::*;

/// A connect to `fe80::2` on a link, by a thread with a name.
fn on_link(link: &str, port: u16) -> Event {
    let mut event = sample::connect(port);
    event.family = collector::model::Family::V6;
    event.local.addr = "fe80::1".parse().unwrap();
    event.remote.addr = "fe80::2".parse().unwrap();
    event.scope = Zone::new(link);
    let mut who = event.process.as_deref().cloned().unwrap();
    who.tid = 16_301_u32.try_into().ok();
    who.thread = Some(Comm::from_text("http-nio-8080-e"));
    event.process = Some(Arc::new(who));
    event
}

#[test]
fn a_link_local_address_stands_with_its_zone_and_is_found_by_it() {
    let mut app = app(120, 24, &THEMES[0], false);
    tell(&mut app, hello());
    tell(
        &mut app,
        sample::batch(vec![on_link("eth0", 1_001), on_link("wlan0", 1_002)]),
    );
    let mut text = |typed: &str| {
        keys(&mut app, typed);
        screen(&mut app, 120, 24).backend().to_string()
    };
    let all = text("");
    for shown in [
        "fe80::1%eth0",
        "fe80::2%eth0",
        "fe80::1%wlan0",
        "fe80::2%wlan0",
    ] {
        assert!(all.contains(shown), "{shown}: {all}");
    }
    let one = text("/fe80::2%eth0\n");
    assert!(one.contains("1001") && !one.contains("1002"), "{one}");

    let detail = text("k\n");
    for shown in [
        "[fe80::1%eth0]:1001",
        "[fe80::2%eth0]:443",
        "wget (pid 16266, thread 16301 http-nio-8080-e)",
    ] {
        assert!(detail.contains(shown), "{shown}: {detail}");
    }
}

#[test]
fn a_problem_is_with_one_link() {
    let mut app = app(120, 24, &THEMES[0], false);
    tell(&mut app, hello());
    let refused = ["eth0", "wlan0"].map(|link| Event {
        reason: Some(Reason::Refused),
        ..on_link(link, 1_001)
    });
    tell(&mut app, sample::batch(refused.to_vec()));
    keys(&mut app, "5");
    let text = screen(&mut app, 120, 24).backend().to_string();
    for whom in ["-> [fe80::2%eth0]:443", "-> [fe80::2%wlan0]:443"] {
        assert!(text.contains(whom), "{whom}: {text}");
    }
}
