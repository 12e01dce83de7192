//! What the workspace holds today, from `cargo metadata`. Crates that do not exist yet are left out, not failures.

use crate::exec::Cx;
use crate::json::Json;

/// The crates others depend on, in order of dependence. They share one minimum compiler version.
pub(crate) const LIBRARIES: [&str; 8] = [
    "shadow-proto",
    "mqtt-session",
    "transport-core",
    "transport-tokio",
    "transport-async-std",
    "transport-paho",
    "shadow-service",
    FACADE,
];

/// The package users name in their manifest.
pub(crate) const FACADE: &str = "device-shadow";

/// The adapter around a C library: needs CMake, a C compiler and OpenSSL's headers.
pub(crate) const PAHO: &str = "transport-paho";

/// Features that nothing is checked with, and why.
const LEFT_OUT: [(&str, &str); 2] = [
    (
        "vendored-ssl",
        "compiles OpenSSL, minutes for code that is not ours",
    ),
    ("paho-vendored-ssl", "the same"),
];

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    /// Where Cargo builds.
    pub(crate) target_directory: String,
}

#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) rust_version: Option<String>,
    pub(crate) features: Vec<String>,
    pub(crate) targets: Vec<Target>,
    /// What it cannot be built without: neither optional nor for tests.
    pub(crate) dependencies: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Target {
    /// `lib`, `bin`, `example`, `test`, `bench`, …
    pub(crate) kind: String,
    pub(crate) name: String,
}

impl Workspace {
    pub(crate) fn load(cx: &Cx) -> Result<Self, String> {
        let output = cx
            .cargo(["metadata", "--format-version", "1", "--no-deps", "--locked"])
            .capture()?;
        let metadata = Json::parse(&output).ok_or("`cargo metadata` does not print JSON")?;
        let packages = metadata
            .get("packages")
            .items()
            .iter()
            .filter_map(package)
            .collect();
        let target_directory = metadata
            .get("target_directory")
            .text()
            .unwrap_or("target")
            .to_owned();
        Ok(Self {
            packages,
            target_directory,
        })
    }

    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.package(name).is_some()
    }

    /// The libraries that exist.
    pub(crate) fn libraries(&self) -> impl Iterator<Item = &Package> {
        LIBRARIES.iter().filter_map(|name| self.package(name))
    }

    /// The features of `wanted` that the facade has.
    pub(crate) fn facade_features(&self, wanted: &[&'static str]) -> Vec<&'static str> {
        let Some(facade) = self.package(FACADE) else {
            return Vec::new();
        };
        wanted
            .iter()
            .copied()
            .filter(|name| facade.features.iter().any(|feature| feature == name))
            .collect()
    }

    /// The package that has an example of this name.
    pub(crate) fn example(&self, name: &str) -> Option<&Package> {
        let has = |package: &&Package| {
            package
                .targets
                .iter()
                .any(|it| it.kind == "example" && it.name == name)
        };
        self.packages.iter().find(has)
    }

    /// Names of integration tests, each once.
    pub(crate) fn test_targets(&self) -> Vec<&str> {
        let targets = self.included().flat_map(|package| &package.targets);
        let mut names: Vec<&str> = targets
            .filter(|it| it.kind == "test")
            .map(|it| it.name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The arguments that select the whole workspace with one set of features: every one it has.
    ///
    /// Clippy, tests and documentation use the same set, so that what they share is built once.
    pub(crate) fn selection(&self) -> Vec<String> {
        let mut args = vec!["--workspace".to_owned(), "--locked".to_owned()];
        for package in self.packages.iter().filter(|package| !is_included(package)) {
            args.extend(["--exclude".to_owned(), package.name.clone()]);
        }
        let features: Vec<String> = self
            .included()
            .flat_map(|package| {
                package
                    .features
                    .iter()
                    .map(move |feature| (&package.name, feature))
            })
            .filter(|(_, feature)| is_chosen(feature))
            .map(|(package, feature)| format!("{package}/{feature}"))
            .collect();
        if !features.is_empty() {
            args.extend(["--features".to_owned(), features.join(",")]);
        }
        args
    }

    fn included(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| is_included(package))
    }
}

/// Elsewhere than on Linux the C library's own needs (OpenSSL above all) are not set up.
pub(crate) fn has_paho() -> bool {
    cfg!(target_os = "linux")
}

fn is_included(package: &Package) -> bool {
    has_paho() || package.name != PAHO
}

/// Whether a feature is checked at all on this machine.
pub(crate) fn is_chosen(feature: &str) -> bool {
    feature != "default"
        && !LEFT_OUT.iter().any(|(name, _)| *name == feature)
        && (has_paho() || !feature.starts_with("paho"))
}

fn package(json: &Json) -> Option<Package> {
    let text = |key: &str| json.get(key).text().map(str::to_owned);
    let dependency = |it: &&Json| *it.get("kind") == Json::Null && !it.get("optional").is_true();
    Some(Package {
        name: text("name")?,
        rust_version: text("rust_version"),
        features: json
            .get("features")
            .members()
            .iter()
            .map(|(name, _)| name.clone())
            .collect(),
        targets: json
            .get("targets")
            .items()
            .iter()
            .filter_map(target)
            .collect(),
        dependencies: json
            .get("dependencies")
            .items()
            .iter()
            .filter(dependency)
            .filter_map(|it| it.get("name").text().map(str::to_owned))
            .collect(),
    })
}

fn target(json: &Json) -> Option<Target> {
    let kind = json.get("kind").items().first()?.text()?.to_owned();
    Some(Target {
        kind,
        name: json.get("name").text()?.to_owned(),
    })
}
