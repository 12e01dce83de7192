//! What goes to an MQTT client that is not ours, and what it tells.

use bytes::Bytes;
use mqtt_session::{Publish, Qos};
use shadow_proto::PubackCode;

use crate::{action::Action, message::Message};

/// What an attached MQTT client is to send.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new variant must break every program that attaches"
)]
pub enum ToSend {
    /// A SUBSCRIBE with all of these filters.
    Subscribe {
        /// In the order in which the SUBACK answers them.
        filters: Vec<Box<str>>,
        /// The QoS asked for.
        qos: Qos,
    },
    /// An UNSUBSCRIBE with all of these filters; exactly one if it comes from a
    /// [`PacketHub`](crate::PacketHub).
    Unsubscribe {
        /// At least one.
        filters: Vec<Box<str>>,
    },
    /// A PUBLISH.
    Publish(Publish),
    /// A DISCONNECT, behind everything before it. Comes once, last.
    Disconnect,
}

impl ToSend {
    /// `None`: the client cannot take a message back.
    pub(super) fn of(action: Action) -> Option<Self> {
        match action {
            Action::Subscribe { filters, qos, .. } => Some(Self::Subscribe { filters, qos }),
            Action::Unsubscribe { filters, .. } => Some(Self::Unsubscribe { filters }),
            Action::Publish { message, .. } => Some(Self::Publish(message)),
            Action::Withdraw { .. } => None,
        }
    }
}

/// How something ended that an attached MQTT client was asked to send.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there is no fourth way for a request to end"
)]
pub enum Ended {
    /// The broker has done it, with a code for each filter of a SUBSCRIBE; at QoS 0, it is written.
    Done(Vec<u8>),
    /// The broker has refused it: each filter of a SUBSCRIBE, an UNSUBSCRIBE, a PUBLISH.
    Refused,
    /// Nobody knows: the connection went before the answer came.
    Lost,
}

/// What an attached MQTT client tells.
///
/// A client that says of each thing how it ended (see [`Hub::serve`](crate::Hub::serve)) tells
/// `Connected` and `Message`. One that numbers packets (see [`PacketHub`](crate::PacketHub)) tells
/// all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fact {
    /// It is connected.
    Connected {
        /// Whether the broker kept the session, as the CONNACK says.
        session_present: bool,
    },
    /// A message has arrived.
    Message(Message),
    /// It has sent a PUBLISH with this packet id, 0 at QoS 0. One that is sent again keeps its id.
    PublishSent(u16),
    /// It has sent a SUBSCRIBE with this packet id.
    SubscribeSent(u16),
    /// It has sent an UNSUBSCRIBE with this packet id.
    UnsubscribeSent(u16),
    /// The broker has acknowledged the PUBLISH with this packet id.
    Puback(u16, PubackCode),
    /// The broker has answered the SUBSCRIBE with this packet id, with a code for each filter.
    Suback(u16, Vec<u8>),
    /// The broker has answered the UNSUBSCRIBE with this packet id.
    Unsuback(u16),
    /// Something that is of no interest here.
    Other,
}

/// Shorter than the variants.
impl Fact {
    /// [`Connected`](Self::Connected).
    #[must_use]
    pub const fn connected(session_present: bool) -> Self {
        Self::Connected { session_present }
    }

    /// [`Message`](Self::Message): one that the broker had kept, or not.
    pub fn message(topic: impl Into<Box<str>>, payload: impl Into<Bytes>, retain: bool) -> Self {
        Self::Message(Message::new(topic, payload).with_retain(retain))
    }

    /// [`Suback`](Self::Suback).
    pub fn suback(packet: u16, codes: impl IntoIterator<Item = u8>) -> Self {
        Self::Suback(packet, codes.into_iter().collect())
    }
}
