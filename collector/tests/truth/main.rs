//! The truth suite: real processes do real things to real sockets, and each row that the tracer
//! makes of it is compared, field by field, with what happened.
//!
//! ```text
//! case ──▶ actors (processes) ──▶ sockets ──▶ kernel ──▶ tracer ──▶ events
//!   └──────────────── stories: what must be said ◀── compared ──────┘
//! ```
//!
//! It needs root and a kernel that takes the probes; where it can't run, every case is ignored,
//! and the reason is printed. `TCPSCOPE_ACCEPT_HOOK=fexit|kretprobe|syscall` forces a hook. It is
//! one binary that starts nothing but itself, so that it runs in a guest that has nothing else.
// c, a, x and y are the ends of a connection and the closing of each.
#![allow(clippy::many_single_char_names)]

mod actor;
mod case;
mod cases;
mod machine;
mod story;
mod trace;

use std::process::ExitCode;

use case::{Case, Fallible, Stop};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use trace::Tracer;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(actor::FLAG) {
        actor::main();
        return ExitCode::SUCCESS;
    }
    let mut args = Arguments::from_args();
    // One after the other, unless told otherwise: cases look at the clock, and some load the machine.
    args.test_threads.get_or_insert(1);
    story::retransmitted();
    let tracer = Tracer::shared();
    if let Err(why) = &tracer {
        eprintln!("the truth suite is skipped: {why}");
    }
    let trials = cases::all()
        .map(|(name, run)| {
            Trial::ignorable_test(name, move || judge(run)).with_ignored_flag(tracer.is_err())
        })
        .collect();
    let conclusion = libtest_mimic::run(&args, trials);
    if let Ok(tracer) = tracer {
        tracer.finish();
        let wrong = tracer.contradictions();
        if !wrong.is_empty() {
            eprintln!("the stream of events contradicts itself: {wrong:#?}");
            return ExitCode::FAILURE;
        }
    }
    conclusion.exit_code()
}

fn judge(run: fn(&Case) -> Fallible<()>) -> Result<Completion, Failed> {
    /// How often a case is played if the tracer says that it has lost something meanwhile.
    const TIMES: u32 = 4;
    let tracer = Tracer::shared()?;
    let mut last = String::new();
    for _ in 0..TIMES {
        match run(&Case::new(tracer)) {
            Ok(()) => return Ok(Completion::Completed),
            Err(Stop::Failed(why)) => return Err(why.into()),
            Err(Stop::Lacking(why)) => return Ok(Completion::ignored_with(why)),
            Err(Stop::Lossy(why)) => {
                eprintln!("played again: {why}");
                last = why;
            }
        }
    }
    Err(format!("lost something each time: {last}").into())
}
