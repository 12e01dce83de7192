//! What all transports of the Device Shadow client share. No runtime in it.

extern crate alloc;

mod action;
mod attempt;
mod authorizer;
mod backoff;
mod calendar;
mod callback;
mod connection;
#[cfg(feature = "sigv4")]
mod credentials;
mod endpoint;
mod error;
mod event;
mod handle;
#[cfg(any(feature = "http-proxy", feature = "websocket"))]
mod http;
mod hub;
mod link;
mod message;
mod network;
mod oneshot;
mod options;
#[cfg(feature = "http-proxy")]
mod proxy;
mod random;
mod ring;
mod secret;
#[cfg(feature = "sigv4")]
mod sigv4;
mod stream;
mod text;
mod tls;
#[cfg(feature = "websocket")]
mod websocket;

pub use action::{Action, ActionId};
pub use attempt::{Attempt, Opening};
pub use authorizer::{Authorizer, AuthorizerToken};
pub use backoff::{PermanentRefusal, Reconnect};
pub use bytes::{Bytes, BytesMut};
pub use callback::{Response, Status};
pub use connection::{Connection, TransportStep};
#[cfg(feature = "sigv4")]
pub use credentials::{
    Credentials, CredentialsCallback, CredentialsError, CredentialsFuture, CredentialsSource,
};
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
#[cfg(feature = "http-proxy")]
pub use proxy::{Proxy, ProxyError, ProxyHandshake, ProxyUrlError};
pub use ring::Lagged;
#[cfg(feature = "_rustls")]
pub use rustls;
pub use secret::Secret;
pub use shadow_proto::{self, *};
#[cfg(feature = "sigv4")]
pub use sigv4::SigV4;
pub use stream::{ConnectionEvents, Deltas, DocumentsStream, Events, Messages};
#[cfg(feature = "_rustls")]
pub use tls::{Alpn, Identity, Pem, Provider, ReadyConfig, Roots, TlsOptions, TlsSetup};
pub use tls::{PemFound, PemItem, PemSource, TlsError};
#[cfg(feature = "websocket")]
pub use websocket::{UpgradeError, WebSocket, WebSocketError};
