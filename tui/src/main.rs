//! The program: all of it is in the library, where benches can use it too.

use std::process::ExitCode;

fn main() -> ExitCode {
    tcpscope::main()
}
