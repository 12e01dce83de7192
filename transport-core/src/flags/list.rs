//! The flags, for `--help` and for programs that list them themselves.

use core::fmt::Write as _;

/// A flag.
///
/// ```
/// use transport_core::flags::{ALL, FlagInfo};
///
/// let named = |name: &str| -> Option<&FlagInfo> { ALL.iter().find(|flag| flag.name == name) };
/// assert_eq!(named("--ca-file").and_then(|flag| flag.value), Some("FILE"));
/// assert_eq!(named("--websocket").and_then(|flag| flag.value), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FlagInfo {
    /// Its name: `--ca-file`. Underscores do as well.
    pub name: &'static str,
    /// Other names of it.
    pub aliases: &'static [&'static str],
    /// What its value is called; `None` if it takes none.
    pub value: Option<&'static str>,
    /// What it does. May have several lines.
    pub help: &'static str,
}

/// All of them, in the order of `--help`.
pub const ALL: &[FlagInfo] = &[
    flag(
        "--endpoint",
        "HOST",
        "the broker: a URL (mqtt://, mqtts://, ws://, wss://) or a bare host,\n\
         which means mqtts on 8883 with --cert or --ca-file, on 443 with\n\
         --custom-auth-…, wss on 443 with --websocket, else mqtt on 1883",
    ),
    flag("--port", "PORT", "the broker's port, instead of that"),
    FlagInfo {
        aliases: &["--ca"],
        ..flag(
            "--ca-file",
            "FILE",
            "the authorities that may have signed the broker's certificate (PEM)\n\
             [default: Amazon's for *.amazonaws.com, else the system's]",
        )
    },
    flag("--cert", "FILE", "the client certificate (PEM)"),
    flag("--key", "FILE", "its private key (PEM)"),
    flag(
        "--alpn",
        "NAME",
        "the protocol to name in the TLS handshake, or `none`\n\
         [default: what AWS wants on that port]",
    ),
    switch("--websocket", "MQTT in a WebSocket"),
    switch(
        "--sigv4",
        "sign in with AWS credentials over a WebSocket: those in the variable\n\
         AWS_ACCESS_KEY_ID and its companions, else in the shared file",
    ),
    FlagInfo {
        aliases: &["--signing-region"],
        ..flag(
            "--region",
            "NAME",
            "the region to sign for [default: the one in the host name]",
        )
    },
    flag(
        "--profile",
        "NAME",
        "this profile of the shared AWS credentials file",
    ),
    FlagInfo {
        aliases: &["--custom-auth-username"],
        ..flag("--user", "NAME", "the user name")
    },
    FlagInfo {
        aliases: &["--custom-auth-password"],
        ..flag(
            "--password",
            "WORD",
            "its password; better in the variable DEVICE_SHADOW_PASSWORD, since\n\
             others can read a command line",
        )
    },
    flag(
        "--custom-auth-authorizer-name",
        "NAME",
        "the custom authorizer to sign in through",
    ),
    flag(
        "--custom-auth-token-key-name",
        "NAME",
        "how that authorizer calls its token",
    ),
    flag(
        "--custom-auth-token-value",
        "TOKEN",
        "the token; better in the variable DEVICE_SHADOW_AUTH_TOKEN",
    ),
    flag(
        "--custom-auth-authorizer-signature",
        "TEXT",
        "its signature; better in the variable DEVICE_SHADOW_AUTH_SIGNATURE",
    ),
    flag("--proxy-host", "HOST", "an HTTP proxy to go through"),
    flag("--proxy-port", "PORT", "its port [default: 8080]"),
    flag("--proxy-user", "NAME", "the user name there"),
    flag(
        "--proxy-password",
        "WORD",
        "the password there; better in the variable\n\
         DEVICE_SHADOW_PROXY_PASSWORD",
    ),
    flag(
        "--client-id",
        "ID",
        "the MQTT client id [default: a random one]",
    ),
    flag("--mqtt", "3|5", "the MQTT version: 3.1.1 or 5 [default: 5]"),
    flag(
        "--clean-session",
        "true|false",
        "false: the broker keeps what arrives while this client is away\n\
         [default: true]",
    ),
    flag(
        "--session-expiry",
        "SECONDS",
        "MQTT 5: for how long it does [default: 3600 if not clean]",
    ),
    flag(
        "--keep-alive",
        "SECONDS",
        "the longest silence [default: 60; 0: no limit]",
    ),
    flag(
        "--connect-timeout",
        "SECONDS",
        "how long connecting may take [default: 30]",
    ),
    flag(
        "--operation-timeout",
        "SECONDS",
        "how long a request may take [default: 5]",
    ),
    flag(
        "--backoff",
        "BASE,MAX,STABLE",
        "seconds before connecting again: BASE, doubled up to MAX, BASE again\n\
         after STABLE seconds of connection [default: 1,32,20]",
    ),
];

/// The lines of `--help` for these flags, with `endpoint` in place of `--endpoint` where a
/// program calls it otherwise.
#[must_use]
pub fn help(endpoint: &str) -> String {
    let mut text = String::new();
    for info in ALL {
        let name = match info.name {
            "--endpoint" => endpoint,
            name => name,
        };
        let flag = match info.value {
            Some(value) => format!("{name} {value}"),
            None => name.to_owned(),
        };
        let mut lines = info.help.lines();
        // A long name has a line of its own.
        if flag.len() > WIDTH {
            let _ = writeln!(text, "  {flag}");
        } else {
            let first = lines.next().unwrap_or_default();
            let _ = writeln!(text, "  {flag:WIDTH$}  {first}");
        }
        for line in lines {
            let _ = writeln!(text, "  {:WIDTH$}  {line}", "");
        }
    }
    text
}

const WIDTH: usize = 26;

pub(super) fn find(flag: &str) -> Option<&'static FlagInfo> {
    ALL.iter()
        .find(|info| info.name == flag || info.aliases.contains(&flag))
}

const fn flag(name: &'static str, value: &'static str, help: &'static str) -> FlagInfo {
    FlagInfo {
        name,
        aliases: &[],
        value: Some(value),
        help,
    }
}

const fn switch(name: &'static str, help: &'static str) -> FlagInfo {
    FlagInfo {
        name,
        aliases: &[],
        value: None,
        help,
    }
}
