//! Counts instructions with valgrind. `cargo xtask test instructions` runs it with `check`, `cargo xtask bench --bless`
//! with `bless`.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::{env, fs};

use benches::instructions::{Budgets, TOLERANCE_ELSEWHERE, count, hot_paths, run};

const USAGE: &str = "usage: instructions check | bless | run CASE | list";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["run", name] => match benches::find(name) {
            Some(case) => {
                run(&case);
                Ok(())
            }
            None => Err(format!("no case is called {name:?}")),
        },
        ["list"] => {
            for case in benches::cases() {
                println!("{}", case.name());
            }
            Ok(())
        }
        ["check"] => check(),
        ["bless"] => bless(),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn counted() -> Result<BTreeMap<String, u64>, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    count(&program, &hot_paths())
}

fn check() -> Result<(), String> {
    let path = Budgets::path();
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let budgets = Budgets::read(&text)?;
    let compiler = compiler();
    let counted = counted()?;
    println!("instructions of one call, and the budget:");
    for (name, count) in &counted {
        let budget = budgets.of.get(name).map(u64::to_string);
        println!("{count:>9} {:>9}  {name}", budget.unwrap_or_default());
    }
    if compiler != budgets.compiler {
        println!(
            "note: the budgets are those of {}, this is {compiler}, so up to {:.0} % more was allowed in place of 3 %; \
             with the compiler that the project has moved to, `cargo xtask bench --bless` writes its own",
            budgets.compiler,
            TOLERANCE_ELSEWHERE * 100.0,
        );
    }
    let wrong = budgets.judge(&compiler, &counted);
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "over budget:\n  {}\nIf that is worth it: `cargo xtask bench --bless`, and say why in the commit.",
        wrong.join("\n  ")
    ))
}

fn bless() -> Result<(), String> {
    let budgets = Budgets {
        compiler: compiler(),
        of: counted()?,
    };
    let path = Budgets::path();
    fs::write(&path, budgets.write()).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{} budgets written to {}", budgets.of.len(), path.display());
    Ok(())
}

fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
