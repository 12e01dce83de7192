//! The oldest compiler that the libraries promise, from their manifest.

use super::builds::{WITHOUT_C, facade_features};
use crate::exec::Cx;
use crate::steps::Done;
use crate::workspace::{FACADE, LIBRARIES, PAHO, Workspace};

pub(crate) fn check(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    let facade = workspace.package(FACADE).ok_or("there is no facade")?;
    let version = facade
        .rust_version
        .as_deref()
        .ok_or("the facade's manifest has no rust-version")?;
    if let Some(package) = workspace
        .libraries()
        .find(|it| it.rust_version.as_deref() != Some(version))
    {
        return Err(format!(
            "{} does not promise {version} as the facade does",
            package.name
        ));
    }
    let Some(toolchain) = toolchain(cx, version) else {
        cx.note(format!(
            "Rust {version} is not available here, so the oldest compiler was not tried"
        ));
        return Ok(Done::Nothing(format!(
            "Rust {version} is not available here"
        )));
    };
    let packages: Vec<&str> = LIBRARIES
        .into_iter()
        .filter(|&name| name != PAHO && workspace.has(name))
        .collect();
    let check = cx
        .program("rustup")
        .args(["run", &toolchain, "cargo", "check", "--locked", "--lib"]);
    let check = check.args(packages.iter().flat_map(|&name| ["--package", name]));
    check
        .args(facade_features(&workspace.facade_features(&WITHOUT_C)))
        .run()?;
    Ok(Done::Passed)
}

/// The installed toolchain of this version, installed now if it has to be.
fn toolchain(cx: &Cx, version: &str) -> Option<String> {
    let installed = || {
        let list = cx
            .program("rustup")
            .args(["toolchain", "list"])
            .capture()
            .ok()?;
        let names = list
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        let is_wanted = |name: &&str| {
            name.strip_prefix(version)
                .is_some_and(|rest| rest.starts_with(['-', '.']))
        };
        names.into_iter().find(is_wanted).map(str::to_owned)
    };
    installed().or_else(|| {
        let install = [
            "toolchain",
            "install",
            version,
            "--profile",
            "minimal",
            "--no-self-update",
        ];
        cx.program("rustup").args(install).quietly();
        installed()
    })
}
