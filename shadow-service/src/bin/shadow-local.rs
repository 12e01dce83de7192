//! `shadow-local`: the local shadow service as a program.

use std::process::ExitCode;

fn main() -> ExitCode {
    shadow_service::local::program::main(std::env::args_os().skip(1))
}
