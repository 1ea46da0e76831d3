use collector::filter::Filter;
use collector::model::HookKind;

use super::*;

fn job(line: &str) -> Result<Job, clap::Error> {
    let words = std::iter::once("tcpscope").chain(line.split_whitespace());
    Cli::try_parse_from(words).and_then(|cli| cli.job(false))
}

fn view(line: &str) -> View {
    match job(line).expect(line) {
        Job::Watch(_, view) => *view,
        other => panic!("{line} is {other:?}"),
    }
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn options_stand_before_or_after_poll() {
    let both = view("-n a --count 1 --failed poll -n b --count 2 --type c,X");
    assert_eq!(both.namespace, ["a", "b"]);
    assert_eq!(both.count, Some(2));
    assert!(both.failed);
    assert_eq!(both.types, ["c", "X"]);
    for source in ["poll", "replay f", "demo"] {
        let before = view(&format!("-o json --record r {source}"));
        let after = view(&format!("{source} --record r -o json"));
        assert_eq!(before, after, "{source}");
    }
}

#[test]
fn replay_and_demo_have_options_of_their_own() {
    let source = |line: &str| match job(line).expect(line) {
        Job::Watch(source, _) => source,
        other => panic!("{line} is {other:?}"),
    };
    let file = || PathBuf::from("f");
    let speed = |text: &str| Some(text.parse::<Speed>().expect(text));
    assert_eq!(source("replay f"), Source::Replay(file(), None));
    for text in ["4x", "0.5x", "max"] {
        let line = format!("replay --speed {text} f");
        assert_eq!(source(&line), Source::Replay(file(), speed(text)));
    }
    assert_eq!(source("replay -"), Source::Replay("-".into(), None));
    assert_eq!(source("demo --seed 7"), Source::Demo(7));
}

#[test]
fn without_a_subcommand_it_is_the_host() {
    let Ok(Job::Watch(Source::Host(probes), _)) =
        job("--buffer 4MiB --accept-hook syscall --no-seed")
    else {
        panic!("not the host");
    };
    assert_eq!(probes.buffer, Some(4 << 20));
    assert_eq!(
        probes.accept_hook,
        Some(AcceptHook::Only(HookKind::Syscall))
    );
    assert!(probes.no_seed);
}

#[test]
fn wrong_usage_is_status_2() {
    for line in [
        "-A -n x",
        "-A poll -n x",
        "check -n x",
        "-n x check",
        "--no-seed check",
        "--no-seed poll",
        "poll --no-seed",
        "--type q",
        "--buffer 5MiB",
        "--buffer 16",
        "--buffer 1KiB",
        "--duration 10",
        "--count 0",
        "--snapshot --count 3",
        "--snapshot poll --count 3",
        "--snapshot --no-seed",
        "-o tui --count 3",
        "-o json --columns pid",
        "-o yaml",
        "--theme x",
        "--accept-hook x",
        "nonsense",
        "check extra",
        "replay",
        "replay f --speed 0x",
        "replay f --no-seed",
        "--no-seed demo",
        "demo -A -n x",
        "demo --seed x",
        "completions",
        "completions tcsh",
        "-n x completions bash",
        "man -o json",
        "agent -n x",
        "-o json agent",
        "agent --listen everywhere",
        "agent --port 0",
        "-l app=x",
        "--context c",
        "-k --buffer 4MiB",
        "-k poll",
        "-k k8s status",
        "-n x k8s status",
        "k8s",
        "k8s deploy --print-only --wait",
        "-o json man",
    ] {
        let error = job(line).map(|_| ()).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn the_screen_is_for_terminals_and_runs_without_an_end() {
    assert_eq!(view("").format(true), Format::Tui);
    assert_eq!(view("").format(false), Format::Columns);
    assert_eq!(view("--snapshot").format(true), Format::Columns);
    assert_eq!(view("--duration 1s").format(true), Format::Columns);
    assert_eq!(view("-o csv").format(true), Format::Csv);
    assert_eq!(view("-o tui").format(false), Format::Tui);
}

#[test]
fn the_options_for_filters_make_one_filter() {
    let filter = view("-n shop,a* -p cart-1 --type c,X --failed --filter port:443").filter();
    let text = "ns:shop,a* pod:cart-1 type:c,x is:failed port:443";
    assert_eq!(filter.expect(text).to_string(), text);
    assert!(view("").filter().expect("no terms").is_all());
}

#[test]
fn a_bad_filter_is_wrong_usage_and_says_where() {
    let error = view("--filter port:443,x")
        .filter()
        .expect_err("not a port");
    assert_eq!(error.exit_code(), 2);
    let said = "error: invalid value for --filter: column 10: `x` is not a number";
    assert!(error.to_string().starts_with(said), "{error}");
}

#[test]
fn the_log_is_for_every_subcommand() {
    for line in ["--log f", "--log f check", "check --log f", "poll --log f"] {
        let words = std::iter::once("tcpscope").chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).expect(line);
        assert_eq!(cli.files.log, Some(PathBuf::from("f")), "{line}");
    }
}

#[test]
fn an_agent_takes_the_options_of_the_probes_before_it() {
    let Ok(Job::Agent(agent, probes)) = job("--buffer 4MiB agent --node-name n1 --listen proxy")
    else {
        panic!("not an agent");
    };
    assert_eq!(probes.buffer, Some(4 << 20));
    assert_eq!(agent.node_name.as_deref(), Some("n1"));
    assert_eq!(agent.listen, Listen::Proxy);
    assert_eq!(agent.port, collector::agent::PORT);
}

#[test]
fn a_cluster_is_asked_for_or_implied_by_the_name() {
    let Ok(Job::Watch(Source::Cluster(cluster), view)) =
        job("-k -l app=web --via port-forward --agent-namespace net -p web-*")
    else {
        panic!("not a cluster");
    };
    assert_eq!(cluster.via, Some(Via::PortForward));
    assert_eq!(cluster.access.agent_namespace(), "net");
    assert_eq!(
        view.scope(Format::Json).expect("a scope").to_string(),
        "pod:web-*"
    );

    let cli = Cli::try_parse_from(["kubectl-tcpscope"]).expect("nothing is wrong");
    assert!(matches!(
        cli.job(true),
        Ok(Job::Watch(Source::Cluster(_), _))
    ));
    assert!(is_plugin(Some("/usr/bin/kubectl-tcpscope".into())));
    assert!(!is_plugin(Some("tcpscope".into())) && !is_plugin(None));
}

#[test]
fn agents_are_asked_for_what_they_can_decide() {
    let mut view = view("-k -A --failed");
    view.filter = Some("port:443 !peer:db curl 192.0.2.0/24".to_owned());
    let asked = view.scope(Format::Json).expect("a scope");
    let known = Filter::parse("is:failed port:443 192.0.2.0/24").expect("a filter");
    assert_eq!(asked, known);
}

#[test]
fn the_contexts_namespace_is_a_default() {
    // On the screen, and for a recording, it is not what agents are asked for.
    for (line, filter, asked) in [
        ("-k", "ns:shop", ""),
        ("-k -A", "", ""),
        ("-k -n a", "ns:a", "ns:a"),
    ] {
        let mut view = view(line);
        view.default_namespace("shop");
        let [filter, asked] = [filter, asked].map(|text| Filter::parse(text).expect("a filter"));
        assert_eq!(view.filter().expect("a filter"), filter, "{line}");
        let scope = |format| view.scope(format).expect("a scope");
        assert_eq!(scope(Format::Json), filter, "{line}");
        assert_eq!(scope(Format::Tui), asked, "{line}");
        view.record = Some("rec.jsonl".into());
        assert_eq!(view.scope(Format::Json).expect("a scope"), asked, "{line}");
    }
}
