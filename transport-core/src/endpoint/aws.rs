//! Which port and which protocol name (ALPN) go with what a user has: the one place for it.
//!
//! What AWS IoT Core serves (its guide, "Device communication protocols"):
//!
//! | protocol | sign-in | port | ALPN | here |
//! | --- | --- | --- | --- | --- |
//! | MQTT | client certificate | 8883 | none | [`Purpose::Mqtt`] |
//! | MQTT | client certificate | 443 | `x-amzn-mqtt-ca` | [`Purpose::Mqtt`] |
//! | MQTT | custom authorizer | 443 | `mqtt` | [`Purpose::MqttWithAuthorizer`] |
//! | MQTT over WebSocket | SigV4, custom authorizer | 443 | none | [`Purpose::WebSocket`] |
//! | HTTPS | client certificate | 8443 | none | [`Purpose::Https`] |
//! | HTTPS | client certificate | 443 | `x-amzn-http-ca` | [`Purpose::Https`] |
//! | HTTPS | SigV4, custom authorizer | 443 | none | [`Purpose::Https`] |
//!
//! A domain configuration can say otherwise, so port and ALPN can also be set outright.

use super::{Endpoint, EndpointError, Scheme};

/// What a TLS connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Purpose {
    /// MQTT, signed in with a client certificate or within the CONNECT.
    Mqtt,
    /// MQTT, signed in by a custom authorizer.
    MqttWithAuthorizer,
    /// MQTT in a WebSocket.
    WebSocket,
    /// The REST data plane.
    Https,
}

impl Purpose {
    /// The protocol that AWS IoT Core wants named on this port; `certificate` says whether there
    /// is a client certificate.
    ///
    /// ```
    /// use transport_core::Purpose;
    ///
    /// assert_eq!(Purpose::Mqtt.alpn(443, true), Some("x-amzn-mqtt-ca"));
    /// assert_eq!(Purpose::Mqtt.alpn(8883, true), None);
    /// ```
    #[must_use]
    pub fn alpn(self, port: u16, certificate: bool) -> Option<&'static str> {
        match self {
            Self::Mqtt if port == 443 && certificate => Some("x-amzn-mqtt-ca"),
            Self::MqttWithAuthorizer => Some("mqtt"),
            Self::Https if port == 443 && certificate => Some("x-amzn-http-ca"),
            Self::Mqtt | Self::WebSocket | Self::Https => None,
        }
    }
}

/// What a user has, from which the scheme and the port of a bare host follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct EndpointFlags {
    /// MQTT is to travel in a WebSocket (`--websocket`): `wss`, port 443.
    pub websocket: bool,
    /// There is a custom authorizer: `mqtts`, port 443.
    pub authorizer: bool,
    /// There is a client certificate or a CA file (`--cert`, `--ca_file`): `mqtts`, port 8883.
    pub tls: bool,
    /// The port, whatever follows from the rest (`--port`).
    pub port: Option<u16>,
}

impl Endpoint {
    /// Reads what a user gives as endpoint: a URL, which counts as it is, or a bare host (and
    /// port), whose scheme and port follow from what else the user has. A bare host with none of
    /// it is a plain `mqtt` broker.
    ///
    /// ```
    /// use transport_core::{Endpoint, EndpointFlags};
    ///
    /// let mut flags = EndpointFlags::default();
    /// flags.tls = true;
    /// let aws = Endpoint::from_flags("abc-ats.iot.eu-west-1.amazonaws.com", flags)?;
    /// assert_eq!(aws.to_string(), "mqtts://abc-ats.iot.eu-west-1.amazonaws.com:8883");
    /// # Ok::<(), transport_core::EndpointError>(())
    /// ```
    ///
    /// # Errors
    /// [`EndpointError`] says what is wrong with the text or the port.
    pub fn from_flags(text: &str, flags: EndpointFlags) -> Result<Self, EndpointError> {
        let bare = !text.contains("://");
        let scheme = match flags {
            EndpointFlags {
                websocket: true, ..
            } => Scheme::Wss,
            EndpointFlags { tls: true, .. }
            | EndpointFlags {
                authorizer: true, ..
            } => Scheme::Mqtts,
            _ => Scheme::Mqtt,
        };
        let endpoint = Self::with_scheme(scheme, text)?;
        let named = super::split_port(text).is_ok_and(|(_, port)| port.is_some());
        match flags.port {
            Some(0) => Err(EndpointError::Port { port: "0".into() }),
            Some(port) => Ok(endpoint.with_port(port)),
            None if bare && !named && flags.authorizer && scheme == Scheme::Mqtts => {
                Ok(endpoint.with_port(443))
            }
            None => Ok(endpoint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_schemes() {
        let none = EndpointFlags::default();
        let tls = EndpointFlags { tls: true, ..none };
        let websocket = EndpointFlags {
            websocket: true,
            ..none
        };
        let authorizer = EndpointFlags {
            authorizer: true,
            ..none
        };
        let port = |port, flags| EndpointFlags {
            port: Some(port),
            ..flags
        };
        for (text, flags, expected) in [
            ("h", none, "mqtt://h:1883"),
            ("h", tls, "mqtts://h:8883"),
            ("h:443", tls, "mqtts://h:443"),
            ("h", port(443, tls), "mqtts://h:443"),
            ("h", websocket, "wss://h:443/mqtt"),
            (
                "h",
                EndpointFlags {
                    tls: true,
                    ..websocket
                },
                "wss://h:443/mqtt",
            ),
            (
                "h",
                EndpointFlags {
                    authorizer: true,
                    ..websocket
                },
                "wss://h:443/mqtt",
            ),
            ("h", authorizer, "mqtts://h:443"),
            ("h:8883", authorizer, "mqtts://h:8883"),
            ("::1", authorizer, "mqtts://[::1]:443"),
            ("[::1]:9", authorizer, "mqtts://[::1]:9"),
            ("h", port(8884, authorizer), "mqtts://h:8884"),
            ("mqtt://h", tls, "mqtt://h:1883"),
            ("ws://h:9001/x", tls, "ws://h:9001/x"),
            ("mqtts://h", authorizer, "mqtts://h:8883"),
            ("mqtts://h", port(443, none), "mqtts://h:443"),
        ] {
            let endpoint = Endpoint::from_flags(text, flags).unwrap();
            assert_eq!(endpoint.to_string(), expected, "{text} {flags:?}");
        }
        assert!(Endpoint::from_flags("h", port(0, tls)).is_err());
    }

    #[test]
    fn protocol_names() {
        for (purpose, port, certificate, alpn) in [
            (Purpose::Mqtt, 443, true, Some("x-amzn-mqtt-ca")),
            (Purpose::Mqtt, 443, false, None),
            (Purpose::Mqtt, 8883, true, None),
            (Purpose::MqttWithAuthorizer, 443, false, Some("mqtt")),
            (Purpose::MqttWithAuthorizer, 443, true, Some("mqtt")),
            (Purpose::WebSocket, 443, true, None),
            (Purpose::Https, 443, true, Some("x-amzn-http-ca")),
            (Purpose::Https, 443, false, None),
            (Purpose::Https, 8443, true, None),
        ] {
            assert_eq!(purpose.alpn(port, certificate), alpn, "{purpose:?} {port}");
        }
    }
}
