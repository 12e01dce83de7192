//! How to connect, with the defaults.

use core::{fmt, time::Duration};

use bytes::Bytes;
use mqtt_session::{Options, OptionsError, Version, Will};
use shadow_proto::{Config, NameError, TokenPrefix};

use crate::{
    authorizer::Authorizer,
    backoff::Reconnect,
    endpoint::{Endpoint, EndpointError},
    hub::OfflineQueue,
    random::random_bits,
};

#[cfg(feature = "http-proxy")]
use crate::proxy::Proxy;
#[cfg(feature = "websocket")]
use crate::secret::Secret;
#[cfg(feature = "sigv4")]
use crate::sigv4::SigV4;
#[cfg(feature = "_rustls")]
use crate::tls::TlsOptions;

/// Everything about a connection. Make one with [`ConnectOptions::new`], then assign fields.
///
/// | option | default |
/// | --- | --- |
/// | `client_id` | `shadow-` and 16 random hexadecimal digits |
/// | `version` | MQTT 5 |
/// | `clean_start`, `session_expiry` | true, none |
/// | `keep_alive` | 60 s |
/// | `user_name`, `password`, `will` | none |
/// | `tls` (feature `tls`) | Amazon's authorities for `*.amazonaws.com`, else the system's; no certificate |
/// | `authorizer`, `sigv4` (feature), `websocket_headers` (feature `websocket`) | none |
/// | `proxy` (feature `http-proxy`) | none; nothing is taken from the environment |
/// | `connect_timeout` | 30 s, from opening the transport to the CONNACK |
/// | `operation_timeout` | 5 s, for shadow requests and for plain publish, subscribe, unsubscribe |
/// | `close_timeout` | 2 s, for the goodbye |
/// | `offline_queue` | none |
/// | `reconnect` | 1 s, doubled up to 32 s, anew after 20 s of connection, up to half of it cut at random |
/// | `shadows` | [`Config::new`] with a random token prefix: QoS 1, AWS's quotas |
/// | `mqtt` | [`mqtt_session::Options::new`] |
///
/// `Debug` shows neither user name nor password.
///
/// ```
/// use transport_core::ConnectOptions;
///
/// let mut options = ConnectOptions::new("mqtt://broker.example".parse()?);
/// options.client_id = "lamp-7".into();
/// options.set_version("3.1.1")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// Where the broker is.
    pub endpoint: Endpoint,
    /// The client identifier, unique among the clients of the broker: a second client with the
    /// same one pushes the first off. Empty lets an MQTT 5 broker choose.
    pub client_id: String,
    /// The protocol version.
    pub version: Version,
    /// Begin with a fresh session at every connect; false resumes what the broker kept, so that
    /// deltas sent at QoS 1 while this client was away arrive after all. Takes a `client_id` that
    /// stays the same and, over MQTT 5, a `session_expiry`.
    ///
    /// What was kept comes as soon as there is a connection. Streams and callbacks made before
    /// (with `start`) get all of it. What nobody wants yet in the first connection of a process
    /// waits for the first who does: the newest `message_buffer` messages, at most 1 MiB, for
    /// `operation_timeout`.
    ///
    /// Mosquitto up to 2.0.11 at least sends a client of MQTT 5 more at once than it was told to,
    /// when hundreds of messages were kept; that ends the connection with "receive maximum
    /// exceeded" (0x93). Against it, set `mqtt.receive_maximum` to 65,535.
    pub clean_start: bool,
    /// MQTT 5: how long the broker keeps the session after the connection ended.
    pub session_expiry: Option<Duration>,
    /// The longest silence before this client shows that it lives; zero for no limit. An MQTT 5
    /// broker may override it.
    pub keep_alive: Duration,
    /// The user name.
    pub user_name: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// What the broker publishes when this client vanishes. AWS's shadow service ignores a will
    /// that is addressed to a shadow topic.
    pub will: Option<Will>,
    /// How to verify the server and what to show it, for `mqtts://` and `wss://`.
    #[cfg(feature = "_rustls")]
    pub tls: TlsOptions,
    /// The custom authorizer of AWS IoT Core to sign in through.
    pub authorizer: Option<Authorizer>,
    /// Signing in with AWS credentials, for `wss://`.
    #[cfg(feature = "sigv4")]
    pub sigv4: Option<SigV4>,
    /// Headers of the request for a WebSocket, beside those that it needs.
    #[cfg(feature = "websocket")]
    pub websocket_headers: Vec<(String, Secret)>,
    /// An HTTP proxy to go through.
    #[cfg(feature = "http-proxy")]
    pub proxy: Option<Proxy>,
    /// How long one attempt may take, from opening the transport to the CONNACK.
    pub connect_timeout: Duration,
    /// How long a shadow request that sets no timeout, a plain publish, subscribe or unsubscribe
    /// may take.
    pub operation_timeout: Duration,
    /// How long the goodbye may take: writing what is left, the DISCONNECT, closing the stream.
    pub close_timeout: Duration,
    /// The delays between attempts.
    pub reconnect: Reconnect,
    /// The settings of the shadow client; its `response_timeout` is `operation_timeout`, and the 16
    /// random digits at the end of its token prefix are drawn anew for each client (they are added to
    /// a prefix of up to 23 bytes that has none).
    pub shadows: Config,
    /// The settings of the MQTT session for which there is no field here: limits, receive maximum,
    /// largest packet. Those for which there is one are overwritten by it.
    pub mqtt: Options,
    /// How many messages of the broker a stream of a plain subscription holds before it drops the
    /// oldest; see `clean_start` for another use. Default 256.
    pub message_buffer: usize,
    /// A queue for plain publishes without a connection. Default none: at QoS 0 they are refused
    /// then, at QoS 1 they wait for `operation_timeout`.
    pub offline_queue: Option<OfflineQueue>,
    /// Whether what the shadow client is told is recorded from the start, so that a fault in the
    /// field becomes a test; see [`ShadowClient::take_recording`](crate::ShadowClient). Default
    /// false.
    pub record: bool,
}

impl ConnectOptions {
    /// The defaults, for this broker.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        let bits = random_bits();
        Self {
            endpoint,
            client_id: format!("shadow-{bits:016x}"),
            version: Version::V5,
            clean_start: true,
            session_expiry: None,
            keep_alive: Duration::from_secs(60),
            user_name: None,
            password: None,
            will: None,
            #[cfg(feature = "_rustls")]
            tls: TlsOptions::default(),
            authorizer: None,
            #[cfg(feature = "sigv4")]
            sigv4: None,
            #[cfg(feature = "websocket")]
            websocket_headers: Vec::new(),
            #[cfg(feature = "http-proxy")]
            proxy: None,
            connect_timeout: Duration::from_secs(30),
            operation_timeout: Duration::from_secs(5),
            close_timeout: Duration::from_secs(2),
            reconnect: Reconnect::default(),
            shadows: shadow_config(),
            mqtt: Options::new(""),
            message_buffer: 256,
            offline_queue: None,
            record: false,
        }
    }

    /// The defaults, for the broker at this URL.
    ///
    /// # Errors
    /// [`EndpointError`] says what is wrong with the URL.
    pub fn from_url(url: &str) -> Result<Self, EndpointError> {
        url.parse().map(Self::new)
    }

    /// Sets the protocol version from its number: `5`, `3.1.1`, or `3`, which means 3.1.1.
    ///
    /// # Errors
    /// [`VersionError`] for anything else; MQTT 3.1 is not spoken here.
    pub fn set_version(&mut self, number: &str) -> Result<(), VersionError> {
        self.version = match number {
            "5" | "5.0" => Version::V5,
            "3" | "3.1.1" => Version::V3_1_1,
            _ => {
                return Err(VersionError {
                    asked: number.into(),
                });
            }
        };
        Ok(())
    }

    /// Sets the CONNECT's will to a text at QoS 1.
    pub fn set_will(&mut self, topic: &str, payload: impl Into<Bytes>) {
        self.will = Some(Will::new(topic, payload));
    }

    /// Lifts what protects the quotas of AWS (window, rates, subscription budget): for a broker
    /// of one's own.
    pub fn unlimited(&mut self) {
        self.shadows.unlimited();
    }

    /// The options of the MQTT session.
    ///
    /// # Errors
    /// The first option that cannot be said in a CONNECT.
    pub fn session(&self) -> Result<Options, OptionsError> {
        let mut options = self.mqtt.clone();
        options.client_id.clone_from(&self.client_id);
        options.version = self.version;
        options.clean_start = self.clean_start;
        options.session_expiry = self.session_expiry;
        options.keep_alive = self.keep_alive;
        options.user_name = self.connect_user_name();
        options.password.clone_from(&self.password);
        options.will.clone_from(&self.will);
        options.connack_timeout = self.connect_timeout;
        options.check()?;
        Ok(options)
    }

    /// The user name of the CONNECT. A custom authorizer finds its query there, unless it had it
    /// with the request for the WebSocket.
    fn connect_user_name(&self) -> Option<String> {
        match &self.authorizer {
            Some(authorizer) if !self.endpoint.scheme().is_websocket() => {
                let name = authorizer.user_name(self.user_name.as_deref());
                Some(name).filter(|name| !name.is_empty() || self.user_name.is_some())
            }
            Some(_) | None => self.user_name.clone(),
        }
    }

    /// The settings of one shadow client: with a token prefix of its own, so that copies of the same
    /// options make clients that do not take each other's answers for theirs.
    #[must_use]
    pub fn shadow_config(&self) -> Config {
        let mut config = self.shadows.clone();
        config.token_prefix = drawn_anew(config.token_prefix);
        config.response_timeout = self.operation_timeout;
        config
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |text: &Option<String>| text.as_ref().map(|_| "***");
        let mut f = f.debug_struct("ConnectOptions");
        #[cfg(feature = "_rustls")]
        f.field("tls", &self.tls);
        #[cfg(feature = "sigv4")]
        f.field("sigv4", &self.sigv4);
        #[cfg(feature = "websocket")]
        f.field("websocket_headers", &self.websocket_headers);
        #[cfg(feature = "http-proxy")]
        f.field("proxy", &self.proxy);
        f.field("endpoint", &format_args!("{}", self.endpoint))
            .field("client_id", &self.client_id)
            .field("version", &self.version)
            .field("clean_start", &self.clean_start)
            .field("session_expiry", &self.session_expiry)
            .field("keep_alive", &self.keep_alive)
            .field("user_name", &hidden(&self.user_name))
            .field("password", &hidden(&self.password))
            .field("authorizer", &self.authorizer)
            .field("will", &self.will.as_ref().map(|will| &will.topic))
            .field("connect_timeout", &self.connect_timeout)
            .field("operation_timeout", &self.operation_timeout)
            .field("close_timeout", &self.close_timeout)
            .field("reconnect", &self.reconnect)
            .field("shadows", &self.shadows)
            .field("mqtt", &self.mqtt)
            .field("message_buffer", &self.message_buffer)
            .field("offline_queue", &self.offline_queue)
            .field("record", &self.record)
            .finish()
    }
}

/// The default settings of a shadow client, with a token prefix and a jitter seed drawn at random.
/// Events keep the message they were read from as soon as there is a callback, which is given it;
/// for the events of a stream switch `keep_payloads` on.
#[must_use]
pub fn shadow_config() -> Config {
    let bits = random_bits();
    // Sixteen digits are a legal prefix; the error cannot come.
    #[expect(clippy::expect_used, reason = "hexadecimal digits are legal")]
    let prefix = TokenPrefix::new(&format!("{bits:016x}")).expect("legal");
    let mut config = Config::new(prefix);
    config.jitter_seed = random_bits();
    config
}

/// A token prefix that begins with a name of the application's, so that people can tell whose
/// request a message answers: `name-` and 16 random hexadecimal digits.
///
/// # Errors
/// [`NameError`] if `name` is longer than 23 bytes or has characters other than
/// `a-z A-Z 0-9 : _ -`.
pub fn token_prefix(name: &str) -> Result<TokenPrefix, NameError> {
    TokenPrefix::new(&format!("{name}-{:016x}", random_bits()))
}

/// The prefix with other random digits at its end. One without such digits and without room for them
/// is left to who chose it.
fn drawn_anew(prefix: TokenPrefix) -> TokenPrefix {
    let text = prefix.as_str();
    let random = |digits: &str| (digits.bytes()).all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    let parts = text.len().checked_sub(16);
    let parts = parts.and_then(|length| text.split_at_checked(length));
    let drawn = match parts {
        Some((name, digits)) if random(digits) => format!("{name}{:016x}", random_bits()),
        Some(_) | None => format!("{text}-{:016x}", random_bits()),
    };
    TokenPrefix::new(&drawn).unwrap_or(prefix)
}

/// A protocol version that is not spoken here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VersionError {
    asked: Box<str>,
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "MQTT version {:?} is not supported: use 3.1.1 or 5",
            self.asked
        )
    }
}

impl core::error::Error for VersionError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> ConnectOptions {
        ConnectOptions::from_url("mqtt://h").unwrap()
    }

    #[test]
    fn the_version_3_1_is_refused_by_name() {
        let mut options = options();
        for (number, version) in [
            ("5", Version::V5),
            ("3", Version::V3_1_1),
            ("3.1.1", Version::V3_1_1),
        ] {
            options.set_version(number).unwrap();
            assert_eq!(options.version, version);
        }
        for number in ["3.1", "4", "", "v5"] {
            let error = options.set_version(number).unwrap_err().to_string();
            assert!(error.ends_with("use 3.1.1 or 5"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut options = options();
        options.user_name = Some("secret-name?x-amz-customauthorizer-signature=abc".into());
        options.password = Some("secret-word".into());
        options.set_will("t", "secret-payload");
        options.endpoint = "wss://h/mqtt?X-Amz-Signature=secret".parse().unwrap();
        let mut authorizer = Authorizer::default();
        authorizer.set_token("key", "secret-token", "secret-signature");
        options.authorizer = Some(authorizer);
        #[cfg(feature = "http-proxy")]
        {
            options.proxy = "http://me:secret@h".parse().ok();
        }
        #[cfg(feature = "websocket")]
        options
            .websocket_headers
            .push(("x".into(), "secret".into()));
        let shown = format!("{options:?} {:?}", options.session().unwrap());
        assert!(shown.contains("***"), "{shown}");
        // The session's own Debug shows the will with its payload; this one must not.
        assert!(!format!("{options:?}").contains("secret"), "{shown}");
    }

    #[test]
    fn an_authorizer_is_named_in_the_connect_unless_the_websocket_named_it() {
        let user_name = |url: &str, own: Option<&str>, authorizer: Authorizer| {
            let mut options = ConnectOptions::from_url(url).unwrap();
            options.user_name = own.map(Into::into);
            options.authorizer = Some(authorizer);
            options.session().unwrap().user_name
        };
        let fleet = || Authorizer::named("fleet");
        let query = "?x-amz-customauthorizer-name=fleet";
        assert_eq!(user_name("mqtts://h", None, fleet()).unwrap(), query);
        assert_eq!(
            user_name("mqtts://h", Some("me"), fleet()).unwrap(),
            format!("me{query}")
        );
        assert_eq!(user_name("wss://h", Some("me"), fleet()).unwrap(), "me");
        assert_eq!(user_name("mqtts://h", None, Authorizer::default()), None);
    }

    #[test]
    fn clients_differ() {
        assert_ne!(options().client_id, options().client_id);
        let prefix = |options: ConnectOptions| options.shadows.token_prefix;
        assert_ne!(prefix(options()), prefix(options()));
        assert_eq!(options().client_id.len(), 23);
    }

    #[test]
    fn copies_of_options_make_clients_of_different_tokens() {
        let drawn = |name: &str| {
            let mut options = options();
            options.shadows.token_prefix = TokenPrefix::new(name).unwrap();
            let copy = options.clone();
            [options, copy].map(|it| it.shadow_config().token_prefix.as_str().to_owned())
        };
        let random = &format!("{:016x}", random_bits());
        let longest = &"n".repeat(23);
        for (name, kept) in [
            (random.clone(), ""),
            (format!("lamp-{random}"), "lamp-"),
            ("lamp".to_owned(), "lamp-"),
            (longest.clone(), longest),
        ] {
            let [one, other] = drawn(&name);
            assert_ne!(one, other);
            for prefix in [one, other] {
                assert!(prefix.starts_with(kept), "{prefix}");
                assert!(prefix.len() >= kept.len() + 16, "{prefix}");
            }
        }
        // No room: it stays as the application chose it.
        let long = "n".repeat(40);
        assert_eq!(drawn(&long), [&*long, &*long]);
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        let mut options = options();
        options.version = Version::V3_1_1;
        options.password = Some("word".into());
        assert_eq!(
            options.session().unwrap_err(),
            OptionsError::PasswordWithoutUserName
        );
    }
}
