//! `cargo xtask test`: everything that has to hold, in steps. Cheap ones come first.

mod builds;
mod code;
pub(crate) mod demo;
mod dependencies;
mod examples;
mod licences;
mod msrv;
mod short;
mod sources;
mod suites;

use crate::Stop;
use crate::exec::say;
use crate::setup::setup;
use crate::steps::{self, Step};

const STEPS: [Step; 24] = [
    Step::new("setup", "install what is missing", setup),
    Step::new("fmt", "formatting", code::fmt),
    Step::new(
        "sources",
        "the sans-IO crates name no clock, thread, hash map, entropy or IO",
        sources::check,
    ),
    Step::new(
        "examples",
        "every public item of the libraries has an example or belongs to one",
        examples::check,
    ),
    Step::new(
        "dependencies",
        "the device carries no server; each crate depends on what it may",
        dependencies::check,
    ),
    Step::new(
        "licences",
        "every dependency's licence is in deny.toml (short form of `cargo xtask extra deny`)",
        licences::check,
    ),
    Step::new("clippy", "clippy, warnings denied", code::clippy).with_tools(),
    Step::new("programs", "build binaries and examples", suites::programs).with_tools(),
    Step::new("build", "build the tests", suites::build).with_tools(),
    Step::new("tests", "unit, table and integration tests", suites::tests).with_tools(),
    Step::new("e2e", "end-to-end tests, with Mosquitto", suites::e2e).with_tools(),
    Step::new(
        "conformance",
        "every adapter in the same scenarios, with Mosquitto",
        suites::conformance,
    )
    .with_tools(),
    Step::new(
        "doctests",
        "the examples in the documentation",
        suites::doctests,
    )
    .with_tools(),
    Step::new("docs", "documentation, warnings denied", code::docs).with_tools(),
    Step::new("demo", "the demo by itself, without a terminal", demo::run),
    Step::new("no-std", "shadow-proto on bare metal", builds::no_std),
    Step::new("features", "the facade with each feature", builds::features).with_tools(),
    Step::new(
        "targets",
        "the libraries on Windows, macOS, 32-bit Arm and musl",
        builds::targets,
    ),
    Step::new(
        "msrv",
        "the libraries with the oldest compiler they promise",
        msrv::check,
    ),
    Step::new(
        "sim",
        "the simulation, 1000 fixed seeds (short form of `cargo xtask extra sim-long`)",
        short::sim,
    ),
    Step::new(
        "mutants",
        "the deliberate bugs still apply (short form of `cargo xtask extra mutants`)",
        crate::mutants::still_apply,
    ),
    Step::new(
        "benches",
        "each benchmark once, nothing measured (short form of `cargo xtask bench`)",
        short::benches,
    )
    .with_tools(),
    Step::new(
        "instructions",
        "instruction counts of the hot paths, within 3 % of their budgets",
        crate::instructions::check,
    )
    .with_tools(),
    Step::new(
        "fuzz",
        "each fuzz target for 5 s (short form of `cargo xtask extra fuzz-long`)",
        crate::fuzz::short,
    ),
];

pub(crate) fn main(args: &[String]) -> Result<(), Stop> {
    let mut keep_going = false;
    let mut list = false;
    let mut names = Vec::new();
    for arg in args {
        match arg.as_str() {
            "--keep-going" => keep_going = true,
            "--list" => list = true,
            flag if flag.starts_with('-') => {
                return Err(Stop::Usage(format!(
                    "test takes --keep-going and --list, not {flag}"
                )));
            }
            name => names.push(name),
        }
    }
    if list {
        for step in &STEPS {
            say(&format!("{:12}  {}", step.name, step.about));
        }
        return Ok(());
    }
    steps::run(&chosen(&names)?, keep_going, "cargo xtask test")
}

/// The named steps in their usual order, all of them without a name, with the set-up that they need.
fn chosen(names: &[&str]) -> Result<Vec<&'static Step>, Stop> {
    if let Some(unknown) = names
        .iter()
        .find(|name| !STEPS.iter().any(|step| step.name == **name))
    {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        return Err(Stop::Usage(format!(
            "no step is called {unknown:?}; there are {}",
            known.join(", ")
        )));
    }
    let is_named = |step: &Step| names.is_empty() || names.contains(&step.name);
    let needs_setup = STEPS.iter().any(|step| is_named(step) && step.needs_tools);
    Ok(STEPS
        .iter()
        .filter(|step| is_named(step) || step.name == "setup" && needs_setup)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(steps: &[&Step]) -> Vec<&'static str> {
        steps.iter().map(|step| step.name).collect()
    }

    #[test]
    fn named_steps_run_in_order_after_what_they_need() {
        assert_eq!(
            names(&chosen(&["e2e", "fmt"]).expect("known")),
            ["setup", "fmt", "e2e"]
        );
        assert_eq!(names(&chosen(&["fmt"]).expect("known")), ["fmt"]);
        assert_eq!(chosen(&[]).expect("known").len(), STEPS.len());
    }

    #[test]
    fn wrong_arguments_are_named() {
        for args in [["no-such-step"], ["--no-such-flag"]] {
            let Err(Stop::Usage(message)) = main(&args.map(str::to_owned)) else {
                panic!("accepted")
            };
            assert!(message.contains(args[0]), "{message}");
            assert!(!message.contains('\n'));
        }
    }
}
