//! What users write by hand: URLs, credentials files, certificates.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};
use transport_core::{Credentials, Endpoint, Pem, Proxy, Purpose, Roots, TlsOptions};

/// The first byte says what the others are. Whatever they are, there is a value or an error that says something and shows
/// no secret; an endpoint that was read is spelled so that it is read as the same again.
pub fn endpoint(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    match kind % 5 {
        0 => url(bytes),
        1 => credentials(bytes),
        2 => roots(bytes),
        3 => identity(bytes),
        _ => proxy(bytes),
    }
}

fn url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match text.parse::<Endpoint>() {
        Ok(endpoint) => {
            assert_ne!(endpoint.port(), 0);
            assert!(!endpoint.host().is_empty());
            let again: Endpoint = endpoint.to_string().parse().expect("it is spelled right");
            assert_eq!(again.host(), endpoint.host());
            assert_eq!(
                (again.scheme(), again.port()),
                (endpoint.scheme(), endpoint.port())
            );
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn credentials(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let shown = match Credentials::from_file(text, "default", "file") {
        // The name of the key is no secret, whatever it is.
        Ok(credentials) => {
            let name = format!("{:?}", credentials.access_key_id);
            format!("{credentials:?}").replacen(&name, "", 1)
        }
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(!shown.contains("SECRET"), "a secret is shown: {shown}");
}

fn prepare(options: &TlsOptions) {
    // 2026: certificates of the corpus are valid then.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let prepared = options.prepare("localhost", 8883, Purpose::Mqtt, now);
    if let Err(error) = prepared {
        let text = error.to_string();
        assert!(!text.is_empty() && !text.contains("PRIVATE KEY-----\n"));
    }
}

fn roots(bytes: &[u8]) {
    let mut options = TlsOptions::default();
    options.roots = Roots::Pem(Pem::bytes(bytes));
    prepare(&options);
}

fn identity(bytes: &[u8]) {
    static AUTHORITY: OnceLock<Vec<u8>> = OnceLock::new();
    let authority = AUTHORITY.get_or_init(|| include_bytes!("authority.pem").to_vec());
    let mut options = TlsOptions::default();
    options.roots = Roots::Pem(Pem::bytes(&**authority));
    // One text for both, as many tools write them.
    options.set_identity(Pem::bytes(bytes), Pem::bytes(bytes));
    prepare(&options);
}

fn proxy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let shown = match text.parse::<Proxy>() {
        Ok(proxy) => format!("{proxy:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    // The password alone is secret, not a user or host of the same name.
    let (scheme, rest) = text.split_once("//").unwrap_or(("", text));
    let parts = rest.split_once(':').and_then(|(user, after)| {
        let (_, host) = after.rsplit_once('@')?;
        Some(format!("{scheme}{user}{host}"))
    });
    let told = parts.unwrap_or_else(|| text.to_owned());
    if !told.contains("SECRET") && !told.contains('%') {
        assert!(!shown.contains("SECRET"), "a secret is shown: {shown}");
    }
}
