//! What the probes believe against what the kernel says, now and then.
//!
//! A socket that is remembered and is no longer there has ended unseen. It takes two looks to say
//! so: between one map and one list, sockets come and go. What was left open is seen on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use aya::maps::{HashMap, MapData};
use probe_common::{Record, Tracked, flag};
use rustc_hash::FxHashSet;

use super::left_open::LeftOpen;
use crate::model::{ConnId, TcpState};
use crate::sock_diag::{self, Socket};

/// The probes' map of sockets: by address, what is remembered.
pub(super) type Sockets = HashMap<MapData, u64, [u8; size_of::<Tracked>()]>;

/// How long a last look may take.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// Looks on a thread of its own, until it is dropped.
pub struct DriftCheck {
    found: Arc<AtomicU64>,
    /// Asks for a look now; who asks is told when it was taken.
    ask: mpsc::Sender<mpsc::Sender<()>>,
    left_open: mpsc::Receiver<Record>,
}

impl DriftCheck {
    pub(super) fn start(sockets: Sockets, every: Duration) -> std::io::Result<Self> {
        let found = Arc::new(AtomicU64::new(0));
        let (ask, asked) = mpsc::channel::<mpsc::Sender<()>>();
        let (tell, left_open) = mpsc::channel();
        let mut looks = Looks {
            sockets,
            suspects: FxHashSet::default(),
            left_open: LeftOpen::default(),
            tell,
        };
        let total = Arc::clone(&found);
        std::thread::Builder::new()
            .name("drift".into())
            .spawn(move || {
                loop {
                    let asked = asked.recv_timeout(every);
                    if matches!(asked, Err(RecvTimeoutError::Disconnected)) {
                        return;
                    }
                    // It takes two looks to say that a socket is gone, and after a last one there
                    // is no next.
                    let times = if asked.is_ok() { 2 } else { 1 };
                    for _ in 0..times {
                        match looks.again() {
                            Ok(n) => _ = total.fetch_add(n, Ordering::Relaxed),
                            Err(error) => tracing::debug!("no look at drift: {error}"),
                        }
                    }
                    if let Ok(told) = asked {
                        let _ = told.send(());
                    }
                }
            })?;
        Ok(Self {
            found,
            ask,
            left_open,
        })
    }

    /// Looks now, before the end.
    #[must_use]
    pub fn last_look(&self) -> LastLook {
        let (told, taken) = mpsc::channel();
        // If the thread is gone, so is `told`, and the look is over.
        let _ = self.ask.send(told);
        LastLook {
            taken,
            until: Instant::now() + LAST_LOOK,
        }
    }

    /// How many events were found to be missing since the last call: endings that were not seen.
    #[must_use]
    pub fn take(&self) -> u64 {
        self.found.swap(0, Ordering::Relaxed)
    }

    /// Listings of connections that were found in `CLOSE_WAIT` at two looks, since the last call.
    pub fn left_open(&self) -> impl Iterator<Item = Record> {
        self.left_open.try_iter()
    }
}

/// A look that is being taken.
#[derive(Debug)]
pub struct LastLook {
    taken: mpsc::Receiver<()>,
    until: Instant,
}

impl LastLook {
    /// Waits so long for its end; whether it is over. It is given a second at the most.
    pub fn is_over(&self, wait: Duration) -> bool {
        let is_late = Instant::now() >= self.until;
        if is_late {
            tracing::warn!(
                "the last look at drift took too long: what it would find is not counted"
            );
        }
        is_late || self.taken.recv_timeout(wait) != Err(RecvTimeoutError::Timeout)
    }
}

struct Looks {
    sockets: Sockets,
    left_open: LeftOpen,
    tell: mpsc::Sender<Record>,
    /// Remembered at the last look, and not in the kernel's list: by address and id.
    suspects: FxHashSet<(u64, u64)>,
}

impl Looks {
    /// Forgets those that were suspects at the last look and still are, and counts the events that
    /// nothing will say any more.
    fn again(&mut self) -> Result<u64, sock_diag::Error> {
        // In this order: what opens between the two is in the list, and not in the map yet.
        let remembered: Vec<(u64, Tracked)> = self
            .sockets
            .iter()
            .filter_map(Result::ok)
            .map(|(key, bytes)| (key, Tracked::from_bytes(&bytes)))
            .collect();
        let listed = Listed::now()?;
        let suspects = suspects(&remembered, &listed);
        let ended: Vec<_> = suspects.intersection(&self.suspects).copied().collect();
        let unsaid = ended.into_iter().map(|(key, conn)| self.forget(key, conn));
        let unsaid = unsaid.sum();
        self.suspects = suspects;
        for listing in self.left_open.look(&remembered, &listed.close_wait) {
            // Who does not listen any more is about to drop this.
            let _ = self.tell.send(listing);
        }
        Ok(unsaid)
    }

    /// Forgets a socket, unless its address is another one's by now: then the probes have noticed.
    fn forget(&mut self, key: u64, conn: u64) -> u64 {
        let entry = self.sockets.get(&key, 0).ok();
        let entry = entry.map(|bytes| Tracked::from_bytes(&bytes));
        let still_there = entry.filter(|socket| socket.conn == conn);
        let forgotten = still_there.filter(|_| self.sockets.remove(&key).is_ok());
        forgotten.map_or(0, |socket| socket.unsaid(false))
    }
}

/// The kernel's list.
struct Listed {
    cookies: FxHashSet<u64>,
    /// The namespaces that were asked. There may be others, that no process lives in.
    netns: FxHashSet<u32>,
    close_wait: Vec<Socket>,
}

impl Listed {
    fn now() -> Result<Self, sock_diag::Error> {
        let all = sock_diag::dump_all_netns()?;
        let netns = all.asked.iter().copied().collect();
        let cookies = all
            .sockets
            .iter()
            .map(|(_, socket)| socket.cookie)
            .collect();
        let sockets = all.sockets.into_iter().map(|(_, socket)| socket);
        let close_wait = sockets.filter(|socket| socket.state == TcpState::CloseWait);
        Ok(Self {
            cookies,
            netns,
            close_wait: close_wait.collect(),
        })
    }
}

fn suspects(remembered: &[(u64, Tracked)], listed: &Listed) -> FxHashSet<(u64, u64)> {
    remembered
        .iter()
        // What waits to be accepted after its end is in no list, and an id that was made up neither.
        .filter(|(_, socket)| socket.flags & (flag::ENDED | flag::NO_COOKIE) == 0)
        .filter(|(_, socket)| listed.netns.contains(&socket.netns))
        .filter(|(_, socket)| !listed.cookies.contains(&ConnId(socket.conn).cookie()))
        .map(|(key, socket)| (*key, socket.conn))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(conn: u64, flags: u32) -> (u64, Tracked) {
        (
            (conn & 0xffff) << 8,
            Tracked {
                conn,
                flags,
                netns: 1,
                ..Tracked::default()
            },
        )
    }

    fn listed(cookies: &[u64], netns: &[u32]) -> Listed {
        Listed {
            cookies: cookies.iter().copied().collect(),
            netns: netns.iter().copied().collect(),
            close_wait: Vec::new(),
        }
    }

    #[test]
    fn what_the_kernel_does_not_list_is_suspect() {
        let map = [remembered(1, 0), remembered(2, 0)];
        let found = suspects(&map, &listed(&[2], &[1]));
        assert_eq!(found, FxHashSet::from_iter([(1 << 8, 1)]));
    }

    #[test]
    fn a_namespace_that_was_not_asked_says_nothing() {
        assert!(suspects(&[remembered(1, 0)], &listed(&[], &[7])).is_empty());
    }

    #[test]
    fn what_ended_in_a_queue_is_in_no_list() {
        assert!(suspects(&[remembered(1, flag::ENDED)], &listed(&[], &[1])).is_empty());
    }

    #[test]
    fn an_id_that_was_made_up_is_in_no_list() {
        assert!(suspects(&[remembered(1, flag::NO_COOKIE)], &listed(&[], &[1])).is_empty());
    }

    #[test]
    fn a_repeated_connect_is_known_by_its_cookie() {
        let again = remembered(0x7bcd << ConnId::COOKIE_BITS | 5, 0);
        assert!(suspects(&[again], &listed(&[5], &[1])).is_empty());
    }

    #[test]
    fn a_cookie_that_was_counted_down_is_known_too() {
        let low = u64::MAX >> (u64::BITS - ConnId::COOKIE_BITS);
        let map = [
            remembered(u64::MAX - 7, 0),
            remembered((0x7bcd << ConnId::COOKIE_BITS) | (low - 8), 0),
        ];
        let kernel = [u64::MAX - 7, u64::MAX - 8];
        assert!(suspects(&map, &listed(&kernel, &[1])).is_empty());
    }
}
