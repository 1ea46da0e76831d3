//! SOURCE: how the probes are loaded.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use collector::model::HookKind;
use collector::units;

/// SOURCE: how the probes are loaded.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct Probes {
    /// Size of the kernel's ring buffer, a power of two [default: 16MiB]
    #[arg(long, value_name = "SIZE", value_parser = ring, help_heading = "Source")]
    pub(crate) buffer: Option<u32>,
    /// Begin with an empty picture: leave out the sockets that are open already
    #[arg(long, conflicts_with = "snapshot", help_heading = "Source")]
    pub(crate) no_seed: bool,
    /// The hook that sees the return of `accept()` [default: auto, the best that the kernel allows]
    #[arg(long, value_name = "HOOK", value_parser = accept_hook(), help_heading = "Source")]
    pub(crate) accept_hook: Option<AcceptHook>,
}

/// A choice of `--accept-hook`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptHook {
    /// The best that the kernel allows.
    Auto,
    /// This one, or an error.
    Only(HookKind),
}

impl Probes {
    pub(super) fn any(&self) -> bool {
        self.buffer.is_some() || self.no_seed || self.accept_hook.is_some()
    }
}

/// The sizes that the kernel takes for a ring buffer, within reason.
fn ring(text: &str) -> Result<u32, String> {
    let bytes = units::parse_size(text).map_err(|e| e.to_string())?;
    match u32::try_from(bytes) {
        Ok(bytes @ 0x1_0000..=0x4000_0000) if bytes.is_power_of_two() => Ok(bytes),
        _ => Err("it takes a power of two from 64KiB to 1GiB, such as 4MiB or 16MiB".to_owned()),
    }
}

fn accept_hook() -> impl TypedValueParser<Value = AcceptHook> {
    let words = HookKind::ALL.map(HookKind::word);
    PossibleValuesParser::new(["auto"].into_iter().chain(words)).map(|word| {
        HookKind::ALL
            .into_iter()
            .find(|hook| hook.word() == word)
            .map_or(AcceptHook::Auto, AcceptHook::Only)
    })
}
