//! What all transports of the Device Shadow client share. No runtime in it.

extern crate alloc;

mod action;
mod attempt;
mod backoff;
mod calendar;
mod callback;
mod connection;
mod endpoint;
mod error;
mod event;
mod handle;
mod hub;
mod link;
mod message;
mod network;
mod oneshot;
mod options;
mod random;
mod ring;
mod stream;
#[cfg(feature = "sigv4")]
mod text;
mod tls;

pub use action::{Action, ActionId};
pub use attempt::{Attempt, Opening};
pub use backoff::{PermanentRefusal, Reconnect};
pub use bytes::{Bytes, BytesMut};
pub use callback::{Response, Status};
pub use connection::{Connection, TransportStep};
pub use endpoint::{Endpoint, EndpointError, EndpointFlags, Purpose, Scheme};
pub use error::{
    ConnectError, NotReady, OpenCause, OpenError, PublishFailure, RequestFailure, Stopped,
    SubscribeFailure,
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
#[cfg(feature = "_rustls")]
pub use rustls;
pub use shadow_proto::{self, *};
pub use stream::{ConnectionEvents, Deltas, DocumentsStream, Events, Messages};
#[cfg(feature = "_rustls")]
pub use tls::{Alpn, Identity, Pem, Provider, ReadyConfig, Roots, TlsOptions, TlsSetup};
pub use tls::{PemFound, PemItem, PemSource, TlsError};
