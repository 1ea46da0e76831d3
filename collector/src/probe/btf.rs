//! The kernel's own description of its types (BTF), read for byte offsets and argument counts.
//!
//! Rust's compiler for eBPF emits no relocations against the kernel's types, so that offsets are
//! resolved here and handed to the programs as constants.
//! The format: <https://docs.kernel.org/bpf/btf.html>.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs;

/// Where the kernel shows its BTF.
pub const KERNEL: &str = "/sys/kernel/btf/vmlinux";

/// What is wrong with a BTF blob, or missing in it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // Each variant's message says what it is.
pub enum BtfError {
    #[error("cannot read the kernel's type information {KERNEL}: {0}")]
    Read(#[from] std::io::Error),
    #[error("the kernel's type information is not in a form that is known here: {0}")]
    Malformed(&'static str),
    #[error("this kernel has no field `{0}`")]
    NoField(&'static str),
    #[error("this kernel has no function `{0}`")]
    NoFunction(String),
}

const MAGIC: u16 = 0xeb9f;
const HEADER: usize = 24;

// enum btf_kind in include/uapi/linux/btf.h
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const RESTRICT: u32 = 11;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// A parsed BTF blob.
pub struct Btf {
    bytes: Vec<u8>,
    strings: usize,
    /// Where each type begins; type 0 is `void`, and not in the blob.
    types: Vec<usize>,
    /// Where each struct begins, by name.
    structs: HashMap<Box<[u8]>, usize>,
}

/// One type's fixed part.
#[derive(Clone, Copy)]
struct Type {
    at: usize,
    name: u32,
    kind: u32,
    vlen: usize,
    kind_flag: bool,
    /// The type referred to; in kinds that refer to none, the size.
    refers_to: u32,
}

/// One member of a struct or union.
struct Member {
    name: u32,
    type_id: u32,
    bit_offset: u32,
    /// The size of a bit field; 0 is none.
    bits: u32,
}

/// The running kernel's blob.
///
/// # Errors
/// If the kernel has none, or it can't be read.
pub fn read_kernel() -> Result<Vec<u8>, BtfError> {
    Ok(fs::read(KERNEL)?)
}

impl Btf {
    /// Parses a blob in this machine's byte order.
    ///
    /// # Errors
    /// If it is malformed in any way; no bytes make this panic.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        let header = |at| u32_at(&bytes, at).map(|n| n as usize);
        if u16_at(&bytes, 0) != Some(MAGIC) {
            return Err(BtfError::Malformed("no magic number"));
        }
        let malformed = || BtfError::Malformed("its header is cut off");
        let header_len = header(4).ok_or_else(malformed)?;
        let [type_off, type_len, str_off, str_len] =
            [8, 12, 16, HEADER - 4].map(|at| header(at).unwrap_or(usize::MAX));
        let end = |off: usize, len: usize| {
            let end = header_len.checked_add(off)?.checked_add(len)?;
            (end <= bytes.len()).then_some(end)
        };
        let types_end = end(type_off, type_len).ok_or_else(malformed)?;
        end(str_off, str_len).ok_or_else(malformed)?;

        let mut btf = Self {
            bytes,
            strings: header_len + str_off,
            types: vec![usize::MAX],
            structs: HashMap::new(),
        };
        let mut at = header_len + type_off;
        while at < types_end {
            let found = btf.fixed_part(at).and_then(|t| Some((t, length(&t)?)));
            let (found, len) =
                found.ok_or(BtfError::Malformed("a type is of no kind that is known"))?;
            if found.kind == STRUCT {
                let name = btf.name(found.name).into();
                btf.structs.entry(name).or_insert(at);
            }
            btf.types.push(at);
            at += len;
        }
        Ok(btf)
    }

    /// The byte offset of a path such as `sock.__sk_common.skc_family`. Anonymous structs and
    /// unions on the way are looked into.
    ///
    /// # Errors
    /// If the type or one of the fields is missing, or is a bit field.
    pub fn offset(&self, path: &'static str) -> Result<u32, BtfError> {
        let mut names = path.split('.');
        let root = names.next().unwrap_or_default();
        let root = self.structs.get(root.as_bytes());
        let root = root.and_then(|at| self.fixed_part(*at));
        let mut container = root.ok_or(BtfError::NoField(path))?;
        let mut offset = 0;
        for name in names {
            let (at, type_id) = self
                .member(container, name, 8)
                .ok_or(BtfError::NoField(path))?;
            offset += at;
            // The last field need not be a struct.
            container = self.resolve(type_id).unwrap_or(container);
        }
        Ok(offset)
    }

    /// The byte of a bit field of one bit, and the bit in that byte.
    ///
    /// # Errors
    /// If the type or the field is missing, or is no such bit field.
    pub fn bit(&self, path: &'static str) -> Result<(u32, u8), BtfError> {
        let (root, name) = path.split_once('.').ok_or(BtfError::NoField(path))?;
        let root = self.structs.get(root.as_bytes());
        let root = root.and_then(|at| self.fixed_part(*at));
        let found = root.and_then(|root| {
            let mut members = self.members(root);
            members.find(|member| self.name(member.name) == name.as_bytes())
        });
        let member = found.filter(|member| member.bits == 1);
        let member = member.ok_or(BtfError::NoField(path))?;
        Ok((member.bit_offset / 8, 1 << (member.bit_offset % 8)))
    }

    /// The value of a name in an enumeration.
    #[must_use]
    pub fn enumerator(&self, enumeration: &str, name: &str) -> Option<u32> {
        let all = self.types.iter().skip(1);
        let mut all = all.filter_map(|at| self.fixed_part(*at));
        let wanted = |t: &Type| t.kind == ENUM && self.name(t.name) == enumeration.as_bytes();
        let found = all.find(wanted)?;
        (0..found.vlen).find_map(|i| {
            let at = found.at + 12 + i * 8;
            let is_it = self.name(u32_at(&self.bytes, at)?) == name.as_bytes();
            is_it.then(|| u32_at(&self.bytes, at + 4))?
        })
    }

    /// Whether there is a type of that name.
    #[must_use]
    pub fn has_typedef(&self, name: &str) -> bool {
        self.typedef(name).is_some()
    }

    /// How many arguments a tracepoint gives to a raw program.
    ///
    /// # Errors
    /// If there is no such tracepoint.
    pub fn tracepoint_arity(&self, tracepoint: &str) -> Result<usize, BtfError> {
        let name = format!("btf_trace_{tracepoint}");
        let proto = self
            .typedef(&name)
            .and_then(|typedef| self.get(typedef.refers_to))
            .and_then(|pointer| self.get(pointer.refers_to))
            .filter(|t| t.kind == FUNC_PROTO)
            .ok_or(BtfError::NoFunction(name))?;
        // The first is the tracepoint's private data.
        Ok(proto.vlen.saturating_sub(1))
    }

    fn typedef(&self, name: &str) -> Option<Type> {
        let wanted = |t: &Type| t.kind == TYPEDEF && self.name(t.name) == name.as_bytes();
        self.types
            .iter()
            .skip(1)
            .filter_map(|at| self.fixed_part(*at))
            .find(wanted)
    }

    /// A member's byte offset and type; `depth` bounds how far anonymous members nest.
    fn member(&self, container: Type, name: &str, depth: u32) -> Option<(u32, u32)> {
        for member in self.members(container) {
            if member.name == 0 {
                let inner = self.resolve(member.type_id).filter(|_| depth > 0);
                if let Some((at, id)) = inner.and_then(|t| self.member(t, name, depth - 1)) {
                    return Some((member.bit_offset / 8 + at, id));
                }
            } else if self.name(member.name) == name.as_bytes() {
                return (member.bits == 0).then_some((member.bit_offset / 8, member.type_id));
            }
        }
        None
    }

    fn members(&self, container: Type) -> impl Iterator<Item = Member> {
        let count = if matches!(container.kind, STRUCT | UNION) {
            container.vlen
        } else {
            0
        };
        (0..count).filter_map(move |i| {
            let at = container.at + 12 + i * 12;
            let offset = u32_at(&self.bytes, at + 8)?;
            Some(Member {
                name: u32_at(&self.bytes, at)?,
                type_id: u32_at(&self.bytes, at + 4)?,
                // With the flag, the upper 8 bits are a bit field's size.
                bit_offset: if container.kind_flag {
                    offset & 0x00ff_ffff
                } else {
                    offset
                },
                bits: if container.kind_flag { offset >> 24 } else { 0 },
            })
        })
    }

    /// Follows typedefs and qualifiers to what they name.
    fn resolve(&self, mut id: u32) -> Option<Type> {
        const LONGEST_CHAIN: usize = 32;
        for _ in 0..LONGEST_CHAIN {
            let t = self.get(id)?;
            match t.kind {
                TYPEDEF..=RESTRICT | TYPE_TAG => id = t.refers_to,
                _ => return Some(t),
            }
        }
        None
    }

    fn get(&self, id: u32) -> Option<Type> {
        self.fixed_part(*self.types.get(usize::try_from(id).ok()?)?)
    }

    fn fixed_part(&self, at: usize) -> Option<Type> {
        let info = u32_at(&self.bytes, at.checked_add(4)?)?;
        Some(Type {
            at,
            name: u32_at(&self.bytes, at)?,
            kind: info >> 24 & 0x1f,
            vlen: (info & 0xffff) as usize,
            kind_flag: info >> 31 != 0,
            refers_to: u32_at(&self.bytes, at + 8)?,
        })
    }

    /// A string without its end; nothing if it is not there.
    fn name(&self, offset: u32) -> &[u8] {
        let at = self.strings.saturating_add(offset as usize);
        let rest = self.bytes.get(at..).unwrap_or_default();
        CStr::from_bytes_until_nul(rest).map_or(&[], CStr::to_bytes)
    }
}

/// How many bytes a type takes, its variable part included.
fn length(t: &Type) -> Option<usize> {
    Some(
        12 + match t.kind {
            PTR | TYPEDEF | VOLATILE..=FUNC | 7 | 16 | TYPE_TAG => 0,
            INT | VAR | DECL_TAG => 4,
            ARRAY => 12,
            STRUCT | UNION | DATASEC | ENUM64 => 12 * t.vlen,
            ENUM | FUNC_PROTO => 8 * t.vlen,
            _ => return None,
        },
    )
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every machine that builds this runs a kernel with BTF; where not, there is nothing to read.
    #[test]
    fn finds_fields_of_the_running_kernel() {
        let Ok(btf) = read_kernel().and_then(Btf::parse) else {
            eprintln!("skipped: no {KERNEL}");
            return;
        };
        // The union of the two addresses is the first field since 3.x.
        assert_eq!(btf.offset("sock.__sk_common.skc_daddr").unwrap(), 0);
        assert_eq!(btf.offset("sock.__sk_common.skc_rcv_saddr").unwrap(), 4);
        for path in probe_common::Offsets::PATHS {
            btf.offset(path).unwrap();
        }
        assert_eq!(btf.tracepoint_arity("inet_sock_set_state").unwrap(), 3);
        let (at, mask) = btf.bit("tcp_sock.repair").unwrap();
        assert!(at > 0 && mask.is_power_of_two());
        assert_eq!(btf.enumerator("tcp_ca_state", "TCP_CA_Loss"), Some(4));
        assert!(matches!(
            btf.offset("sock.no_such_field"),
            Err(BtfError::NoField(_))
        ));
        assert!(btf.tracepoint_arity("no_such_tracepoint").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Btf::parse(bytes.clone());
            if bytes.len() > HEADER {
                bytes[..2].copy_from_slice(&MAGIC.to_ne_bytes());
                bytes[4..8].copy_from_slice(&24_u32.to_ne_bytes());
                bytes[8..12].fill(0);
                if let Ok(btf) = Btf::parse(bytes) {
                    let _ = btf.offset("sock.__sk_common.skc_family");
                    let _ = btf.tracepoint_arity("x");
                }
            }
        }
    }
}
