//! What is left to chance: when, with whom, and how it goes.

use std::f64::consts::TAU;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{Play, SECOND};
use crate::model::{Endpoint, Timestamp};
use crate::source::demo::flows::{Flow, Range};
use crate::source::demo::talk::{End, Talk};

/// The tide of the day comes and goes in this time, and takes a third of the load with it.
const TIDE_S: f64 = 180.0;

impl Play {
    /// To the next connection of a flow, in microseconds: as if many people did not know of each
    /// other.
    pub(super) fn gap(&mut self, flow: &Flow, now: Timestamp) -> u64 {
        let elapsed = Duration::from_nanos(now.0.abs_diff(self.start.0)).as_secs_f64();
        let tide = 1.0 + (elapsed / TIDE_S * TAU).sin() / 3.0;
        let mean = 60.0 / f64::from(flow.per_minute.max(1)) / tide;
        // Not 0, whose logarithm is none.
        let die: f64 = 1.0 - self.rng.f64();
        let gap = Duration::from_secs_f64((-die.ln() * mean).min(600.0));
        u64::try_from(gap.as_micros()).unwrap_or(SECOND)
    }

    pub(super) fn throw(&mut self, range: Range) -> u64 {
        self.rng.u64(range.0..=range.1)
    }

    /// Small ones are the many, as with all that people do.
    pub(super) fn throw_small(&mut self, range: Range) -> u64 {
        let top = self.throw(range);
        self.throw((range.0, top))
    }

    pub(super) fn percent(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    pub(super) fn pick(&mut self, members: &[usize]) -> Option<usize> {
        self.rng.choice(members).copied()
    }

    /// Somebody outside the cluster; the older half of the world speaks IPv4 still.
    pub(super) fn somebody(&mut self) -> Endpoint {
        let host = self.rng.u8(10..250);
        let addr = if self.rng.bool() {
            IpAddr::from(Ipv4Addr::new(203, 0, 113, host))
        } else {
            IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0xc0, 0, 0, 0, 0, host.into()))
        };
        let port = self.rng.u16(1_024..);
        Endpoint { addr, port }
    }

    /// Throws the dice for a connection's course. `None` is an end outside the cluster.
    pub(super) fn talk(
        &mut self,
        flow: &Flow,
        syn: Timestamp,
        from: Option<usize>,
        to: Option<usize>,
    ) -> Talk {
        let nodes = [from, to].map(|end| end.map(|member| self.cast.get(member).node));
        let mut rtt_us = self.throw(match nodes {
            [Some(a), Some(b)] if a == b => (40, 150),
            [Some(_), Some(_)] => (250, 900),
            _ => (8_000, 45_000),
        });
        let is_lossy = |end: Option<usize>| end.is_some_and(|m| self.cast.get(m).is_lossy());
        let lossy = nodes[0] != nodes[1] && (is_lossy(from) || is_lossy(to));
        let (mut lat_us, mut retrans) = (0, (0, 0));
        if lossy {
            rtt_us += self.throw((2_000, 40_000));
            retrans = (self.rng.u32(0..9), self.rng.u32(0..30));
            lat_us += if self.percent(4) { SECOND } else { 0 };
        }
        let server = to.map(|member| self.cast.get(member).workload);
        let end = match server {
            Some(server) if server.leaks => End::Forgotten,
            Some(server) if self.percent(server.resets) => End::ResetByServer,
            _ if from.is_none() && self.percent(3) => End::ResetByClient,
            _ if self.percent(flow.closed_by_server) => End::ByServer,
            _ => End::ByClient,
        };
        Talk {
            syn,
            lat_us: lat_us + rtt_us,
            rtt_us: u32::try_from(rtt_us).unwrap_or(u32::MAX),
            queued_us: self.throw_small(server.map_or((0, 0), |server| server.accept_us)),
            life_us: self.throw_small((flow.life_ms.0 * 1_000, flow.life_ms.1 * 1_000)),
            reaction_us: self.throw((30, 1_500)),
            request: self.throw_small(flow.request),
            answer: self.throw_small(flow.answer),
            retrans,
            end,
        }
    }
}
