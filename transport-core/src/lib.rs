//! What all transports of the Device Shadow client share: the handles of the application, the
//! connection's life, the options. No runtime, no sockets and no threads in it, but for the one
//! that runs callbacks.
//!
//! Applications use an adapter, such as `transport-tokio`, which re-exports all of this. What they
//! hold is the same for every adapter: a [`ShadowClient`], its [`Shadow`]s, and streams.
//!
//! # Adapters
//!
//! An adapter is a loop around a [`Connection`], which takes bytes, gives bytes, and says when to
//! connect and when to come back. [`Driver`] is that loop for every asynchronous [`Runtime`].
//! `Connection` is a [`Link`] (a hub and an MQTT session) and a [`Lifecycle`] (the decisions about
//! connecting); a simulation may drive either. An adapter around an MQTT client that has its own
//! session drives the hub and the life cycle.
//!
//! # Attach to the MQTT client you have
//!
//! Whoever has an MQTT client already serves a [`Hub`] with it: two closures, one that has the
//! client send something and one that waits for what it tells, say how. [`Hub::serve`] is for
//! clients that say of each thing how it ended, as Paho does (`examples/attach_paho.rs`),
//! [`PacketHub::serve`] for those that number packets, as rumqttc does
//! (`examples/attach_rumqttc.rs`, `attach_rumqttc_v5.rs`). Any runtime will do. Without one, a loop
//! hands in what arrives, from wherever it comes, and does what [`Hub::poll_action`] says:
//!
//! ```
//! use transport_core::{Action, Hub, HubOptions, PubackCode, SubackCode, shadow_config, system_clock};
//! # use transport_core::MqttQos;
//! # enum Incoming { Connected { session_present: bool }, Disconnected, Message { topic: String, payload: Vec<u8> }, Suback { id: u16, codes: Vec<u8> }, Unsuback { id: u16 }, Puback { id: u16 } }
//! # struct Mqtt { incoming: std::vec::IntoIter<Incoming> }
//! # impl Mqtt {
//! #     // Whatever the client gives to tell acknowledgements apart: here, the packet id.
//! #     fn subscribe(&mut self, _: &[Box<str>], _: MqttQos) -> u16 { 1 }
//! #     fn unsubscribe(&mut self, _: &[Box<str>]) -> u16 { 1 }
//! #     fn publish(&mut self, _: &str, _: &[u8], _: MqttQos) -> u16 { 1 }
//! #     fn wait(&mut self, _: std::time::Duration) -> Option<Incoming> { self.incoming.next() }
//! # }
//! # let mut mqtt = Mqtt { incoming: vec![Incoming::Connected { session_present: false }].into_iter() };
//! let (client, hub) = Hub::new(shadow_config(), HubOptions::default(), system_clock());
//! // `client` goes to the application; this loop serves it.
//! let mut waiting = std::collections::BTreeMap::new();
//! # drop(client);
//! while !hub.is_over() {
//!     while let Some(action) = hub.poll_action() {
//!         match action {
//!             Action::Subscribe { id, filters, qos } => {
//!                 waiting.insert(mqtt.subscribe(&filters, qos), id);
//!             }
//!             Action::Unsubscribe { id, filters } => {
//!                 waiting.insert(mqtt.unsubscribe(&filters), id);
//!             }
//!             Action::Publish { id, message: it } => {
//!                 waiting.insert(mqtt.publish(&it.topic, &it.payload, it.qos), id);
//!             }
//!             Action::Withdraw { .. } => {}
//!         }
//!     }
//!     // Uses of handles are seen afterwards; `Hub::register` has a waker woken at once.
//!     match mqtt.wait(hub.time_left()) {
//!         Some(Incoming::Connected { session_present }) => hub.attached(session_present),
//!         Some(Incoming::Disconnected) => {
//!             waiting.clear();
//!             hub.detached("the connection was lost", None);
//!         }
//!         Some(Incoming::Message { topic, payload }) => {
//!             let _ours = hub.handle_publish(&topic, &payload);
//!         }
//!         Some(Incoming::Suback { id, codes }) => {
//!             let codes: Vec<_> = codes.into_iter().map(SubackCode::new).collect();
//!             waiting.remove(&id).map(|id| hub.handle_suback(id, &codes));
//!         }
//!         Some(Incoming::Unsuback { id }) => {
//!             waiting.remove(&id).map(|id| hub.handle_unsuback(id));
//!         }
//!         Some(Incoming::Puback { id }) => {
//!             waiting.remove(&id).map(|id| hub.handle_puback(id, PubackCode::SUCCESS));
//!         }
//!         None => hub.handle_timeout(),
//!     }
//! }
//! hub.finish();
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod action;
mod attached;
mod attempt;
mod authorizer;
mod backoff;
#[cfg(feature = "blocking")]
pub mod blocking;
mod byte_stream;
mod calendar;
mod callback;
mod connection;
#[cfg(feature = "sigv4")]
mod credentials;
mod driver;
mod endpoint;
mod error;
mod event;
#[cfg(feature = "flags")]
pub mod flags;
mod handle;
#[cfg(any(feature = "http-proxy", feature = "websocket"))]
mod http;
mod hub;
mod lifecycle;
mod link;
mod message;
mod network;
mod oneshot;
mod options;
pub mod policy;
#[cfg(feature = "http-proxy")]
mod proxy;
mod random;
#[cfg(feature = "rest")]
mod rest;
mod ring;
mod secret;
#[cfg(feature = "sigv4")]
mod sigv4;
mod stream;
mod text;
mod tls;
mod trace;
#[cfg(feature = "websocket")]
mod websocket;

pub use action::{Action, ActionId};
pub use attached::{Ended, Fact, PacketHub, ToSend};
pub use attempt::{Attempt, Opening};
pub use authorizer::{Authorizer, AuthorizerToken};
pub use backoff::{PermanentRefusal, Reconnect};
pub use byte_stream::ByteStream;
pub use bytes::{Bytes, BytesMut};
pub use callback::{Response, Status, no_callback};
pub use connection::{Connection, TransportStep};
#[cfg(feature = "sigv4")]
pub use credentials::{
    Credentials, CredentialsCallback, CredentialsError, CredentialsFuture, CredentialsSource,
};
pub use driver::{Driver, Runtime};
pub use endpoint::{Endpoint, EndpointError, EndpointFlags, Purpose, Scheme};
pub use error::{
    CallbackError, ConnectError, Hint, NotReady, OpenCause, OpenError, PublishFailure,
    RequestFailure, Stopped, SubscribeFailure,
};
pub use event::{ConnectionEvent, ConnectionInfo};
pub use handle::{
    Connecting, Publishing, Ready, Request, Shadow, ShadowClient, Shutdown, Subscribing,
    SubscribingWith, Unfinished, Unsubscribing,
};
pub use hub::{Clock, DropPolicy, Hub, HubOptions, OfflineQueue, StopRequest, system_clock};
pub use lifecycle::{LifeStep, Lifecycle};
pub use link::{Link, LinkEvent};
pub use message::Message;
pub use mqtt_session::{
    self, DisconnectReason, MessageProperties, Publish, Qos as MqttQos, Version as MqttVersion,
    Will,
};
pub use network::{Plan, RootsFile, TlsFiles};
pub use options::{ConnectOptions, VersionError, shadow_config, token_prefix};
#[cfg(feature = "http-proxy")]
pub use proxy::{Proxy, ProxyError, ProxyHandshake, ProxyUrlError};
#[cfg(feature = "rest")]
pub use rest::{Deleted, ListOptions, RestError, RestOptions, RestRequest, ShadowPage, SignedRest};
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
