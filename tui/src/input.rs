//! What is typed, until the terminal is gone.

use std::future::poll_fn;
use std::io::{self, stdin};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::Poll;

use crossterm::event::{Event, EventStream};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio_stream::Stream;

/// The events of the terminal.
pub(crate) struct Input(EventStream);

impl Input {
    pub(crate) fn new() -> Self {
        Self(EventStream::new())
    }

    /// The next one; `None` if the terminal is gone.
    pub(crate) async fn next(&mut self) -> Option<io::Result<Event>> {
        poll_fn(|context| {
            // crossterm 0.29 reads such a terminal for ever: it gives no bytes, and no error.
            if is_gone() {
                return Poll::Ready(None);
            }
            Pin::new(&mut self.0).poll_next(context)
        })
        .await
    }
}

/// The window of the terminal was closed. The signal that says so may come later.
fn is_gone() -> bool {
    let stdin = stdin();
    let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::empty())];
    let looked = poll(&mut fds, PollTimeout::ZERO);
    let said = fds[0].revents().unwrap_or(PollFlags::empty());
    looked.is_ok() && said.contains(PollFlags::POLLHUP)
}
