//! What the programs cost, as far as it can be told without a clock.

use collector::identity::host::kernel_release;

use super::cases;
use super::remembered::programs;
use crate::case::{Case, Fallible, failed, lacking};

cases! { "cost":
    verified_instructions,
}

/// `KERNEL PROGRAM INSTRUCTIONS`: what each kernel's verifier has looked through, on all paths.
const BASELINE: &str = include_str!("verified_insns.txt");
/// By how many in a hundred a program may differ: kernels of one series are not all the same.
const MARGIN: u64 = 10;

/// A program that grows takes longer, on some path at least. One that has shrunk is worth a new
/// baseline, or it could grow back unseen.
fn verified_instructions(_: &Case) -> Fallible<()> {
    let release = kernel_release();
    let mut numbers = release.split('.');
    let series = [numbers.next(), numbers.next()].map(Option::unwrap_or_default);
    let series = series.join(".");
    let baseline = |program: &str| {
        let mut lines = BASELINE.lines().filter(|line| !line.starts_with('#'));
        lines.find_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let [kernel, name, insns] = fields[..] else {
                return None;
            };
            (kernel == series && name == program).then(|| insns.parse::<u64>().ok())?
        })
    };
    let mut found = programs()?;
    // Those take the place of others on kernels that are not here.
    found.retain(|(program, _)| !program.starts_with("raw_"));
    if found.iter().all(|(_, insns)| *insns == 0) {
        return lacking("this kernel does not tell how much was verified");
    }
    let lines: Vec<_> = found
        .iter()
        .map(|(program, insns)| format!("{series} {program} {insns}"))
        .collect();
    if found.iter().all(|(program, _)| baseline(program).is_none()) {
        return lacking(format!("there is no baseline for {series}: {lines:#?}"));
    }
    let differs = |(program, insns): &&(String, u64)| {
        baseline(program).is_none_or(|before| insns.abs_diff(before) * 100 > before * MARGIN)
    };
    if found.iter().any(|each| differs(&each)) {
        return failed(format!("not as in verified_insns.txt: {lines:#?}"));
    }
    Ok(())
}
