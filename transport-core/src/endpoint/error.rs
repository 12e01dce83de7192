//! Why a text is not an endpoint.

use core::fmt;

/// Why a text is not an endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EndpointError {
    /// There is no `mqtt://`, `mqtts://`, `ws://` or `wss://` in front.
    NoScheme,
    /// The scheme is none of the four.
    UnknownScheme {
        /// What it says instead.
        scheme: Box<str>,
    },
    /// There is no host.
    NoHost,
    /// The host is not a host name or an IP address.
    Host {
        /// What it says instead.
        host: Box<str>,
    },
    /// The port is not a number from 1 to 65535.
    Port {
        /// What it says instead.
        port: Box<str>,
    },
    /// There is a path behind `mqtt://host` or `mqtts://host`, or one that no URL can have.
    Path {
        /// The path, without the query.
        path: Box<str>,
    },
    /// There is a user name or password in the URL, where it would end up in logs.
    UserInfo,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScheme => {
                f.write_str("the endpoint begins with none of mqtt://, mqtts://, ws://, wss://")
            }
            Self::UnknownScheme { scheme } => write!(
                f,
                "unknown scheme {scheme:?}: use mqtt://, mqtts://, ws:// or wss://"
            ),
            Self::NoHost => f.write_str("the endpoint names no host"),
            Self::Host { host } => write!(f, "{host:?} is not a host name or an IP address"),
            Self::Port { port } => write!(f, "{port:?} is not a port: 1 to 65535 is possible"),
            Self::Path { path } => {
                write!(f, "the endpoint cannot have the path {path:?} or a query")
            }
            Self::UserInfo => f.write_str(
                "the URL holds a user name or password: set them in the options instead",
            ),
        }
    }
}

impl core::error::Error for EndpointError {}
