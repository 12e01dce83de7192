use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::{env, error, fmt, fs};

/// A program that a test needs is not installed, or not built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingTool {
    name: String,
}

impl MissingTool {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
        }
    }

    /// The program's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for MissingTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not installed", self.name)
    }
}

impl error::Error for MissingTool {}

/// What a test does when `tool` is missing: prints `skipped: …` and returns, so that `cargo test` works without it.
///
/// # Panics
///
/// Under `SHADOW_E2E=1`, which `cargo xtask test` sets: there every tool has been installed and a skip is a failure.
pub fn skip_or_fail(tool: &str) {
    report_missing(tool, must_not_skip(env::var("SHADOW_E2E").ok().as_deref()));
}

/// The full path of a program, from `PATH` and from where systems keep programs that an ordinary user's `PATH` leaves
/// out (Debian's Mosquitto is in `/usr/sbin`).
///
/// # Errors
///
/// When it is in none of them.
pub fn find_program(name: &str) -> Result<PathBuf, MissingTool> {
    const ALSO: [&str; 5] = [
        "/usr/sbin",
        "/usr/local/sbin",
        "/opt/homebrew/sbin",
        "/opt/homebrew/bin",
        r"C:\Program Files\mosquitto",
    ];
    let path = env::var_os("PATH").unwrap_or_default();
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&path)
        .chain(ALSO.into_iter().map(PathBuf::from))
        .map(|dir| dir.join(&file))
        .find(|path| path.is_file())
        .ok_or_else(|| MissingTool::new(name))
}

/// Mosquitto's plugin for dynamic security, where packages of Mosquitto keep it. It tells apart what AWS tells apart: to
/// publish, to subscribe, to receive.
#[must_use]
pub fn dynamic_security() -> Option<PathBuf> {
    const NAME: &str = "mosquitto_dynamic_security.so";
    let broker = find_program("mosquitto").ok()?;
    let lib = broker.parent()?.parent()?.join("lib");
    let multiarch = fs::read_dir(&lib).ok()?.flatten().map(|entry| entry.path());
    let mut folders = [lib.clone(), PathBuf::from("/usr/lib")]
        .into_iter()
        .chain(multiarch);
    let folder = folders.find(|folder| folder.join(NAME).is_file())?;
    Some(folder.join(NAME))
}

/// The built example `name` of any package of the workspace.
///
/// `cargo test` builds the examples of the packages it tests; `cargo xtask test` builds all of them first.
///
/// # Errors
///
/// When it has not been built.
pub fn example(name: &str) -> Result<PathBuf, MissingTool> {
    built(&profile_dir().join("examples"), name)
}

/// The built binary `name` of any package of the workspace. For one of the test's own package use
/// `env!("CARGO_BIN_EXE_name")`, which Cargo keeps up to date.
///
/// # Errors
///
/// When it has not been built.
pub fn binary(name: &str) -> Result<PathBuf, MissingTool> {
    built(&profile_dir(), name)
}

fn built(dir: &Path, name: &str) -> Result<PathBuf, MissingTool> {
    let path = dir.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    if path.is_file() {
        Ok(path)
    } else {
        Err(MissingTool::new(name))
    }
}

/// `target/debug`, from the test's own path `target/debug/deps/test-hash`.
fn profile_dir() -> PathBuf {
    let test = env::current_exe().expect("a test knows its own path");
    let deps = test.parent().expect("a program is in a folder");
    deps.parent()
        .expect("tests are built into target/PROFILE/deps")
        .to_owned()
}

fn must_not_skip(variable: Option<&str>) -> bool {
    !matches!(variable, None | Some("" | "0"))
}

fn report_missing(tool: &str, fail: bool) {
    assert!(
        !fail,
        "{tool} is missing, and SHADOW_E2E=1 says that nothing may be skipped"
    );
    // Not `eprintln!`: the test harness hides what a passing test prints through it.
    let _ = writeln!(io::stderr(), "skipped: {tool} is not installed");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_absent_empty_or_zero_variable_allows_a_skip() {
        assert!(!must_not_skip(None));
        assert!(!must_not_skip(Some("")));
        assert!(!must_not_skip(Some("0")));
        assert!(must_not_skip(Some("1")));
    }

    #[test]
    #[should_panic(expected = "no-such-tool is missing")]
    fn a_missing_tool_fails_where_nothing_may_be_skipped() {
        report_missing("no-such-tool", true);
    }

    #[test]
    fn a_missing_program_is_named() {
        let missing = find_program("no-such-program").expect_err("it exists");
        assert_eq!(missing.to_string(), "no-such-program is not installed");
        assert_eq!(
            example("no-such-example").expect_err("it exists").name(),
            "no-such-example"
        );
        assert_eq!(
            binary("no-such-binary").expect_err("it exists").name(),
            "no-such-binary"
        );
    }

    #[test]
    #[cfg(unix)]
    fn finds_what_every_unix_has() {
        assert!(find_program("sh").expect("sh").is_absolute());
    }
}
