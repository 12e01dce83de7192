//! A Python with the AWS SDKs, for the test that they accept the local service: in a virtual environment of the
//! project's own, under the target folder.

use std::path::{Path, PathBuf};

use testkit::find_program;

use crate::exec::Cx;
use crate::workspace::Workspace;

/// The SDKs, at the versions the tests were written against.
const PACKAGES: [&str; 2] = ["awsiotsdk==1.31.0", "boto3==1.44.5"];

/// The Python in which the SDKs can be imported; made if there is none.
///
/// # Errors
/// What could not be installed, and how it could be by hand.
pub(crate) fn with_aws_sdks(cx: &Cx, workspace: &Workspace) -> Result<PathBuf, String> {
    if let Ok(python) = std::env::var("SHADOW_AWS_SDK_PYTHON") {
        return Ok(python.into());
    }
    let folder = Path::new(&workspace.target_directory).join("aws-sdks");
    let python = folder.join("bin/python");
    let works = || {
        cx.program(&python)
            .args(["-c", "import awsiot.iotshadow, boto3"])
            .quietly()
    };
    if works() {
        return Ok(python);
    }
    let system = find_program("python3").map_err(|error| {
        format!("{error}\npython3 with venv is needed for the AWS SDK tests: apt-get install -y python3-venv")
    })?;
    cx.program(system)
        .args(["-m", "venv"])
        .args([&folder])
        .run()
        .map_err(|error| {
            format!(
                "{error}\na virtual environment could not be made: apt-get install -y python3-venv"
            )
        })?;
    cx.program(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(PACKAGES)
        .no_input()
        .run()?;
    if works() {
        return Ok(python);
    }
    Err("the AWS SDKs were installed and cannot be imported".to_owned())
}
