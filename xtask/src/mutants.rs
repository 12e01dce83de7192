//! Deliberate bugs: patches under `sim/mutants/` break the core, and the suite has to notice each.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::TempDir;

use crate::exec::{Cx, say};
use crate::sim;
use crate::steps::Done;
use crate::workspace::Workspace;

const FOLDER: &str = "sim/mutants";

/// What the patches break.
const CORE: &str = "shadow-proto";

/// A bug may make the simulation run in circles.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// The short form: every patch still fits the sources.
pub(crate) fn still_apply(cx: &Cx, _: &Workspace) -> Result<Done, String> {
    let patches = patches(cx)?;
    if patches.is_empty() {
        return Ok(Done::Nothing(format!("there is no patch in {FOLDER} yet")));
    }
    for patch in &patches {
        cx.program("git")
            .args(["apply", "--check"])
            .args([patch])
            .run()?;
    }
    say(&format!(
        "short form: {} patches fit; `cargo xtask extra mutants` also runs them",
        patches.len()
    ));
    Ok(Done::Passed)
}

/// Applies each patch to a copy of the sources. The simulation, or else its tests or the core's, must fail there.
pub(crate) fn run(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    let patches = patches(cx)?;
    if patches.is_empty() {
        return Ok(Done::Nothing(format!("there is no patch in {FOLDER} yet")));
    }
    // Outside the repository: inside it `git apply` takes paths as relative to the repository's root.
    let copy = TempDir::new();
    copy_sources(cx, copy.path())?;
    let build = Path::new(&workspace.target_directory).join("mutants");
    let mutant = Mutant {
        cx,
        tree: copy.path(),
        build: &build,
    };
    if mutant.found_by()?.is_some() {
        return Err("the suite fails without any patch".to_owned());
    }
    let mut survivors = Vec::new();
    for patch in &patches {
        let name = patch
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        mutant.apply(patch, &[])?;
        match mutant.found_by()? {
            Some(by) => say(&format!("mutant {name}: found by {by}")),
            None => survivors.push(name),
        }
        mutant.apply(patch, &["--reverse"])?;
    }
    if survivors.is_empty() {
        say(&format!("{} mutants, none survives", patches.len()));
        Ok(Done::Passed)
    } else {
        Err(format!("these mutants survive: {}", survivors.join(", ")))
    }
}

/// A copy of the sources in which one thing may be broken.
struct Mutant<'a> {
    cx: &'a Cx,
    tree: &'a Path,
    build: &'a Path,
}

impl Mutant<'_> {
    fn apply(&self, patch: &Path, args: &[&str]) -> Result<(), String> {
        self.cx
            .program("git")
            .args(["apply"])
            .args(args)
            .args([patch])
            .dir(self.tree)
            .run()
    }

    /// What fails: the simulation, its tests, or those of the core. A mutant that does not compile is found by nobody, it
    /// is an error.
    fn found_by(&self) -> Result<Option<&'static str>, String> {
        let cargo = |args: &[&str], package: &str| {
            let cmd = self.cx.cargo(args).args(["--locked", "--package", package]);
            cmd.env("CARGO_TARGET_DIR", self.build).dir(self.tree)
        };
        cargo(&["build", "--quiet", "--release"], sim::PACKAGE).run()?;
        let simulation = cargo(&["run", "--quiet", "--release"], sim::PACKAGE)
            .args(["--", "--seeds", "1000"])
            .limit(LIMIT);
        if !simulation.succeeds().unwrap_or(false) {
            return Ok(Some("the simulation"));
        }
        // The core's look at its invariants, which release leaves out.
        let suites: [(&str, &[&str], &str); 2] = [
            (sim::PACKAGE, &["--release"], "the tests of the simulation"),
            (CORE, &[], "the tests of the core"),
        ];
        for (package, profile, name) in suites {
            let test = || cargo(&["test", "--quiet"], package).args(profile);
            test().args(["--no-run"]).run()?;
            if !test().limit(LIMIT).succeeds().unwrap_or(false) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

fn patches(cx: &Cx) -> Result<Vec<PathBuf>, String> {
    let folder = cx.root.join(FOLDER);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&folder).map_err(|error| format!("{FOLDER}: {error}"))?;
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut patches: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "patch"))
        .collect();
    patches.sort();
    Ok(patches)
}

/// What git knows or would add, so neither build output nor ignored files.
fn copy_sources(cx: &Cx, to: &Path) -> Result<(), String> {
    let list = cx
        .program("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .capture()?;
    for name in list.split('\0').filter(|name| !name.is_empty()) {
        let from = cx.root.join(name);
        // Listed, but deleted since.
        if !from.is_file() {
            continue;
        }
        let file = to.join(name);
        let folder = file.parent().unwrap_or(to);
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        fs::copy(&from, &file).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}
