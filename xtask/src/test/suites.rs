//! Runs the tests and makes sure that they did run: nothing skipped, nothing ignored, no target lost.

use std::fs;

use crate::exec::{Cx, Teed, say};
use crate::python;
use crate::steps::Done;
use crate::workspace::{Workspace, has_paho};

/// The test targets that have to run, so that one that is no longer found does not go unnoticed.
const LIST: &str = "xtask/test-targets.txt";

/// Builds all that the suites start.
pub(crate) fn programs(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    build_programs(cx, workspace)?;
    Ok(Done::Passed)
}

/// Builds all that the suites run.
pub(crate) fn build(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    let names = workspace.test_targets();
    cx.cargo(["test", "--no-run", "--lib", "--bins"])
        .args(named(&names))
        .args(workspace.selection())
        .run()?;
    Ok(Done::Passed)
}

pub(crate) fn tests(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    build_programs(cx, workspace)?;
    let mut names = workspace.test_targets();
    names.retain(|name| !is_e2e(name));
    let test = cx
        .cargo(["test", "--no-fail-fast", "--lib", "--bins"])
        .args(named(&names));
    // No `--test` at all would be understood as all of them only without `--lib`; so an empty list is right, too.
    let teed = test
        .args(workspace.selection())
        .env("SHADOW_E2E", "1")
        .tee()?;
    judge(cx, teed, |target| !is_e2e(target) && !is_doctest(target))
}

pub(crate) fn e2e(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    end_to_end(cx, workspace, |target| {
        is_e2e(target) && !is_conformance(target)
    })
}

pub(crate) fn conformance(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    end_to_end(cx, workspace, is_conformance)
}

fn end_to_end(cx: &Cx, workspace: &Workspace, concerns: fn(&str) -> bool) -> Result<Done, String> {
    if cfg!(not(unix)) {
        return Ok(Done::Nothing(
            "the end-to-end tests send signals, so they run on Unix".to_owned(),
        ));
    }
    build_programs(cx, workspace)?;
    let mut names = workspace.test_targets();
    names.retain(|name| concerns(name));
    if names.is_empty() {
        return Ok(Done::Nothing("no test target is called so".to_owned()));
    }
    let test = cx
        .cargo(["test", "--no-fail-fast"])
        .args(named(&names))
        .args(workspace.selection());
    let test = match workspace.has("shadow-service") && concerns("e2e_aws_sdk") {
        true => test.env(
            "SHADOW_AWS_SDK_PYTHON",
            python::with_aws_sdks(cx, workspace)?,
        ),
        false => test,
    };
    judge(cx, test.env("SHADOW_E2E", "1").tee()?, concerns)
}

pub(crate) fn doctests(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    let teed = cx
        .cargo(["test", "--doc", "--no-fail-fast"])
        .args(workspace.selection())
        .tee()?;
    judge(cx, teed, is_doctest)
}

/// Binaries and examples of every package: tests start them, and Cargo builds them only for tests of their own package.
fn build_programs(cx: &Cx, workspace: &Workspace) -> Result<(), String> {
    cx.cargo(["build", "--bins", "--examples"])
        .args(workspace.selection())
        .run()
}

/// The arguments that select integration tests by name.
fn named(names: &[&str]) -> Vec<String> {
    names
        .iter()
        .flat_map(|&name| ["--test".to_owned(), name.to_owned()])
        .collect()
}

fn is_e2e(target: &str) -> bool {
    target.starts_with("e2e_")
}

/// The conformance suite takes as long as all others together, so it is a step of its own.
fn is_conformance(target: &str) -> bool {
    target.starts_with("e2e_conformance")
}

fn is_doctest(target: &str) -> bool {
    target.ends_with(DOCTESTS)
}

const DOCTESTS: &str = " doctests";

fn judge(cx: &Cx, teed: Teed, concerns: fn(&str) -> bool) -> Result<Done, String> {
    let suite = Suite::read(&teed.lines);
    if let Some(failure) = teed.failure {
        return Err(failure);
    }
    if let Some(line) = &suite.skipped {
        return Err(format!(
            "a test was skipped, which is a failure here: {line}"
        ));
    }
    if suite.ignored > 0 {
        return Err(format!(
            "{} tests are ignored; a test that cannot run yet is no test",
            suite.ignored
        ));
    }
    let list =
        fs::read_to_string(cx.root.join(LIST)).map_err(|error| format!("{LIST}: {error}"))?;
    let expected = list
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let expected: Vec<&str> = expected
        .filter(|target| concerns(target) && runs_here(target))
        .collect();
    let ran: Vec<&str> = suite.ran().collect();
    let missing = without(&expected, &ran);
    if !missing.is_empty() {
        let lines = missing.join("\n  ");
        return Err(format!(
            "these test targets ran no test:\n  {lines}\nif one is gone on purpose, take its line out of {LIST}"
        ));
    }
    for name in without(&ran, &expected) {
        cx.note(format!("{LIST} does not list this target yet: {name}"));
    }
    say(&format!(
        "{} tests passed in {} targets",
        suite.passed,
        ran.len()
    ));
    Ok(Done::Passed)
}

/// What `names` has more often than `others`.
fn without<'a>(names: &[&'a str], others: &[&str]) -> Vec<&'a str> {
    let mut others = others.to_vec();
    let mut left = names.to_vec();
    left.retain(|name| match others.iter().position(|other| other == name) {
        Some(position) => {
            others.swap_remove(position);
            false
        }
        None => true,
    });
    left
}

/// The list is for Linux, where everything runs.
fn runs_here(target: &str) -> bool {
    has_paho() || !target.contains("paho")
}

/// What `cargo test` said it did.
#[derive(Debug, Default)]
struct Suite {
    targets: Vec<Ran>,
    passed: usize,
    ignored: usize,
    skipped: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Ran {
    /// As in the list: `shadow_proto src/lib.rs`, `e2e_light tests/e2e_light.rs`, `shadow_proto doctests`.
    name: String,
    tests: usize,
}

impl Suite {
    /// The targets that ran a test.
    fn ran(&self) -> impl Iterator<Item = &str> {
        self.targets
            .iter()
            .filter(|target| target.tests > 0)
            .map(|target| target.name.as_str())
    }

    fn read(lines: &[String]) -> Self {
        let mut suite = Self::default();
        for line in lines {
            if let Some(name) = target(line) {
                suite.targets.push(Ran { name, tests: 0 });
            } else if let Some(result) = line.strip_prefix("test result: ") {
                let passed = count(result, " passed");
                suite.passed += passed;
                suite.ignored += count(result, " ignored");
                if let Some(target) = suite.targets.last_mut() {
                    target.tests += passed + count(result, " failed");
                }
            } else if line.contains("skipped: ") {
                suite.skipped.get_or_insert_with(|| line.clone());
            }
        }
        suite
    }
}

/// The target that a line of Cargo's announces.
fn target(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(name) = line.strip_prefix("Doc-tests ") {
        return Some(format!("{name}{DOCTESTS}"));
    }
    // Running unittests src/lib.rs (target/debug/deps/shadow_proto-0123456789abcdef)
    let (path, program) = line
        .strip_prefix("Running ")?
        .strip_suffix(')')?
        .split_once(" (")?;
    let path = path
        .strip_prefix("unittests ")
        .unwrap_or(path)
        .replace('\\', "/");
    let (_, file) = program.rsplit_once(['/', '\\'])?;
    let (name, _hash) = file.trim_end_matches(".exe").rsplit_once('-')?;
    Some(format!("{name} {path}"))
}

/// `17` from `ok. 17 passed; 1 failed; 0 ignored; …`.
fn count(result: &str, what: &str) -> usize {
    let number = result
        .split(['.', ';'])
        .find_map(|part| part.trim().strip_suffix(what.trim_start()));
    number
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_cargo_and_the_harness_print() {
        let output = "    Finished `test` profile
     Running unittests src/lib.rs (target/debug/deps/shadow_proto-0123456789abcdef)

running 2 tests
test result: ok. 17 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.13s

     Running tests/e2e_light.rs (/tmp/target/debug/deps/e2e_light-c108646d2558e084)
skipped: mosquitto is not installed
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.13s
   Doc-tests shadow_proto
test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.13s";
        let lines: Vec<String> = output.lines().map(str::to_owned).collect();
        let suite = Suite::read(&lines);
        let ran = |name: &str, tests| Ran {
            name: name.to_owned(),
            tests,
        };
        assert_eq!(
            suite.targets,
            [
                ran("shadow_proto src/lib.rs", 18),
                ran("e2e_light tests/e2e_light.rs", 1),
                ran("shadow_proto doctests", 0)
            ]
        );
        assert_eq!((suite.passed, suite.ignored), (18, 2));
        assert_eq!(
            suite.skipped.as_deref(),
            Some("skipped: mosquitto is not installed")
        );
    }

    #[test]
    fn a_name_that_two_packages_have_counts_twice() {
        assert_eq!(without(&["a", "b", "a"], &["a", "c"]), ["b", "a"]);
        assert!(without(&["a"], &["a", "a"]).is_empty());
    }

    #[test]
    fn reads_paths_of_windows() {
        let line = r"     Running tests\a.rs (target\debug\deps\a-c108646d2558e084.exe)";
        assert_eq!(target(line).as_deref(), Some("a tests/a.rs"));
    }
}
