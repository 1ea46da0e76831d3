//! The programs, built from `probe-ebpf` and kept in the repository, so that stable Rust is all it
//! takes to build the rest.

use std::borrow::Cow;

/// Copied to an aligned place, as the object's parser wants it.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(
    "../../../probe-ebpf/prebuilt/tcpscope.bpf.o"
));

/// Where another object may be named, for tests of one that was built just now.
const OVERRIDE: &str = "TCPSCOPE_BPF_OBJECT";

/// The object's bytes.
///
/// # Errors
/// If the environment names another object, and that can't be read.
pub fn object() -> std::io::Result<Cow<'static, [u8]>> {
    match std::env::var_os(OVERRIDE) {
        Some(path) => std::fs::read(path).map(Cow::Owned),
        None => Ok(Cow::Borrowed(&OBJECT.0)),
    }
}
