//! Keys and values of JSON, appended to a buffer: no `fmt`, and nothing is allocated.

#![expect(
    clippy::inline_always,
    reason = "where a key's length is known, it is copied without a call: a fourth of a line's cost"
)]

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
#[inline(always)]
pub(super) fn put(out: &mut Vec<u8>, json: &str) {
    out.extend_from_slice(json.as_bytes());
}

#[inline(always)]
pub(super) fn number(out: &mut Vec<u8>, key: &str, number: Option<impl itoa::Integer>) {
    put(out, key);
    match number {
        Some(number) => put(out, itoa::Buffer::new().format(number)),
        None => put(out, "null"),
    }
}

/// A text of our own, in which nothing is to be escaped.
#[inline(always)]
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

#[inline(always)]
pub(super) fn address(out: &mut Vec<u8>, key: &str, addr: IpAddr) {
    put(out, key);
    out.push(b'"');
    match addr {
        IpAddr::V4(addr) => {
            let [first, rest @ ..] = addr.octets();
            octet(out, first);
            for other in rest {
                out.push(b'.');
                octet(out, other);
            }
        }
        IpAddr::V6(addr) => {
            // A Vec takes all that is written.
            let _ = write!(out, "{addr}");
        }
    }
    out.push(b'"');
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Of each octet its digits, and how many they are.
const OCTETS: [([u8; 3], usize); 256] = {
    let mut all = [([0; 3], 0); 256];
    let mut n = 0;
    while n < all.len() {
        let [hundreds, tens, ones] = [DIGITS[n / 100], DIGITS[n / 10 % 10], DIGITS[n % 10]];
        all[n] = match n {
            0..10 => ([ones, 0, 0], 1),
            10..100 => ([tens, ones, 0], 2),
            _ => ([hundreds, tens, ones], 3),
        };
        n += 1;
    }
    all
};

fn octet(out: &mut Vec<u8>, n: u8) {
    let (digits, len) = OCTETS[usize::from(n)];
    let end = out.len() + len;
    // Three bytes, always: a copy whose length is known takes no call.
    out.extend_from_slice(&digits);
    out.truncate(end);
}

/// Sixteen hexadecimal digits.
pub(super) fn hex(out: &mut Vec<u8>, n: u64) {
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
