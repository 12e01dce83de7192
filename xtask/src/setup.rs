//! What the other steps need beside a Rust toolchain: installed where that is allowed, named where it is not.

use std::path::Path;

use testkit::find_program;

use crate::exec::Cx;
use crate::steps::Done;
use crate::workspace::{PAHO, Workspace, has_paho};

/// Something that is not part of a Rust toolchain.
struct Tool {
    what: &'static str,
    /// Who needs it.
    why: &'static str,
    probe: Probe,
    /// Debian's package.
    apt: &'static str,
    /// What to do on a system without `apt-get`.
    elsewhere: &'static str,
    needed: fn(&Workspace) -> bool,
}

enum Probe {
    Program(&'static str),
    /// One of these files or folders.
    Path(&'static [&'static str]),
}

const TOOLS: [Tool; 12] = [
    Tool {
        what: "mosquitto",
        why: "the end-to-end tests",
        probe: Probe::Program("mosquitto"),
        apt: "mosquitto",
        elsewhere: "brew install mosquitto, or https://mosquitto.org/download",
        needed: |_| cfg!(unix),
    },
    Tool {
        what: "mosquitto_pub",
        why: "the end-to-end tests",
        probe: Probe::Program("mosquitto_pub"),
        apt: "mosquitto-clients",
        elsewhere: "brew install mosquitto, or https://mosquitto.org/download",
        needed: |_| cfg!(unix),
    },
    Tool {
        what: "python3",
        why: "the tests with the AWS SDKs",
        probe: Probe::Program("python3"),
        apt: "python3",
        elsewhere: "https://www.python.org",
        needed: |_| cfg!(unix),
    },
    Tool {
        what: "chromium",
        why: "the test of shadow-local's page",
        probe: Probe::Program("chromium"),
        apt: "chromium",
        elsewhere: "brew install chromium, or https://www.chromium.org",
        needed: |_| cfg!(unix),
    },
    Tool {
        what: "chromedriver",
        why: "the test of shadow-local's page",
        probe: Probe::Program("chromedriver"),
        apt: "chromium-driver",
        elsewhere: "brew install chromedriver, or https://googlechromelabs.github.io/chrome-for-testing",
        needed: |_| cfg!(unix),
    },
    Tool {
        what: "openssl",
        why: "the end-to-end tests over TLS",
        probe: Probe::Program("openssl"),
        apt: "openssl",
        elsewhere: "your system's package openssl",
        needed: |_| cfg!(unix),
    },
    Tool {
        what: "valgrind",
        why: "the instruction budgets",
        probe: Probe::Program("valgrind"),
        apt: "valgrind",
        elsewhere: "your system's package valgrind",
        needed: |_| has_valgrind(),
    },
    Tool {
        what: "cmake",
        why: PAHO,
        probe: Probe::Program("cmake"),
        apt: "cmake",
        elsewhere: "your system's package cmake",
        needed: needs_c,
    },
    Tool {
        what: "make",
        why: PAHO,
        probe: Probe::Program("make"),
        apt: "make",
        elsewhere: "your system's package make",
        needed: needs_c,
    },
    Tool {
        what: "a C compiler",
        why: PAHO,
        probe: Probe::Program("cc"),
        apt: "gcc",
        elsewhere: "your system's C compiler",
        needed: needs_c,
    },
    Tool {
        what: "pkg-config",
        why: PAHO,
        probe: Probe::Program("pkg-config"),
        apt: "pkg-config",
        elsewhere: "your system's package pkg-config",
        needed: needs_c,
    },
    Tool {
        what: "OpenSSL's headers",
        why: PAHO,
        probe: Probe::Path(&[
            "/usr/include/openssl/ssl.h",
            "/usr/local/include/openssl/ssl.h",
        ]),
        apt: "libssl-dev",
        elsewhere: "your system's development package of OpenSSL",
        needed: needs_c,
    },
];

/// What instructions are counted on.
pub(crate) const TARGET_OF_COUNTS: &str = "x86_64-unknown-linux-musl";

/// Whether instructions can be counted on this system.
pub(crate) fn has_valgrind() -> bool {
    cfg!(all(target_os = "linux", target_arch = "x86_64"))
}

/// The step: makes sure of every tool, and of the toolchain's own components.
pub(crate) fn setup(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    component(cx, "fmt", "rustfmt")?;
    component(cx, "clippy", "clippy")?;
    let missing = missing(workspace);
    if !missing.is_empty() {
        install(cx, &missing)?;
        let still = self::missing(workspace);
        if !still.is_empty() {
            return Err(format!("installed, and still not found: {}", names(&still)));
        }
    }
    Ok(Done::Passed)
}

/// Makes sure of a target's standard library. `false`: it cannot be had here.
pub(crate) fn has_target(cx: &Cx, target: &str) -> bool {
    let installed = || {
        let sysroot = cx
            .program("rustc")
            .args(["--print", "sysroot"])
            .capture()
            .unwrap_or_default();
        Path::new(sysroot.trim())
            .join("lib/rustlib")
            .join(target)
            .join("lib")
            .is_dir()
    };
    installed()
        || cx
            .program("rustup")
            .args(["target", "add", target])
            .quietly()
            && installed()
}

fn component(cx: &Cx, command: &str, component: &str) -> Result<(), String> {
    let works = || cx.cargo([command, "--version"]).quietly();
    if works()
        || cx
            .program("rustup")
            .args(["component", "add", component])
            .quietly()
            && works()
    {
        return Ok(());
    }
    Err(format!(
        "{component} is missing: rustup component add {component}"
    ))
}

fn install(cx: &Cx, missing: &[&Tool]) -> Result<(), String> {
    if find_program("apt-get").is_err() {
        let lines: Vec<String> = missing
            .iter()
            .map(|tool| format!("{}: {}", describe(tool), tool.elsewhere))
            .collect();
        return Err(format!("not installed:\n  {}", lines.join("\n  ")));
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.apt).collect();
    let by_hand = format!(
        "apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    let refused = |why: &str| {
        let tools = names(missing);
        Err(format!(
            "{tools}: not installed, and {why}. As root:\n  apt-get update && {by_hand}"
        ))
    };
    let prefix: &[&str] = match privilege(cx) {
        Some(prefix) => prefix,
        None => return refused("this user is neither root nor has sudo without a password"),
    };
    let apt = |args: &[&str]| {
        let words = [
            prefix,
            &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"],
            args,
        ]
        .concat();
        let (program, args) = words.split_first().ok_or("no command")?;
        cx.program(program).args(args).no_input().run()
    };
    // An update that fails (one of several sources is down) may still leave what is needed.
    let _ = apt(&["update", "-q"]);
    match apt(&[
        &["install", "-q", "-y", "--no-install-recommends"],
        packages.as_slice(),
    ]
    .concat())
    {
        Ok(()) => Ok(()),
        Err(error) => refused(&format!("apt-get does not install it ({error})")),
    }
}

/// How to run a command as root, if there is a way that asks nobody.
fn privilege(cx: &Cx) -> Option<&'static [&'static str]> {
    if cx
        .program("id")
        .args(["-u"])
        .capture()
        .is_ok_and(|id| id.trim() == "0")
    {
        return Some(&[]);
    }
    cx.program("sudo")
        .args(["-n", "true"])
        .quietly()
        .then_some(&["sudo", "-n"])
}

fn missing(workspace: &Workspace) -> Vec<&'static Tool> {
    TOOLS
        .iter()
        .filter(|tool| (tool.needed)(workspace) && !found(tool))
        .collect()
}

fn found(tool: &Tool) -> bool {
    match tool.probe {
        Probe::Program(name) => find_program(name).is_ok(),
        Probe::Path(paths) => paths.iter().any(|path| Path::new(path).exists()),
    }
}

fn needs_c(workspace: &Workspace) -> bool {
    has_paho() && workspace.has(PAHO)
}

fn names(tools: &[&Tool]) -> String {
    tools
        .iter()
        .map(|tool| describe(tool))
        .collect::<Vec<_>>()
        .join(", ")
}

fn describe(tool: &Tool) -> String {
    format!("{} (for {})", tool.what, tool.why)
}
