//! The client processes: built when they are needed, so that `cargo bench` alone does it all.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the client processes are.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

/// Set by `cargo xtask test`, which builds the workspace's binaries with all features and would not have them built once
/// more without.
const BUILT: &str = "SHADOW_BENCH_CLIENTS_ARE_BUILT";

/// How they are built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// As what is measured.
    Bench,
    /// Quickly, to see whether it works.
    Dev,
}

/// The project's root folder.
#[must_use]
pub fn root() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.parent().expect("it is in the workspace").to_owned()
}

/// Where Cargo builds.
#[must_use]
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .filter(|folder| !folder.is_empty())
        .map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// Cargo, at the root, without what the Cargo that runs this has set for this program alone: build scripts that watch
/// that would run again.
#[must_use]
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let own = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
        if own.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

impl Programs {
    /// Builds them.
    ///
    /// # Errors
    /// One line, when Cargo fails, which has said why.
    pub fn build(profile: Profile) -> Result<Self, String> {
        let target = target();
        let folder = target.to_string_lossy();
        let by_hand = [
            "--manifest-path",
            "benches/by-hand/Cargo.toml",
            "--target-dir",
            &folder,
        ];
        let mut all = vec![&by_hand[..]];
        if profile == Profile::Bench || env::var_os(BUILT).is_none() {
            // One after the other: together, the clients would have the features that the servers want of tokio.
            all.push(&["--package", "bench-clients"]);
            all.push(&["--package", "bench-servers"]);
        }
        let (profile, folder): (&[&str], _) = match profile {
            Profile::Bench => (&["--profile", "bench"], "release"),
            Profile::Dev => (&[], "debug"),
        };
        for what in all {
            let args = [&["build", "--quiet", "--locked"], profile, what].concat();
            let status = cargo(&args).status();
            if !status.is_ok_and(|status| status.success()) {
                return Err(format!("cargo {} fails", args.join(" ")));
            }
        }
        Ok(Self {
            folder: target.join(folder),
        })
    }

    /// Builds the programs of this package that count: as what is measured.
    ///
    /// # Errors
    /// One line, when Cargo fails, which has said why.
    pub fn build_counters() -> Result<(), String> {
        let args = ["build", "--quiet", "--locked", "--profile", "bench"];
        let which = [
            "--package",
            "benches",
            "--bin",
            "instructions",
            "--bin",
            "memory",
        ];
        let status = cargo(&[&args[..], &which].concat()).status();
        match status.is_ok_and(|status| status.success()) {
            true => Ok(()),
            false => Err("cargo build --package benches fails".to_owned()),
        }
    }

    /// Where one is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        let file = format!("{name}{}", env::consts::EXE_SUFFIX);
        self.folder.join(file)
    }

    /// The command that runs one.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        Command::new(self.path(name))
    }
}
