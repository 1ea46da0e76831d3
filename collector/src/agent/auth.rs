//! Who may see this node's events.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tokio::sync::Semaphore;

/// What is decided about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may see everything here.
    Allowed,
    /// It is nobody's.
    Unknown,
    /// It is somebody's who may not: a sentence.
    Forbidden(String),
    /// Whoever decides can't be asked: a sentence.
    Undecided(String),
}

/// A decision on its way.
pub type Deciding<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// Decides about tokens.
pub trait Authorize: fmt::Debug + Send + Sync {
    /// Decides about one.
    fn decide<'a>(&'a self, token: &'a str) -> Deciding<'a>;
}

/// One token that was agreed upon: for a host without Kubernetes.
pub struct SharedToken(String);

impl SharedToken {
    /// The token, without the white space around it; `None` if it is shorter than 16 bytes, which
    /// somebody may find out by trying.
    #[must_use]
    pub fn new(token: &str) -> Option<Self> {
        let token = token.trim();
        (token.len() >= 16).then(|| Self(token.to_owned()))
    }
}

impl fmt::Debug for SharedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedToken")
    }
}

impl Authorize for SharedToken {
    fn decide<'a>(&'a self, token: &'a str) -> Deciding<'a> {
        // In a time that does not tell how much of it is right.
        let (a, b) = (self.0.as_bytes(), token.as_bytes());
        let difference = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
        let same = a.len() == b.len() && difference == 0;
        let verdict = if same {
            Verdict::Allowed
        } else {
            Verdict::Unknown
        };
        Box::pin(std::future::ready(verdict))
    }
}

/// How long a permission holds. Streams ask again as often, so that all doors are shut within a
/// minute.
pub(super) const ALLOWED_FOR: Duration = Duration::from_secs(30);
/// How long a refusal holds: so long after it was permitted a client may still be refused.
const REFUSED_FOR: Duration = Duration::from_secs(5);
/// How many tokens are asked about at once; more wait for their turn.
const ASKED_AT_ONCE: usize = 16;
/// How many verdicts are remembered.
const REMEMBERED: usize = 1024;
/// No token is longer, in bytes.
const TOKEN_MAX: usize = 16 << 10;

/// Remembers what another has decided, for half a minute.
#[derive(Debug)]
pub struct Remembered<A> {
    inner: A,
    verdicts: Mutex<FxHashMap<Arc<str>, (Verdict, Instant)>>,
    turns: Semaphore,
}

impl<A: Authorize> Remembered<A> {
    /// What `inner` decides.
    #[must_use]
    pub fn new(inner: A) -> Self {
        Self {
            inner,
            verdicts: Mutex::default(),
            turns: Semaphore::new(ASKED_AT_ONCE),
        }
    }

    fn known(&self, token: &str, now: Instant) -> Option<Verdict> {
        let verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        let (verdict, until) = verdicts.get(token)?;
        (now < *until).then(|| verdict.clone())
    }

    fn remember(&self, token: &str, verdict: &Verdict, now: Instant) {
        let holds = match verdict {
            Verdict::Allowed => ALLOWED_FOR,
            Verdict::Unknown | Verdict::Forbidden(_) => REFUSED_FOR,
            Verdict::Undecided(_) => return,
        };
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= REMEMBERED {
            verdicts.retain(|_, (_, until)| now < *until);
        }
        if verdicts.len() >= REMEMBERED && *verdict == Verdict::Allowed {
            // Anybody can make up as many tokens as fit here.
            let refused =
                |(_, (verdict, _)): &(&Arc<str>, &(Verdict, _))| *verdict != Verdict::Allowed;
            let gone = verdicts
                .iter()
                .find(refused)
                .map(|(token, _)| Arc::clone(token));
            gone.and_then(|token| verdicts.remove(&token));
        }
        if verdicts.len() < REMEMBERED {
            verdicts.insert(token.into(), (verdict.clone(), now + holds));
        }
    }
}

impl<A: Authorize> Authorize for Remembered<A> {
    fn decide<'a>(&'a self, token: &'a str) -> Deciding<'a> {
        Box::pin(async move {
            if token.is_empty() || token.len() > TOKEN_MAX {
                return Verdict::Unknown;
            }
            if let Some(known) = self.known(token, Instant::now()) {
                return known;
            }
            // Nobody closes it, so that there is a turn for everybody. It may be known by then.
            let _turn = self.turns.acquire().await;
            if let Some(known) = self.known(token, Instant::now()) {
                return known;
            }
            let verdict = self.inner.decide(token).await;
            self.remember(token, &verdict, Instant::now());
            verdict
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    impl Authorize for Counting {
        fn decide<'a>(&'a self, token: &'a str) -> Deciding<'a> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let verdict = match token {
                "good" => Verdict::Allowed,
                "away" => Verdict::Undecided("away".to_owned()),
                _ => Verdict::Unknown,
            };
            Box::pin(std::future::ready(verdict))
        }
    }

    #[tokio::test]
    async fn a_shared_token_is_compared_as_a_whole() {
        let shared = SharedToken::new(" 0123456789abcdef\n").unwrap();
        assert!(SharedToken::new("short").is_none());
        for (token, verdict) in [
            ("0123456789abcdef", Verdict::Allowed),
            ("0123456789abcdeF", Verdict::Unknown),
            ("0123456789abcdef0", Verdict::Unknown),
            ("", Verdict::Unknown),
        ] {
            assert_eq!(shared.decide(token).await, verdict, "{token}");
        }
    }

    #[tokio::test]
    async fn a_verdict_is_asked_for_once() {
        let remembered = Remembered::new(Counting::default());
        for _ in 0..3 {
            assert_eq!(remembered.decide("good").await, Verdict::Allowed);
            assert_eq!(remembered.decide("bad").await, Verdict::Unknown);
        }
        assert_eq!(remembered.inner.0.load(Ordering::Relaxed), 2);
        for _ in 0..3 {
            remembered.decide("away").await;
            remembered.decide("").await;
            remembered.decide(&"x".repeat(TOKEN_MAX + 1)).await;
        }
        assert_eq!(remembered.inner.0.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn verdicts_age_and_are_bounded() {
        let remembered = Remembered::new(Counting::default());
        let now = Instant::now();
        remembered.remember("good", &Verdict::Allowed, now);
        remembered.remember("bad", &Verdict::Unknown, now);
        let known = |token, after| remembered.known(token, now + Duration::from_secs(after));
        assert_eq!(known("good", 29), Some(Verdict::Allowed));
        assert_eq!(known("good", 30), None);
        assert_eq!(known("bad", 4), Some(Verdict::Unknown));
        assert_eq!(known("bad", 5), None);
        for i in 0..2 * REMEMBERED {
            remembered.remember(&i.to_string(), &Verdict::Unknown, now);
        }
        assert_eq!(remembered.verdicts.lock().unwrap().len(), REMEMBERED);
        remembered.remember("also good", &Verdict::Allowed, now);
        assert_eq!(known("also good", 29), Some(Verdict::Allowed));
        assert_eq!(remembered.verdicts.lock().unwrap().len(), REMEMBERED);
        let later = now + Duration::from_secs(29);
        remembered.remember("new", &Verdict::Allowed, later);
        assert_eq!(remembered.verdicts.lock().unwrap().len(), 3);
    }

    /// Never decides; counts who waits for it.
    #[derive(Debug, Default)]
    struct Stuck(AtomicUsize);

    impl Authorize for Stuck {
        fn decide<'a>(&'a self, token: &'a str) -> Deciding<'a> {
            if token == "good" {
                return Box::pin(std::future::ready(Verdict::Allowed));
            }
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test]
    async fn few_are_asked_about_at_once_and_who_is_known_does_not_wait() {
        let remembered = Arc::new(Remembered::new(Stuck::default()));
        assert_eq!(remembered.decide("good").await, Verdict::Allowed);
        let asking: Vec<_> = (0..2 * ASKED_AT_ONCE)
            .map(|n| {
                let remembered = Arc::clone(&remembered);
                tokio::spawn(async move { remembered.decide(&n.to_string()).await })
            })
            .collect();
        while remembered.turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(remembered.decide("good").await, Verdict::Allowed);
        assert_eq!(remembered.inner.0.load(Ordering::Relaxed), ASKED_AT_ONCE);
        asking.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
