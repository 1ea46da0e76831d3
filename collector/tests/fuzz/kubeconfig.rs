//! Kubeconfigs. No seed names a credential plugin, which would be run.

use std::io::Write;

use collector::kube::access::{Access, Options, contexts};
use tokio::runtime::Builder;

use super::mutate::play;

const SEEDS: [&str; 3] = [
    "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n\
     contexts: [{name: a, context: {cluster: c, user: u, namespace: shop}}, {name: b, context: {cluster: c, user: u}}]\n\
     users: [{name: u, user: {token: x, as: jane, as-groups: [viewers]}}]\n",
    "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n    server: http://[::1]:8080/path\n    \
     insecure-skip-tls-verify: true\n    tls-server-name: api\n    proxy-url: socks5://127.0.0.1:1\n\
     contexts:\n- &a\n  name: a\n  context:\n    cluster: c\n    user: u\ncurrent-context: a\n\
     users:\n- name: u\n  user:\n    username: jane\n    password: 'p'\n",
    "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', \
     certificate-authority-data: 'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg=='}}]\n\
     contexts: [{name: a, context: {cluster: c, user: u}}]\n\
     users: [{name: u, user: {client-certificate-data: 'AAAA', client-key-data: 'AAAA'}}]\n",
];
const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "&a ",
    "*a",
    "|\n ",
    ">\n ",
    "---\n",
    "null",
    "!!binary ",
    "<<: ",
    "server: ",
    "'",
    "\"",
    "\n",
    "  ",
    "https://",
    "%zz",
    "[::",
    "\u{feff}",
];

fn check(bytes: &[u8]) {
    // As one that can't be wished for.
    if bytes.windows(4).any(|word| word == b"exec") {
        return;
    }
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("it is written");
    let options = Options {
        kubeconfig: Some(file.path().to_owned()),
        mute: true,
        ..Options::default()
    };
    let (names, current) = contexts(&options);
    let runtime = Builder::new_current_thread().enable_all().build();
    let opened = runtime.expect("a runtime").block_on(Access::open(&options));
    if let (Ok(_), Some(current)) = (opened, current) {
        assert!(names.contains(&current), "{current}");
    }
}

#[test]
fn fuzz_of_kubeconfigs() {
    let seeds = SEEDS.map(|text| text.as_bytes().to_vec());
    play("kubeconfigs", seeds.into(), WORDS, check);
}
