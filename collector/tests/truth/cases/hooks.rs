//! The hooks that were asked for are the ones that are attached: else a column of the table would say
//! what another one has tried.

use collector::model::HookKind;

use super::cases;
use super::remembered::programs;
use crate::case::{Case, Fallible, failed, no};
use crate::trace::{forced_accept_hook, is_raw_state_forced};

cases! { "hooks":
    as_asked_for,
}

fn as_asked_for(case: &Case) -> Fallible<()> {
    let hello = case.tracer().log().hello.clone().ok_or_else(no("hello"))?;
    let asked = forced_accept_hook().or_else(failed)?;
    let accept = hello.accept_hook.ok_or_else(no("hook for accepts"))?;
    if asked.is_some_and(|asked| asked != accept) {
        return failed(format!(
            "accepts are seen by {accept:?} instead of {asked:?}"
        ));
    }
    // As far as the kernel keeps their names.
    let accept = match accept {
        HookKind::Fexit => "accept_fexit",
        HookKind::Kretprobe => "accept_kretprob",
        HookKind::Syscall => "accept_syscall",
    };
    let state = if is_raw_state_forced() {
        ["raw_set_state", "raw_set_state_a"]
    } else {
        ["set_state", "set_state_again"]
    };
    let programs = programs()?;
    let is = |name: &str| programs.iter().any(|(program, _)| program == name);
    let of_state = programs
        .iter()
        .filter(|(name, _)| name.contains("set_state") && name != "set_state_more");
    if is(accept) && state.into_iter().all(is) && of_state.count() == state.len() {
        return Ok(());
    }
    failed(format!("{accept:?} and {state:?} are wanted: {programs:?}"))
}
