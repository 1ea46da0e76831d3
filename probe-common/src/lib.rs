//! The records that cross the boundary between the probes and user space.
//!
//! Everything here is `repr(C)` with its size asserted: both sides are compiled from this file,
//! but not by the same compiler. The probes write [`Record`]s into the ring, user space writes
//! [`Offsets`] and [`Wanted`] before it loads them, and [`Tracked`] is the memory of the probes.
#![no_std]

#[cfg(feature = "user")]
mod user;
mod wanted;

pub use wanted::{Address, Net, Ports, Wanted, ends};

/// What a record says. The numbers are part of the format.
pub mod kind {
    /// A connect finished: established, or failed if the new state is `CLOSE`.
    pub const CONNECT: u8 = 1;
    /// `accept()` returned the socket.
    pub const ACCEPT: u8 = 2;
    /// The FIN was sent by a call of a process. The socket lives on for its last bytes.
    pub const FIN: u8 = 3;
    /// The socket reached `CLOSE`, or `TIME_WAIT`, which the kernel traces as `CLOSE`.
    pub const END: u8 = 4;
    /// The socket is open, and its opening was not seen.
    pub const SEED: u8 = 5;
    /// The socket was destroyed, and nobody had accepted it: there was no [`ACCEPT`] and there
    /// will be none.
    pub const NEVER_ACCEPTED: u8 = 6;
    /// The socket is open, and has waited in the accept queue for long. The process's cgroup is its
    /// listener's; 0 is unknown.
    pub const UNACCEPTED: u8 = 7;
}

/// Bits of [`Record::flags`] and [`Tracked::flags`].
pub mod flag {
    /// Opened by `connect()` or a relative; else it came out of a listener.
    pub const CLIENT: u32 = 1 << 0;
    /// The opening was not seen: it was before the hooks were attached, or it was lost.
    pub const BEFORE: u32 = 1 << 1;
    /// Established, and no `accept()` has returned it yet.
    pub const QUEUED: u32 = 1 << 2;
    /// A [`kind::FIN`](super::kind::FIN) record was sent.
    pub const FIN_SENT: u32 = 1 << 3;
    /// At the FIN the socket was shut down both ways, not only for sending.
    pub const BOTH_WAYS: u32 = 1 << 4;
    /// The peer's FIN had been received.
    pub const PEER_FIN: u32 = 1 << 5;
    /// The process was being ended by a signal.
    pub const KILLED: u32 = 1 << 6;
    /// [`Task`](super::Task) holds somebody; else the owner is not known.
    pub const OWNED: u32 = 1 << 7;
    /// The owner is the kernel itself.
    pub const KERNEL: u32 = 1 << 8;
    /// The socket has ended, and is remembered only because it may yet be accepted.
    pub const ENDED: u32 = 1 << 9;
    /// Bytes were still not acknowledged: a time-out was one of retransmission.
    pub const UNACKED: u32 = 1 << 10;
    /// The [`kind::FIN`](super::kind::FIN) record did not fit into the ring: the
    /// [`kind::END`](super::kind::END) says what it would have said.
    pub const FIN_LOST: u32 = 1 << 11;
    /// The id is made up: the kernel has no cookie of that number.
    pub const NO_COOKIE: u32 = 1 << 12;
    /// A call of a process ended it, whatever error is pending at the socket.
    pub const BY_CALL: u32 = 1 << 13;
    /// The socket is in repair mode (`TCP_REPAIR`): nothing is sent for what is done to it.
    pub const REPAIR: u32 = 1 << 14;
    /// The owner was not seen to hold the socket at its end: [`Record::inode`](super::Record::inode)
    /// tells who else may.
    pub const UNHELD: u32 = 1 << 15;
    /// The transition was seen by no program. The record was made when the socket was destroyed.
    pub const UNSEEN: u32 = 1 << 16;

    // Two branches may each take the next bit, and no merge would notice.
    const ALL: [u32; 17] = [
        CLIENT, BEFORE, QUEUED, FIN_SENT, BOTH_WAYS, PEER_FIN, KILLED, OWNED, KERNEL, ENDED,
        UNACKED, FIN_LOST, NO_COOKIE, BY_CALL, REPAIR, UNHELD, UNSEEN,
    ];
    const _: () = {
        let (mut taken, mut at) = (0, 0);
        while at < ALL.len() {
            assert!(ALL[at].is_power_of_two() && taken & ALL[at] == 0);
            taken |= ALL[at];
            at += 1;
        }
    };
}

/// A process as it was at the moment of an event.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// The kernel's tgid, in the initial pid namespace.
    pub pid: u32,
    /// The kernel's pid, in the initial pid namespace.
    pub tid: u32,
    /// Real user id, in the initial user namespace.
    pub uid: u32,
    /// Real group id, in the initial user namespace.
    pub gid: u32,
    /// Command name of the process, which is its first thread's; NUL-terminated or full.
    pub comm: [u8; 16],
    /// Name of the thread, likewise.
    pub thread: [u8; 16],
    /// Inode number in the cgroup v2 hierarchy.
    pub cgroup: u64,
    /// Inode number of the mount namespace; 0 when the process was already leaving it.
    pub mntns: u32,
    /// Makes the padding explicit.
    pub reserved: u32,
}

impl Task {
    /// A bit of [`Self::cgroup`]: the process is in the root of the v2 hierarchy, and the rest is the
    /// inode number of its cgroup in a v1 hierarchy.
    pub const CGROUP1: u64 = 1 << 63;
}

/// A process that has a socket, and how to find out whether it still has it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The process.
    pub task: Task,
    /// Address of its first thread's `struct task_struct`; 0 is unknown. It may be another's by now.
    pub leader: u64,
    /// The descriptor plus one; 0 is unknown.
    pub descriptor: u32,
    /// Makes the padding explicit.
    pub reserved: u32,
}

/// What happened to one socket. In the ring it is cut off where it has no more to say.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub ts_ns: u64,
    /// The connection's id.
    pub conn: u64,
    /// When the connect began (on [`kind::CONNECT`]) or the socket was established (on
    /// [`kind::ACCEPT`], [`kind::NEVER_ACCEPTED`] and [`kind::UNACCEPTED`]); with [`flag::FIN_LOST`], when the FIN was
    /// sent; 0 is unknown. `CLOCK_MONOTONIC`, nanoseconds.
    pub start_ns: u64,
    /// When the connection was opened; 0 is unknown. `CLOCK_MONOTONIC`, nanoseconds.
    pub opened_ns: u64,
    /// Source port, host order.
    pub sport: u16,
    /// Destination port, host order.
    pub dport: u16,
    /// `sk_err`, a positive errno, or 0.
    pub err: u16,
    /// `sk_err_soft`, a positive errno, or 0.
    pub err_soft: u16,
    /// Bits of [`flag`].
    pub flags: u32,
    /// `AF_INET` (2) or `AF_INET6` (10).
    pub family: u8,
    /// One of [`kind`].
    pub kind: u8,
    /// The state left (on [`kind::SEED`]: the state it is in), as the kernel numbers them.
    pub old_state: u8,
    /// The state entered.
    pub new_state: u8,
    /// Payload bytes sent at least once.
    pub sent: u64,
    /// Payload bytes received in order.
    pub received: u64,
    /// Payload bytes written by the process and not sent yet.
    pub unsent: u32,
    /// Smoothed round-trip time, microseconds.
    pub rtt_us: u32,
    /// Segments retransmitted.
    pub retrans: u32,
    /// The socket's network namespace, its inode number.
    pub netns: u32,
    /// Inode number of the socket's file, with [`flag::UNHELD`]; 0 if it has none any more.
    pub inode: u32,
    /// Number of the [`Share`] of the ring that this record takes from.
    pub share: u16,
    /// Makes the padding explicit.
    pub reserved: u16,
    /// Who did it, if [`flag::OWNED`].
    pub task: Task,
    /// Source address in network order; IPv4 in the first four bytes.
    pub saddr: [u8; 16],
    /// Destination address, likewise.
    pub daddr: [u8; 16],
    /// Index of the device that the socket is bound to, as those with link-local addresses are; 0 is
    /// none. Only with IPv6.
    pub ifindex: u32,
    /// Makes the padding explicit.
    pub reserved_end: u32,
}

impl Record {
    /// The bytes of an [`kind::END`] after a [`kind::FIN`] that told the rest: no process, and no
    /// addresses.
    pub const FIGURES: usize = core::mem::offset_of!(Record, task);
    /// The bytes of a record of IPv4, in which the destination's four follow on the source's.
    pub const V4: usize = core::mem::offset_of!(Record, saddr) + 8;
}

/// The room of a record that is cut off after `N` bytes.
#[repr(C, align(8))]
pub struct Without<const N: usize>([u8; N]);

/// What the probes remember of a socket, keyed by its address in the kernel.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tracked {
    /// The connection's id.
    pub conn: u64,
    /// When the connect began or the socket was established; with [`flag::FIN_LOST`], when the FIN
    /// was sent; 0 is unknown.
    pub start_ns: u64,
    /// When the connection was opened, as user space tells it; 0 is unknown.
    pub opened_ns: u64,
    /// The owner, if [`flag::OWNED`].
    pub owner: Owner,
    /// Bits of [`flag`].
    pub flags: u32,
    /// The socket's network namespace, its inode number.
    pub netns: u32,
    /// The last state seen. A second copy of the program acts on what the first one missed.
    pub state: u8,
    /// 1 once a [`kind::UNACCEPTED`] was sent.
    pub told: u8,
    /// Makes the padding explicit.
    pub reserved: [u8; 6],
}

impl Tracked {
    /// How many events are not said if nothing more is heard of this socket: its ending, unless a
    /// [`kind::FIN`] said it, and its opening, if that was to be said with it and does not follow.
    #[must_use]
    pub fn unsaid(&self, opening_follows: bool) -> u64 {
        let has = |flag| self.flags & flag != 0;
        if has(flag::ENDED) {
            return 1;
        }
        if has(flag::FIN_SENT) && !has(flag::FIN_LOST) {
            // A FIN that closed both ways is an ending without more. What is not remembered and
            // not known to be somebody's had its FIN before the start.
            return u64::from(!has(flag::BOTH_WAYS) && has(flag::OWNED));
        }
        let opening = has(flag::QUEUED) && self.opened_ns != 0 && !opening_follows;
        1 + u64::from(opening)
    }
}

/// What one source of records, the processes of one user in one cgroup, has of the ring: as the ring
/// fills, nobody gets more than [`Share::OF_FREE`] times what is left for all others.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Bytes that were put into the ring.
    pub put: u64,
    /// Events that did not fit.
    pub dropped: u64,
    /// The source that dropped events last; several may have one share.
    pub cgroup: u64,
    /// Its user.
    pub uid: u32,
    /// Makes the padding explicit.
    pub reserved: u32,
}

impl Share {
    /// How many there are: a power of two.
    pub const COUNT: u32 = 1024;
    /// How much one source may have in the ring, in times of what is free.
    pub const OF_FREE: u64 = 3;

    /// The number of a source's share.
    #[must_use]
    #[inline]
    pub fn number(uid: u32, cgroup: u64) -> u32 {
        let mixed = (cgroup ^ (u64::from(uid) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 54) as u32
    }
}

/// Where the probes count what they lost: indexes into a per-CPU array.
pub mod lost {
    /// The ring was full: events that are not said.
    pub const RING: u32 = 0;
    /// The map of sockets was full: events that are not said.
    pub const MAP: u32 = 1;
    /// A transition was seen by no program: events that are not said.
    pub const MISSED: u32 = 2;
    /// Sockets that were found open and not listed, since the ring was full. No loss: whoever looks
    /// again finds them again.
    pub const UNLISTED: u32 = 3;
    /// How many counters there are.
    pub const COUNT: u32 = 4;
}

/// Declares [`Offsets`] and, beside it, the path of each field in the kernel's types.
macro_rules! offsets {
    ($($(#[$doc:meta])* $field:ident = $path:literal,)*) => {
        /// Byte offsets of the kernel's fields, from its BTF; constants to the verifier.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Offsets {
            $($(#[$doc])* pub $field: u32,)*
        }

        impl Offsets {
            /// The fields in their order: path in the kernel's types.
            pub const PATHS: &'static [&'static str] = &[$($path,)*];

            /// Before the loader has set them.
            pub const ZERO: Self = Self { $($field: 0,)* };

            /// From one offset per path, in their order.
            #[must_use]
            pub fn from_array(offsets: &[u32; Self::PATHS.len()]) -> Self {
                let [$($field,)*] = *offsets;
                Self { $($field,)* }
            }
        }
    };
}

offsets! {
    /// `struct sock`
    family = "sock.__sk_common.skc_family",
    /// Network order.
    dport = "sock.__sk_common.skc_dport",
    /// Host order; 0 once the socket is closed.
    num = "sock.__sk_common.skc_num",
    /// IPv4.
    daddr = "sock.__sk_common.skc_daddr",
    /// IPv4.
    saddr = "sock.__sk_common.skc_rcv_saddr",
    /// IPv6.
    v6_daddr = "sock.__sk_common.skc_v6_daddr",
    /// IPv6.
    v6_saddr = "sock.__sk_common.skc_v6_rcv_saddr",
    /// One byte.
    state = "sock.__sk_common.skc_state",
    /// Index of a device, 32 bits; 0 is none.
    bound_device = "sock.__sk_common.skc_bound_dev_if",
    /// Bits of `enum sock_flags`.
    sk_flags = "sock.__sk_common.skc_flags",
    /// `struct net *`
    net = "sock.__sk_common.skc_net.net",
    /// 0 as long as nobody has asked for it.
    cookie = "sock.__sk_common.skc_cookie",
    /// 16 bits: `SOCK_STREAM` and the like.
    sk_type = "sock.sk_type",
    /// 16 bits.
    protocol = "sock.sk_protocol",
    /// 32 bits, positive.
    err = "sock.sk_err",
    /// 32 bits, positive.
    err_soft = "sock.sk_err_soft",
    /// `RCV_SHUTDOWN` and `SEND_SHUTDOWN`, one byte.
    shutdown = "sock.sk_shutdown",
    /// `struct socket *`; null as long as nobody has accepted it, and once it is closed.
    sk_socket = "sock.sk_socket",
    /// Network order; stays when the socket is closed.
    sport = "inet_sock.inet_sport",
    /// With retransmissions.
    bytes_sent = "tcp_sock.bytes_sent",
    /// Of [`Self::bytes_sent`], those that were sent before.
    bytes_retrans = "tcp_sock.bytes_retrans",
    /// With one for the peer's FIN.
    bytes_received = "tcp_sock.bytes_received",
    /// Eight times the smoothed round-trip time.
    srtt_us = "tcp_sock.srtt_us",
    /// Segments.
    total_retrans = "tcp_sock.total_retrans",
    /// Segments in flight, the SYN among them.
    packets_out = "tcp_sock.packets_out",
    /// First byte not acknowledged.
    snd_una = "tcp_sock.snd_una",
    /// Next byte to send.
    snd_nxt = "tcp_sock.snd_nxt",
    /// Next byte that will be written.
    write_seq = "tcp_sock.write_seq",
    /// When the last segment was sent, nanoseconds.
    last_sent = "tcp_sock.tcp_wstamp_ns",
    /// When the first of the segments that were not acknowledged was sent, milliseconds, 32 bits.
    first_unacked = "tcp_sock.retrans_stamp",
    /// `struct net`
    net_inum = "net.ns.inum",
    /// `struct task_struct`: `PF_*`.
    task_flags = "task_struct.flags",
    /// The thread's id.
    task_pid = "task_struct.pid",
    /// The process's id.
    task_tgid = "task_struct.tgid",
    /// 16 bytes.
    task_comm = "task_struct.comm",
    /// `struct cred *`
    task_cred = "task_struct.cred",
    /// `struct task_struct *`
    group_leader = "task_struct.group_leader",
    /// `struct signal_struct *`
    signal = "task_struct.signal",
    /// `struct nsproxy *`, null in a process that is about to be gone.
    nsproxy = "task_struct.nsproxy",
    /// `struct files_struct *`
    files = "task_struct.files",
    /// `struct css_set *`
    cgroups = "task_struct.cgroups",
    /// `struct cgroup *`, of the v2 hierarchy.
    dfl_cgrp = "css_set.dfl_cgrp",
    /// `struct kernfs_node *`
    cgroup_kn = "cgroup.kn",
    /// 0 of the root, 32 bits.
    cgroup_level = "cgroup.level",
    /// 64 bits: the inode number.
    kn_id = "kernfs_node.id",
    /// Real.
    cred_uid = "cred.uid",
    /// Real.
    cred_gid = "cred.gid",
    /// As `wait()` has it: a signal's number in the low seven bits.
    exit_code = "signal_struct.group_exit_code",
    /// `struct mnt_namespace *`
    mnt_ns = "nsproxy.mnt_ns",
    /// `struct mnt_namespace`
    mnt_inum = "mnt_namespace.ns.inum",
    /// `struct fdtable *`
    fdt = "files_struct.fdt",
    /// `struct file **`
    fd = "fdtable.fd",
    /// How many there are.
    max_fds = "fdtable.max_fds",
    /// `struct socket *`, in a socket's file.
    private_data = "file.private_data",
    /// `struct inode *`
    f_inode = "file.f_inode",
    /// 16 bits.
    i_mode = "inode.i_mode",
    /// `struct sock *`
    socket_sk = "socket.sk",
    /// `struct file *`
    socket_file = "socket.file",
    /// `struct inode`, behind the `struct socket` that a socket's file has.
    socket_inode = "socket_alloc.vfs_inode",
    /// Its number.
    i_ino = "inode.i_ino",
}

/// How `io_uring` keeps the files that have no descriptor.
pub mod ring_files {
    /// There is no `io_uring`, or its layout is not known.
    pub const UNKNOWN: u32 = 0;
    /// An array of words with the files' addresses, up to 6.12.
    pub const WORDS: u32 = 1;
    /// An array of pointers to nodes with such words, since 6.13.
    pub const NODES: u32 = 2;
}

/// Byte offsets of what an accept through `io_uring` needs; of use only if the layout is known.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingOffsets {
    /// One of [`ring_files`].
    pub layout: u32,
    /// `io_kiocb.opcode`, one byte.
    pub opcode: u32,
    /// `io_accept.file_slot`, 32 bits: 0 is a descriptor, else a slot's number plus one, or all ones.
    pub file_slot: u32,
    /// The array, in `io_ring_ctx`.
    pub files: u32,
    /// `io_rsrc_node.file_ptr`: an address with flags in its lowest bits.
    pub file_ptr: u32,
}

impl RingOffsets {
    /// Before the loader has set them.
    pub const ZERO: Self = Self {
        layout: ring_files::UNKNOWN,
        opcode: 0,
        file_slot: 0,
        files: 0,
        file_ptr: 0,
    };
}

const _: () = assert!(size_of::<RingOffsets>() == 20);
const _: () = assert!(size_of::<Task>() == 64);
const _: () = assert!(size_of::<Owner>() == 80);
const _: () = assert!(size_of::<Record>() == 192);
const _: () = assert!(Record::FIGURES == 88 && Record::V4 == 160);
const _: () = assert!(size_of::<Tracked>() == 120);
const _: () = assert!(size_of::<Share>() == 32);
const _: () = assert!(Share::COUNT == 1 << (64 - 54));
const _: () = assert!(size_of::<Offsets>() == 4 * Offsets::PATHS.len());
