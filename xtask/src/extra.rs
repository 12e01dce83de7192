//! `cargo xtask extra`: checks that take long or need tools of their own. None is part of the test; where the test has
//! a short form of one, it says so.

use std::time::{Duration, Instant};

use testkit::TempDir;

use crate::Stop;
use crate::exec::{Cx, say};
use crate::fuzz;
use crate::mutants;
use crate::setup::setup;
use crate::sim;
use crate::steps::{self, Done, Step};
use crate::test::demo;
use crate::workspace::{LIBRARIES, Workspace};

/// How long these may take: they end by themselves.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The time in which a newcomer sees the demo, on two cores with nothing built.
const FIRST_SIGHT: Duration = Duration::from_secs(3 * 60);

const EXTRAS: [Step; 14] = [
    Step::new(
        "deny",
        "advisories, licences, sources; needs cargo-deny and GitHub",
        deny,
    ),
    Step::new(
        "miri",
        "the sans-IO crates under Miri; needs nightly with the component miri",
        miri,
    ),
    Step::new(
        "coverage",
        "which lines the tests reach; needs cargo-llvm-cov",
        coverage,
    ),
    Step::new(
        "mutants",
        "the deliberate bugs of sim/mutants: the suite finds each; needs git",
        mutants::run,
    ),
    Step::new(
        "mutation",
        "every mutation of shadow-proto that cargo-mutants knows, in hours; docs/mutation.md",
        mutation,
    ),
    Step::new(
        "fuzz-long",
        "each fuzz target for 30 minutes; installs cargo-fuzz",
        fuzz::long,
    ),
    Step::new("sim-long", "the simulation with 200000 seeds", sim_long),
    Step::new(
        "e2e-long",
        "the end-to-end tests with SHADOW_LONG=1; installs mosquitto",
        e2e_long,
    ),
    Step::new(
        "faults",
        "10000 connections that go wrong, on a real socket; needs mosquitto",
        faults,
    ),
    Step::new(
        "idle",
        "a million round trips in flat memory, and a minute of idling; needs mosquitto",
        idle,
    ),
    Step::new(
        "kill-long",
        "the local server killed under load 200 times: what it acknowledged is there",
        kill_long,
    ),
    Step::new(
        "service-figures",
        "the local server in release, some minutes on a quiet machine: its speed, memory and start go into the guide",
        service_figures,
    ),
    Step::new(
        "package",
        "the published crates as crates.io would get them, each built by itself; needs crates.io",
        package,
    ),
    Step::new(
        "fresh",
        "the demo on a fresh clone with nothing built, within 3 minutes; needs git",
        fresh,
    ),
];

pub(crate) fn main(args: &[String]) -> Result<(), Stop> {
    if args.is_empty() {
        say("cargo xtask extra NAME...  runs these checks, one after the other:");
        for step in &EXTRAS {
            say(&format!("{:15}  {}", step.name, step.about));
        }
        return Ok(());
    }
    let find = |name: &String| {
        EXTRAS.iter().find(|step| step.name == name).ok_or_else(|| {
            let known: Vec<&str> = EXTRAS.iter().map(|step| step.name).collect();
            Stop::Usage(format!(
                "no extra check is called {name:?}; there are {}",
                known.join(", ")
            ))
        })
    };
    let steps = args.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    steps::run(&steps, true, "cargo xtask extra")
}

fn deny(cx: &Cx, _: &Workspace) -> Result<Done, String> {
    needs(cx, "deny", "cargo install cargo-deny --locked")?;
    cx.cargo([
        "deny",
        "--all-features",
        "check",
        "licenses",
        "bans",
        "sources",
    ])
    .run()?;
    // By itself and last, since it fetches the database of advisories from GitHub.
    cx.cargo(["deny", "--all-features", "check", "advisories"])
        .run()?;
    Ok(Done::Passed)
}

fn miri(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    if !cx
        .program("rustup")
        .args(["run", "nightly", "cargo", "miri", "--version"])
        .quietly()
    {
        return Err("needs: rustup toolchain install nightly --component miri,rust-src".to_owned());
    }
    let sans_io = ["shadow-proto", "mqtt-session"];
    for name in sans_io
        .into_iter()
        .filter(|name| LIBRARIES.contains(name) && workspace.has(name))
    {
        let miri = cx.program("rustup").args([
            "run", "nightly", "cargo", "miri", "test", "--locked", "--lib",
        ]);
        miri.args(["--package", name]).limit(LIMIT).run()?;
    }
    Ok(Done::Passed)
}

fn coverage(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    needs(
        cx,
        "llvm-cov",
        "cargo install cargo-llvm-cov --locked && rustup component add llvm-tools",
    )?;
    cx.cargo(["llvm-cov", "--summary-only"])
        .args(workspace.selection())
        .limit(LIMIT)
        .run()?;
    Ok(Done::Passed)
}

/// Survivors make it fail, with their list in `mutants.out/`: whoever runs it compares that with the documentation.
fn mutation(cx: &Cx, _: &Workspace) -> Result<Done, String> {
    needs(cx, "mutants", "cargo install cargo-mutants --locked")?;
    // Thousands of builds: what nobody looks at takes most of their time.
    cx.cargo(["mutants", "--package", "shadow-proto"])
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_TEST_DEBUG", "0")
        .limit(LIMIT)
        .run()?;
    Ok(Done::Passed)
}

/// Nothing is uploaded.
fn package(cx: &Cx, _: &Workspace) -> Result<Done, String> {
    cx.cargo(["publish", "--workspace", "--dry-run", "--locked"])
        .limit(LIMIT)
        .run()?;
    Ok(Done::Passed)
}

fn sim_long(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    if !workspace.has(sim::PACKAGE) {
        return Ok(Done::Nothing(format!(
            "there is no package {} yet",
            sim::PACKAGE
        )));
    }
    sim::command(cx, &["--seeds", "200000"])
        .limit(LIMIT)
        .run()?;
    Ok(Done::Passed)
}

fn e2e_long(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    setup(cx, workspace)?;
    let names = workspace.test_targets();
    let targets = names
        .iter()
        .filter(|name| name.starts_with("e2e_"))
        .flat_map(|name| ["--test", name]);
    let test = cx
        .cargo(["test", "--no-fail-fast"])
        .args(targets)
        .args(workspace.selection());
    test.env("SHADOW_E2E", "1")
        .env("SHADOW_LONG", "1")
        .limit(LIMIT)
        .run()?;
    Ok(Done::Passed)
}

fn faults(cx: &Cx, _: &Workspace) -> Result<Done, String> {
    long_form(cx, "e2e_faults")
}

fn idle(cx: &Cx, _: &Workspace) -> Result<Done, String> {
    long_form(cx, "e2e_idle")
}

/// The long form of a test of which `cargo xtask test` runs the short one.
fn long_form(cx: &Cx, name: &str) -> Result<Done, String> {
    let test = cx.cargo(["test", "--package", "transport-tokio"]);
    test.args(["--test", name, "--", "--nocapture"])
        .env("SHADOW_E2E", "1")
        .env("SHADOW_LONG", "1")
        .limit(LIMIT)
        .run()?;
    Ok(Done::Passed)
}

/// The test has 20 rounds.
fn kill_long(cx: &Cx, _: &Workspace) -> Result<Done, String> {
    cx.cargo(["test", "--locked", "--package", "shadow-service"])
        .args(["--features", "server", "--test", "kill"])
        .env("SHADOW_KILL_ROUNDS", "200")
        .limit(LIMIT)
        .run()?;
    Ok(Done::Passed)
}

/// The table stands between two marks in the guide.
fn service_figures(cx: &Cx, _: &Workspace) -> Result<Done, String> {
    let run = cx.cargo([
        "run",
        "--release",
        "--locked",
        "--package",
        "shadow-service",
    ]);
    let run = run.args(["--features", "server", "--example", "figures"]);
    let figures = run.limit(LIMIT).tee_stdout()?;
    if let Some(failure) = figures.failure {
        return Err(failure);
    }
    let guide = cx.root.join(FIGURES);
    let failed = |error| format!("{FIGURES}: {error}");
    let text = std::fs::read_to_string(&guide).map_err(failed)?;
    let text = between(&text, MARKS, figures.lines.join("\n").trim_end())
        .ok_or_else(|| format!("{FIGURES} has no {} and {}", MARKS[0], MARKS[1]))?;
    std::fs::write(&guide, text).map_err(failed)?;
    say(&format!("written into {FIGURES}"));
    Ok(Done::Passed)
}

const FIGURES: &str = "docs/guide/7-testing-without-aws.md";
const MARKS: [&str; 2] = ["<!-- figures -->", "<!-- end of figures -->"];

/// `text` with something else between two lines of it; `None` if they are not there.
fn between(text: &str, marks: [&str; 2], new: &str) -> Option<String> {
    let (head, rest) = text.split_once(marks[0])?;
    let (_, tail) = rest.split_once(marks[1])?;
    Some(format!("{head}{}\n\n{new}\n\n{}{tail}", marks[0], marks[1]))
}

/// What the README promises to somebody who has nothing but a Rust toolchain.
fn fresh(cx: &Cx, _: &Workspace) -> Result<Done, String> {
    let folder = TempDir::new();
    let clone = folder.path().join("clone");
    cx.program("git")
        .args(["clone", "--quiet"])
        .args([cx.root.as_path(), &clone])
        .run()?;
    let begin = Instant::now();
    let demo = cx
        .cargo(["run", "--example", "light", "--features", "tokio"])
        .dir(&clone);
    let demo = demo
        .env("CARGO_TARGET_DIR", clone.join("target"))
        .no_input();
    demo::judge(demo.tee_stdout()?)?;
    let took = begin.elapsed();
    say(&format!(
        "from a fresh clone to the end of the demo: {} s",
        took.as_secs()
    ));
    if took > FIRST_SIGHT {
        return Err(format!("that is more than {} s", FIRST_SIGHT.as_secs()));
    }
    Ok(Done::Passed)
}

fn needs(cx: &Cx, command: &str, install: &str) -> Result<(), String> {
    if cx.cargo([command, "--version"]).quietly() {
        Ok(())
    } else {
        Err(format!("needs: {install}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_the_marks_is_replaced() {
        let marks = ["<a>", "<b>"];
        let text = between("one\n<a>\nold\n<b>\ntwo\n", marks, "new");
        let text = text.expect("both are there");
        assert_eq!(text, "one\n<a>\n\nnew\n\n<b>\ntwo\n");
        assert_eq!(between(&text, marks, "new"), Some(text.clone()));
        assert_eq!(between("one\n<a>\n", marks, "new"), None);
    }
}
