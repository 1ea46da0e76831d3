//! What an event says about a field: as text, as numbers, as addresses.
//!
//! Each question is asked with a closure, so that nothing is allocated; a field that means either
//! end is asked twice. What is not known is not asked about.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::net::IpAddr;

use super::fields::{FAILED, Field, Key};
use crate::model::{Event, EventType, Peer, Phase, Process, Reason, Scoped, TcpState, Zone};

/// Whether the field is known and `test` holds for its text.
pub(super) fn any_text(key: Key, event: &Event, test: impl Fn(&str) -> bool) -> bool {
    let opt = |text: Option<&str>| text.is_some_and(&test);
    match key {
        Key::Node => test(&event.origin.node),
        Key::Namespace => opt(event.origin.namespace.as_deref()),
        Key::Pod => opt(event.origin.pod.as_deref()),
        Key::Container => opt(event.origin.container.as_deref()),
        Key::Type => opt(event.kind.map(EventType::letter)),
        Key::Comm => event
            .process
            .as_ref()
            .is_some_and(|process| test(&process.comm.to_text())),
        Key::Phase => opt(event.phase.map(Phase::word)),
        Key::State => opt(event.state.map(TcpState::name)),
        Key::Reason => opt(event.reason.map(Reason::word)),
        Key::Before => test(if event.before { "true" } else { "false" }),
        Key::Conn => written::<PLAIN>(event.conn, test),
        Key::Ts => written::<PLAIN>(event.ts, test),
        Key::Is => event.is_failure() && test(FAILED),
        Key::Peer => event
            .peer
            .as_deref()
            .is_some_and(|peer| any_name(peer, test)),
        Key::PeerKind => opt(event.peer.as_deref().map(|peer| peer.kind.word())),
        Key::PeerName => opt(event.peer.as_deref().map(|peer| &*peer.name)),
        Key::PeerNamespace => opt(event
            .peer
            .as_deref()
            .and_then(|peer| peer.namespace.as_deref())),
        // A link-local address goes by itself, and with its zone.
        Key::Addr | Key::Saddr | Key::Daddr => any_addr(key, event, |addr| {
            let scoped = Scoped::new(addr, event.scope);
            written::<PLAIN>(addr, &test)
                || scoped.zone().is_some() && written::<PLAIN>(scoped, &test)
        }),
        Key::Scope => opt(event.scope.as_ref().map(Zone::as_str)),
        Key::Thread => event
            .process
            .as_ref()
            .and_then(|process| process.thread)
            .is_some_and(|name| test(&name.to_text())),
        _ => any_number(key, event, |number| written::<PLAIN>(number, &test)),
    }
}

impl Field {
    /// Tells the texts that an event has in this field: none where it is unknown, two where the
    /// field means either end.
    pub fn texts(&self, event: &Event, tell: impl FnMut(&str)) {
        let tell = RefCell::new(tell);
        any_text(self.key, event, |text| {
            (tell.borrow_mut())(text);
            false
        });
    }
}

/// A peer goes by its name, and by `namespace/name`.
fn any_name(peer: &Peer, test: impl Fn(&str) -> bool) -> bool {
    test(&peer.name)
        || peer.namespace.as_deref().is_some_and(|namespace| {
            written::<NAMES>(format_args!("{namespace}/{}", peer.name), test)
        })
}

/// Whether the field is known, and `test` holds for its number.
pub(super) fn any_number(key: Key, event: &Event, test: impl Fn(i128) -> bool) -> bool {
    let figures = &event.figures;
    let who =
        |ask: fn(&Process) -> Option<u32>| event.process.as_deref().and_then(ask).map(i128::from);
    let number: Option<i128> = match key {
        Key::Seq => event.seq.map(|n| n.get().into()),
        Key::Ts => Some(event.ts.0.into()),
        Key::Pid => who(|process| Some(process.pid)),
        Key::Tid => who(|process| process.tid.map(|n| n.get())),
        Key::Uid => who(|process| process.uid.map(|n| n.get())),
        Key::Gid => who(|process| process.gid.map(|n| n.get())),
        Key::Ip => Some(event.ip_version().into()),
        Key::Family => Some(event.family.number().into()),
        Key::Port => {
            return test(event.remote.port.into()) || test(event.local.port.into());
        }
        Key::Sport => Some(event.local.port.into()),
        Key::Dport => Some(event.remote.port.into()),
        Key::Errno => event.errno.map(|n| n.get().into()),
        Key::LatUs => figures.lat_us.map(|n| n.get().into()),
        Key::DurUs => figures.dur_us.map(|n| n.get().into()),
        Key::TxBytes => figures.tx_bytes.map(|n| n.get().into()),
        Key::RxBytes => figures.rx_bytes.map(|n| n.get().into()),
        Key::RttUs => figures.rtt_us.map(|n| n.get().into()),
        Key::Retrans => figures.retrans.map(|n| n.get().into()),
        Key::Netns => event.netns.map(|n| n.get().into()),
        Key::Mntns => event.mntns.map(|n| n.get().into()),
        Key::Cgroup => event.cgroup.map(|n| n.get().into()),
        _ => None,
    };
    number.is_some_and(test)
}

/// Whether `test` holds for an address that the field means.
pub(super) fn any_addr(key: Key, event: &Event, test: impl Fn(IpAddr) -> bool) -> bool {
    match key {
        Key::Addr => test(event.remote.addr) || test(event.local.addr),
        Key::Saddr => test(event.local.addr),
        Key::Daddr => test(event.remote.addr),
        _ => false,
    }
}

/// Room for the text of a number, an address with its zone, a time or an id.
const PLAIN: usize = 56;
/// Room for `namespace/name`: the first has at most 63 bytes in Kubernetes, the second 253.
const NAMES: usize = 320;

fn written<const N: usize>(value: impl fmt::Display, test: impl Fn(&str) -> bool) -> bool {
    let mut short = Short {
        bytes: [0; N],
        len: 0,
    };
    // An error says that it did not fit; what did is compared.
    let _ = write!(short, "{value}");
    std::str::from_utf8(&short.bytes[..short.len]).is_ok_and(test)
}

/// A text on the stack.
struct Short<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Write for Short<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.len..];
        let mut fits = text.len().min(room.len());
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        room[..fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
        if fits == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}
