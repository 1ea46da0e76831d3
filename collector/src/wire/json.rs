//! Keys and values of JSON, appended to a buffer: no `fmt`, and nothing is allocated.

use std::io::Write;
use std::net::IpAddr;

/// A key that is not the first of its object, as it stands before its value.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}
pub(super) use key;

/// Appends what is JSON already.
pub(super) fn put(out: &mut Vec<u8>, json: &str) {
    out.extend_from_slice(json.as_bytes());
}

pub(super) fn number(out: &mut Vec<u8>, key: &str, number: Option<impl itoa::Integer>) {
    put(out, key);
    match number {
        Some(number) => put(out, itoa::Buffer::new().format(number)),
        None => put(out, "null"),
    }
}

/// A text of our own, in which nothing is to be escaped.
pub(super) fn word(out: &mut Vec<u8>, key: &str, word: Option<&'static str>) {
    put(out, key);
    match word {
        Some(word) => {
            out.push(b'"');
            put(out, word);
            out.push(b'"');
        }
        None => put(out, "null"),
    }
}

/// A text from elsewhere.
pub(super) fn text(out: &mut Vec<u8>, key: &str, text: Option<&str>) {
    put(out, key);
    let start = out.len();
    if serde_json::to_writer(&mut *out, &text).is_err() {
        // A string has no way to fail, and a Vec takes all; whatever happens, a line stays JSON.
        out.truncate(start);
        put(out, "null");
    }
}

pub(super) fn address(out: &mut Vec<u8>, key: &str, addr: IpAddr) {
    put(out, key);
    out.push(b'"');
    match addr {
        IpAddr::V4(addr) => {
            let [first, rest @ ..] = addr.octets();
            put(out, itoa::Buffer::new().format(first));
            for octet in rest {
                out.push(b'.');
                put(out, itoa::Buffer::new().format(octet));
            }
        }
        IpAddr::V6(addr) => {
            // A Vec takes all that is written.
            let _ = write!(out, "{addr}");
        }
    }
    out.push(b'"');
}

/// Sixteen hexadecimal digits.
pub(super) fn hex(out: &mut Vec<u8>, n: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 16];
    for (byte, digits) in n.to_be_bytes().into_iter().zip(text.chunks_exact_mut(2)) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
    out.extend_from_slice(&text);
}

/// Nine decimal digits of a number that has no more.
pub(super) fn nine_digits(out: &mut Vec<u8>, n: u32) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(n);
    put(out, &"000000000"[digits.len().min(9)..]);
    put(out, digits);
}
