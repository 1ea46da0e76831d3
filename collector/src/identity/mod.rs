//! From ids to names: which workload a cgroup is, which process has a socket, which host this is.
//!
//! ```text
//! cgroup id ─ hierarchy (a walk of cgroup v2), births (inotify) ─▶ path ─ cgroup ─▶ Workload ─▶ Origin
//! socket inode ─ owners (/proc) ─▶ Owner
//! interface number ─ interfaces (/proc) ─▶ Zone
//! ```

mod births;
pub mod cgroup;
mod cgroup1;
mod hierarchy;
pub mod host;
mod index;
mod interfaces;
pub mod mounts;
pub mod node;
mod origins;
pub mod owners;
pub mod peers;
pub mod pods;
pub mod process;

pub use cgroup::{Runtime, Workload};
pub use cgroup1::Cgroup1;
pub use hierarchy::Hierarchy;
pub use index::CgroupIndex;
pub use interfaces::Interfaces;
pub use origins::Origins;
