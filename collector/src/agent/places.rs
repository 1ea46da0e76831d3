//! Places for connections that have not yet shown that they may be here.
//!
//! Whoever comes has one of a few, until a token of theirs is accepted or a probe of theirs is
//! answered. Where there is none left, the oldest that says nothing goes, of the address that has most:
//! who speaks soon is let in, however many are silent. Nobody goes before a moment is over, in which an
//! honest client has time to ask; whoever comes next waits for that outside.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

/// How many there are.
const PLACES: usize = 256;
/// How many of them one address has.
const EACH: usize = 128;
/// How long nobody is sent away: a handshake on a busy network, or the way through a port-forward from
/// afar. Where hundreds of one address come again and again, each waits for as long as all before it
/// take, which is so long for every [`EACH`] of them.
const SPARED: Duration = Duration::from_millis(100);

/// Who is in, in the order they came; `T` is told when one of them has to go.
#[derive(Debug)]
struct Waiting<T> {
    all: Vec<Place<T>>,
    next: u64,
}

#[derive(Debug)]
struct Place<T> {
    id: u64,
    from: IpAddr,
    since: Instant,
    /// The head of a request is there, and its token is being asked about.
    asks: bool,
    go: T,
}

/// How one comes in.
#[derive(Debug, PartialEq)]
enum Entry<T> {
    /// Under this number, and somebody has to go for it.
    In(u64, Option<T>),
    /// Not before this has passed.
    After(Duration, T),
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            next: 0,
        }
    }
}

impl<T> Waiting<T> {
    fn enter(&mut self, from: IpAddr, now: Instant, go: T) -> Entry<T> {
        let from = network(from);
        let crowded = if self.of(from) >= EACH {
            Some(from)
        } else if self.all.len() >= PLACES {
            self.all
                .iter()
                .map(|place| place.from)
                .max_by_key(|from| self.of(*from))
        } else {
            None
        };
        let gone = match crowded.map(|from| self.goes(from, now)) {
            Some(Err(wait)) => return Entry::After(wait, go),
            Some(Ok(place)) => place.map(|at| self.all.remove(at).go),
            None => None,
        };
        let id = self.next;
        self.next += 1;
        self.all.push(Place {
            id,
            from,
            since: now,
            asks: false,
            go,
        });
        Entry::In(id, gone)
    }

    /// Who of an address goes next: the oldest that is silent, or else the oldest. If nobody may be
    /// sent away yet, how long that takes.
    fn goes(&self, from: IpAddr, now: Instant) -> Result<Option<usize>, Duration> {
        let stayed = |at: &usize| now.saturating_duration_since(self.all[*at].since);
        let of = (0..self.all.len()).filter(|at| self.all[*at].from == from);
        let long = || of.clone().filter(|at| stayed(at) >= SPARED);
        let silent = long().find(|at| !self.all[*at].asks);
        match (silent.or_else(|| long().next()), of.clone().next()) {
            (None, Some(first)) => Err(SPARED.saturating_sub(stayed(&first))),
            (found, _) => Ok(found),
        }
    }

    fn of(&self, from: IpAddr) -> usize {
        self.all.iter().filter(|place| place.from == from).count()
    }

    fn asks(&mut self, id: u64) {
        if let Some(place) = self.all.iter_mut().find(|place| place.id == id) {
            place.asks = true;
        }
    }

    fn leave(&mut self, id: u64) -> bool {
        let at = self.all.iter().position(|place| place.id == id);
        at.map(|at| self.all.remove(at)).is_some()
    }
}

/// What counts as one address: who has one of IPv6 has at least a /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// The places of an agent.
#[derive(Debug)]
pub(super) struct Places {
    waiting: Mutex<Waiting<oneshot::Sender<()>>>,
    /// One has become free.
    free: Notify,
    evicted: Counter,
}

impl Places {
    /// All are free; who has to go is counted.
    pub(super) fn new(evicted: Counter) -> Self {
        Self {
            waiting: Mutex::default(),
            free: Notify::new(),
            evicted,
        }
    }

    /// Has a place for whoever comes from there, as soon as somebody may be sent away for it.
    pub(super) async fn enter(self: &Arc<Self>, from: IpAddr) -> (Held, Eviction) {
        let (mut go, eviction) = oneshot::channel();
        loop {
            let entry = self.lock().enter(from, Instant::now(), go);
            match entry {
                Entry::In(id, gone) => {
                    if let Some(gone) = gone {
                        self.evicted.inc();
                        // If nobody listens, it has gone by itself just now.
                        let _ = gone.send(());
                    }
                    let places = Arc::clone(self);
                    return (Held { places, id }, Eviction(eviction));
                }
                Entry::After(wait, kept) => {
                    go = kept;
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = self.free.notified() => {}
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<oneshot::Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that somebody has.
#[derive(Debug)]
pub(super) struct Held {
    places: Arc<Places>,
    id: u64,
}

impl Held {
    /// A request is there, and its token is being asked about: those who are silent go first.
    pub(super) fn asks(&self) {
        self.places.lock().asks(self.id);
    }

    /// It may be here: the place is another's, and it can't be sent away any more.
    pub(super) fn proven(&self) {
        if self.places.lock().leave(self.id) {
            self.places.free.notify_one();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.proven();
    }
}

/// Tells who has a place when it has to go.
#[derive(Debug)]
pub(super) struct Eviction(oneshot::Receiver<()>);

impl Eviction {
    /// Waits until it has to: forever, once it has proven that it may stay.
    pub(super) async fn told(self) {
        if self.0.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn host(n: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, n).into()
    }

    /// So many come from there, who are named by their numbers.
    fn come(waiting: &mut Waiting<u64>, from: IpAddr, n: usize, now: Instant) {
        for _ in 0..n {
            let name = waiting.next;
            assert_eq!(waiting.enter(from, now, name), Entry::In(name, None));
        }
    }

    #[test]
    fn an_address_that_has_all_of_its_places_gives_up_its_oldest() {
        let (mut waiting, start) = (Waiting::default(), Instant::now());
        come(&mut waiting, host(1), EACH, start);
        come(&mut waiting, host(2), 1, start);
        let later = start + SPARED;
        for oldest in 0..3 {
            let next = waiting.next;
            let entry = waiting.enter(host(1), later, next);
            assert_eq!(entry, Entry::In(next, Some(oldest)));
        }
        assert_eq!((waiting.of(host(1)), waiting.of(host(2))), (EACH, 1));
    }

    #[test]
    fn a_full_house_takes_from_the_address_that_has_most() {
        let (mut waiting, start) = (Waiting::default(), Instant::now());
        let few = PLACES - EACH - EACH / 2;
        come(&mut waiting, host(1), few, start);
        come(&mut waiting, host(2), EACH, start);
        come(&mut waiting, host(3), EACH / 2, start);
        let first_of_most = few as u64;
        let next = waiting.next;
        let entry = waiting.enter(host(5), start + SPARED, next);
        assert_eq!(entry, Entry::In(next, Some(first_of_most)));
        assert_eq!(waiting.all.len(), PLACES);
    }

    #[test]
    fn nobody_goes_before_there_was_time_to_ask() {
        let (mut waiting, start) = (Waiting::default(), Instant::now());
        come(&mut waiting, host(1), EACH, start);
        let soon = start + SPARED / 5;
        let entry = waiting.enter(host(1), soon, 99);
        assert_eq!(entry, Entry::After(SPARED * 4 / 5, 99));
        // Others are not kept waiting.
        come(&mut waiting, host(2), 1, soon);
        assert!(waiting.leave(7) && !waiting.leave(7));
        come(&mut waiting, host(1), 1, soon);
    }

    #[test]
    fn those_who_ask_go_last() {
        let (mut waiting, start) = (Waiting::default(), Instant::now());
        come(&mut waiting, host(1), EACH, start);
        for id in 0..EACH as u64 - 1 {
            waiting.asks(id);
        }
        let later = start + SPARED;
        let silent = EACH as u64 - 1;
        assert_eq!(
            waiting.enter(host(1), later, 99),
            Entry::In(silent + 1, Some(silent))
        );
        // The newcomer is silent, and is spared for now.
        assert_eq!(
            waiting.enter(host(1), later, 100),
            Entry::In(silent + 2, Some(0))
        );
    }

    #[test]
    fn one_address_is_a_64_of_ipv6_and_a_mapped_one_is_ipv4() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1:2:3:4"), of("2001:db8::ffff:0:0:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), host(1));
    }

    #[tokio::test]
    async fn who_has_proven_that_it_may_stay_is_not_sent_away() {
        let evicted = Counter::default();
        let places = Arc::new(Places::new(evicted.clone()));
        let (proven, stays) = places.enter(host(1)).await;
        proven.proven();
        let (silent, goes) = places.enter(host(1)).await;
        let mut held = Vec::new();
        for _ in 0..EACH {
            held.push(places.enter(host(1)).await);
        }
        goes.told().await;
        assert_eq!(evicted.get(), 1);
        tokio::select! {
            biased;
            () = stays.told() => panic!("it was sent away"),
            () = std::future::ready(()) => {}
        }
        drop((silent, proven, held));
        assert!(places.lock().all.is_empty());
    }
}
