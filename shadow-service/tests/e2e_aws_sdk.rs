//! The unmodified AWS SDKs for Python against the local service; see `interop/aws_sdk.py`.
//!
//! The environment variable `SHADOW_AWS_SDK_PYTHON` names a Python in which `boto3` and
//! `awsiotsdk` are installed, such as that of a virtual environment.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use core::{net::SocketAddr, time::Duration};
use shadow_service::local::{
    Clock, Options, Server, broker::BrokerOptions, dev_certs::DevCertificates,
};
use std::{ffi::OsString, process::Stdio};
use testkit::TempDir;
use tokio::process::Command;

/// Runs the script; `false` if there is no Python for it.
async fn run(arguments: Vec<OsString>) -> bool {
    let Ok(python) = std::env::var("SHADOW_AWS_SDK_PYTHON") else {
        println!("skipped: SHADOW_AWS_SDK_PYTHON names no Python with boto3 and awsiotsdk");
        return false;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/aws_sdk.py");
    let mut command = Command::new(python);
    command
        .arg(script)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(180), command.output());
    let output = output.await.unwrap().unwrap();
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{}\n{said}\n{errors}",
        output.status
    );
    assert_eq!(said, "all of it works\n");
    true
}

fn port(address: Option<SocketAddr>) -> OsString {
    address.unwrap().port().to_string().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_the_aws_sdks_work_unmodified() {
    let server = Server::start(Options::on_free_ports()).await.unwrap();
    let arguments = Vec::from([
        "plain".into(),
        "127.0.0.1".into(),
        port(server.mqtt_address()),
        port(server.http_address()),
    ]);
    let _ran = run(arguments).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_the_aws_sdks_work_over_mutual_tls() {
    let directory = TempDir::new();
    let found = DevCertificates::in_directory(directory.path(), &[], Clock::system().now());
    let found = found.unwrap();
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut broker = BrokerOptions::default();
    broker.plain = false;
    broker.tls = Some(free);
    broker.certificates = Some(found.server.clone());
    let mut options = Options::default();
    options.broker = Some(broker);
    options.https = Some((free, found.server));
    let server = Server::start(options).await.unwrap();
    let arguments = Vec::from([
        "tls".into(),
        "localhost".into(),
        port(server.mqtt_addresses().tls),
        port(server.https_address()),
        found.authority.into(),
        found.client_certificate.into(),
        found.client_key.into(),
    ]);
    let _ran = run(arguments).await;
    server.stop().await;
}
