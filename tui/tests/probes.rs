//! The real binary with real probes: what it loses is said, what it lacks is said, and nothing of
//! it stays behind. Needs root and a kernel that takes the probes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use aya::maps::loaded_maps;
use aya::programs::{loaded_links, loaded_programs};
use jiff::Timestamp;
use serde_json::Value;

/// How long anything here may take.
const BOUND: Duration = Duration::from_secs(60);

fn tcpscope(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcpscope"));
    command.args(args).stdin(Stdio::null());
    command
}

/// One test's turn: what one connects, another's tracer might lose. `None` where no probes can be
/// loaded; it is printed why.
fn turn() -> Option<File> {
    const PATH: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/one-tracer");
    static LOADS: LazyLock<bool> = LazyLock::new(|| {
        let check = tcpscope(&["check"]).output().expect("the binary runs");
        check.status.success()
    });
    // Not every way to run tests has them all in one process.
    let turn = File::create(PATH).expect("a file");
    turn.lock().expect("a turn");
    if *LOADS {
        return Some(turn);
    }
    println!("skipped: {}: probes can't be loaded here", module_path!());
    None
}

/// A line's time.
fn time(line: &Value) -> Timestamp {
    let ts = line["ts"].as_str().expect("a time");
    ts.parse().expect("RFC 3339")
}

/// A running tracer, whose lines are read on a thread: a full pipe is not what is tested.
struct Tracer {
    child: Child,
    hello: Value,
    reader: Option<thread::JoinHandle<Vec<Value>>>,
}

impl Tracer {
    /// Starts it, and waits until its hooks are attached.
    fn start(args: &[&str]) -> Self {
        let mut child = tcpscope(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut hello = String::new();
        lines.read_line(&mut hello).expect("a line");
        assert!(hello.starts_with(r#"{"t":"hello""#), "{hello}");
        let reader = thread::spawn(move || {
            lines
                .lines()
                .map_while(Result::ok)
                .map(|line| serde_json::from_str(&line).expect("JSON"))
                .collect()
        });
        Self {
            child,
            hello: serde_json::from_str(&hello).expect("JSON"),
            reader: Some(reader),
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Signals it, waits for its end, and gives all its lines but the first.
    fn end(mut self, signal: &str) -> Vec<Value> {
        self.signal(signal);
        until("it ends", || {
            self.child.try_wait().expect("a child").is_some()
        });
        let reader = self.reader.take().expect("a reader");
        reader.join().expect("lines of JSON")
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again, until it is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < BOUND, "{what}: not within {BOUND:?}");
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Connections to ports of its own, until it is ended.
struct Load {
    ports: Vec<u16>,
    done: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn start() -> Self {
        const SERVERS: usize = 4;
        let mut load = Self {
            ports: Vec::new(),
            done: Arc::default(),
            stop: Arc::default(),
            threads: Vec::new(),
        };
        for _ in 0..SERVERS {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
            let at = listener.local_addr().expect("an address");
            load.ports.push(at.port());
            let stop = Arc::clone(&load.stop);
            let client = thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    drop(TcpStream::connect(at).expect("a connection"));
                }
                // The last one says that it is the last.
                let mut last = TcpStream::connect(at).expect("a connection");
                last.write_all(b".").expect("a byte sent");
            });
            let done = Arc::clone(&load.done);
            let server = thread::spawn(move || {
                loop {
                    let (mut stream, _) = listener.accept().expect("a connection");
                    let last = stream.read(&mut [0]).is_ok_and(|n| n == 1);
                    drop(stream);
                    done.fetch_add(1, Ordering::Relaxed);
                    if last {
                        break;
                    }
                }
            });
            load.threads.extend([client, server]);
        }
        load
    }

    fn made(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Ends it; how many connections it has made.
    fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a thread");
        }
        self.made()
    }
}

/// How many events there were of our ports, and what was lost by kind.
#[derive(Debug, Default)]
struct Sum {
    ours: u64,
    lost: BTreeMap<String, u64>,
    bye: Option<Value>,
}

fn sum(lines: &[Value], ports: &[u16]) -> Sum {
    let mut sum = Sum::default();
    for line in lines {
        match line["t"].as_str() {
            Some("ev") => {
                let of = |key| ports.iter().any(|port| line[key] == u64::from(*port));
                sum.ours += u64::from(of("sport") || of("dport"));
            }
            Some("lost") => {
                let src = line["src"].as_str().expect("a kind").to_owned();
                *sum.lost.entry(src).or_default() += line["n"].as_u64().expect("a number");
            }
            Some("bye") => sum.bye = Some(line.clone()),
            other => panic!("{other:?}"),
        }
    }
    sum
}

/// Stops the tracer for so long under load; what it said, and how many events there were.
fn stopped_for(stopped: Duration, args: &[&str]) -> (Sum, u64) {
    let tracer = Tracer::start(args);
    let load = Load::start();
    until("there is load", || load.made() > 100);
    tracer.signal("STOP");
    let began = Instant::now();
    until("it was stopped", || began.elapsed() >= stopped);
    tracer.signal("CONT");
    let before = load.made();
    until("there is more load", || load.made() > before + 100);
    let ports = load.ports.clone();
    let made = load.end();
    let sum = sum(&tracer.end("TERM"), &ports);
    let all = 4 * made;
    let lost = sum.lost.values().sum::<u64>();
    println!(
        "stopped for {stopped:?}: {} of {all}, lost {:?}",
        sum.ours, sum.lost
    );
    let bye = sum.bye.as_ref().expect("bye");
    assert_eq!(bye["lost"], lost, "{sum:?}");
    (sum, all)
}

/// All that is missing is counted, whatever it was lost by; others on this machine may have lost
/// something too, but not much.
fn assert_counted(missing: u64, lost: u64, all: u64) {
    let counted = missing..=missing + all / 100;
    assert!(
        counted.contains(&lost),
        "{lost} counted, {missing} of {all} missing"
    );
}

#[test]
fn a_reader_that_stops_for_a_moment_loses_nothing() {
    let Some(_turn) = turn() else { return };
    let (sum, all) = stopped_for(Duration::from_millis(100), &["-o", "json"]);
    assert_eq!(sum.ours, all, "{sum:?}");
    assert!(!sum.lost.contains_key("ring"), "{sum:?}");
}

#[test]
fn what_a_reader_that_stops_for_long_loses_is_counted() {
    let Some(_turn) = turn() else { return };
    for buffer in ["16MiB", "64KiB"] {
        let (sum, all) = stopped_for(Duration::from_secs(2), &["-o", "json", "--buffer", buffer]);
        let missing = all - sum.ours;
        let lost: u64 = sum.lost.values().sum();
        assert_counted(missing, lost, all);
        assert!(buffer != "64KiB" || missing > 0, "{sum:?}");
    }
}

/// The hooks are attached one after the other, and nothing is said of what only some of them have
/// seen.
#[test]
fn a_start_under_load_says_nothing_of_what_was_before() {
    let Some(_turn) = turn() else { return };
    let load = Load::start();
    until("there is load", || load.made() > 100);
    let tracer = Tracer::start(&["-o", "json"]);
    let attached = time(&tracer.hello);
    let before = load.made();
    until("there is more load", || load.made() > before + 1000);
    load.end();
    // As far as the kernel's clock and the one on the wall run alike.
    let earliest = attached - Duration::from_millis(1);
    let lines = tracer.end("TERM");
    let mut events = lines.iter().filter(|line| line["t"] == "ev");
    let early = events.find(|event| time(event) < earliest);
    assert_eq!(early, None, "attached at {attached}");
}

/// What happened until it was told to end is said, though there is no end to what happens.
#[test]
fn an_end_under_load_leaves_nothing_out() {
    let Some(_turn) = turn() else { return };
    let tracer = Tracer::start(&["-o", "json"]);
    let load = Load::start();
    until("there is load", || load.made() > 5_000);
    let (ports, made) = (load.ports.clone(), load.made());
    let sum = sum(&tracer.end("TERM"), &ports);
    load.end();
    let lost: u64 = sum.lost.values().sum();
    assert!(sum.ours + lost >= 4 * made, "{made} made: {sum:?}");
    assert_eq!(sum.bye.expect("bye")["reason"], Value::Null);
}

/// The kernel's numbers of the programs, maps and links that a process holds.
#[derive(Debug, Default, PartialEq)]
struct Held {
    programs: BTreeSet<u32>,
    maps: BTreeSet<u32>,
    links: BTreeSet<u32>,
}

impl Held {
    fn by(pid: u32) -> Self {
        let mut held = Self::default();
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("a process");
        for fd in descriptors.flatten() {
            let text = std::fs::read_to_string(fd.path()).unwrap_or_default();
            let field = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name));
                line.and_then(|value| value.trim().parse().ok())
            };
            // A link names its program too.
            match field("link_id:") {
                Some(id) => _ = held.links.insert(id),
                None => held.programs.extend(field("prog_id:")),
            }
            held.maps.extend(field("map_id:"));
        }
        held
    }

    /// Those that the kernel still has.
    fn left(&self) -> Self {
        let programs = loaded_programs().flatten().map(|program| program.id());
        let maps = loaded_maps().flatten().map(|map| map.id());
        let links = loaded_links().flatten().map(|link| link.id());
        Self {
            programs: programs.filter(|id| self.programs.contains(id)).collect(),
            maps: maps.filter(|id| self.maps.contains(id)).collect(),
            links: links.filter(|id| self.links.contains(id)).collect(),
        }
    }
}

/// However it ends: nothing of it is pinned, and the kernel frees what nobody holds.
#[test]
fn nothing_stays_behind() {
    let Some(_turn) = turn() else { return };
    for signal in ["INT", "TERM", "HUP", "ABRT", "KILL"] {
        let tracer = Tracer::start(&["-o", "json"]);
        let held = Held::by(tracer.child.id());
        assert!(held.programs.len() >= 4 && held.maps.len() >= 3, "{held:?}");
        assert_eq!(held.left(), held);
        tracer.end(signal);
        until(signal, || held.left() == Held::default());
    }
}

/// The effective capabilities of each thread of a process, by the thread's name.
fn capabilities(pid: u32) -> BTreeMap<String, u64> {
    let field = |status: &str, name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.expect("a field of the status").trim().to_owned()
    };
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("threads");
    threads
        .map(|thread| {
            let path = thread.expect("a thread").path().join("status");
            let status = std::fs::read_to_string(path).expect("a status");
            let effective = field(&status, "CapEff:");
            let effective = u64::from_str_radix(&effective, 16).expect("a mask");
            (field(&status, "Name:"), effective)
        })
        .collect()
}

/// Only what still looks at the kernel may do so, and nothing may do more.
#[test]
fn capabilities_are_given_up_once_the_probes_are_attached() {
    const SYS_ADMIN: u64 = 1 << 21;
    const NEVER: u64 = 1 << 12 | 1 << 16 | 1 << 22; // NET_ADMIN, SYS_MODULE, SYS_BOOT
    const BPF: u64 = 1 << 39;
    let Some(_turn) = turn() else { return };
    let tracer = Tracer::start(&["-o", "json"]);
    let threads = capabilities(tracer.child.id());
    let (host, shown) = (threads["host"], threads["tcpscope"]);
    assert_eq!(host & BPF, BPF, "{threads:x?}");
    assert_eq!(shown & (BPF | SYS_ADMIN), 0, "{threads:x?}");
    for (name, effective) in &threads {
        assert_eq!(effective & NEVER, 0, "{name}");
    }
    tracer.end("TERM");
}

/// Runs it with one thing hidden by a file system that is mounted over it for it alone.
fn without(hidden: &[&str], args: &str) -> std::process::Output {
    let hide = |dir| format!("mount -t tmpfs none {dir} && ");
    let hide: String = hidden.iter().map(hide).collect();
    let script = format!("{hide}exec {} {args}", env!("CARGO_BIN_EXE_tcpscope"));
    Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", &script])
        .stdin(Stdio::null())
        .output()
        .expect("unshare runs")
}

fn fails_with(output: &std::process::Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    for word in words {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    assert_eq!(output.stdout, b"");
}

#[test]
fn without_btf_it_says_which_kernel_has_it() {
    let Some(_turn) = turn() else { return };
    let output = without(&["/sys/kernel/btf"], "-o json");
    fails_with(
        &output,
        &["/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"],
    );
}

/// Where another hook sees accepts, tracefs is not needed.
#[test]
fn without_tracefs_it_says_how_to_mount_it() {
    let Some(_turn) = turn() else { return };
    let output = without(
        &["/sys/kernel/tracing", "/sys/kernel/debug"],
        "-o json --accept-hook syscall --duration 1s",
    );
    fails_with(&output, &["mount -t tracefs tracefs /sys/kernel/tracing"]);
}

#[test]
fn without_privileges_it_says_what_it_needs() {
    let Some(_turn) = turn() else { return };
    let output = Command::new("setpriv")
        .args(["--bounding-set=-all", "--inh-caps=-all"])
        .arg(env!("CARGO_BIN_EXE_tcpscope"))
        .args(["-o", "json"])
        .stdin(Stdio::null())
        .output()
        .expect("setpriv runs");
    fails_with(
        &output,
        &["sudo", "CAP_BPF", "CAP_PERFMON", "tcpscope poll"],
    );
}

/// Each statement is of what was lost since the last one, and the last line has the sum.
#[test]
fn a_small_ring_says_how_much_it_lost() {
    let Some(_turn) = turn() else { return };
    let tracer = Tracer::start(&["-o", "json", "--buffer", "64KiB"]);
    let load = Load::start();
    for _ in 0..2 {
        tracer.signal("STOP");
        let before = load.made();
        until("the ring is full", || load.made() > before + 500);
        tracer.signal("CONT");
        // Losses are looked for once a second.
        let began = Instant::now();
        until("it was said", || began.elapsed() > Duration::from_secs(2));
    }
    let ports = load.ports.clone();
    let made = load.end();
    let lines = tracer.end("TERM");
    let sum = sum(&lines, &ports);
    let node = collector::identity::host::node_name();
    let statements: Vec<_> = lines.iter().filter(|line| line["t"] == "lost").collect();
    assert!(statements.len() >= 2, "{sum:?}");
    for line in statements {
        assert_eq!(line["node"], *node, "{line}");
        assert!(line["n"].as_u64().is_some_and(|n| n > 0), "{line}");
    }
    let missing = 4 * made - sum.ours;
    println!("{missing} of {} missing, {:?}", 4 * made, sum.lost);
    let lost = sum.lost.values().sum::<u64>();
    assert!(missing > 0, "{sum:?}");
    assert_counted(missing, lost, 4 * made);
    assert_eq!(sum.bye.expect("bye")["lost"], lost);
}
