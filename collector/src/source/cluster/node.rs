//! One node: its agent is dialled, its stream read, and dialled again when that breaks.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::frames::{Frame, Frames};
use super::merge::Dated;
use crate::agent::{FILTER_MAX, HEARTBEAT};
use crate::filter::Filter;
use crate::kube::discover::AgentPod;
use crate::kube::token::Tokens;
use crate::kube::transport::{DialError, Incoming, Transport};
use crate::model::{NodeState, SourceState, Timestamp, Update, Via};

/// So many heartbeats have to be missing.
const DEAD_AFTER: Duration = HEARTBEAT.saturating_mul(3);
/// A stream that held for so long was a good one: the next failure is a first one.
const GOOD: Duration = Duration::from_secs(10);

/// The reader has gone.
struct Gone;

/// How a stream ended.
struct Ended {
    why: String,
    /// When the agent wants to be asked again.
    retry: Option<Duration>,
}

impl Ended {
    fn because(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            retry: None,
        }
    }
}

/// Follows one agent's pod.
pub(super) struct Node {
    name: Arc<str>,
    agent: watch::Receiver<AgentPod>,
    transport: Transport,
    tokens: Tokens,
    dials: Arc<Semaphore>,
    /// The part of the query that is the same each time.
    query: String,
    updates: mpsc::Sender<Dated>,
    /// How many nanoseconds the node's clock is ahead of this host's.
    ahead: i64,
    /// The way of this stream, or the last one.
    via: Option<Via>,
    /// The way to try first: the proxy, if it ever worked. That it did not while the node was away
    /// says nothing of it.
    first: Option<Via>,
    /// Why it is lost, if it was said to be: it stays so until it is live, however often it is tried.
    lost: Option<String>,
    /// The agent's run, and up to where it was heard.
    heard: Option<(String, u64)>,
}

impl Node {
    pub(super) fn new(
        name: Arc<str>,
        agent: watch::Receiver<AgentPod>,
        transport: Transport,
        tokens: Tokens,
        dials: Arc<Semaphore>,
        scope: &Filter,
        updates: mpsc::Sender<Dated>,
    ) -> Self {
        let mut query = "/v1/stream?proto=1".to_owned();
        let text = scope.to_string();
        // What is too long for an agent is filtered here.
        if !scope.is_all() && text.len() <= FILTER_MAX {
            let filter = URL_SAFE_NO_PAD.encode(text);
            // A String takes all that is written.
            let _ = write!(query, "&filter={filter}");
        }
        Self {
            name,
            agent,
            transport,
            tokens,
            dials,
            query,
            updates,
            ahead: 0,
            via: None,
            first: None,
            lost: None,
            heard: None,
        }
    }

    /// Runs until the reader goes, or it is aborted.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let began = Instant::now();
            let Ok(ended) = self.follow().await else {
                return;
            };
            if began.elapsed() >= GOOD {
                backoff.reset();
            }
            if self.lost.as_ref() != Some(&ended.why) {
                self.lost = Some(ended.why.clone());
                if self.say(SourceState::Lost(ended.why)).await.is_err() {
                    return;
                }
            }
            let wait = backoff.next(fastrand::f64());
            tokio::select! {
                () = sleep(ended.retry.unwrap_or(wait)) => {}
                // What has become of the pod may be what was waited for.
                changed = self.agent.changed() => if changed.is_err() {
                    return;
                }
            }
        }
    }

    /// Dials, and reads until it breaks.
    async fn follow(&mut self) -> Result<Ended, Gone> {
        let agent = self.agent.borrow_and_update().clone();
        if let Some(why) = agent.down {
            return Ok(Ended::because(why));
        }
        if self.lost.is_none() {
            self.say(SourceState::Connecting).await?;
        }
        let began = Instant::now();
        match self.dial(&agent).await {
            Ok(incoming) => self.read(incoming, began).await,
            Err(why) => Ok(Ended::because(why)),
        }
    }

    async fn dial(&self, agent: &AgentPod) -> Result<Incoming, String> {
        let _one_of_few = self.dials.acquire().await.map_err(|e| e.to_string())?;
        let mut target = self.query.clone();
        if let Some((instance, seq)) = &self.heard {
            let _ = write!(target, "&since={instance}:{seq}");
        }
        let token = self.tokens.get().await?;
        let dialled = self.transport.get(agent, &target, &token, self.first).await;
        if let Err(DialError::Agent(401 | 403, _)) = dialled {
            self.tokens.refused(&token).await;
        }
        dialled.map_err(|error| error.to_string())
    }

    /// Reads a stream that was asked for at that time.
    async fn read(&mut self, mut incoming: Incoming, asked: Instant) -> Result<Ended, Gone> {
        let mut frames = Frames::new(Arc::clone(&self.name));
        loop {
            let next = tokio::select! {
                () = self.updates.closed() => return Err(Gone),
                next = timeout(DEAD_AFTER, incoming.next()) => next,
            };
            let bytes = match next {
                Ok(Ok(Some(bytes))) => bytes,
                Ok(Ok(None)) => {
                    return Ok(Ended::because("the agent hung up; it is dialled again"));
                }
                Ok(Err(why)) => {
                    return Ok(Ended::because(format!(
                        "the stream broke, and is dialled again: {why}"
                    )));
                }
                Err(_) => {
                    return Ok(Ended::because(format!(
                        "no sign of life for {} s: is the node up? `kubectl get node {}`",
                        DEAD_AFTER.as_secs(),
                        self.name
                    )));
                }
            };
            let said = match frames.read(&bytes) {
                Ok(said) => said,
                Err(why) => return Ok(Ended::because(why)),
            };
            for frame in said {
                match frame {
                    Frame::Hello(hello, about, resumed) => {
                        let here = Timestamp::now().0;
                        self.ahead = ahead(about.now_realtime_ns, here, asked.elapsed());
                        self.via = Some(incoming.via);
                        if incoming.via == Via::Proxy || self.first.is_none() {
                            self.first = self.via;
                        }
                        self.lost = None;
                        let since = self.heard.take().filter(|_| resumed);
                        let seq = since.map_or(0, |(_, seq)| seq);
                        self.heard = Some((about.instance, seq));
                        if !resumed {
                            self.send(Update::Hello(hello)).await?;
                        }
                        self.say(SourceState::Live).await?;
                    }
                    Frame::Batch(batch) => self.send(Update::Batch(batch)).await?,
                    Frame::Meta(meta) => self.send(Update::Meta(meta)).await?,
                    Frame::Bye(bye) => {
                        self.hear(&frames);
                        return Ok(Ended {
                            why: bye
                                .reason
                                .unwrap_or_else(|| "the agent said bye".to_owned()),
                            retry: bye.retry_ms.map(Duration::from_millis),
                        });
                    }
                }
            }
            self.hear(&frames);
        }
    }

    /// Only what was passed on is heard: what is not is asked for again.
    fn hear(&mut self, frames: &Frames) {
        if let (Some((_, heard)), Some(seq)) = (&mut self.heard, frames.heard()) {
            *heard = seq;
        }
    }

    async fn say(&self, state: SourceState) -> Result<(), Gone> {
        let via = self.via.filter(|_| state == SourceState::Live);
        let node = Arc::clone(&self.name);
        self.send(Update::State(NodeState { node, state, via }))
            .await
    }

    async fn send(&self, update: Update) -> Result<(), Gone> {
        let ahead = self.ahead;
        let dated = Dated { update, ahead };
        self.updates.send(dated).await.map_err(|_| Gone)
    }
}

/// How many nanoseconds a clock is ahead that said `there` at some time in the `asked` before it was
/// `here` by this host's. 0 where that can't be told from no difference at all. Pure.
fn ahead(there: i64, here: i64, asked: Duration) -> i64 {
    let half = i64::try_from(asked.as_nanos() / 2).unwrap_or(i64::MAX);
    // In the middle of that time, give or take half of it.
    let ahead = there.saturating_sub(here).saturating_add(half);
    if ahead.saturating_abs() <= half {
        0
    } else {
        ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_ahead_if_the_way_does_not_explain_it() {
        const SECOND: i64 = 1_000_000_000;
        let within = |there| ahead(there, 100 * SECOND, Duration::from_secs(2));
        assert_eq!(within(100 * SECOND), 0);
        assert_eq!(within(98 * SECOND), 0);
        assert_eq!(within(97 * SECOND), -2 * SECOND);
        assert_eq!(within(104 * SECOND), 5 * SECOND);
        assert_eq!(ahead(i64::MIN, i64::MAX, Duration::MAX), 0);
    }
}
