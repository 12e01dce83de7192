//! The unmodified AWS SDKs for Python against the local service; see `interop/aws_sdk.py`.
//!
//! The environment variable `SHADOW_AWS_SDK_PYTHON` names a Python in which `boto3` and
//! `awsiotsdk` are installed, such as that of a virtual environment.

use core::time::Duration;
use shadow_service::local::{Options, Server};
use std::process::Stdio;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn e2e_the_aws_sdks_work_unmodified() {
    let Ok(python) = std::env::var("SHADOW_AWS_SDK_PYTHON") else {
        println!("skipped: SHADOW_AWS_SDK_PYTHON names no Python with boto3 and awsiotsdk");
        return;
    };
    let server = Server::start(Options::on_free_ports()).await.unwrap();
    let mqtt = server.mqtt_address().unwrap();
    let http = server.http_address().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/aws_sdk.py");
    let mut command = Command::new(python);
    command
        .args([script, &mqtt.ip().to_string(), &mqtt.port().to_string()])
        .arg(format!("http://{http}"))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(120), command.output());
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
    server.stop().await;
}
