//! Answers.

use std::convert::Infallible;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, SERVER};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::request::Refusal;

/// The body of any answer.
pub(super) type Body = BoxBody<Bytes, Infallible>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// An answer with what all of them have.
pub(super) fn reply(status: StatusCode, kind: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static(super::SERVER));
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

pub(super) fn json(bytes: Vec<u8>) -> Response<Body> {
    reply(StatusCode::OK, JSON, whole(bytes))
}

pub(super) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    reply(status, TEXT, whole(text))
}

pub(super) fn metrics(text: String) -> Response<Body> {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    reply(StatusCode::OK, HeaderValue::from_static(kind), whole(text))
}

/// `{"status":400,"error":"…"}`, and the headers that belong to the status.
pub(super) fn error(status: StatusCode, why: &str) -> Response<Body> {
    #[derive(Serialize)]
    struct Problem<'a> {
        status: u16,
        error: &'a str,
    }
    let problem = Problem {
        status: status.as_u16(),
        error: why,
    };
    // Two values that have no way to fail.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = reply(status, JSON, whole(body));
    let header = match status {
        StatusCode::METHOD_NOT_ALLOWED => Some((ALLOW, "GET")),
        StatusCode::TOO_MANY_REQUESTS => Some((RETRY_AFTER, "5")),
        _ => None,
    };
    if let Some((name, value)) = header {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

impl From<Refusal> for Response<Body> {
    fn from(refusal: Refusal) -> Self {
        error(refusal.status, &refusal.why)
    }
}
