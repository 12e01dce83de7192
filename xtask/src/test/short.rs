//! Short forms of long checks.

use crate::exec::{Cx, say};
use crate::steps::Done;
use crate::workspace::Workspace;
use crate::{bench, sim};

pub(crate) fn sim(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    if !workspace.has(sim::PACKAGE) {
        return Ok(Done::Nothing(format!(
            "there is no package {} yet",
            sim::PACKAGE
        )));
    }
    say(
        "short form: 1000 fixed seeds, of packets and of bytes; the long one is `cargo xtask extra sim-long`",
    );
    sim::command(cx, &["--seeds", "1000"]).run()?;
    Ok(Done::Passed)
}

pub(crate) fn benches(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    if !workspace.has(bench::PACKAGE) {
        return Ok(Done::Nothing(format!(
            "there is no package {} yet",
            bench::PACKAGE
        )));
    }
    say("short form: each benchmark once, nothing measured; the long one is `cargo xtask bench`");
    // The clients of `round_trip`, which would otherwise be built by themselves, with other features.
    let build = cx.cargo(["build", "--bins", "--examples"]);
    build.args(workspace.selection()).run()?;
    let bench = cx.cargo(["bench", "--locked", "--package", bench::PACKAGE]);
    bench
        .args(["--", "--test"])
        .env(bench::CLIENTS_ARE_BUILT, "1")
        .run()?;
    Ok(Done::Passed)
}
