//! Sans-IO MQTT client session for MQTT 3.1.1 and 5.

extern crate alloc;

mod codec;
mod error;
mod event;
mod filter;
mod message;
mod options;
mod reason;
mod session;
mod subscriptions;

pub use bytes::{Bytes, BytesMut};
pub use error::{ProtocolError, PublishError, RequestError};
pub use event::{
    Connected, DisconnectReason, Event, NotSent, PublishOutcome, PublishToken, Refusal,
    ServerLimits, SubscribeToken, UnsubscribeToken,
};
pub use filter::{TopicError, TopicFilter, check_topic};
pub use message::{Message, MessageProperties, PropertyError, Publish, Qos};
pub use options::{Limits, Options, OptionsError, Version, Will};
pub use reason::{ConnectCode, DisconnectCode, PubackCode, SubackCode, UnsubackCode};
pub use session::{Disconnect, Input, Session};
pub use shadow_proto::Instant;
/// The shadow protocol's own two levels; converts into [`Qos`].
pub use shadow_proto::Qos as ShadowQos;
pub use subscriptions::{Ask, Hold, Owner, Release, Restore, Subscriptions};
