//! Who may depend on whom. The rules are in ARCHITECTURE.md.

use crate::exec::Cx;
use crate::steps::Done;
use crate::workspace::{FACADE, Workspace};

/// What a device must not carry: the service, and the broker it is served by.
const SERVER: [&str; 2] = ["shadow-service", "mqtt5"];

/// All that the sans-IO crates of the device may depend on, so that nothing brings a clock, entropy or IO with it.
const ALLOWED: [(&str, &[&str]); 2] = [
    ("shadow-proto", &["memchr", "serde", "serde_json"]),
    (
        "mqtt-session",
        &["bytes", "memchr", "mqttbytes", "shadow-proto"],
    ),
];

pub(crate) fn check(cx: &Cx, workspace: &Workspace) -> Result<Done, String> {
    for (name, allowed) in ALLOWED {
        let Some(package) = workspace.package(name) else {
            cx.note(format!("there is no {name} yet"));
            continue;
        };
        let foreign: Vec<&str> = package
            .dependencies
            .iter()
            .map(String::as_str)
            .filter(|it| !allowed.contains(it))
            .collect();
        if !foreign.is_empty() {
            return Err(format!(
                "{name} may depend on {} alone, not on {}",
                allowed.join(", "),
                foreign.join(", ")
            ));
        }
    }
    for feature in workspace.facade_features(&["tokio", "async-std", "smol", "paho"]) {
        let tree = [
            "tree",
            "--locked",
            "-e",
            "normal",
            "-p",
            FACADE,
            "--features",
            feature,
            "--prefix",
            "none",
        ];
        if let Some(found) = server_in(&cx.cargo(tree).capture()?) {
            return Err(format!(
                "with the feature {feature} a device carries {found}"
            ));
        }
    }
    Ok(Done::Passed)
}

fn server_in(tree: &str) -> Option<&str> {
    let names = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    names.into_iter().find(|name| {
        SERVER
            .iter()
            .any(|server| name == server || is_part_of(name, server))
    })
}

/// `mqtt5-protocol` of `mqtt5`.
fn is_part_of(name: &str, server: &str) -> bool {
    name.strip_prefix(server)
        .is_some_and(|rest| rest.starts_with(['-', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_server_in_a_tree() {
        let tree = "device-shadow v0.1.0 (/folder)\ntransport-tokio v0.1.0\nmqtt-session v0.1.0\n";
        assert_eq!(server_in(tree), None);
        assert_eq!(
            server_in(&format!("{tree}shadow-service v0.1.0 (*)\n")),
            Some("shadow-service")
        );
        assert_eq!(
            server_in(&format!("{tree}mqtt5-protocol v0.1.0\n")),
            Some("mqtt5-protocol")
        );
    }
}
