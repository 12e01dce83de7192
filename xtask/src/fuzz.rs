//! The fuzz targets: each for a short time in the test, for long by `cargo xtask extra fuzz-long`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::exec::{Cmd, Cx, say};
use crate::json::Json;
use crate::steps::Done;
use crate::workspace::Workspace;

pub(crate) const MANIFEST: &str = "fuzz/Cargo.toml";

/// What nothing calls is not compiled, and a crate is compiled on all cores: with the sanitizer half of the time.
const FLAGS: [&str; 3] = ["--strip-dead-code", "--codegen-units", "8"];

/// Outside the workspace: it needs other compiler flags.
pub(crate) fn exists(cx: &Cx) -> bool {
    cx.root.join(MANIFEST).is_file()
}

pub(crate) fn short(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    say("short form: 5 s for each target; the long one is `cargo xtask extra fuzz-long`");
    run(cx, workspace, Duration::from_secs(5))
}

pub(crate) fn long(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    run(cx, workspace, Duration::from_secs(30 * 60))
}

fn run(cx: &Cx, workspace: &Workspace, time: Duration) -> Result<Done, String> {
    if !exists(cx) {
        return Ok(Done::Nothing(format!("there is no {MANIFEST} yet")));
    }
    if cfg!(not(target_os = "linux")) {
        return Ok(Done::Nothing("the fuzzer runs on Linux".to_owned()));
    }
    if !fuzz(cx, "--version").quietly() {
        // The one Cargo tool that the test installs.
        cx.cargo(["install", "cargo-fuzz", "--locked"]).run()?;
    }
    fuzz(cx, "build").args(FLAGS).run()?;
    for target in targets(cx)? {
        // What is found now goes into a folder of its own: the committed corpus only grows on purpose.
        let found = Path::new(&workspace.target_directory)
            .join("fuzz-corpus")
            .join(&target);
        fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
        let kept = format!("fuzz/corpus/{target}");
        let kept = cx.root.join(&kept).is_dir().then_some(kept);
        let cmd = fuzz(cx, "run")
            .args(FLAGS)
            .args([&target])
            .args([&found])
            .args(kept);
        let dictionary = format!("fuzz/dictionaries/{target}.dict");
        let dictionary = cx.root.join(&dictionary).is_file().then_some(dictionary);
        let dictionary = dictionary.map(|path| format!("-dict={path}"));
        let cmd = cmd.args([
            "--",
            "-timeout=10",
            &format!("-max_total_time={}", time.as_secs()),
        ]);
        let cmd = cmd.args(dictionary);
        cmd.limit(time + Duration::from_secs(10 * 60)).run()?;
    }
    Ok(Done::Passed)
}

/// cargo-fuzz needs unstable compiler flags (sanitizers); this variable lets the stable compiler take them.
fn fuzz<'a>(cx: &'a Cx, command: &str) -> Cmd<'a> {
    cx.cargo(["fuzz", command]).env("RUSTC_BOOTSTRAP", "1")
}

fn targets(cx: &Cx) -> Result<Vec<String>, String> {
    let metadata = [
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
        "--manifest-path",
        MANIFEST,
    ];
    let metadata = Json::parse(&cx.cargo(metadata).capture()?)
        .ok_or("`cargo metadata` does not print JSON")?;
    let packages = metadata.get("packages").items().iter();
    let targets = packages.flat_map(|package| package.get("targets").items());
    let is_bin = |target: &&Json| {
        target
            .get("kind")
            .items()
            .iter()
            .any(|kind| kind.text() == Some("bin"))
    };
    Ok(targets
        .filter(is_bin)
        .filter_map(|target| target.get("name").text().map(str::to_owned))
        .collect())
}
