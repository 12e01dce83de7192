//! What a session is told before it starts.

use core::{fmt, time::Duration};

use bytes::Bytes;

use crate::{
    Qos,
    filter::{TopicError, check_topic},
    message::{MessageProperties, PropertyError},
};

/// The protocol version of a session. MQTT 3.1 (level 3) is not supported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[expect(
    clippy::exhaustive_enums,
    reason = "MQTT has these two; a third would change everything here"
)]
pub enum Version {
    /// MQTT 3.1.1 (protocol level 4).
    V3_1_1,
    /// MQTT 5 (protocol level 5). The default.
    #[default]
    V5,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_1_1 => "MQTT 3.1.1",
            Self::V5 => "MQTT 5",
        })
    }
}

/// What a [`Session`](crate::Session) asks of the server, and its own limits.
///
/// Start from [`Options::new`] and assign fields. `Debug` leaves out user name and password.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// Protocol version; default MQTT 5.
    pub version: Version,
    /// Client identifier. Empty lets the server choose one; MQTT 3.1.1 allows that only with
    /// `clean_start`.
    pub client_id: String,
    /// Begin with a fresh session at every connect (CONNECT's clean start, in 3.1.1 clean
    /// session); default `true`. `false` resumes what the server kept.
    pub clean_start: bool,
    /// MQTT 5: how long the server keeps the session after the connection ends; `None` and zero
    /// end it with the connection, [`Duration::MAX`] asks for no end. Whole seconds, rounded up.
    /// Ignored by MQTT 3.1.1, where `clean_start = false` means "as long as the server likes".
    pub session_expiry: Option<Duration>,
    /// The longest silence before a PINGREQ; default 60 s, zero disables. Whole seconds, rounded
    /// up, at most 65,535. An MQTT 5 server may override it
    /// ([`Connected::keep_alive`](crate::Connected::keep_alive)).
    pub keep_alive: Duration,
    /// How long after a PINGREQ the connection counts as dead when no byte arrives; default 10 s.
    pub ping_timeout: Duration,
    /// How long after [`handle_opened`](crate::Session::handle_opened) a CONNACK may take;
    /// default 30 s.
    pub connack_timeout: Duration,
    /// User name; `Some("")` is refused, since it cannot be told from absent.
    pub user_name: Option<String>,
    /// Password, as text; the same holds for `Some("")`. MQTT 3.1.1 needs a user name with it.
    pub password: Option<String>,
    /// What the server publishes when the connection ends without a DISCONNECT.
    pub will: Option<Will>,
    /// MQTT 5: how many unacknowledged QoS 1 and 2 messages the server may have on their way to
    /// us; default 64, never zero. More is a protocol error (MQTT 5, section 3.3.4), which ends the
    /// connection with DISCONNECT 0x93.
    ///
    /// Mosquitto up to 2.0.11 at least exceeds it when its queue for this client drains, by a few
    /// or by hundreds. Whoever gets hundreds of messages at a time from one sets 65,535, which no
    /// broker exceeds; memory stays bounded by [`Limits::event_bytes`], since nothing more is read
    /// then.
    pub receive_maximum: u16,
    /// The largest packet taken from the server, in bytes, all of it counted; default 256 KiB.
    /// MQTT 5 announces it; in both versions a larger one ends the connection before it is
    /// buffered.
    pub max_packet_size: u32,
    /// MQTT 5: user properties of the CONNECT.
    pub user_properties: Vec<(String, String)>,
    /// What bounds memory.
    pub limits: Limits,
}

impl Options {
    /// The defaults for this client id.
    pub fn new(client_id: impl Into<String>) -> Self {
        Self {
            version: Version::default(),
            client_id: client_id.into(),
            clean_start: true,
            session_expiry: None,
            keep_alive: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(10),
            connack_timeout: Duration::from_secs(30),
            user_name: None,
            password: None,
            will: None,
            receive_maximum: 64,
            max_packet_size: 256 * 1024,
            user_properties: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// Whether these options can be said in a CONNECT of their version.
    ///
    /// # Errors
    ///
    /// The first rule broken.
    pub fn check(&self) -> Result<(), OptionsError> {
        fits("client id", self.client_id.len())?;
        no_nul("client id", &self.client_id)?;
        if self.version == Version::V3_1_1 && self.client_id.is_empty() && !self.clean_start {
            return Err(OptionsError::EmptyClientIdNeedsCleanStart);
        }
        for (field, text) in [("user name", &self.user_name), ("password", &self.password)] {
            if let Some(text) = text {
                if text.is_empty() {
                    return Err(OptionsError::Empty { field });
                }
                fits(field, text.len())?;
            }
        }
        if let Some(name) = &self.user_name {
            no_nul("user name", name)?;
        }
        if self.version == Version::V3_1_1 && self.password.is_some() && self.user_name.is_none() {
            return Err(OptionsError::PasswordWithoutUserName);
        }
        if whole_seconds(self.keep_alive) > u64::from(u16::MAX) {
            return Err(OptionsError::KeepAliveTooLong);
        }
        if self.receive_maximum == 0 {
            return Err(OptionsError::Zero {
                field: "receive maximum",
            });
        }
        if self.max_packet_size == 0 {
            return Err(OptionsError::Zero {
                field: "maximum packet size",
            });
        }
        for (field, length) in [
            ("ping timeout", self.ping_timeout),
            ("CONNACK timeout", self.connack_timeout),
        ] {
            if length.is_zero() {
                return Err(OptionsError::Zero { field });
            }
        }
        for (name, value) in &self.user_properties {
            for text in [name, value] {
                fits("user property", text.len())?;
                no_nul("user property", text)?;
            }
        }
        if let Some(will) = &self.will {
            check_topic(&will.topic).map_err(OptionsError::WillTopic)?;
            fits("will payload", will.payload.len())?;
            if self.version == Version::V5 {
                will.properties
                    .check()
                    .map_err(OptionsError::WillProperties)?;
            }
        }
        self.limits.check()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            client_id,
            clean_start,
            session_expiry,
            keep_alive,
            ping_timeout,
            connack_timeout,
            user_name,
            password,
            will,
            receive_maximum,
            max_packet_size,
            user_properties,
            limits,
        } = self;
        f.debug_struct("Options")
            .field("version", version)
            .field("client_id", client_id)
            .field("clean_start", clean_start)
            .field("session_expiry", session_expiry)
            .field("keep_alive", keep_alive)
            .field("ping_timeout", ping_timeout)
            .field("connack_timeout", connack_timeout)
            // A custom authorizer's token travels in either of them.
            .field("user_name", &user_name.as_ref().map(|_| Redacted))
            .field("password", &password.as_ref().map(|_| Redacted))
            .field("will", will)
            .field("receive_maximum", receive_maximum)
            .field("max_packet_size", max_packet_size)
            .field("user_properties", &user_properties.len())
            .field("limits", limits)
            .finish()
    }
}

struct Redacted;

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A last will: what the server publishes when the connection ends without a DISCONNECT.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Will {
    /// Topic it is published to.
    pub topic: String,
    /// Payload, at most 65,535 bytes.
    pub payload: Bytes,
    /// Quality of service it is published with; default QoS 1.
    pub qos: Qos,
    /// Whether it is retained.
    pub retain: bool,
    /// MQTT 5: how long after the end of the connection it is published; `None` is at once.
    /// Whole seconds, rounded up.
    pub delay: Option<Duration>,
    /// MQTT 5: properties of the message.
    pub properties: MessageProperties,
}

impl Will {
    /// A will at QoS 1, not retained.
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: Qos::AtLeastOnce,
            retain: false,
            delay: None,
            properties: MessageProperties::default(),
        }
    }
}

/// The payload is not shown: it may be private.
impl fmt::Debug for Will {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Will")
            .field("topic", &self.topic)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("delay", &self.delay)
            .field("properties", &self.properties)
            .finish()
    }
}

/// What bounds the memory of a session. Nothing in it grows beyond these figures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// QoS 1 and 2 publishes on their way at once; default 100, AWS IoT Core's limit. The
    /// server's receive maximum lowers it.
    pub in_flight: u16,
    /// Publishes waiting to be written or acknowledged, in flight included; default 1,000.
    pub publishes: usize,
    /// Bytes (topics, payloads, properties) of those publishes; default 4 MiB.
    pub publish_bytes: usize,
    /// Events waiting for [`poll_event`](crate::Session::poll_event); when there are more, input
    /// is left in the driver's buffer. Default 256.
    pub events: usize,
    /// Bytes (topics, payloads, properties) of messages among those events; default 1 MiB. One
    /// message is always taken.
    pub event_bytes: usize,
    /// Bytes of acknowledgements and requests waiting for
    /// [`write_output`](crate::Session::write_output); when there are more, input is left in the
    /// driver's buffer. Default 64 KiB.
    pub control_bytes: usize,
    /// Filters with an owner; default 1,000. AWS IoT Core allows 50 a connection.
    pub filters: usize,
    /// Subscribe and unsubscribe requests without an answer yet; default 256.
    pub requests: usize,
    /// Filters in one SUBSCRIBE or UNSUBSCRIBE; default 8, AWS IoT Core's limit. A request with
    /// more goes out as several packets and is answered once.
    pub filters_per_packet: usize,
}

impl Limits {
    fn check(&self) -> Result<(), OptionsError> {
        for (field, value) in [
            ("limits.in_flight", usize::from(self.in_flight)),
            ("limits.publishes", self.publishes),
            ("limits.publish_bytes", self.publish_bytes),
            ("limits.events", self.events),
            ("limits.event_bytes", self.event_bytes),
            ("limits.control_bytes", self.control_bytes),
            ("limits.filters", self.filters),
            ("limits.requests", self.requests),
            ("limits.filters_per_packet", self.filters_per_packet),
        ] {
            if value == 0 {
                return Err(OptionsError::Zero { field });
            }
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 100,
            publishes: 1_000,
            publish_bytes: 4 * 1024 * 1024,
            events: 256,
            event_bytes: 1024 * 1024,
            control_bytes: 64 * 1024,
            filters: 1_000,
            requests: 256,
            filters_per_packet: 8,
        }
    }
}

/// Why options cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OptionsError {
    /// MQTT 3.1.1 lets the server choose a client id only for a clean session.
    EmptyClientIdNeedsCleanStart,
    /// MQTT 3.1.1 forbids a password without a user name.
    PasswordWithoutUserName,
    /// An empty text where leaving it out is meant.
    Empty {
        /// Which option.
        field: &'static str,
    },
    /// A figure that must not be zero.
    Zero {
        /// Which option.
        field: &'static str,
    },
    /// Longer than the 65,535 bytes MQTT can say.
    TooLong {
        /// Which option.
        field: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// U+0000, which MQTT forbids in text.
    Nul {
        /// Which option.
        field: &'static str,
    },
    /// Keep-alive above 65,535 s.
    KeepAliveTooLong,
    /// The will's topic cannot be published to.
    WillTopic(TopicError),
    /// A property of the will cannot be sent.
    WillProperties(PropertyError),
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyClientIdNeedsCleanStart => {
                f.write_str("MQTT 3.1.1 allows an empty client id only with a clean start")
            }
            Self::PasswordWithoutUserName => {
                f.write_str("MQTT 3.1.1 forbids a password without a user name")
            }
            Self::Empty { field } => write!(f, "{field} is empty: leave it out instead"),
            Self::Zero { field } => write!(f, "{field} must not be zero"),
            Self::TooLong { field, length } => {
                write!(f, "{field} has {length} bytes; MQTT allows 65535")
            }
            Self::Nul { field } => write!(f, "{field} contains U+0000"),
            Self::KeepAliveTooLong => f.write_str("keep-alive is above 65535 s"),
            Self::WillTopic(error) => write!(f, "will topic: {error}"),
            Self::WillProperties(error) => write!(f, "will: {error}"),
        }
    }
}

impl core::error::Error for OptionsError {}

/// Whole seconds, rounded up: a length is never cut short.
pub(crate) fn whole_seconds(length: Duration) -> u64 {
    length
        .as_secs()
        .saturating_add(u64::from(length.subsec_nanos() > 0))
}

fn fits(field: &'static str, length: usize) -> Result<(), OptionsError> {
    if length > usize::from(u16::MAX) {
        return Err(OptionsError::TooLong { field, length });
    }
    Ok(())
}

fn no_nul(field: &'static str, text: &str) -> Result<(), OptionsError> {
    if text.contains('\0') {
        return Err(OptionsError::Nul { field });
    }
    Ok(())
}
