//! What a driver is to do on its MQTT connection.

use mqtt_session::{Owner, Publish, Qos};
use shadow_proto::{PublishId, SubscribeId};

/// What [`Hub::poll_action`](crate::Hub::poll_action) wants done on the MQTT connection.
///
/// Exhaustive on purpose: a driver must act on every variant.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new variant must break every driver"
)]
pub enum Action {
    /// Send a SUBSCRIBE. Give its SUBACK to [`Hub::handle_suback`](crate::Hub::handle_suback); if
    /// it could not be sent, call
    /// [`Hub::handle_subscribe_failed`](crate::Hub::handle_subscribe_failed).
    Subscribe {
        /// To be echoed.
        id: ActionId,
        /// The filters, in the order in which the SUBACK answers them.
        filters: Vec<Box<str>>,
        /// The QoS asked for.
        qos: Qos,
    },
    /// Send an UNSUBSCRIBE; report its UNSUBACK to
    /// [`Hub::handle_unsuback`](crate::Hub::handle_unsuback).
    Unsubscribe {
        /// To be echoed.
        id: ActionId,
        /// The filters.
        filters: Vec<Box<str>>,
    },
    /// Send a PUBLISH. At QoS 1 and 2 give the answer to
    /// [`Hub::handle_puback`](crate::Hub::handle_puback), at QoS 0 call
    /// [`Hub::handle_written`](crate::Hub::handle_written); if it could not be sent, call
    /// [`Hub::handle_send_failed`](crate::Hub::handle_send_failed).
    Publish {
        /// To be echoed.
        id: ActionId,
        /// What to publish. Over MQTT 5 a request has a message expiry.
        message: Publish,
    },
    /// Nobody waits for this publish any more. A driver that has not written a byte of it drops
    /// it, so that it does not come to pass later; another ignores this.
    Withdraw {
        /// Which one.
        id: ActionId,
    },
}

impl Action {
    /// What its answer names it by.
    #[must_use]
    pub const fn id(&self) -> ActionId {
        match self {
            Self::Subscribe { id, .. }
            | Self::Unsubscribe { id, .. }
            | Self::Publish { id, .. }
            | Self::Withdraw { id } => *id,
        }
    }
}

/// Names one action until it is answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ActionId(pub(crate) Of);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Of {
    /// A SUBSCRIBE or UNSUBSCRIBE of the shadow client.
    Shadows(SubscribeId),
    /// A request of the shadow client.
    Request(PublishId),
    /// A filter of the application's.
    Filter(u64),
    /// A message of the application's.
    Message(u64),
}

impl ActionId {
    /// Who holds the filters of a subscribe or unsubscribe, so that a session which counts holders
    /// keeps a filter that both the shadows and the application want: all shadows are one owner,
    /// each filter of the application's is another.
    #[must_use]
    pub const fn owner(self) -> Owner {
        match self.0 {
            Of::Shadows(_) | Of::Request(_) => Owner::new(0),
            Of::Filter(number) | Of::Message(number) => Owner::new(number),
        }
    }
}
