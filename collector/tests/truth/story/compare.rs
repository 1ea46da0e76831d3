//! How what was said of a socket differs from its story, field by field.

use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use collector::model::{Event, EventType, Phase};

use super::{Again, Row, Story};
use crate::machine::WOBBLE_NS;

const WOBBLE_US: i64 = WOBBLE_NS / 1000;

impl Story {
    pub(super) fn differences(&self, found: &[&Event]) -> Vec<String> {
        let mut out = Vec::new();
        if found.len() != self.rows.len() {
            out.push(format!(
                "{} rows instead of {}",
                found.len(),
                self.rows.len()
            ));
        }
        let mut found: Vec<&Event> = found.to_vec();
        if self.any_order {
            found.sort_by_key(|event| event.phase != Some(Phase::Open));
        }
        for (index, (row, event)) in self.rows.iter().zip(&found).enumerate() {
            self.compare(index, row, event, &mut out);
        }
        // What was reset in the queue has ended before it is accepted.
        if let [opening, ending] = found[..]
            && opening.ts <= ending.ts
            && let Some(dur) = ending.figures.dur_us
        {
            // It began before it was accepted.
            let queued = opening.figures.lat_us.map_or(0, |lat| lat.get());
            let is_accept = opening.kind == Some(EventType::Accept);
            let queued = if is_accept { queued.cast_signed() } else { 0 };
            let lasted = (ending.ts.0 - opening.ts.0) / 1000 + queued;
            let dur = dur.get().cast_signed();
            // Accepted before it was established, it began later.
            let early = is_accept && opening.figures.lat_us.is_none() && dur < lasted;
            if !early && (lasted - dur).abs() > WOBBLE_US {
                out.push(format!("row 2: dur {dur} µs, but it lasted {lasted} µs"));
            }
        }
        out
    }

    fn compare(&self, index: usize, row: &Row, event: &Event, out: &mut Vec<String>) {
        let n = index + 1;
        let mut check = |what: &str, expected: String, found: String| {
            if expected != found {
                out.push(format!("row {n}: {what} {found} instead of {expected}"));
            }
        };
        let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
        check("type", text(&Some(row.kind)), text(&event.kind));
        check("phase", text(&Some(row.phase)), text(&event.phase));
        check("reason", text(&row.reason), text(&event.reason));
        let errno = event.errno.map(std::num::NonZeroU16::get);
        check("errno", text(&row.errno), text(&errno));
        check("family", text(&self.family), text(&event.family));
        check("state", text(&None::<()>), text(&event.state));
        let before = self.all_before || row.before;
        check("before", text(&before), text(&event.before));
        let ip = if self.key.1.is_ipv4() { 4 } else { 6 };
        check("ip", text(&ip), text(&event.ip_version()));

        let who = row.who.as_ref();
        let process = event.process.as_ref();
        check(
            "pid",
            text(&who.map(|w| w.pid)),
            text(&process.map(|p| p.pid)),
        );
        let tid = process.and_then(|p| p.tid.map(|n| n.get()));
        if !row.any_thread || tid.is_none() {
            check("tid", text(&who.map(|w| w.tid)), text(&tid));
        }
        check(
            "uid",
            text(&who.map(|w| w.uid)),
            text(&process.and_then(|p| p.uid.map(|n| n.get()))),
        );
        check(
            "gid",
            text(&who.map(|w| w.gid)),
            text(&process.and_then(|p| p.gid.map(|n| n.get()))),
        );
        check(
            "comm",
            text(&who.map(|w| w.comm.as_slice())),
            text(&process.map(|p| p.comm.as_bytes())),
        );
        let thread = who
            .filter(|w| w.thread != w.comm)
            .map(|w| w.thread.as_slice());
        let said = process.and_then(|p| p.thread.as_ref());
        if !row.any_thread {
            check(
                "thread",
                text(&thread),
                text(&said.map(collector::model::Comm::as_bytes)),
            );
        }
        if who.is_none_or(|w| w.cgroup.is_some()) {
            check(
                "cgroup",
                text(&who.and_then(|w| w.cgroup)),
                text(&event.cgroup.map(|n| n.get())),
            );
        }
        let mntns = who.and(self.mntns.or(who.map(|w| w.mntns)));
        check("mntns", text(&mntns), text(&event.mntns.map(|n| n.get())));

        let wobbly = (row.ts.from - WOBBLE_NS)..=(row.ts.to + WOBBLE_NS);
        if !wobbly.contains(&event.ts.0) {
            let (early, late) = (row.ts.from - event.ts.0, event.ts.0 - row.ts.to);
            out.push(if early > 0 {
                format!("row {n}: ts {} µs before its window", early / 1000)
            } else {
                format!("row {n}: ts {} µs after its window", late / 1000)
            });
        }
        self.compare_figures(n, row, event, out);
    }

    fn compare_figures(&self, n: usize, row: &Row, event: &Event, out: &mut Vec<String>) {
        let figures = &event.figures;
        let mut check = |what: &str, expected: Option<u64>, found: Option<u64>| {
            if expected != found {
                out.push(format!("row {n}: {what} {found:?} instead of {expected:?}"));
            }
        };
        let big = |value: Option<nonmax::NonMaxU64>| value.map(|n| n.get());
        let small = |value: Option<nonmax::NonMaxU32>| value.map(|n| u64::from(n.get()));
        let ending = row.phase == Phase::End;
        check(
            "tx_bytes",
            ending.then_some(row.bytes.0),
            big(figures.tx_bytes),
        );
        check(
            "rx_bytes",
            ending.then_some(row.bytes.1),
            big(figures.rx_bytes),
        );
        match (small(figures.retrans), row.again) {
            (Some(1..), Again::AtLeastOnce) | (Some(_), Again::Perhaps) if ending => {}
            // A machine that is slow enough lets timers go off: the kernel has counted that too.
            (Some(n), Again::Never) if ending && n > 0 && row.sent_again() >= n => {}
            (found, _) => check("retrans", ending.then_some(0), found),
        }
        let measured = ending && row.measured;
        if figures.rtt_us.is_some() != measured {
            out.push(format!("row {n}: rtt {:?}", figures.rtt_us));
        }
        // Without an opening that was seen, nothing can be said of its duration.
        let dur_known = ending && !self.all_before && !row.before;
        // Of what was accepted without having been seen to come it may be known, or not.
        let accepted = |row: &Row| row.kind == EventType::Accept && row.began.is_none();
        let perhaps = dur_known && self.rows.first().is_some_and(accepted);
        if !perhaps && figures.dur_us.is_some() != dur_known {
            out.push(format!("row {n}: dur {:?}", figures.dur_us));
        }
        match (row.began, big(figures.lat_us)) {
            (None, None) => {}
            (Some(began), Some(lat)) => {
                let least = (row.ts.from - began.to) / 1000 - WOBBLE_US;
                let most = (row.ts.to - began.from) / 1000 + WOBBLE_US;
                let lat = lat.cast_signed();
                if !(least..=most).contains(&lat) {
                    out.push(format!("row {n}: lat {lat} µs, not in {least}..={most}"));
                }
            }
            (began, lat) => out.push(format!("row {n}: lat {lat:?}, began {began:?}")),
        }
    }
}

impl Row {
    /// How many segments the kernel has sent again around whoever it was.
    fn sent_again(&self) -> u64 {
        let own = std::fs::metadata("/proc/self/ns/net").map_or(0, |ns| ns.ino());
        match &self.who {
            Some(who) if u64::from(who.netns) != own => {
                sent_again_around(&who.pid.to_string()).unwrap_or_default()
            }
            _ => retransmitted(),
        }
    }
}

/// How many segments were sent again in this process's network namespace since the first call, by the
/// kernel's own count.
pub fn retransmitted() -> u64 {
    static AT_FIRST: OnceLock<u64> = OnceLock::new();
    let now = sent_again_around("self").unwrap_or_default();
    now - AT_FIRST.get_or_init(|| now)
}

/// `RetransSegs` of a process's network namespace.
fn sent_again_around(process: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/net/snmp")).ok()?;
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
    let mut names = lines.next()?.split(' ');
    let at = names.position(|name| name == "RetransSegs")?;
    lines.next()?.split(' ').nth(at)?.parse().ok()
}
