//! The cases, a file per theme.

use crate::case::{Case, Fallible};

mod accept;
mod connect;
mod cost;
mod drift;
mod ending;
mod findings;
mod holder;
mod hooks;
mod load;
mod loss;
mod neighbours;
mod owner;
mod place;
mod queue;
mod remembered;
mod reset;
mod silence;
mod space;
mod special;
mod start;
mod wanted;

/// A case and its name.
pub type Named = (&'static str, fn(&Case) -> Fallible<()>);

/// Names the cases of a theme by their functions.
macro_rules! cases {
    ($theme:literal: $($case:ident,)*) => {
        pub const CASES: &[super::Named] = &[$((concat!($theme, "::", stringify!($case)), $case),)*];
    };
}
use cases;

const THEMES: &[&[Named]] = &[
    accept::CASES,
    connect::CASES,
    cost::CASES,
    drift::CASES,
    ending::CASES,
    findings::CASES,
    holder::CASES,
    hooks::CASES,
    load::CASES,
    loss::CASES,
    neighbours::CASES,
    owner::CASES,
    queue::CASES,
    reset::CASES,
    silence::CASES,
    space::CASES,
    special::CASES,
    start::CASES,
    wanted::CASES,
];

/// All of them.
pub fn all() -> impl Iterator<Item = Named> {
    THEMES.iter().copied().flatten().copied()
}
