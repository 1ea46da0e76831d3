//! What the programs are given before they are verified: the kernel's offsets, and what is wanted of them.

use aya::EbpfLoader;
use probe_common::{Offsets, RingOffsets, Wanted, ring_files};

use super::btf::{Btf, BtfError};
use super::hooks::Kernel;
use super::load::Options;
use crate::identity::Cgroup1;

/// The guard that tracepoints take where a process may be taken off its processor in them (7.1 and later).
const PREEMPTIBLE: &str = "class_srcu_fast_notrace_t";

/// The values of the programs' globals.
pub(super) struct Constants {
    offsets: Vec<u32>,
    complete_arity: u32,
    ring_offsets: [u32; 5],
    mptcp_first: u32,
    wanted: [u64; Wanted::WORDS],
    sock_cgroup: u32,
    repair: [u32; 2],
    cgroup1_state: u32,
    cgroup1_cgroup: u32,
    ring_bytes: u32,
    preemptible: u32,
}

impl Constants {
    /// Looks them up in the kernel's types.
    pub(super) fn of(kernel: &Btf, options: &Options) -> Result<Self, BtfError> {
        let offsets = Offsets::PATHS.iter().map(|path| kernel.offset(path));
        let optional = |path| kernel.offset(path).unwrap_or_default();
        let (repair_at, repair_mask) = kernel.bit("tcp_sock.repair").unwrap_or_default();
        Ok(Self {
            offsets: offsets.collect::<Result<_, _>>()?,
            complete_arity: arity(kernel.tracepoint_arity("io_uring_complete")),
            ring_offsets: ring_offsets(kernel),
            mptcp_first: optional("mptcp_sock.first"),
            wanted: options.wanted.words(),
            sock_cgroup: optional("sock.sk_cgrp_data"),
            repair: [repair_at, repair_mask.into()],
            cgroup1_state: cgroup1_state(kernel).unwrap_or_default(),
            cgroup1_cgroup: optional("cgroup_subsys_state.cgroup"),
            ring_bytes: options.buffer,
            preemptible: u32::from(kernel.has_typedef(PREEMPTIBLE)),
        })
    }

    /// Hands them over.
    pub(super) fn set<'a>(&'a self, loader: &mut EbpfLoader<'a>) {
        loader
            .override_global("OFFSETS", &self.offsets[..], true)
            .override_global("COMPLETE_ARITY", &self.complete_arity, true)
            .override_global("RING_OFFSETS", &self.ring_offsets[..], true)
            .override_global("MPTCP_FIRST", &self.mptcp_first, true)
            .override_global("WANTED", &self.wanted[..], true)
            .override_global("SOCK_CGROUP", &self.sock_cgroup, true)
            .override_global("REPAIR", &self.repair[..], true)
            .override_global("CGROUP1_STATE", &self.cgroup1_state, true)
            .override_global("CGROUP1_CGROUP", &self.cgroup1_cgroup, true)
            .override_global("RING_BYTES", &self.ring_bytes, true)
            .override_global("PREEMPTIBLE", &self.preemptible, true);
    }

    /// How this kernel differs from others.
    pub(super) fn kernel(&self) -> Kernel {
        Kernel {
            preemptible: self.preemptible != 0,
            has_io_uring: self.complete_arity != 0,
        }
    }
}

/// Where a task's set of cgroups has that of the v1 hierarchy whose names are read; none where there is no
/// such hierarchy.
fn cgroup1_state(kernel: &Btf) -> Option<u32> {
    let controller = Cgroup1::find()?.controller();
    let number = kernel.enumerator("cgroup_subsys_id", &format!("{controller}_cgrp_id"))?;
    let states = kernel.offset("css_set.subsys").ok()?;
    Some(states + number * u32::try_from(size_of::<u64>()).ok()?)
}

/// The fields of [`RingOffsets`] in their order; zeros if the kernel's layout is none of the known.
fn ring_offsets(kernel: &Btf) -> [u32; 5] {
    const OPCODE: &str = "io_kiocb.opcode";
    const FILE_SLOT: &str = "io_accept.file_slot";
    const WORDS: &str = "io_ring_ctx.file_table.files";
    const NODES: &str = "io_ring_ctx.file_table.data.nodes";
    const FILE_PTR: &str = "io_rsrc_node.file_ptr";
    let find = || -> Result<RingOffsets, BtfError> {
        let (layout, files, file_ptr) = match kernel.offset(WORDS) {
            Ok(files) => (ring_files::WORDS, files, 0),
            Err(_) => (
                ring_files::NODES,
                kernel.offset(NODES)?,
                kernel.offset(FILE_PTR)?,
            ),
        };
        Ok(RingOffsets {
            layout,
            opcode: kernel.offset(OPCODE)?,
            file_slot: kernel.offset(FILE_SLOT)?,
            files,
            file_ptr,
        })
    };
    let found = find().unwrap_or(RingOffsets::ZERO);
    [
        found.layout,
        found.opcode,
        found.file_slot,
        found.files,
        found.file_ptr,
    ]
}

/// 0 for what the kernel does not have: its hook will not attach.
fn arity(found: Result<usize, BtfError>) -> u32 {
    found
        .ok()
        .and_then(|n| n.try_into().ok())
        .unwrap_or_default()
}
