//! What is said about the code without running it.

use crate::exec::Cx;
use crate::steps::Done;
use crate::workspace::Workspace;
use crate::{bench, fuzz};

pub(crate) fn fmt(cx: &Cx, _: &Workspace) -> Result<Done, String> {
    cx.cargo(["fmt", "--all", "--check"]).run()?;
    // A workspace of its own, so that its dependencies do not concern others.
    if fuzz::exists(cx) {
        cx.cargo(["fmt", "--manifest-path", fuzz::MANIFEST, "--check"])
            .run()?;
    }
    cx.cargo(["fmt", "--manifest-path", bench::BY_HAND, "--check"])
        .run()?;
    Ok(Done::Passed)
}

pub(crate) fn clippy(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    let clippy = cx
        .cargo(["clippy", "--all-targets"])
        .args(workspace.selection());
    clippy.args(["--", "-D", "warnings"]).run()?;
    Ok(Done::Passed)
}

pub(crate) fn docs(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    let doc = cx.cargo(["doc", "--no-deps"]).args(workspace.selection());
    doc.env("RUSTDOCFLAGS", "-D warnings").run()?;
    Ok(Done::Passed)
}
