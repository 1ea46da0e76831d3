//! What one event costs on its way through user space, a step at a time.
//!
//! `steps STEP ROUNDS` takes a step so many times. All the rest is the same for any number of rounds,
//! so that the instructions of one round are the difference between runs of two lengths: that is
//! what `benches/instructions` counts.

mod load;
mod step;

use std::process::ExitCode;

use step::{EVENTS_OF_ROUND, Rounds};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let [_, step, rounds] = &args[..] else {
        eprintln!("usage: steps events|decode|store|json|filter:EXPRESSION ROUNDS");
        return ExitCode::FAILURE;
    };
    if step == "events" {
        println!("{EVENTS_OF_ROUND}");
        return ExitCode::SUCCESS;
    }
    let (Some(mut of_step), Ok(rounds)) = (Rounds::of(step), rounds.parse::<u64>()) else {
        return ExitCode::FAILURE;
    };
    for _ in 0..rounds {
        of_step.play();
    }
    ExitCode::SUCCESS
}
