//! Runs a case a number of times and does nothing else: what valgrind counts.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, count] = args.as_slice() else {
        for case in benches::cases() {
            println!("{}", case.name());
        }
        return ExitCode::SUCCESS;
    };
    let (Some(case), Ok(count)) = (benches::find(name), count.parse::<u32>()) else {
        eprintln!("usage: instructions CASE COUNT; without arguments: the cases");
        return ExitCode::FAILURE;
    };
    let mut step = case.step();
    for _ in 0..count {
        step();
    }
    ExitCode::SUCCESS
}
