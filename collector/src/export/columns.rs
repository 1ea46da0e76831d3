//! The columns, as one table: names, widths, and what an event says in each.

use std::borrow::Cow;

use crate::format;
use crate::model::{
    Comm, Event, EventType, Peer, PeerKind, Phase, Process, Reason, TcpState, Zone,
};

/// What a column says of an event; `None` is unknown.
type Cell = for<'a> fn(&'a Event) -> Option<Cow<'a, str>>;

/// To which side of its width a cell goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name for people, in upper case: `LAT`.
    pub name: &'static str,
    /// The key in JSON, in upper case (`type` is `T`): `LAT_US`, the name in CSV.
    pub key: &'static str,
    /// How many cells of a terminal it takes where columns are aligned. Longer text pushes.
    pub width: usize,
    /// Where shorter text goes.
    pub align: Align,
    /// Whether it is text from elsewhere, which a spreadsheet could take for a formula.
    pub(super) foreign: bool,
    cell: Cell,
    raw: Option<Cell>,
}

impl Column {
    /// The column of a name or key, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        let is = |known: &str| known.eq_ignore_ascii_case(name);
        COLUMNS
            .iter()
            .find(|column| is(column.name) || is(column.key))
    }

    /// What JSON has, as text, not yet made harmless; `None` is unknown.
    pub(super) fn raw<'a>(&self, event: &'a Event) -> Option<Cow<'a, str>> {
        self.raw.unwrap_or(self.cell)(event)
    }

    const fn keyed(mut self, key: &'static str, raw: Cell) -> Self {
        self.key = key;
        self.raw = Some(raw);
        self
    }
}

/// A cell as a person reads it: with units, `-` for what is not known, and nothing in it that
/// could steer a terminal.
#[must_use]
pub fn cell<'a>(column: &Column, event: &'a Event) -> Cow<'a, str> {
    match (column.cell)(event) {
        Some(Cow::Borrowed(text)) if column.foreign => format::plain(text),
        Some(Cow::Owned(text)) if column.foreign => format::plain(&text).into_owned().into(),
        Some(text) => text,
        None => "-".into(),
    }
}

const fn column(name: &'static str, width: usize, align: Align, cell: Cell) -> Column {
    Column {
        name,
        key: name,
        width,
        align,
        foreign: false,
        cell,
        raw: None,
    }
}

/// A column of words of our own.
const fn word(name: &'static str, width: usize, cell: Cell) -> Column {
    column(name, width, Align::Left, cell)
}

/// A column of names from elsewhere.
const fn name(name: &'static str, width: usize, cell: Cell) -> Column {
    let mut column = column(name, width, Align::Left, cell);
    column.foreign = true;
    column
}

const fn number(name: &'static str, width: usize, cell: Cell) -> Column {
    column(name, width, Align::Right, cell)
}

/// All columns: `STATE`, and the keys of an event in the order of the JSON.
#[rustfmt::skip] // A table.
pub static COLUMNS: [Column; 36] = [
    word("STATE", 12, |e| borrowed(e.state.map(TcpState::name))),
    number("SEQ", 8, |e| text(e.seq)),
    word("TIME", 30, |e| text(Some(e.ts))).keyed("TS", |e| text(Some(e.ts))),
    name("NODE", 16, |e| borrowed(Some(&e.origin.node))),
    name("NAMESPACE", 16, |e| borrowed(e.origin.namespace.as_deref())),
    name("POD", 30, |e| borrowed(e.origin.pod.as_deref())),
    name("CONTAINER", 16, |e| borrowed(e.origin.container.as_deref())),
    word("T", 1, |e| borrowed(e.kind.map(EventType::letter))),
    number("PID", 7, |e| who(e, |p| Some(p.pid))),
    number("TID", 7, |e| who(e, |p| p.tid)),
    name("COMM", 16, |e| e.process.as_ref().map(|p| p.comm.to_text())),
    number("UID", 6, |e| who(e, |p| p.uid)),
    number("GID", 6, |e| who(e, |p| p.gid)),
    number("IP", 2, |e| text(Some(e.ip_version()))),
    number("FAMILY", 6, |e| text(Some(e.family.number()))),
    word("SADDR", 15, |e| text(Some(e.saddr()))),
    word("DADDR", 15, |e| text(Some(e.daddr()))),
    number("SPORT", 5, |e| text(Some(e.local.port))),
    number("DPORT", 5, |e| text(Some(e.remote.port))),
    word("CONN", 16, |e| text(Some(e.conn))),
    word("PHASE", 5, |e| borrowed(e.phase.map(Phase::word))),
    word("REASON", 13, |e| borrowed(e.reason.map(Reason::word))),
    number("ERRNO", 5, |e| text(e.errno)),
    number("LAT", 7, |e| time(e.figures.lat_us)).keyed("LAT_US", |e| text(e.figures.lat_us)),
    number("DUR", 7, |e| time(e.figures.dur_us)).keyed("DUR_US", |e| text(e.figures.dur_us)),
    number("TX", 7, |e| size(e.figures.tx_bytes)).keyed("TX_BYTES", |e| text(e.figures.tx_bytes)),
    number("RX", 7, |e| size(e.figures.rx_bytes)).keyed("RX_BYTES", |e| text(e.figures.rx_bytes)),
    number("RTT", 7, |e| time(e.figures.rtt_us.map(|n| n.get()))).keyed("RTT_US", |e| text(e.figures.rtt_us)),
    number("RETR", 5, |e| text(e.figures.retrans)).keyed("RETRANS", |e| text(e.figures.retrans)),
    word("BEFORE", 6, |e| borrowed(Some(if e.before { "true" } else { "false" }))),
    number("NETNS", 10, |e| text(e.netns)),
    number("MNTNS", 10, |e| text(e.mntns)),
    number("CGROUP", 8, |e| text(e.cgroup)),
    name("PEER", 30, |e| e.peer.as_deref().map(peer)).keyed("PEER", |e| e.peer.as_deref().map(peer_json)),
    name("SCOPE", 15, |e| borrowed(e.scope.as_ref().map(Zone::as_str))),
    name("THREAD", 16, |e| e.process.as_ref()?.thread.as_ref().map(Comm::to_text)),
];

fn borrowed(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(Cow::Borrowed)
}

fn text(value: Option<impl ToString>) -> Option<Cow<'static, str>> {
    value.map(|value| value.to_string().into())
}

fn time(us: Option<impl Into<u64>>) -> Option<Cow<'static, str>> {
    us.map(|us| format::duration(us.into()).into())
}

fn size(bytes: Option<impl Into<u64>>) -> Option<Cow<'static, str>> {
    bytes.map(|bytes| format::bytes(bytes.into()).into())
}

fn who<T: ToString>(
    event: &Event,
    ask: impl Fn(&Process) -> Option<T>,
) -> Option<Cow<'static, str>> {
    text(event.process.as_deref().and_then(ask))
}

/// `shop/cart-1` for a pod, `svc/shop/cart` for a Service, `node/n2` for a node.
#[must_use]
pub fn peer(peer: &Peer) -> Cow<'_, str> {
    let kind = match peer.kind {
        PeerKind::Pod => "",
        PeerKind::Service => "svc/",
        PeerKind::Node => "node/",
    };
    match &peer.namespace {
        Some(namespace) => format!("{kind}{namespace}/{}", peer.name).into(),
        None if kind.is_empty() => Cow::Borrowed(&peer.name),
        None => format!("{kind}{}", peer.name).into(),
    }
}

/// The object that JSON has.
fn peer_json(peer: &Peer) -> Cow<'_, str> {
    let mut out = Vec::new();
    crate::wire::peer(peer, &mut out);
    String::from_utf8_lossy(&out).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::event;

    #[test]
    fn names_are_found_in_any_case_and_by_their_keys() {
        for (name, found) in [
            ("pid", "PID"),
            ("Lat", "LAT"),
            ("lat_us", "LAT"),
            ("ts", "TIME"),
        ] {
            assert_eq!(Column::named(name).map(|c| c.name), Some(found));
        }
        assert!(Column::named("nonsense").is_none());
    }

    #[test]
    fn the_keys_are_those_of_the_json_in_its_order() {
        let mut line = Vec::new();
        crate::wire::Encoder::default().event(&event(), &mut line);
        let line = String::from_utf8(line).expect("UTF-8");
        let mut from = "{\"t\":\"ev\"".len();
        for column in COLUMNS.iter().skip(1) {
            let key = if column.key == "T" {
                "type"
            } else {
                &column.key.to_lowercase()
            };
            let at = line[from..].find(&format!(",\"{key}\":")).expect(key);
            // Each key comes right after the value of the one before.
            assert!(
                !line[from..from + at].contains("\":"),
                "{key}: {}",
                &line[from..]
            );
            from += at + key.len() + 4;
        }
        assert!(!line[from..].contains("\":"), "{}", &line[from..]);
    }

    #[test]
    fn cells_have_units_and_dashes() {
        let said = |name| Column::named(name).map(|c| cell(c, &event()).into_owned());
        assert_eq!(said("LAT").as_deref(), Some("1.4ms"));
        assert_eq!(said("DUR").as_deref(), Some("-"));
        assert_eq!(said("UID").as_deref(), Some("0"));
        assert_eq!(said("REASON").as_deref(), Some("-"));
    }

    #[test]
    fn headers_fit_their_columns() {
        for column in &COLUMNS {
            assert!(column.name.len() <= column.width, "{}", column.name);
        }
    }
}
