//! Instruction counts of the hot paths against the committed budgets. What is counted, and how, is in `benches`.

use crate::Stop;
use crate::bench::PACKAGE;
use crate::exec::{Cmd, Cx};
use crate::setup::{TARGET_OF_COUNTS, has_target, has_valgrind};
use crate::steps::Done;
use crate::workspace::Workspace;

pub(crate) fn check(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    if !workspace.has(PACKAGE) {
        return Ok(Done::Nothing(format!("there is no package {PACKAGE} yet")));
    }
    if !has_valgrind() {
        let why = "valgrind counts on Linux and x86-64; the budgets are of there".to_owned();
        return Ok(Done::Nothing(why));
    }
    let teed = program(cx, "check")?.tee_stdout()?;
    for line in &teed.lines {
        if let Some(note) = line.strip_prefix("note: ") {
            cx.note(note);
        }
    }
    teed.failure.map_or(Ok(Done::Passed), Err)
}

/// Writes the budgets anew.
pub(crate) fn bless(cx: &Cx) -> Result<(), Stop> {
    if !has_valgrind() {
        return Err(Stop::Because(
            "valgrind counts on Linux and x86-64 alone".to_owned(),
        ));
    }
    program(cx, "bless")?.run()?;
    Ok(())
}

/// Not with this machine's C library: its allocator differs from system to system, and its `memcpy` from processor to
/// processor.
fn program<'a>(cx: &'a Cx, what: &str) -> Result<Cmd<'a>, String> {
    if !has_target(cx, TARGET_OF_COUNTS) {
        return Err(format!(
            "the target {TARGET_OF_COUNTS} is missing: rustup target add {TARGET_OF_COUNTS}"
        ));
    }
    Ok(cx.cargo([
        "run",
        "--quiet",
        "--locked",
        "--profile",
        "bench",
        "--package",
        PACKAGE,
        "--bin",
        "instructions",
        "--target",
        TARGET_OF_COUNTS,
        "--",
        what,
    ]))
}
