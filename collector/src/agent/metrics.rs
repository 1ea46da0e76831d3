//! What can be scraped.

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::model::{EventType, Hello, Update};

/// The figures and their names.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    events: Family<EventLabels, Counter>,
    lost: Family<LossLabels, Counter>,
    watched: Family<WatchedLabels, Gauge>,
    degraded: Family<DegradedLabels, Gauge>,
    clients: Gauge,
    pub(super) streams: Counter,
    /// Connections that had to go before they had shown that they may be here.
    pub(super) evicted: Counter,
    refused: Family<RefusedLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    r#type: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LossLabels {
    src: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchedLabels {
    filter: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DegradedLabels {
    what: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    code: u32,
}

/// A word of ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Word(&'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("tcpscope");
        let (events, lost, refused) = (Family::default(), Family::default(), Family::default());
        let (watched, degraded) = (Family::default(), Family::default());
        let (clients, streams, evicted) =
            (Gauge::default(), Counter::default(), Counter::default());
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", build);
        registry.register("events", "Events of this node, by type", events.clone());
        registry.register(
            "lost",
            "Events lost before any client, by cause",
            lost.clone(),
        );
        registry.register(
            "watched",
            "1 for the filter of all that is watched, if there is one",
            watched.clone(),
        );
        registry.register(
            "degraded",
            "1 for each thing that is not known on this node",
            degraded.clone(),
        );
        registry.register("clients", "Streams that are open", clients.clone());
        registry.register("streams", "Streams that were opened", streams.clone());
        registry.register(
            "evicted",
            "Connections that were closed for others before a request of theirs was accepted",
            evicted.clone(),
        );
        registry.register(
            "refused",
            "Requests that were refused, by status",
            refused.clone(),
        );
        Self {
            registry,
            events,
            lost,
            watched,
            degraded,
            clients,
            streams,
            evicted,
            refused,
        }
    }
}

impl Metrics {
    /// Counts what a source says.
    pub(super) fn count(&self, update: &Update) {
        let batch = match update {
            Update::Batch(batch) => batch,
            Update::Hello(hello) => return self.greet(hello),
            _ => return,
        };
        for kind in EventType::ALL {
            let count = batch.events.iter().filter(|e| e.kind == Some(kind)).count();
            if count > 0 {
                let r#type = Word(kind.letter());
                let counter = self.events.get_or_create(&EventLabels { r#type });
                counter.inc_by(count as u64);
            }
        }
        for lost in &batch.lost {
            let src = Word(lost.kind.word());
            self.lost.get_or_create(&LossLabels { src }).inc_by(lost.n);
        }
    }

    fn greet(&self, hello: &Hello) {
        if let Some(filter) = &hello.filter {
            let filter = filter.to_string();
            self.watched.get_or_create(&WatchedLabels { filter }).set(1);
        }
        for degraded in &hello.degraded {
            let what = degraded.word().to_owned();
            self.degraded.get_or_create(&DegradedLabels { what }).set(1);
        }
    }

    pub(super) fn clients(&self, now: usize) {
        self.clients.set(i64::try_from(now).unwrap_or(i64::MAX));
    }

    pub(super) fn refuse(&self, status: u16) {
        let code = u32::from(status);
        self.refused.get_or_create(&RefusedLabels { code }).inc();
    }

    /// All of them as text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // A String takes all that is written.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
