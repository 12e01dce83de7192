//! Through an HTTP proxy: the CONNECT request and its answer, without IO.

use core::{fmt, str::FromStr};

use crate::{
    endpoint::split_port,
    http::{Head, HeadError, HeadReader, printable},
    secret::Secret,
    text::base64,
};

/// An HTTP proxy that opens a tunnel to the broker (`CONNECT`). `Debug` shows no password.
///
/// ```
/// use transport_core::Proxy;
///
/// let mut proxy = Proxy::new("proxy.example", 3128);
/// proxy.set_user("me", "word");
/// assert_eq!("http://me:word@proxy.example:3128".parse(), Ok(proxy));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Proxy {
    /// The proxy's name or IP address; an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password (the "Basic" scheme), which are sent unencrypted.
    pub user: Option<(String, Secret)>,
}

impl Proxy {
    /// A proxy that lets everyone in.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            user: None,
        }
    }

    /// Sets user and password.
    pub fn set_user(&mut self, name: impl Into<String>, password: impl Into<Secret>) {
        self.user = Some((name.into(), password.into()));
    }
}

/// `http://user:password@host:port`; the port is 80 if there is none. A user or password that has
/// one of `:/?#@%` in it is percent-encoded.
impl FromStr for Proxy {
    type Err = ProxyUrlError;

    fn from_str(url: &str) -> Result<Self, ProxyUrlError> {
        let rest = url.strip_prefix("http://").ok_or(ProxyUrlError)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, authority) = match rest.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, rest),
        };
        let (host, port) = split_port(authority).map_err(|_| ProxyUrlError)?;
        let port = port.map_or(Ok(80), str::parse).map_err(|_| ProxyUrlError)?;
        if host.is_empty() || host.contains(['/', '?', '#']) || port == 0 {
            return Err(ProxyUrlError);
        }
        let mut proxy = Self::new(host, port);
        if let Some(user) = user {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let name = decode(name).ok_or(ProxyUrlError)?;
            proxy.set_user(name, decode(password).ok_or(ProxyUrlError)?);
        }
        Ok(proxy)
    }
}

/// A text is not the URL of a [`Proxy`]. It is not repeated here: it can hold a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "nothing more to say")]
pub struct ProxyUrlError;

impl fmt::Display for ProxyUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the proxy is not http://[user:password@]host[:port]")
    }
}

impl core::error::Error for ProxyUrlError {}

/// Asks a proxy for a tunnel. Write [`output`](Self::output), then read and pass on what comes
/// until the tunnel is open.
///
/// ```
/// use transport_core::{Proxy, ProxyError, ProxyHandshake};
///
/// let proxy = Proxy::new("proxy.example", 3128);
/// let mut handshake = ProxyHandshake::new(&proxy, "broker.example", 8883);
/// assert!(handshake.output().starts_with(b"CONNECT broker.example:8883 HTTP/1.1\r\n"));
/// handshake.handle_written(handshake.output().len());
/// assert!(!handshake.handle_bytes(b"HTTP/1.1 200 ")?);
/// assert!(handshake.handle_bytes(b"Connection established\r\n\r\n")?);
/// # Ok::<(), ProxyError>(())
/// ```
#[derive(Clone)]
pub struct ProxyHandshake {
    proxy: Box<str>,
    request: Secret,
    written: usize,
    reader: HeadReader,
}

impl ProxyHandshake {
    /// A tunnel to this host and port.
    #[must_use]
    pub fn new(proxy: &Proxy, host: &str, port: u16) -> Self {
        let target = match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        let sign_in = match &proxy.user {
            Some((name, password)) => {
                let both = format!("{name}:{}", password.expose());
                let both = base64(both.as_bytes());
                format!("Proxy-Authorization: Basic {both}\r\n")
            }
            None => String::new(),
        };
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{sign_in}\r\n");
        Self {
            proxy: format!("{}:{}", proxy.host, proxy.port).into(),
            request: request.into(),
            written: 0,
            reader: HeadReader::default(),
        }
    }

    /// The bytes to be written.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        let request = self.request.expose().as_bytes();
        request.get(self.written..).unwrap_or_default()
    }

    /// So many bytes of [`output`](Self::output) were written.
    pub fn handle_written(&mut self, count: usize) {
        self.written = self.written.saturating_add(count);
    }

    /// Bytes of the proxy. Whether the tunnel is open.
    ///
    /// # Errors
    /// [`ProxyError`] if the proxy does not open it.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<bool, ProxyError> {
        let proxy = || self.proxy.clone();
        match self.reader.handle_bytes(bytes) {
            Ok(None) => Ok(false),
            // Whoever is behind the tunnel waits to be spoken to: this is the proxy's own.
            Ok(Some((head, rest))) if head.is_success() && !rest.is_empty() => {
                Err(ProxyError::NotHttp { proxy: proxy() })
            }
            Ok(Some((head, _))) if head.is_success() => Ok(true),
            Ok(Some((head, _))) if head.status == 407 => Err(ProxyError::SignIn {
                proxy: proxy(),
                scheme: printable(head.header("proxy-authenticate").unwrap_or_default()),
            }),
            Ok(Some((head, _))) => Err(ProxyError::Refused {
                proxy: proxy(),
                status: head.status,
                reason: head.reason,
            }),
            Err(HeadError::TooLong) => Err(ProxyError::TooLong { proxy: proxy() }),
            Err(HeadError::NotHttp) => Err(ProxyError::NotHttp { proxy: proxy() }),
        }
    }

    /// The proxy ended the connection.
    #[must_use]
    pub fn handle_end(&self) -> ProxyError {
        ProxyError::Closed {
            proxy: self.proxy.clone(),
        }
    }
}

impl fmt::Debug for ProxyHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyHandshake({})", self.proxy)
    }
}

impl Head {
    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why a proxy opened no tunnel.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// It wants a user and a password, or others (407).
    SignIn {
        /// The proxy's host and port.
        proxy: Box<str>,
        /// How it wants them: only `Basic` is spoken here.
        scheme: Box<str>,
    },
    /// It refused otherwise.
    Refused {
        /// The proxy's host and port.
        proxy: Box<str>,
        /// The status code.
        status: u16,
        /// What it said beside it.
        reason: Box<str>,
    },
    /// Its answer is longer than 8 KiB.
    TooLong {
        /// The proxy's host and port.
        proxy: Box<str>,
    },
    /// It does not answer as an HTTP proxy does.
    NotHttp {
        /// The proxy's host and port.
        proxy: Box<str>,
    },
    /// It ended the connection without an answer.
    Closed {
        /// The proxy's host and port.
        proxy: Box<str>,
    },
}

impl ProxyError {
    /// Whether trying again with the same options is pointless.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::SignIn { .. } | Self::TooLong { .. } | Self::NotHttp { .. } => true,
            // 5xx: the broker behind it cannot be reached now.
            Self::Refused { status, .. } => (400..500).contains(status) && *status != 429,
            Self::Closed { .. } => false,
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignIn { proxy, scheme } => {
                write!(
                    f,
                    "the proxy {proxy} wants a user and password, or others (407"
                )?;
                if !scheme.is_empty() {
                    write!(f, ", {scheme}")?;
                }
                f.write_str(")")
            }
            Self::Refused {
                proxy,
                status,
                reason,
            } => write!(f, "the proxy {proxy} refused the tunnel: {status} {reason}"),
            Self::TooLong { proxy } => {
                write!(f, "the answer of the proxy {proxy} is longer than 8 KiB")
            }
            Self::NotHttp { proxy } => {
                write!(
                    f,
                    "{proxy} does not answer as an HTTP proxy: check host and port"
                )
            }
            Self::Closed { proxy } => {
                write!(
                    f,
                    "the proxy {proxy} ended the connection without an answer"
                )
            }
        }
    }
}

impl core::error::Error for ProxyError {}

/// Undoes percent-encoding.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut nibble = || char::from(rest.next()?).to_digit(16);
                u8::try_from(nibble()? << 4 | nibble()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy() -> Proxy {
        let mut proxy = Proxy::new("proxy", 3128);
        proxy.set_user("Aladdin", "open sesame");
        proxy
    }

    fn answer(bytes: &[u8]) -> Result<bool, ProxyError> {
        ProxyHandshake::new(&proxy(), "h", 8883).handle_bytes(bytes)
    }

    #[test]
    fn requests() {
        let text =
            |handshake: ProxyHandshake| String::from_utf8(handshake.output().to_vec()).unwrap();
        // The user and password of RFC 7617.
        assert_eq!(
            text(ProxyHandshake::new(&proxy(), "broker.example", 8883)),
            "CONNECT broker.example:8883 HTTP/1.1\r\nHost: broker.example:8883\r\n\
             Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
        );
        let mut open = ProxyHandshake::new(&Proxy::new("p", 1), "::1", 443);
        open.handle_written(10);
        assert_eq!(text(open), ":1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n");
    }

    #[test]
    fn answers() {
        let mut handshake = ProxyHandshake::new(&proxy(), "h", 1);
        assert_eq!(handshake.handle_bytes(b"HTTP/1.1 200 "), Ok(false));
        assert_eq!(handshake.handle_bytes(b"OK\r\nX: y\r\n\r"), Ok(false));
        assert_eq!(handshake.handle_bytes(b"\n"), Ok(true));
        for (bytes, permanent, text) in [
            (
                &b"HTTP/1.1 407 x\r\nProxy-Authenticate: Digest realm=\"a\"\r\n\r\n"[..],
                true,
                "the proxy proxy:3128 wants a user and password, or others (407, Digest realm=\"a\")",
            ),
            (
                b"HTTP/1.1 403 Forbidden\r\n\r\nbody",
                true,
                "the proxy proxy:3128 refused the tunnel: 403 Forbidden",
            ),
            (
                b"HTTP/1.1 503 Busy\r\n\r\n",
                false,
                "the proxy proxy:3128 refused the tunnel: 503 Busy",
            ),
            (
                b"\x15\x03",
                true,
                "proxy:3128 does not answer as an HTTP proxy: check host and port",
            ),
            (
                b"HTTP/1.1 200 OK\r\n\r\n<html>",
                true,
                "proxy:3128 does not answer as an HTTP proxy: check host and port",
            ),
            (
                &[b"HTTP/1.1 200 ".as_slice(), &[b'x'; 9000]].concat(),
                true,
                "the answer of the proxy proxy:3128 is longer than 8 KiB",
            ),
        ] {
            let error = answer(bytes).unwrap_err();
            assert_eq!(error.to_string(), text);
            assert_eq!(error.is_permanent(), permanent, "{text}");
        }
    }

    #[test]
    fn urls() {
        let ok = |url: &str| url.parse::<Proxy>().unwrap();
        assert_eq!(ok("http://p"), Proxy::new("p", 80));
        assert_eq!(ok("http://[::1]:3128/"), Proxy::new("::1", 3128));
        let mut named = Proxy::new("p", 1);
        named.set_user("a@b", "c:d%");
        assert_eq!(ok("http://a%40b:c%3ad%25@p:1"), named);
        named.set_user("a", "");
        assert_eq!(ok("http://a@p:1"), named);
        for bad in [
            "p:1",
            "https://p",
            "http://",
            "http://:1",
            "http://p:0",
            "http://p:x",
            "http://p/x",
            "http://%:@p",
            "http://a:%4@p",
        ] {
            assert_eq!(bad.parse::<Proxy>(), Err(ProxyUrlError), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let handshake = ProxyHandshake::new(&proxy(), "h", 1);
        let shown = format!("{:?} {handshake:?}", proxy());
        assert!(
            !shown.contains("sesame") && !shown.contains("QWxh"),
            "{shown}"
        );
    }
}
