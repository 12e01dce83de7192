//! What the program says when it begins.

use super::args::{Mqtt, Run};
use crate::local::{Server, dev_certs::DevCertificates};
use core::fmt::Write as _;
use std::{
    borrow::ToOwned as _,
    format,
    string::{String, ToString as _},
};

/// Where everything is.
pub(crate) fn greeting(
    server: &Server,
    run: &Run,
    certificates: Option<&DevCertificates>,
) -> String {
    let mut text = String::new();
    for file in certificates.iter().flat_map(|found| &found.made) {
        let _ = writeln!(text, "made {}", file.display());
    }
    let at = server.mqtt_addresses();
    for (address, scheme, path) in [
        (at.plain, "mqtt", ""),
        (at.tls, "mqtts", ""),
        (at.websocket, "ws", "/mqtt"),
        (at.websocket_tls, "wss", "/mqtt"),
    ] {
        if let Some(address) = address {
            let _ = writeln!(
                text,
                "shadow service for MQTT 3.1.1 and 5 on {scheme}://{address}{path}"
            );
        }
    }
    if let Mqtt::Broker(options) = &run.mqtt {
        let _ = writeln!(text, "shadow service on the broker {}", options.endpoint);
    }
    if let Some(address) = server.http_address() {
        let _ = writeln!(text, "REST data plane on http://{address}");
        let _ = writeln!(text, "a page to look at: http://{address}/");
    }
    if let Some(address) = server.https_address() {
        let _ = writeln!(text, "REST data plane on https://{address}");
    }
    let _ = match &run.data {
        Some(directory) => writeln!(text, "documents are kept in {}", directory.display()),
        None => writeln!(
            text,
            "documents are kept in memory and end with this process"
        ),
    };
    if let (Some(found), Some(address)) = (certificates, at.tls) {
        let ip = address.ip();
        let host = if ip.is_loopback() || ip.is_unspecified() {
            "localhost".to_owned()
        } else {
            ip.to_string()
        };
        let _ = writeln!(
            text,
            "a client, for instance:\n  mosquitto_sub --cafile {} --cert {} --key {} \
             -h {host} -p {} -v -t '{}/things/+/shadow/#'",
            quoted(&found.authority),
            quoted(&found.client_certificate),
            quoted(&found.client_key),
            address.port(),
            run.settings.prefix.as_str(),
        );
    }
    text
}

/// A path as a shell takes it.
fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
