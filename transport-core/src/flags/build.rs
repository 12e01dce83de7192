//! From flags to options: what follows from them, what they lack, what contradicts what.

use core::time::Duration;

use mqtt_session::Version;

use super::{ConnectionFlags, FlagError};
use crate::{
    authorizer::Authorizer,
    endpoint::{Endpoint, EndpointError, EndpointFlags},
    options::ConnectOptions,
    secret::Secret,
};

type Var<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(super) fn options(flags: &ConnectionFlags, var: Var<'_>) -> Result<ConnectOptions, FlagError> {
    let endpoint = endpoint(flags)?;
    let mut options = ConnectOptions::new(endpoint);
    session(flags, &mut options)?;
    sign_in(flags, &mut options, var)?;
    tls(flags, &mut options)?;
    websocket(flags, &mut options, var)?;
    proxy(flags, &mut options, var)?;
    check(flags, &options)?;
    Ok(options)
}

pub(super) fn options_for(
    flags: &ConnectionFlags,
    endpoint: Endpoint,
) -> Result<ConnectOptions, FlagError> {
    const ALONE: [&str; 8] = [
        "--client-id",
        "--mqtt",
        "--clean-session",
        "--session-expiry",
        "--keep-alive",
        "--connect-timeout",
        "--operation-timeout",
        "--backoff",
    ];
    if let Some(flag) = flags.given.iter().find(|flag| !ALONE.contains(flag)) {
        let endpoint = flags.endpoint_flag;
        return Err(wrong(format!("{flag} goes with {endpoint}")));
    }
    let mut options = ConnectOptions::new(endpoint);
    session(flags, &mut options)?;
    check(flags, &options)?;
    Ok(options)
}

/// Where the broker is.
fn endpoint(flags: &ConnectionFlags) -> Result<Endpoint, FlagError> {
    const TLS: [&str; 4] = ["--cert", "--key", "--ca-file", "--alpn"];
    let name = flags.endpoint_flag;
    let Some(text) = &flags.endpoint else {
        return Err(wrong(format!("{name} is missing")));
    };
    let text = text.expose();
    let from = EndpointFlags {
        websocket: flags.websocket || flags.sigv4,
        authorizer: has_authorizer(flags, text),
        tls: TLS.iter().any(|flag| flags.has(flag)) || is_aws(text),
        port: flags.port,
    };
    // The text is not repeated: it can hold what should not be seen.
    let endpoint = match Endpoint::from_flags(text, from) {
        Ok(endpoint) => endpoint,
        Err(EndpointError::UserInfo) => {
            return Err(wrong(format!(
                "{name}: the URL holds a user name or password: give --user, and the password in \
                 the variable DEVICE_SHADOW_PASSWORD"
            )));
        }
        Err(error) => return Err(wrong(format!("{name}: {error}"))),
    };
    if let Some(port) = flags.port {
        let without = EndpointFlags { port: None, ..from };
        let named = Endpoint::from_flags(text, without).is_ok_and(|it| it.port() != port);
        if named && names_port(text) {
            return Err(wrong(format!(
                "--port {port}: {name} names another port already"
            )));
        }
    }
    let scheme = endpoint.scheme();
    if let Some(flag) = TLS.iter().find(|flag| flags.has(flag) && !scheme.is_tls()) {
        return Err(wrong(format!(
            "{flag}: {endpoint} has no TLS; give mqtts://, wss:// or a bare host"
        )));
    }
    if flags.sigv4 && !(scheme.is_tls() && scheme.is_websocket()) {
        return Err(wrong(format!(
            "--sigv4: {endpoint} is no WebSocket over TLS; give wss:// or a bare host"
        )));
    }
    if flags.websocket && !scheme.is_websocket() {
        return Err(wrong(format!(
            "--websocket: {endpoint} is none; give ws://, wss:// or a bare host"
        )));
    }
    let lacks = |feature: &str, what: &str| {
        Err(wrong(format!(
            "{endpoint} needs {what}, which this build lacks: add `--features {feature}`"
        )))
    };
    if flags.sigv4 && !cfg!(feature = "sigv4") {
        return Err(wrong(
            "--sigv4: this build lacks it: add `--features sigv4`".to_owned(),
        ));
    }
    match (
        scheme.is_websocket() && !cfg!(feature = "websocket"),
        scheme.is_tls() && !cfg!(feature = "_rustls"),
    ) {
        (true, true) => lacks("tls,websocket", "TLS and WebSockets"),
        (true, false) => lacks("websocket", "WebSockets"),
        (false, true) => lacks("tls", "TLS"),
        (false, false) => Ok(endpoint),
    }
}

/// What concerns the MQTT session.
fn session(flags: &ConnectionFlags, options: &mut ConnectOptions) -> Result<(), FlagError> {
    const KEPT: Duration = Duration::from_secs(3600);
    options.client_id.clone_from(&flags.client_id);
    options.version = flags.version.unwrap_or(options.version);
    options.clean_start = flags.clean_session.unwrap_or(options.clean_start);
    options.session_expiry = flags.session_expiry;
    if options.version == Version::V3_1_1 && flags.session_expiry.is_some() {
        return Err(wrong(
            "--session-expiry: MQTT 3.1.1 has none; its broker decides".to_owned(),
        ));
    }
    if !options.clean_start {
        if !flags.has("--client-id") || flags.client_id.is_empty() {
            return Err(wrong(
                "--clean-session false needs --client-id: the broker finds the session by it"
                    .to_owned(),
            ));
        }
        // MQTT 5 ends a session with its connection unless told otherwise; the word of the flag
        // is that of MQTT 3.1.1, where it means what it says. An hour is what AWS has.
        if options.version == Version::V5 {
            options.session_expiry = Some(flags.session_expiry.unwrap_or(KEPT));
        }
    }
    options.keep_alive = flags.keep_alive.unwrap_or(options.keep_alive);
    options.connect_timeout = flags.connect_timeout.unwrap_or(options.connect_timeout);
    options.operation_timeout = flags.operation_timeout.unwrap_or(options.operation_timeout);
    options.reconnect = flags.reconnect.unwrap_or(options.reconnect);
    Ok(())
}

/// Who we are, within MQTT.
fn sign_in(
    flags: &ConnectionFlags,
    options: &mut ConnectOptions,
    var: Var<'_>,
) -> Result<(), FlagError> {
    let text = |secret: &Secret| secret.expose().to_owned();
    options.user_name = flags.user.as_ref().map(text);
    options.password = match &flags.password {
        None if flags.user.is_some() => variable(var, "DEVICE_SHADOW_PASSWORD"),
        password => password.as_ref().map(text),
    };
    if options.version == Version::V3_1_1 && flags.user.is_none() {
        goes_with(flags, "--password", "--user")?;
    }
    for flag in [
        "--custom-auth-token-value",
        "--custom-auth-authorizer-signature",
    ] {
        if flags.token_key.is_none() {
            goes_with(flags, flag, "--custom-auth-token-key-name")?;
        }
    }
    if !has_authorizer(flags, options.endpoint.host()) {
        return Ok(());
    }
    let mut authorizer = Authorizer::default();
    authorizer.name.clone_from(&flags.authorizer);
    if let Some(key) = &flags.token_key {
        let secret = |given: &Option<Secret>, flag: &str, name: &str| {
            let given = given.as_ref().map(text).or_else(|| variable(var, name));
            given.ok_or_else(|| {
                wrong(format!(
                    "--custom-auth-token-key-name needs {flag} or the variable {name}"
                ))
            })
        };
        let token = secret(
            &flags.token,
            "--custom-auth-token-value",
            "DEVICE_SHADOW_AUTH_TOKEN",
        )?;
        let signature = secret(
            &flags.signature,
            "--custom-auth-authorizer-signature",
            "DEVICE_SHADOW_AUTH_SIGNATURE",
        )?;
        authorizer.set_token(key, token, signature);
    }
    options.authorizer = Some(authorizer);
    Ok(())
}

fn tls(flags: &ConnectionFlags, options: &mut ConnectOptions) -> Result<(), FlagError> {
    if flags.cert.is_some() != flags.key.is_some() {
        goes_with(flags, "--cert", "--key")?;
        goes_with(flags, "--key", "--cert")?;
    }
    if flags.sigv4 && flags.cert.is_some() {
        return Err(wrong(
            "--sigv4 and --cert exclude each other: one of them signs in".to_owned(),
        ));
    }
    let signs_in =
        flags.own_sign_in || flags.cert.is_some() || flags.sigv4 || options.authorizer.is_some();
    if is_aws(options.endpoint.host()) && !signs_in {
        return Err(wrong(format!(
            "{}: AWS IoT Core lets nobody in without a sign-in: give --cert and --key, \
             --sigv4, or --custom-auth-authorizer-name",
            flags.endpoint_flag
        )));
    }
    #[cfg(feature = "_rustls")]
    if options.endpoint.scheme().is_tls() {
        use crate::tls::{Alpn, Pem, Roots};

        if let Some(file) = &flags.ca_file {
            options.tls.roots = Roots::Pem(Pem::file(file));
        }
        if let (Some(cert), Some(key)) = (&flags.cert, &flags.key) {
            options.tls.set_identity(Pem::file(cert), Pem::file(key));
        }
        match flags.alpn.as_deref() {
            None => {}
            Some("none") => options.tls.alpn = Alpn::None,
            Some(name) => options.tls.alpn = Alpn::Protocols(vec![name.to_owned()]),
        }
    }
    Ok(())
}

fn websocket(
    flags: &ConnectionFlags,
    options: &mut ConnectOptions,
    var: Var<'_>,
) -> Result<(), FlagError> {
    if !flags.sigv4 {
        goes_with(flags, "--region", "--sigv4")?;
        goes_with(flags, "--profile", "--sigv4")?;
        return Ok(());
    }
    #[cfg(not(feature = "sigv4"))]
    let _ = (options, var);
    #[cfg(feature = "sigv4")]
    {
        use crate::{credentials::CredentialsSource, sigv4::SigV4};

        let profile = flags.profile.clone();
        let environment = profile.is_none() && variable(var, "AWS_ACCESS_KEY_ID").is_some();
        let source = match environment {
            true => CredentialsSource::Environment,
            false => CredentialsSource::SharedFile {
                path: None,
                profile,
            },
        };
        source
            .check(var)
            .map_err(|error| wrong(format!("--sigv4: {error}")))?;
        let mut sigv4 = SigV4::new(source);
        sigv4.region.clone_from(&flags.region);
        if sigv4.region_for(options.endpoint.host()).is_none() {
            return Err(wrong(
                "--sigv4: the host name tells no AWS region to sign for: give --region".to_owned(),
            ));
        }
        options.sigv4 = Some(sigv4);
    }
    Ok(())
}

fn proxy(
    flags: &ConnectionFlags,
    options: &mut ConnectOptions,
    var: Var<'_>,
) -> Result<(), FlagError> {
    const PORT: u16 = 8080;
    if flags.proxy_user.is_none() {
        goes_with(flags, "--proxy-password", "--proxy-user")?;
    }
    let Some(host) = &flags.proxy_host else {
        for flag in ["--proxy-port", "--proxy-user"] {
            goes_with(flags, flag, "--proxy-host")?;
        }
        return Ok(());
    };
    #[cfg(not(feature = "http-proxy"))]
    {
        let _ = (host, options, var, PORT);
        Err(wrong(
            "--proxy-host: this build has no proxies: add `--features http-proxy`".to_owned(),
        ))
    }
    #[cfg(feature = "http-proxy")]
    {
        use crate::{endpoint::Scheme, proxy::Proxy};

        let port = flags.proxy_port.unwrap_or(PORT);
        // Read as an endpoint, to have the same words about what is no host.
        let place = Endpoint::new(Scheme::Mqtt, host, port)
            .map_err(|error| wrong(format!("--proxy-host: {error}")))?;
        let mut proxy = Proxy::new(place.host(), port);
        if let Some(user) = &flags.proxy_user {
            let given = flags.proxy_password.clone();
            let password = given
                .or_else(|| variable(var, "DEVICE_SHADOW_PROXY_PASSWORD").map(Into::into))
                .unwrap_or_default();
            proxy.set_user(user, password);
        }
        options.proxy = Some(proxy);
        Ok(())
    }
}

/// What a connection would find out: that a file cannot be used, or a CONNECT cannot say it.
fn check(flags: &ConnectionFlags, options: &ConnectOptions) -> Result<(), FlagError> {
    options
        .session()
        .map_err(|error| wrong(error.to_string()))?;
    #[cfg(feature = "_rustls")]
    if options.endpoint.scheme().is_tls() {
        use crate::{endpoint::Purpose, tls::TlsError};

        let (host, port) = (options.endpoint.host(), options.endpoint.port());
        let now = std::time::SystemTime::now();
        match options.tls.prepare(host, port, Purpose::Mqtt, now) {
            Ok(_) => {}
            Err(TlsError::NoRoots { .. }) if !cfg!(feature = "native-roots") => {
                return Err(wrong(format!(
                    "{}: nothing says which authority to trust for {host}: give --ca-file, or \
                     add `--features native-roots` to trust those of this system",
                    flags.endpoint_flag
                )));
            }
            Err(error) => return Err(wrong(error.to_string())),
        }
    }
    let _ = flags;
    Ok(())
}

fn goes_with(flags: &ConnectionFlags, flag: &'static str, with: &str) -> Result<(), FlagError> {
    match flags.has(flag) {
        true => Err(wrong(format!("{flag} goes with {with}"))),
        false => Ok(()),
    }
}

/// A variable that is set, and not empty.
fn variable(var: Var<'_>, name: &str) -> Option<String> {
    var(name).filter(|value| !value.is_empty())
}

/// Whether a custom authorizer signs in: one is meant, or there is a user name for AWS, which
/// only an authorizer (the default one) asks for.
fn has_authorizer(flags: &ConnectionFlags, host: &str) -> bool {
    let user = flags.user.is_some() || flags.password.is_some();
    let other = flags.cert.is_some() || flags.sigv4;
    flags.authorizer.is_some() || flags.token_key.is_some() || user && !other && is_aws(host)
}

/// Whether a bare host, or one with a port, is a name of AWS IoT Core.
fn is_aws(text: &str) -> bool {
    let host = text.split(':').next().unwrap_or_default();
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

/// Whether an endpoint, which is one, has a port in it.
fn names_port(text: &str) -> bool {
    let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    crate::endpoint::split_port(authority).is_ok_and(|(_, port)| port.is_some())
}

fn wrong(message: String) -> FlagError {
    FlagError::new(message)
}
