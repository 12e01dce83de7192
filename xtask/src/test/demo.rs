//! The newcomer's first command, as the README gives it, without a terminal: the demo then plays both sides by itself.

use std::time::Duration;

use crate::exec::Cx;
use crate::steps::Done;
use crate::workspace::{FACADE, Workspace};

const EXAMPLE: &str = "light";

/// How the demo says that the device reported what was desired.
const LAST_LINE: &str = "in sync: color = ";

/// The demo gives itself 10 s for each of three colours.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn run(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    if workspace
        .example(EXAMPLE)
        .is_none_or(|package| package.name != FACADE)
    {
        return Ok(Done::Nothing(format!(
            "{FACADE} has no example {EXAMPLE} yet"
        )));
    }
    let args = ["--locked", "--example", EXAMPLE, "--features", "tokio"];
    cx.cargo(["build"]).args(args).run()?;
    let teed = cx
        .cargo(["run"])
        .args(args)
        .no_input()
        .limit(LIMIT)
        .tee_stdout()?;
    if let Some(failure) = teed.failure {
        return Err(failure);
    }
    match teed.lines.last() {
        Some(line) if line.starts_with(LAST_LINE) => Ok(Done::Passed),
        Some(line) => Err(format!(
            "the demo's last line does not begin with {LAST_LINE:?}: {line}"
        )),
        None => Err("the demo printed nothing".to_owned()),
    }
}
