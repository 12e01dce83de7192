//! Messages in both directions.

use core::{fmt, time::Duration};

use bytes::Bytes;

use crate::{
    PublishError,
    filter::{TopicError, check_topic},
};

/// Quality of service.
///
/// The shadow protocol knows the first two ([`ShadowQos`](crate::ShadowQos), which converts into
/// this one); plain MQTT has three.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[expect(clippy::exhaustive_enums, reason = "MQTT has these three")]
pub enum Qos {
    /// QoS 0: may be lost on the way.
    AtMostOnce,
    /// QoS 1: acknowledged, may arrive twice. The default.
    #[default]
    AtLeastOnce,
    /// QoS 2: arrives once, for two round trips. AWS IoT Core does not offer it.
    ExactlyOnce,
}

impl Qos {
    /// The number on the wire: 0, 1 or 2.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }
}

impl From<shadow_proto::Qos> for Qos {
    fn from(qos: shadow_proto::Qos) -> Self {
        match qos {
            shadow_proto::Qos::AtMostOnce => Self::AtMostOnce,
            shadow_proto::Qos::AtLeastOnce => Self::AtLeastOnce,
        }
    }
}

/// A message to publish.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Publish {
    /// Topic: not empty, no wildcards, no U+0000, at most 65,535 bytes.
    pub topic: String,
    /// Payload.
    pub payload: Bytes,
    /// Quality of service; default QoS 1.
    pub qos: Qos,
    /// Whether the server keeps it for later subscribers.
    pub retain: bool,
    /// MQTT 5 properties; MQTT 3.1.1 cannot say them and sends the message without. `None` costs
    /// nothing.
    pub properties: Option<Box<MessageProperties>>,
}

impl Publish {
    /// A message at QoS 1, not retained, without properties.
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: Qos::AtLeastOnce,
            retain: false,
            properties: None,
        }
    }

    /// The same message with another quality of service.
    #[must_use]
    pub fn with_qos(mut self, qos: impl Into<Qos>) -> Self {
        self.qos = qos.into();
        self
    }

    /// The same message with a message expiry (MQTT 5): after this time the server drops it
    /// instead of delivering it, and the session does not send it any more if it is still
    /// waiting. Whole seconds, rounded up.
    #[must_use]
    pub fn with_expiry(mut self, expiry: Duration) -> Self {
        self.properties.get_or_insert_default().message_expiry = Some(expiry);
        self
    }

    /// Whether topic and properties can be said on the wire: for drivers of other MQTT clients,
    /// [`Session::publish`](crate::Session::publish) sees to it itself.
    ///
    /// # Errors
    ///
    /// What cannot be said.
    pub fn check(&self) -> Result<(), PublishError> {
        check_topic(&self.topic).map_err(PublishError::Topic)?;
        match &self.properties {
            Some(properties) => properties.check().map_err(PublishError::Property),
            None => Ok(()),
        }
    }

    /// What this message is counted as against the limits, in bytes.
    pub(crate) fn weight(&self) -> usize {
        weight(&self.topic, &self.payload, self.properties.as_deref())
    }
}

/// The payload is not shown: it may be large or private.
impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("topic", &self.topic)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("properties", &self.properties)
            .finish()
    }
}

/// A message that arrived.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Topic it was published to.
    pub topic: String,
    /// Payload: a view into the driver's input buffer, not a copy.
    pub payload: Bytes,
    /// Quality of service it was delivered with.
    pub qos: Qos,
    /// Whether the server had kept it (or, by an option of MQTT 5, the publisher asked for that).
    pub retain: bool,
    /// Whether the server says that it may have sent this one before.
    pub dup: bool,
    /// MQTT 5 properties; `None` if there were none.
    pub properties: Option<Box<MessageProperties>>,
}

impl Message {
    /// What this message is counted as against the limits, in bytes.
    pub(crate) fn weight(&self) -> usize {
        weight(&self.topic, &self.payload, self.properties.as_deref())
    }
}

/// The payload is not shown: it may be large or private.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("dup", &self.dup)
            .field("properties", &self.properties)
            .finish()
    }
}

/// MQTT 5 properties of a message, to or from the server.
///
/// There is no topic alias: the session announces that it takes none, and sends none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct MessageProperties {
    /// `Some(true)`: the payload is UTF-8 text; `Some(false)`: it is unspecified bytes.
    pub payload_is_utf8: Option<bool>,
    /// After this time a server drops the message instead of delivering it. On arrival: what is
    /// left of it.
    pub message_expiry: Option<Duration>,
    /// What kind of content the payload is, by agreement of the applications.
    pub content_type: Option<String>,
    /// Where an answer is expected.
    pub response_topic: Option<String>,
    /// What tells the asker which question is answered.
    pub correlation_data: Option<Bytes>,
    /// Names and values, in order, repeats allowed.
    pub user_properties: Vec<(String, String)>,
    /// Arriving only: ids of the matching subscriptions. The session asks for none, so there are
    /// some only in a session another client began.
    pub subscription_ids: Vec<u32>,
}

impl MessageProperties {
    /// Whether every property can be said on the wire.
    ///
    /// # Errors
    ///
    /// The first property that cannot.
    pub fn check(&self) -> Result<(), PropertyError> {
        let lengths = [
            ("content type", self.content_type.as_ref().map(String::len)),
            (
                "response topic",
                self.response_topic.as_ref().map(String::len),
            ),
            (
                "correlation data",
                self.correlation_data.as_ref().map(Bytes::len),
            ),
        ];
        let users = self
            .user_properties
            .iter()
            .flat_map(|(name, value)| [name, value])
            .map(|text| ("user property", Some(text.len())));
        for (property, length) in lengths.into_iter().chain(users) {
            if let Some(length) = length.filter(|length| *length > usize::from(u16::MAX)) {
                return Err(PropertyError::TooLong { property, length });
            }
        }
        let texts = self
            .user_properties
            .iter()
            .flat_map(|(name, value)| [name, value])
            .map(|text| ("user property", text))
            .chain(self.content_type.iter().map(|text| ("content type", text)));
        for (property, text) in texts {
            if text.contains('\0') {
                return Err(PropertyError::Nul { property });
            }
        }
        match &self.response_topic {
            Some(topic) => check_topic(topic).map_err(PropertyError::ResponseTopic),
            None => Ok(()),
        }
    }

    /// Memory they take. An empty user property is five bytes on the wire and ten times that
    /// here, so a limit must not count the wire's bytes.
    fn weight(&self) -> usize {
        let texts = [&self.content_type, &self.response_topic];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let users = self.user_properties.iter();
        let users: usize = users
            .map(|pair| size_of_val(pair) + pair.0.len() + pair.1.len())
            .sum();
        let data = self.correlation_data.as_ref().map_or(0, Bytes::len);
        size_of::<Self>() + texts + users + data + size_of_val(&*self.subscription_ids)
    }
}

fn weight(topic: &str, payload: &Bytes, properties: Option<&MessageProperties>) -> usize {
    topic.len() + payload.len() + properties.map_or(0, MessageProperties::weight)
}

/// Why a property cannot be sent.
///
/// ```
/// use mqtt_session::{MessageProperties, PropertyError};
///
/// let mut properties = MessageProperties::default();
/// properties.response_topic = Some("answers/#".into());
/// assert!(matches!(properties.check(), Err(PropertyError::ResponseTopic(_))));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PropertyError {
    /// Longer than the 65,535 bytes MQTT can say.
    TooLong {
        /// Which property.
        property: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// U+0000, which MQTT forbids in text.
    Nul {
        /// Which property.
        property: &'static str,
    },
    /// The response topic cannot be published to.
    ResponseTopic(TopicError),
}

impl fmt::Display for PropertyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { property, length } => {
                write!(f, "{property} has {length} bytes; MQTT allows 65535")
            }
            Self::Nul { property } => write!(f, "{property} contains U+0000"),
            Self::ResponseTopic(error) => write!(f, "response topic: {error}"),
        }
    }
}

impl core::error::Error for PropertyError {}
