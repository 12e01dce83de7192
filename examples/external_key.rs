//! A private key that this program never sees: a TPM, a PKCS#11 token, a secure element or another
//! process signs, and TLS is given a callback.
//!
//! Here a command signs: it is given what is to be signed on standard input and leaves the
//! signature, ECDSA over P-256 and SHA-256 in DER, on standard output. With a key in a file that
//! would be
//!
//! ```text
//! cargo run --example external_key --features tokio,tls -- --endpoint HOST --ca_file CA \
//!     --certificate lamp.pem --signer 'openssl dgst -sha256 -sign lamp.key' --thing_name lamp
//! ```
//!
//! and with one in a TPM `--signer 'openssl dgst -provider tpm2 -sha256 -sign handle:0x81000001'`.
//! A program of its own would call its hardware's library in place of the command.

#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a program is std's"
)]

use std::{
    error::Error,
    io::Write as _,
    process::{Command, ExitCode, Stdio},
    sync::Arc,
    time::Duration,
};

use device_shadow::tokio::{
    ConnectOptions, Identity, ShadowId, connect,
    flags::{self, ConnectionFlags, FlagError, Words},
    rustls::{
        Error as TlsError, SignatureAlgorithm, SignatureScheme,
        pki_types::{CertificateDer, pem::PemObject as _},
        sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey},
    },
};

const HELP: &str = "\
Signs in with a private key that a command holds, and prints the shadow.

Usage: external_key --endpoint HOST --certificate FILE --signer COMMAND [OPTIONS]

  --certificate FILE          the client certificate (PEM)
  --signer COMMAND            what signs: standard input to standard output, ECDSA P-256, DER
  --thing-name NAME           the thing [default: light]
  --help                      print this
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (error, code) = match read() {
        Ok(None) => {
            println!("{HELP}{}", flags::help("--endpoint").trim_end());
            return ExitCode::SUCCESS;
        }
        Ok(Some((options, shadow))) => match run(options, shadow).await {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => (error, 1),
        },
        Err(error) => (error.into(), 64),
    };
    eprintln!("external_key: {error}");
    ExitCode::from(code)
}

/// How to connect and whose shadow to print; `None` if help was asked for.
fn read() -> Result<Option<(ConnectOptions, ShadowId)>, FlagError> {
    let mut words = Words::new(std::env::args_os().skip(1));
    let mut connection = ConnectionFlags::new("test-").with_own_sign_in();
    let (mut certificate, mut signer, mut thing) = (None, None, "light".to_owned());
    while let Some(flag) = words.next_flag()? {
        match flag.as_str() {
            "--certificate" => certificate = Some(words.value()?),
            "--signer" => signer = Some(words.value()?),
            "--thing-name" => thing = words.value()?,
            "--help" | "-h" => return Ok(None),
            _ if connection.read(&flag, &mut words)? => {}
            _ => return Err(words.unknown()),
        }
    }
    let (Some(certificate), Some(signer)) = (certificate, signer) else {
        return Err(FlagError::new("--certificate and --signer are both needed"));
    };
    let shadow = ShadowId::classic(&thing).map_err(|error| FlagError::new(error.to_string()))?;
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|error| FlagError::new(format!("{certificate}: {error}")))?;
    let mut options = connection.options(|name| std::env::var(name).ok())?;
    let key = Arc::new(ExternalKey(signer.into()));
    let both = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    options.tls.identity = Some(Identity::Resolver(Arc::new(both)));
    Ok(Some((options, shadow)))
}

async fn run(options: ConnectOptions, shadow: ShadowId) -> Result<(), Box<dyn Error>> {
    let client = connect(options).await?;
    println!("signed in with a key that this program never saw");
    match client.shadow(shadow)?.get().await {
        Ok(document) => println!("the shadow has version {}", document.version),
        Err(failure) if failure.is_not_found() => println!("there is no such shadow yet"),
        Err(failure) => return Err(failure.into()),
    }
    client.shutdown(Duration::from_secs(2)).await?;
    Ok(())
}

/// A key of which nothing is here but the way to whoever has it.
#[derive(Clone, Debug)]
struct ExternalKey(Arc<str>);

/// The one scheme of this key, as AWS IoT Core and every other server of TLS 1.2 and 1.3 knows it.
const SCHEME: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;

impl SigningKey for ExternalKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let known = offered.contains(&SCHEME);
        known.then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for ExternalKey {
    /// Called within the handshake: what takes long here keeps a thread of the runtime busy.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TlsError> {
        sign_with(&self.0, message)
            .map_err(|error| TlsError::General(format!("{}: {error}", self.0)))
    }

    fn scheme(&self) -> SignatureScheme {
        SCHEME
    }
}

/// Has a command sign.
fn sign_with(command: &str, message: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut words = command.split_whitespace();
    let mut signer = Command::new(words.next().ok_or("no command")?)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = signer.stdin.take() {
        stdin.write_all(message)?;
    }
    let output = signer.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().next().unwrap_or("it failed").into());
    }
    Ok(output.stdout)
}
