//! The names of this host.

use std::sync::Arc;

/// The host's name (`uname -n`): the node's name where nothing better is given.
#[must_use]
pub fn node_name() -> Arc<str> {
    rustix::system::uname().nodename().to_string_lossy().into()
}

/// The kernel's release (`uname -r`).
#[must_use]
pub fn kernel_release() -> Arc<str> {
    rustix::system::uname().release().to_string_lossy().into()
}
