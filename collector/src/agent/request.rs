//! What a client asks for: pure, from a path and a query to a request or a refusal.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;

use super::PROTO;
use super::history::Since;
use crate::filter::Filter;

/// A filter's text is no longer, in bytes.
pub const FILTER_MAX: usize = 4096;

/// What may be asked for.
#[derive(Debug, PartialEq)]
pub(super) enum Route {
    Hello,
    Stream,
    Metrics,
    /// Whether it runs.
    Health,
    /// Whether events arrive.
    Ready,
}

impl Route {
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/v1/hello" => Self::Hello,
            "/v1/stream" => Self::Stream,
            "/metrics" => Self::Metrics,
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            _ => return None,
        })
    }

    /// Whether anybody may ask.
    pub(super) fn is_public(&self) -> bool {
        matches!(self, Self::Health | Self::Ready)
    }
}

/// How a stream is to be.
#[derive(Debug, Default, PartialEq)]
pub(super) struct StreamRequest {
    pub(super) filter: Filter,
    /// Events a second.
    pub(super) max_rate: Option<u32>,
    pub(super) since: Option<Since>,
}

/// Why not.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) why: String,
}

fn bad(why: impl Into<String>) -> Refusal {
    Refusal {
        status: StatusCode::BAD_REQUEST,
        why: why.into(),
    }
}

impl StreamRequest {
    /// Reads the query of `/v1/stream`.
    pub(super) fn read(query: &str) -> Result<Self, Refusal> {
        let mut proto = None;
        let mut request = Self::default();
        let mut seen: Vec<Cow<'_, str>> = Vec::new();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            if seen.contains(&key) {
                return Err(bad(format!("`{key}` is there twice")));
            }
            match &*key {
                "proto" => proto = Some(number::<u32>("proto", &value)?),
                "filter" => request.filter = filter(&value)?,
                "max_rate" => {
                    let rate = number("max_rate", &value)?;
                    request.max_rate = Some(rate);
                    if rate == 0 {
                        return Err(bad("`max_rate` is 1 at least"));
                    }
                }
                "since" => request.since = Some(since(&value)?),
                _ => return Err(bad(format!("unknown key `{key}`"))),
            }
            seen.push(key);
        }
        match proto {
            Some(proto) if PROTO.contains(&proto) => Ok(request),
            Some(proto) => Err(Refusal {
                status: StatusCode::NOT_ACCEPTABLE,
                why: format!(
                    "protocol {proto} is not spoken here: {} to {} are",
                    PROTO.start(),
                    PROTO.end()
                ),
            }),
            None => Err(bad("`proto` is missing")),
        }
    }
}

fn number<N: std::str::FromStr>(key: &str, value: &str) -> Result<N, Refusal> {
    value
        .parse()
        .map_err(|_| bad(format!("`{key}` is not a number: `{value}`")))
}

/// Base64url, with or without padding.
fn filter(value: &str) -> Result<Filter, Refusal> {
    let text = value.trim_end_matches('=');
    if text.len() / 4 * 3 > FILTER_MAX {
        return Err(bad(format!("`filter` is longer than {FILTER_MAX} bytes")));
    }
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|error| bad(format!("`filter` is not base64url: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| bad("`filter` is not UTF-8"))?;
    Filter::parse(&text).map_err(|error| bad(format!("`filter`: {error}")))
}

/// `instance:number`.
fn since(value: &str) -> Result<Since, Refusal> {
    let (instance, seq) = value
        .rsplit_once(':')
        .ok_or_else(|| bad("`since` is INSTANCE:SEQ"))?;
    Ok(Since {
        instance: instance.into(),
        number: number("since", seq)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(query: &str) -> (u16, String) {
        let refusal = StreamRequest::read(query).expect_err(query);
        (refusal.status.as_u16(), refusal.why)
    }

    #[test]
    fn a_whole_request() {
        let text = "port:443 comm:\"a b\"";
        let encoded = URL_SAFE_NO_PAD.encode(text);
        let query = format!("proto=1&filter={encoded}&max_rate=100&since=abc-def%3A17");
        let request = StreamRequest::read(&query).unwrap();
        assert_eq!(request.filter, Filter::parse(text).unwrap());
        assert_eq!(request.max_rate, Some(100));
        let since = request.since.unwrap();
        assert_eq!((&*since.instance, since.number), ("abc-def", 17));
        assert_eq!(
            StreamRequest::read("proto=1").unwrap(),
            StreamRequest::default()
        );
    }

    #[test]
    fn refusals_say_why() {
        let long = format!("proto=1&filter={}", "A".repeat(FILTER_MAX / 3 * 4 + 8));
        let wrong = format!("proto=1&filter={}", URL_SAFE_NO_PAD.encode("prot:443"));
        for (query, status, why) in [
            ("", 400, "`proto` is missing"),
            ("proto=x", 400, "`proto` is not a number: `x`"),
            ("proto=2", 406, "protocol 2 is not spoken here: 1 to 1 are"),
            ("proto=1&proto=1", 400, "`proto` is there twice"),
            ("proto=1&mode=summary", 400, "unknown key `mode`"),
            ("proto=1&max_rate=0", 400, "`max_rate` is 1 at least"),
            ("proto=1&since=17", 400, "`since` is INSTANCE:SEQ"),
            ("proto=1&filter=%21", 400, "`filter` is not base64url"),
            ("proto=1&filter=_w", 400, "`filter` is not UTF-8"),
            (&long, 400, "`filter` is longer than 4096 bytes"),
            (&wrong, 400, "`filter`: column 1: unknown field `prot`"),
        ] {
            let (code, said) = refused(query);
            assert_eq!(code, status, "{query}");
            assert!(said.starts_with(why), "{query}: {said}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in "(proto=1&)?(filter|max_rate|since)=\\PC{0,40}|\\PC{0,60}") {
            let _ = StreamRequest::read(&query);
        }
    }
}
