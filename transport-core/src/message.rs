//! A message of a plain subscription.

use core::fmt;

use bytes::Bytes;
use mqtt_session::{MessageProperties, Qos};

/// A message that arrived for a plain subscription.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The topic it was published to.
    pub topic: Box<str>,
    /// The payload.
    pub payload: Bytes,
    /// The QoS it was delivered with.
    pub qos: Qos,
    /// Whether the broker had kept it.
    pub retain: bool,
    /// MQTT 5 properties; `None` if there were none.
    pub properties: Option<Box<MessageProperties>>,
}

impl Message {
    /// A message at QoS 0 that was not kept.
    pub fn new(topic: impl Into<Box<str>>, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: Qos::AtMostOnce,
            retain: false,
            properties: None,
        }
    }

    /// The same, as one that the broker had kept, or not.
    #[must_use]
    pub fn with_retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }
}

impl From<mqtt_session::Message> for Message {
    fn from(message: mqtt_session::Message) -> Self {
        Self {
            topic: message.topic.into(),
            payload: message.payload,
            qos: message.qos,
            retain: message.retain,
            properties: message.properties,
        }
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
            .field("properties", &self.properties)
            .finish()
    }
}
