//! The filter language: one grammar for the prompt, `--filter` and what is pushed down to agents.
//!
//! ```text
//! ns:shop pod:cart-* port:443 dst:10.0.0.0/8 type:c,x comm:curl lat>50ms tx>=1MiB !node:a wget
//! ```
//!
//! - Terms stand apart by white space and are and-ed. `,` is "or" inside a term, `!` negates it.
//! - `field:value` matches the whole value; `*` in it stands for any text. `field:~RE` is a regular
//!   expression that matches anywhere. Only the first `:` splits.
//! - `field` with `> >= < <= =` compares numbers, times (RFC 3339), durations (`us ms s m h`) and
//!   sizes (`B KiB MiB GiB TiB`); without a unit the number counts microseconds or bytes.
//! - Addresses take CIDRs. `port` and `addr` mean either end. A link-local address with a zone,
//!   `fe80::1%eth0`, is the one on that interface; without, that on any.
//! - A bare word is a part of any text column, in any case: node, namespace, pod, container, type,
//!   comm, saddr, daddr, reason, state, peer and thread. A bare address or CIDR is an `addr` term.
//! - A value with white space, a comma or a quote is quoted: `comm:"a b"`. `\` makes `*`, `"`, `,`,
//!   `~`, a space and itself literal, and before anything else is an ordinary character. In a
//!   quoted expression `~"…"` only `\"` is special; all else is the expression's own.
//! - What is not known matches nothing, so its negation matches it.
//! - `is:failed` selects what `--failed` does: failed connects, and endings that nobody wanted.
//!
//! The fields are in [`FIELDS`]: the keys of the JSON, their short forms, and `port`, `addr`, `is`.

mod fields;
mod glob;
mod lasting;
mod matches;
mod net;
mod parse;
mod print;
mod select;
mod subject;
mod sums;
mod syntax;
mod terms;
mod wanted;

pub use fields::{FIELDS, Field, Key, Kind};
pub use sums::Known;
pub use terms::{Filter, FilterError};

#[cfg(test)]
mod laws;
