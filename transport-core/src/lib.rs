//! What all transports of the Device Shadow client share. No runtime in it.

extern crate alloc;

mod action;
mod backoff;
mod callback;
mod connection;
mod endpoint;
mod error;
mod event;
mod handle;
mod hub;
mod link;
mod message;
mod oneshot;
mod options;
mod random;
mod ring;
mod stream;

pub use action::{Action, ActionId};
pub use backoff::{PermanentRefusal, Reconnect};
pub use bytes::{Bytes, BytesMut};
pub use callback::{Response, Status};
pub use connection::{Attempt, Connection, TransportStep};
pub use endpoint::{Endpoint, EndpointError, Scheme};
pub use error::{
    ConnectError, NotReady, OpenError, PublishFailure, RequestFailure, Stopped, SubscribeFailure,
};
pub use event::{ConnectionEvent, ConnectionInfo};
pub use handle::{
    CallbackError, Connecting, Publishing, Ready, Request, Shadow, ShadowClient, Shutdown,
    Subscribing, Unfinished, Unsubscribing,
};
pub use hub::{Clock, Hub, HubOptions, StopRequest, system_clock};
pub use link::{Link, LinkEvent};
pub use message::Message;
pub use mqtt_session::{
    self, DisconnectReason, MessageProperties, Publish, Qos as MqttQos, Version as MqttVersion,
    Will,
};
pub use options::{ConnectOptions, VersionError, shadow_config, token_prefix};
pub use ring::Lagged;
pub use shadow_proto::{self, *};
pub use stream::{ConnectionEvents, Deltas, DocumentsStream, Events, Messages};
