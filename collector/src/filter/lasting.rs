//! Filters of all that an agent watches. What they ask about holds for a connection from its beginning
//! to its end: one that dropped endings would leave connections open for ever.

use super::fields::Key;
use super::parse;
use super::terms::{Filter, FilterError};

impl Filter {
    /// Reads an expression that can be an agent's: about addresses and ports, and the own end's
    /// namespace, pod and container.
    ///
    /// # Errors
    /// As [`Filter::parse`], and if it is about anything else.
    pub fn lasting(text: &str) -> Result<Self, FilterError> {
        parse::lasting(text, lasts)
    }
}

/// Whether it is the same for all events of a connection, and known of the first.
fn lasts(key: Key) -> bool {
    matches!(
        key,
        Key::Addr
            | Key::Saddr
            | Key::Daddr
            | Key::Port
            | Key::Sport
            | Key::Dport
            | Key::Ip
            | Key::Family
            | Key::Scope
            | Key::Namespace
            | Key::Pod
            | Key::Container
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_for_a_connection_can_be_an_agents() {
        for text in [
            "",
            "!dport:9090 !sport:9090",
            "port:443,8443 10.0.0.0/8",
            "!ns:kube-* pod:/^cart/ c:app ip:4",
            "fe80::1%eth0 !scope:eth1",
        ] {
            assert_eq!(Filter::lasting(text), Filter::parse(text), "{text}");
        }
    }

    #[test]
    fn what_comes_later_or_is_not_known_there_is_refused_with_its_column() {
        for (text, column) in [
            ("type:C", 0),
            ("port:443 type:C,A", 9),
            ("port:443 is:failed", 9),
            ("!reason:refused", 1),
            ("lat>5ms", 0),
            ("peer:web", 0),
            ("comm:curl", 0),
            ("thread:http-*", 0),
            ("port:443 web", 9),
            ("port:443 colour:red", 9),
        ] {
            let error = Filter::lasting(text).unwrap_err();
            assert_eq!(error.column, column, "{text}: {error}");
        }
    }
}
