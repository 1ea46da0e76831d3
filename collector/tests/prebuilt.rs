//! The eBPF object that is committed was made of the sources that are committed.
//!
//! `probe-ebpf/build` writes the record; `probe-ebpf/build --check` is this test without Rust.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

const OBJECT: &str = "probe-ebpf/prebuilt/tcpscope.bpf.o";
const RECORD: &str = "probe-ebpf/prebuilt/SOURCES.sha256";
const MANIFESTS: [&str; 3] = [
    "probe-common/Cargo.toml",
    "probe-ebpf/Cargo.toml",
    "probe-ebpf/Cargo.lock",
];
/// Compiled for user space alone.
const NOT_IN_THE_OBJECT: &str = "probe-common/src/user.rs";

/// Path from the top of the repository -> SHA-256 in hex.
type Hashes = BTreeMap<String, String>;

#[test]
fn object_was_made_of_these_sources() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("collector lies in the repository");
    let recorded = read_record(&top.join(RECORD));
    let found: Hashes = made_of(top)
        .into_iter()
        .map(|path| (path.clone(), sha256(&top.join(path))))
        .collect();

    let differing: Vec<&String> = recorded
        .keys()
        .chain(found.keys().filter(|path| !recorded.contains_key(*path)))
        .filter(|path| recorded.get(*path) != found.get(*path))
        .collect();
    assert!(
        differing.is_empty(),
        "{OBJECT} was not made of the sources beside it; run probe-ebpf/build. \
         Differing: {differing:#?}"
    );
}

fn read_record(path: &Path) -> Hashes {
    fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once("  ").expect("a line of sha256sum"))
        .map(|(hash, path)| (path.to_owned(), hash.to_owned()))
        .collect()
}

fn made_of(top: &Path) -> Vec<String> {
    let mut paths: Vec<String> = ["probe-ebpf/src", "probe-common/src"]
        .into_iter()
        .flat_map(|folder| rust_files(&top.join(folder)))
        .map(|path| {
            path.strip_prefix(top)
                .expect("below the top")
                .display()
                .to_string()
        })
        .filter(|path| path != NOT_IN_THE_OBJECT)
        .collect();
    paths.extend(MANIFESTS.into_iter().chain([OBJECT]).map(str::to_owned));
    paths
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable entry").path())
        .flat_map(|path| {
            if path.is_dir() {
                rust_files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

fn sha256(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Sha256::digest(&bytes)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes everything");
            hex
        })
}
