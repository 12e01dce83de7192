//! Where to connect.

mod aws;
mod error;

pub use aws::{EndpointFlags, Purpose};
pub use error::EndpointError;

use core::{fmt, net::Ipv6Addr, str::FromStr};

/// How the MQTT bytes travel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "adapters must have an answer to each"
)]
pub enum Scheme {
    /// `mqtt://`: over TCP.
    Mqtt,
    /// `mqtts://`: over TLS.
    Mqtts,
    /// `ws://`: over a WebSocket.
    Ws,
    /// `wss://`: over a WebSocket over TLS.
    Wss,
}

impl Scheme {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Mqtt, Self::Mqtts, Self::Ws, Self::Wss];

    /// As it is spelled in front of `://`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// The port meant when none is given: 1883, 8883, 80, 443.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Mqtt => 1883,
            Self::Mqtts => 8883,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Mqtts | Self::Wss)
    }

    /// Whether MQTT travels in a WebSocket.
    #[must_use]
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the broker is: a scheme, a host, a port and, for a WebSocket, a path.
///
/// ```
/// use transport_core::{Endpoint, Scheme};
///
/// let endpoint: Endpoint = "mqtt://broker.example".parse()?;
/// assert_eq!((endpoint.host(), endpoint.port()), ("broker.example", 1883));
///
/// let aws = Endpoint::with_scheme(Scheme::Mqtts, "abc-ats.iot.eu-west-1.amazonaws.com")?;
/// assert_eq!(aws.to_string(), "mqtts://abc-ats.iot.eu-west-1.amazonaws.com:8883");
/// # Ok::<(), transport_core::EndpointError>(())
/// ```
///
/// Neither `Display` nor `Debug` show the query: it can carry a signature or a token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    /// An IPv6 address without brackets.
    host: Box<str>,
    port: u16,
    /// With the slash in front.
    path: Box<str>,
}

impl Endpoint {
    /// The path of a WebSocket that names none: what AWS IoT Core and most brokers serve.
    pub const WEBSOCKET_PATH: &'static str = "/mqtt";

    /// The broker at `host` and `port`.
    ///
    /// # Errors
    /// [`EndpointError`] if `host` is not a host name or an IP address, or the port is zero.
    pub fn new(scheme: Scheme, host: &str, port: u16) -> Result<Self, EndpointError> {
        if port == 0 {
            return Err(EndpointError::Port { port: "0".into() });
        }
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        check_host(host)?;
        let path = if scheme.is_websocket() {
            Self::WEBSOCKET_PATH
        } else {
            ""
        };
        Ok(Self {
            scheme,
            host: host.into(),
            port,
            path: path.into(),
        })
    }

    /// Reads `host`, `host:port` or a whole URL; `scheme` counts where the text names none.
    ///
    /// # Errors
    /// [`EndpointError`] says what is wrong with the text.
    pub fn with_scheme(scheme: Scheme, text: &str) -> Result<Self, EndpointError> {
        if text.contains("://") {
            return text.parse();
        }
        Self::from_parts(scheme, text)
    }

    /// The same endpoint with another port.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// The same endpoint with another path (and query) of its WebSocket; a slash in front is added
    /// if there is none. Without effect on other schemes.
    #[must_use]
    pub fn with_path(mut self, path: &str) -> Self {
        if self.scheme.is_websocket() {
            let slash = if path.starts_with('/') { "" } else { "/" };
            self.path = format!("{slash}{path}").into();
        }
        self
    }

    /// How the MQTT bytes travel.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host name or IP address; an IPv6 address has no brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path and query of the WebSocket; empty for the other schemes.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same host at the port of another scheme.
    #[cfg(feature = "rest")]
    pub(crate) fn for_scheme(&self, scheme: Scheme) -> Self {
        Self {
            scheme,
            host: self.host.clone(),
            port: scheme.default_port(),
            path: "".into(),
        }
    }

    /// The host as a Host header gives it: with brackets around an IPv6 address, with the port
    /// unless it is the scheme's own.
    #[cfg(any(feature = "websocket", feature = "rest"))]
    pub(crate) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        let host = match host.contains(':') {
            true => format!("[{host}]"),
            false => host.to_string(),
        };
        if *port == self.scheme.default_port() {
            host
        } else {
            format!("{host}:{port}")
        }
    }

    fn from_parts(scheme: Scheme, rest: &str) -> Result<Self, EndpointError> {
        let (authority, path) = match rest.find(['/', '?', '#']) {
            Some(at) => rest.split_at_checked(at).unwrap_or((rest, "")),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(EndpointError::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        let port = match port {
            None => scheme.default_port(),
            Some(port) => port
                .parse()
                .map_err(|_| EndpointError::Port { port: port.into() })?,
        };
        let endpoint = Self::new(scheme, host, port)?;
        let refused = || {
            let path = path.split('?').next().unwrap_or_default().into();
            Err(EndpointError::Path { path })
        };
        match path {
            "" | "/" => Ok(endpoint),
            _ if path.contains('#') || !scheme.is_websocket() => refused(),
            _ if !path.bytes().all(|byte| byte.is_ascii_graphic()) => refused(),
            _ => Ok(endpoint.with_path(path)),
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let Some((name, rest)) = text.split_once("://") else {
            return Err(EndpointError::NoScheme);
        };
        let scheme = Scheme::ALL
            .into_iter()
            .find(|scheme| scheme.as_str().eq_ignore_ascii_case(name))
            .ok_or_else(|| EndpointError::UnknownScheme {
                scheme: name.into(),
            })?;
        Self::from_parts(scheme, rest)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scheme,
            host,
            port,
            path,
        } = self;
        // A query can carry a signature or a token.
        let path = path.split('?').next().unwrap_or_default();
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}{path}")
        } else {
            write!(f, "{scheme}://{host}:{port}{path}")
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`, or a bare IPv6 address.
pub(crate) fn split_port(authority: &str) -> Result<(&str, Option<&str>), EndpointError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let bad = || EndpointError::Host {
            host: authority.into(),
        };
        let (host, rest) = rest.split_once(']').ok_or_else(bad)?;
        host.parse::<Ipv6Addr>().map_err(|_| bad())?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(bad()),
        };
    }
    if authority.parse::<Ipv6Addr>().is_ok() {
        return Ok((authority, None));
    }
    Ok(match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    })
}

fn check_host(host: &str) -> Result<(), EndpointError> {
    if host.is_empty() {
        return Err(EndpointError::NoHost);
    }
    // What a resolver takes is for the resolver to say; this keeps out what could change the
    // meaning of a URL or an HTTP request that it is put into. Names of other scripts are sent
    // in their ASCII form (punycode).
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if host.bytes().all(name) && host.len() <= 253 || host.parse::<Ipv6Addr>().is_ok() {
        return Ok(());
    }
    Err(EndpointError::Host { host: host.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let cases = [
            ("mqtt://h", "mqtt://h:1883"),
            ("mqtt://h/", "mqtt://h:1883"),
            ("MQTTS://h.example:443", "mqtts://h.example:443"),
            ("ws://10.0.0.1", "ws://10.0.0.1:80/mqtt"),
            ("wss://h:8443/other", "wss://h:8443/other"),
            ("wss://h?token=secret", "wss://h:443/"),
            ("mqtt://[::1]", "mqtt://[::1]:1883"),
            ("mqtt://[fe80::1]:99", "mqtt://[fe80::1]:99"),
            ("mqtt://::1", "mqtt://[::1]:1883"),
        ];
        for (text, spelled) in cases {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), spelled, "{text}");
        }
        let query: Endpoint = "wss://h/mqtt?token=secret".parse().unwrap();
        assert_eq!(query.path(), "/mqtt?token=secret");
        assert_eq!(format!("{query:?}"), "Endpoint(wss://h:443/mqtt)");
    }

    #[test]
    fn hosts_without_scheme() {
        let endpoint = Endpoint::with_scheme(Scheme::Mqtts, "h:1").unwrap();
        assert_eq!(endpoint.to_string(), "mqtts://h:1");
        let endpoint = Endpoint::with_scheme(Scheme::Mqtts, "mqtt://h").unwrap();
        assert_eq!(endpoint.to_string(), "mqtt://h:1883");
        let endpoint = Endpoint::with_scheme(Scheme::Wss, "::1").unwrap();
        assert_eq!(endpoint.to_string(), "wss://[::1]:443/mqtt");
        assert_eq!(endpoint.host(), "::1");
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let cases = [
            ("h:1883", "begins with none"),
            ("http://h", "unknown scheme \"http\""),
            ("mqtt://", "no host"),
            ("mqtt://:1883", "no host"),
            ("mqtt://h:0", "\"0\" is not a port"),
            ("mqtt://h:65536", "\"65536\" is not a port"),
            ("mqtt://h:", "\"\" is not a port"),
            ("mqtt://h:1:2", "\"1:2\" is not a port"),
            ("mqtt://a b", "\"a b\" is not a host"),
            ("mqtt://h/x", "the path \"/x\""),
            ("mqtts://h?token=word", "the path \"\""),
            ("ws://h/x y", "the path \"/x y\""),
            ("ws://h/x\r\nHost: y", "the path"),
            ("ws://h#x", "the path"),
            ("mqtt://user:hunter2@h", "user name or password"),
            ("mqtt://[::1", "is not a host"),
            ("mqtt://[::1]x", "is not a host"),
            ("mqtt://[h]", "is not a host"),
        ];
        for (text, part) in cases {
            let error = text.parse::<Endpoint>().unwrap_err();
            let error = format!("{error} {error:?}");
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{text}: {error}");
        }
    }
}
