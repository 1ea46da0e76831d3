//! Who talks to whom, how often, and how it goes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::Reason;

/// A range that a die is thrown in, both ends included.
pub(super) type Range = (u64, u64);

/// Connections of one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    pub(super) from: From,
    pub(super) to: To,
    /// How many connections a minute, in the mean.
    pub(super) per_minute: u32,
    /// From the opening to the first FIN, in milliseconds.
    pub(super) life_ms: Range,
    /// Bytes of what the client sends, all in all.
    pub(super) request: Range,
    /// Bytes of what the server sends.
    pub(super) answer: Range,
    /// Of a hundred connections, how many the server closes first.
    pub(super) closed_by_server: u32,
}

/// Who connects.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    /// Any replica of this workload.
    Any(&'static str),
    /// Somebody outside the cluster, whose end of it nobody sees.
    Outside,
}

/// What is connected to.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    /// A Service's address, which leads to any replica that is up.
    Service(&'static str, u16),
    /// Any replica, by its own address, as with a headless Service.
    Pods(&'static str),
    /// The replicas on the client's own node.
    Local(&'static str),
    /// An address outside the cluster.
    Outside(IpAddr, u16, Far),
}

/// How it is with an address outside the cluster.
#[derive(Clone, Copy, Debug)]
pub(super) enum Far {
    /// It answers.
    Well,
    /// It never answers: the client's kernel gives up, or the client does.
    Silent,
    /// A router says that there is no way.
    Unreachable,
    /// It answers, and falls silent at times.
    Stalls,
}

/// Documentation addresses (RFC 5737, RFC 3849), so that nobody is meant.
const fn far4(net: u8, host: u8) -> IpAddr {
    IpAddr::V4(match net {
        0 => Ipv4Addr::new(198, 51, 100, host),
        _ => Ipv4Addr::new(203, 0, 113, host),
    })
}

const FAR6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xfa, 0, 0, 0, 0, 0x80));

const PLAIN: Flow = Flow {
    from: From::Outside,
    to: To::Pods(""),
    per_minute: 0,
    life_ms: (400, 8_000),
    request: (300, 4_000),
    answer: (800, 60_000),
    closed_by_server: 10,
};

/// All that goes on without a clock.
pub(super) const FLOWS: [Flow; 24] = [
    Flow {
        to: To::Pods("nginx"),
        per_minute: 230,
        life_ms: (80, 12_000),
        answer: (2_000, 900_000),
        closed_by_server: 35,
        ..PLAIN
    },
    Flow {
        from: From::Any("nginx"),
        to: To::Service("web", 80),
        per_minute: 260,
        ..PLAIN
    },
    Flow {
        from: From::Any("web"),
        to: To::Service("cart", 8080),
        per_minute: 230,
        ..PLAIN
    },
    Flow {
        from: From::Any("web"),
        to: To::Service("catalog", 8080),
        per_minute: 210,
        answer: (4_000, 400_000),
        ..PLAIN
    },
    Flow {
        from: From::Any("web"),
        to: To::Service("inventory", 8000),
        per_minute: 34,
        life_ms: (3_000, 6_000),
        ..PLAIN
    },
    Flow {
        from: From::Any("web"),
        to: To::Service("checkout", 8080),
        per_minute: 90,
        ..PLAIN
    },
    Flow {
        from: From::Any("web"),
        to: To::Service("invoices", 8000),
        per_minute: 30,
        life_ms: (60, 900),
        closed_by_server: 0,
        ..PLAIN
    },
    // A connection for each request, and no keep-alive.
    Flow {
        from: From::Any("cart"),
        to: To::Service("redis", 6379),
        per_minute: 700,
        life_ms: (1, 6),
        request: (40, 120),
        answer: (5, 2_000),
        closed_by_server: 0,
    },
    // One of the three is down.
    Flow {
        from: From::Any("checkout"),
        to: To::Pods("postgres"),
        per_minute: 150,
        life_ms: (200, 9_000),
        request: (500, 30_000),
        answer: (900, 200_000),
        closed_by_server: 0,
    },
    Flow {
        from: From::Any("catalog"),
        to: To::Service("postgres", 5432),
        per_minute: 110,
        life_ms: (2_000, 20_000),
        request: (500, 30_000),
        answer: (900, 400_000),
        closed_by_server: 0,
    },
    Flow {
        from: From::Any("checkout"),
        to: To::Service("payment", 443),
        per_minute: 70,
        ..PLAIN
    },
    Flow {
        from: From::Any("payment"),
        to: To::Outside(far4(1, 80), 443, Far::Well),
        per_minute: 50,
        life_ms: (120, 2_500),
        closed_by_server: 40,
        ..PLAIN
    },
    Flow {
        from: From::Any("payment"),
        to: To::Outside(FAR6, 443, Far::Well),
        per_minute: 25,
        life_ms: (120, 2_500),
        ..PLAIN
    },
    Flow {
        from: From::Any("payment"),
        to: To::Outside(far4(0, 20), 443, Far::Silent),
        per_minute: 14,
        ..PLAIN
    },
    Flow {
        from: From::Any("invoices"),
        to: To::Outside(far4(0, 25), 25, Far::Unreachable),
        per_minute: 6,
        ..PLAIN
    },
    Flow {
        from: From::Any("catalog"),
        to: To::Outside(far4(1, 50), 443, Far::Stalls),
        per_minute: 30,
        life_ms: (900, 15_000),
        answer: (90_000, 9_000_000),
        ..PLAIN
    },
    // DNS over TCP, after answers that were too long for UDP.
    dns("web", 70),
    dns("checkout", 40),
    dns("payment", 25),
    // Scrapes and probes.
    scrape(From::Any("prometheus"), To::Pods("web"), 20),
    scrape(From::Any("prometheus"), To::Pods("cart"), 14),
    scrape(From::Any("kubelet"), To::Local("web"), 36),
    scrape(From::Any("kubelet"), To::Local("cart"), 36),
    scrape(From::Any("kubelet"), To::Local("postgres"), 24),
];

/// What one run of the job does, which opens all of them within a moment.
pub(super) const RUN: Flow = Flow {
    from: From::Any(super::workloads::CRON),
    to: To::Service("redis", 6379),
    per_minute: 0,
    life_ms: (300, 2_500),
    request: (4_000, 90_000),
    answer: (100, 600),
    closed_by_server: 0,
};

const fn dns(from: &'static str, per_minute: u32) -> Flow {
    Flow {
        from: From::Any(from),
        to: To::Service("coredns", 53),
        per_minute,
        life_ms: (1, 8),
        request: (35, 80),
        answer: (600, 4_000),
        closed_by_server: 0,
    }
}

const fn scrape(from: From, to: To, per_minute: u32) -> Flow {
    Flow {
        from,
        to,
        per_minute,
        life_ms: (2, 40),
        request: (120, 260),
        answer: (150, 9_000),
        closed_by_server: 0,
    }
}

/// Connections that were open before the start and stay, by client, server, and how they end.
pub(super) const BEFORE: [(&str, To, Option<Fate>); 7] = [
    ("kubelet", To::Pods("kube-apiserver"), None),
    ("coredns", To::Pods("kube-apiserver"), None),
    ("prometheus", To::Pods("kube-apiserver"), None),
    ("cart", To::Pods("redis"), None),
    (
        "catalog",
        To::Pods("redis"),
        Some(Fate::Closed { after_s: 45 }),
    ),
    (
        "web",
        To::Outside(far4(1, 90), 8883, Far::Silent),
        Some(Fate::Broken {
            after_s: 25,
            why: (Reason::Keepalive, 110),
        }),
    ),
    ("nginx", To::Pods("web"), Some(Fate::Closed { after_s: 15 })),
];

/// How a connection from before the start ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// Its client closes it so many seconds after the start.
    Closed {
        /// Seconds.
        after_s: u64,
    },
    /// Nobody does.
    Broken {
        /// Seconds.
        after_s: u64,
        /// The reason, and its errno.
        why: (Reason, u16),
    },
}
