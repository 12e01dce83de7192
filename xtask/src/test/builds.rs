//! Builds for other machines and with other features. Nothing of it runs.

use crate::exec::Cx;
use crate::setup::has_target;
use crate::steps::Done;
use crate::workspace::{FACADE, LIBRARIES, PAHO, Workspace, has_paho, is_chosen};

/// A target without an operating system, so that nothing can lean on std.
const BARE_METAL: &str = "thumbv7em-none-eabihf";

/// Where the libraries have to compile beside the machine that runs this.
const TARGETS: [&str; 5] = [
    "x86_64-pc-windows-gnu",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "armv7-unknown-linux-gnueabihf",
    "x86_64-unknown-linux-musl",
];

/// Features of the facade that compile no C, which would need a C compiler for each target.
pub(crate) const WITHOUT_C: [&str; 3] = ["tokio", "async-std", "smol"];

/// Features that the facade promises.
const PROMISED: [&str; 14] = [
    "async-std",
    "blocking",
    "flags",
    "http-proxy",
    "native-roots",
    "paho",
    "paho-ssl",
    "rest",
    "sigv4",
    "smol",
    "tls",
    "tls-aws-lc",
    "tokio",
    "websocket",
];

/// One program over each transport, with the features that it takes.
const PORTABLE: [(&str, &str); 3] = [
    ("portable_tokio", "blocking,tokio"),
    ("portable_smol", "blocking,smol"),
    ("portable_async_std", "async-std,blocking"),
];

pub(crate) fn no_std(cx: &Cx, _: &Workspace) -> Result<Done, String> {
    let build = || {
        cx.cargo([
            "build",
            "--locked",
            "--package",
            "shadow-proto",
            "--no-default-features",
            "--lib",
        ])
    };
    if has_target(cx, BARE_METAL) {
        build().args(["--target", BARE_METAL]).run()?;
    } else {
        cx.note(format!("{BARE_METAL} is not available here, so shadow-proto was built without features for this machine"));
        build().run()?;
    }
    Ok(Done::Passed)
}

pub(crate) fn targets(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    let packages: Vec<&str> = LIBRARIES
        .into_iter()
        .filter(|&name| name != PAHO && workspace.has(name))
        .collect();
    let features = workspace.facade_features(&WITHOUT_C);
    for target in TARGETS {
        if !has_target(cx, target) {
            cx.note(format!(
                "{target} is not available here, so nothing was checked for it"
            ));
            continue;
        }
        let check = cx.cargo(["check", "--locked", "--lib", "--target", target]);
        let check = check.args(packages.iter().flat_map(|&name| ["--package", name]));
        check.args(facade_features(&features)).run()?;
    }
    Ok(Done::Passed)
}

pub(crate) fn features(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    let facade = workspace.package(FACADE).ok_or("there is no facade")?;
    for name in PROMISED
        .iter()
        .filter(|name| !facade.features.iter().any(|feature| feature == *name))
    {
        cx.note(format!("the facade has no feature {name} yet"));
    }
    let names = facade.features.iter().map(String::as_str);
    let all: Vec<&str> = names.filter(|feature| is_chosen(feature)).collect();
    let without_paho = all.iter().copied().filter(|it| !it.starts_with("paho"));
    let mut combinations: Vec<Vec<&str>> = vec![Vec::new()];
    combinations.extend(all.iter().map(|feature| vec![*feature]));
    combinations.push(without_paho.collect());
    combinations.push(all);
    for combination in combinations {
        let check = cx.cargo([
            "check",
            "--locked",
            "--lib",
            "--package",
            FACADE,
            "--no-default-features",
        ]);
        let features =
            (!combination.is_empty()).then(|| ["--features".to_owned(), combination.join(",")]);
        check.args(features.into_iter().flatten()).run()?;
    }
    for (example, features) in PORTABLE {
        let check = ["check", "--locked", "--package", FACADE];
        let only = ["--no-default-features", "--features", features];
        cx.cargo(check)
            .args(only)
            .args(["--example", example])
            .run()?;
    }
    // Each library by itself: in the workspace one crate can live on a feature that another one asks for.
    for package in workspace
        .libraries()
        .filter(|it| it.name != FACADE && (has_paho() || it.name != PAHO))
    {
        cx.cargo([
            "check",
            "--locked",
            "--lib",
            "--package",
            &package.name,
            "--no-default-features",
        ])
        .run()?;
    }
    Ok(Done::Passed)
}

/// The arguments for features of the facade where several packages are selected.
pub(crate) fn facade_features(features: &[&str]) -> Vec<String> {
    let names: Vec<String> = features
        .iter()
        .map(|feature| format!("{FACADE}/{feature}"))
        .collect();
    if names.is_empty() {
        Vec::new()
    } else {
        vec!["--features".to_owned(), names.join(",")]
    }
}
