//! Certificates for the impatient (feature `dev-certs`): an authority, a server and a client, for
//! tests on one's own machine and network. Nobody else should trust that authority.

use crate::{
    local::tls::{Item, TlsFiles, TlsFilesError, authorities, certificates, provider},
    time::UnixTime,
};
use alloc::{
    borrow::ToOwned,
    boxed::Box,
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::{fmt, net::IpAddr, time::Duration};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::{
    RootCertStore,
    client::WebPkiServerVerifier,
    client::danger::ServerCertVerifier as _,
    pki_types::{self, ServerName},
    server::WebPkiClientVerifier,
};
use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Files for both ends of a connection with mutual TLS.
///
/// A server that speaks TLS, and a device that trusts it and shows a certificate of its own:
///
/// ```
/// # #[cfg(feature = "broker")]
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use shadow_service::local::{Clock, Options, Server, dev_certs::DevCertificates};
/// use transport_tokio::{ConnectOptions, Roots, ShadowId, connect};
///
/// # let directory = std::env::temp_dir().join(format!("dev-certs-{}", std::process::id()));
/// let certificates = DevCertificates::in_directory(&directory, &[], Clock::system().now())?;
/// let mut options = Options::on_free_ports();
/// if let Some(broker) = &mut options.broker {
///     broker.tls = Some("127.0.0.1:0".parse()?);
///     broker.certificates = Some(certificates.server);
/// }
/// let server = Server::start(options).await?;
///
/// let url = format!("mqtts://{}", server.mqtt_addresses().tls.unwrap());
/// let mut options = ConnectOptions::from_url(&url)?;
/// options.tls.roots = Roots::Pem(certificates.authority.into());
/// options.tls.set_identity(certificates.client_certificate, certificates.client_key);
/// let client = connect(options).await?;
/// let lamp = client.shadow(ShadowId::classic("lamp")?)?;
/// assert!(lamp.get().await.unwrap_err().is_not_found());
/// server.stop().await;
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct DevCertificates {
    /// For the server.
    pub server: TlsFiles,
    /// The authority, which clients trust.
    pub authority: PathBuf,
    /// A client's certificate.
    pub client_certificate: PathBuf,
    /// Its private key.
    pub client_key: PathBuf,
    /// The files that had to be made.
    pub made: Vec<PathBuf>,
}

impl DevCertificates {
    /// The certificates in `directory`: those that are there, and what is missing, does not fit or
    /// ends within 30 days made anew. The server's is for `localhost`, its addresses, and `names`
    /// (host names and addresses). Private keys are readable by their owner alone.
    ///
    /// Certificates last a year. The authority lasts until 2049 and is never replaced, so that
    /// clients need not be told.
    ///
    /// # Errors
    /// [`DevCertsError`] if a file cannot be read or written, a name cannot be in a certificate, or
    /// the authority is incomplete.
    pub fn in_directory(
        directory: &Path,
        names: &[String],
        now: UnixTime,
    ) -> Result<Self, DevCertsError> {
        let failed = |error: io::Error| DevCertsError::new(directory, &error);
        if directory.exists() && !directory.is_dir() {
            let error = io::Error::new(io::ErrorKind::NotADirectory, "it is no directory");
            return Err(failed(error));
        }
        std::fs::create_dir_all(directory).map_err(failed)?;
        let file = |name: &str| directory.join(name);
        let names = all_names(names);
        let mut made = Vec::new();
        let authority = Authority::in_directory(directory, &mut made)?;
        let server = TlsFiles::new(file("server.pem"), file("server.key"));
        if !server_is_good(&server, &authority.roots, &names, now) {
            let key = authority.sign(server_parameters(&names)?, now, &server)?;
            made.extend(key);
        }
        let client = TlsFiles::new(file("client.pem"), file("client.key"));
        if !client_is_good(&client, &authority.roots, now) {
            let key = authority.sign(client_parameters(), now, &client)?;
            made.extend(key);
        }
        // A clock that is set wrongly, or ca.pem and ca.key of different origin.
        if !server_is_good(&server, &authority.roots, &names, now) {
            let text = "it does not belong to ca.key; remove both to begin anew";
            return Err(DevCertsError::new(&authority.path, &text));
        }
        Ok(Self {
            server: server.with_authority(&authority.path),
            authority: authority.path,
            client_certificate: client.certificate,
            client_key: client.key,
            made,
        })
    }
}

/// Why there are no certificates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DevCertsError {
    path: PathBuf,
    text: Box<str>,
}

impl DevCertsError {
    fn new(path: &Path, text: &dyn fmt::Display) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_string().into(),
        }
    }
}

impl fmt::Display for DevCertsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.text)
    }
}

impl core::error::Error for DevCertsError {}

struct Authority {
    path: PathBuf,
    key: KeyPair,
    roots: Arc<RootCertStore>,
}

impl Authority {
    fn in_directory(directory: &Path, made: &mut Vec<PathBuf>) -> Result<Self, DevCertsError> {
        let (path, key_path) = (directory.join("ca.pem"), directory.join("ca.key"));
        let key = match (path.exists(), key_path.exists()) {
            (true, true) => {
                let text = std::fs::read_to_string(&key_path);
                let text = text.map_err(|error| DevCertsError::new(&key_path, &error))?;
                let key = KeyPair::from_pem(&text);
                key.map_err(|error| DevCertsError::new(&key_path, &error))?
            }
            (false, false) => {
                let key = new_key(&key_path)?;
                let certificate = authority_parameters().self_signed(&key);
                let certificate = certificate.map_err(|error| DevCertsError::new(&path, &error))?;
                write(&key_path, &key.serialize_pem(), true)?;
                write(&path, &certificate.pem(), false)?;
                made.extend([path.clone(), key_path]);
                key
            }
            (there, _) => {
                let (missing, other) = if there {
                    (&key_path, &path)
                } else {
                    (&path, &key_path)
                };
                let text = format!(
                    "it is missing, and {} is there; put it back, or remove the other to begin anew",
                    other.display()
                );
                return Err(DevCertsError::new(missing, &text));
            }
        };
        let roots = authorities(&path).map_err(|error| DevCertsError::new(directory, &error))?;
        Ok(Self {
            path,
            key,
            roots: Arc::new(roots),
        })
    }

    /// Signs a certificate for a new key, and writes both.
    fn sign(
        &self,
        mut parameters: CertificateParams,
        now: UnixTime,
        files: &TlsFiles,
    ) -> Result<[PathBuf; 2], DevCertsError> {
        let failed = |error: rcgen::Error| DevCertsError::new(&files.certificate, &error);
        let epoch = date_time_ymd(1970, 1, 1);
        let day = Duration::from_secs(24 * 60 * 60);
        let now = now.as_duration();
        parameters.not_before = epoch + now.saturating_sub(day);
        parameters.not_after = epoch + now.saturating_add(365 * day);
        parameters.use_authority_key_identifier_extension = true;
        let key = new_key(&files.key)?;
        // Only its name and its key go into what it signs.
        let authority = authority_parameters()
            .self_signed(&self.key)
            .map_err(failed)?;
        let signed = parameters.signed_by(&key, &authority, &self.key);
        let certificate = signed.map_err(failed)?;
        write(&files.key, &key.serialize_pem(), true)?;
        write(&files.certificate, &certificate.pem(), false)?;
        Ok([files.certificate.clone(), files.key.clone()])
    }
}

fn new_key(path: &Path) -> Result<KeyPair, DevCertsError> {
    KeyPair::generate().map_err(|error| DevCertsError::new(path, &error))
}

fn authority_parameters() -> CertificateParams {
    let mut parameters = named("shadow-local development authority");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = Vec::from([KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign]);
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(2049, 12, 31);
    parameters
}

fn server_parameters(names: &[String]) -> Result<CertificateParams, DevCertsError> {
    let mut parameters = named("shadow-local");
    for name in names {
        parameters
            .subject_alt_names
            .push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => match (
                    ServerName::try_from(name.as_str()),
                    name.as_str().try_into(),
                ) {
                    (Ok(_), Ok(name)) => SanType::DnsName(name),
                    _ => {
                        let text = "it is neither a host name nor an address";
                        return Err(DevCertsError::new(Path::new(name), &text));
                    }
                },
            });
    }
    parameters.key_usages = Vec::from([KeyUsagePurpose::DigitalSignature]);
    parameters.extended_key_usages = Vec::from([ExtendedKeyUsagePurpose::ServerAuth]);
    Ok(parameters)
}

fn client_parameters() -> CertificateParams {
    let mut parameters = named("shadow-local client");
    parameters.key_usages = Vec::from([KeyUsagePurpose::DigitalSignature]);
    parameters.extended_key_usages = Vec::from([ExtendedKeyUsagePurpose::ClientAuth]);
    parameters
}

fn named(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}

fn all_names(names: &[String]) -> Vec<String> {
    let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"]
        .map(ToOwned::to_owned)
        .into();
    for name in names {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

fn server_is_good(
    files: &TlsFiles,
    roots: &Arc<RootCertStore>,
    names: &[String],
    now: UnixTime,
) -> bool {
    let Some(leaf) = leaf(files) else {
        return false;
    };
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), provider());
    let Ok(verifier) = verifier.build() else {
        return false;
    };
    names.iter().all(|name| {
        ServerName::try_from(name.as_str()).is_ok_and(|name| {
            let at = |ahead| later(now, ahead);
            let verify = |time| verifier.verify_server_cert(&leaf, &[], &name, &[], time);
            verify(at(Duration::ZERO)).is_ok() && verify(at(REMADE)).is_ok()
        })
    })
}

fn client_is_good(files: &TlsFiles, roots: &Arc<RootCertStore>, now: UnixTime) -> bool {
    let Some(leaf) = leaf(files) else {
        return false;
    };
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider());
    let Ok(verifier) = verifier.build() else {
        return false;
    };
    [Duration::ZERO, REMADE].iter().all(|ahead| {
        let time = later(now, *ahead);
        verifier.verify_client_cert(&leaf, &[], time).is_ok()
    })
}

/// The certificate, if it and its key are there and belong together.
fn leaf(files: &TlsFiles) -> Option<pki_types::CertificateDer<'static>> {
    files.load(&[]).ok()?;
    let chain: Result<_, TlsFilesError> = certificates(&files.certificate, Item::Certificate);
    chain.ok()?.into_iter().next()
}

fn later(now: UnixTime, by: Duration) -> pki_types::UnixTime {
    pki_types::UnixTime::since_unix_epoch(now.as_duration().saturating_add(by))
}

/// Writes a file that is never there in part, and that nobody else can read while it is `private`.
fn write(path: &Path, text: &str, private: bool) -> Result<(), DevCertsError> {
    let failed = |error: io::Error| DevCertsError::new(path, &error);
    let new = path.with_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if private { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = private;
    let mut file = options.open(&new).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&new, path).map_err(failed)
}

/// A certificate that ends within this time is made anew.
const REMADE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
