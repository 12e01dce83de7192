//! The newcomer's first command, as the README gives it, without a terminal: the demo then plays both sides by itself.

use std::time::Duration;

use crate::exec::{Cx, Teed};
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
    judge(
        cx.cargo(["run"])
            .args(args)
            .no_input()
            .limit(LIMIT)
            .tee_stdout()?,
    )?;
    Ok(Done::Passed)
}

/// Whether the demo succeeded and its last line says so.
pub(crate) fn judge(demo: Teed) -> Result<(), String> {
    if let Some(failure) = demo.failure {
        return Err(failure);
    }
    match demo.lines.last() {
        Some(line) if line.starts_with(LAST_LINE) => Ok(()),
        Some(line) => Err(format!(
            "the demo's last line does not begin with {LAST_LINE:?}: {line}"
        )),
        None => Err("the demo printed nothing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(lines: &[&str], failure: Option<&str>) -> Result<(), String> {
        let lines = lines.iter().map(|&line| line.to_owned()).collect();
        judge(Teed {
            lines,
            failure: failure.map(str::to_owned),
        })
    }

    #[test]
    fn only_the_last_line_of_a_demo_that_succeeded_counts() {
        assert!(judged(&["hello", "in sync: color = red"], None).is_ok());
        assert!(judged(&["in sync: color = red", "goodbye"], None).is_err());
        assert!(judged(&["in sync: color = red"], Some("exit status: 1")).is_err());
        assert!(judged(&[], None).is_err());
    }
}
