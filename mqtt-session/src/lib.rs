//! Sans-IO MQTT client session for MQTT 3.1.1 and 5.
//!
//! Bytes and time go in, bytes and events come out. A [`Session`] has no socket, clock, thread or
//! runtime; a driver of a few lines owns those. It does what MQTT asks of a client: connects,
//! keeps the connection alive, publishes and receives at QoS 0, 1 and 2, sends again with DUP
//! after a resumed session, minds the limits of both sides, counts who subscribed to what, and
//! says why when it ends.
//!
//! # The loop
//!
//! A driver reads into one buffer, lets the session take packets off it, takes the events, and
//! writes what the session has to say. Here the server is three strings of bytes:
//!
//! ```
//! use core::time::Duration;
//! use mqtt_session::{
//!     BytesMut, Event, Input, Instant, Options, Owner, Publish, Qos, Restore, Session, TopicFilter,
//! };
//!
//! let mut options = Options::new("lamp");
//! options.keep_alive = Duration::from_secs(30);
//! let mut session = Session::new(options)?;
//!
//! // What a socket would bring: CONNACK, then SUBACK, then a PUBLISH at QoS 1.
//! let mut arriving = [
//!     &b"\x20\x03\0\0\0"[..],
//!     b"\x90\x04\0\x01\0\x01",
//!     b"\x32\x0a\0\x03a/b\0\x07\0on",
//! ]
//! .into_iter();
//!
//! let clock = || Instant::from_origin(Duration::from_secs(1)); // a reading of the driver's own
//! let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
//! let shadows = Owner::new(1);
//! let filter = TopicFilter::new("a/#")?;
//! let mut received = Vec::new();
//!
//! session.handle_opened(clock());
//! loop {
//!     // Input that was left because events or output were in the way comes first again.
//!     let taken = session.handle_bytes(&mut input, clock());
//!     while let Some(event) = session.poll_event() {
//!         match event {
//!             Event::Connected(_) => {
//!                 let filters = [(filter.clone(), Qos::AtLeastOnce)];
//!                 session.subscribe(shadows, &filters, Restore::BySession, clock())?;
//!             }
//!             Event::Subscribed { codes, .. } => assert!(codes[0].is_success()),
//!             Event::Message(message) => {
//!                 assert_eq!(session.subscribers(&message.topic).next(), Some(shadows));
//!                 received.push(message.payload); // acknowledged by the next `poll_event`
//!             }
//!             Event::Disconnected { reason } => println!("over: {reason}"),
//!             _ => {}
//!         }
//!     }
//!     session.write_output(&mut output, clock());
//!     output.clear(); // a driver writes it to the socket, all of it, before the next round
//!
//!     if taken == Input::Blocked {
//!         continue;
//!     }
//!     // Wait for bytes until `session.poll_timeout()`, whichever comes first.
//!     match arriving.next() {
//!         Some(bytes) => input.extend_from_slice(bytes),
//!         None => break,
//!     }
//!     session.handle_timeout(clock());
//! }
//! assert_eq!(received, ["on"]);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! After a final event ([`Event::ConnectRefused`], [`Event::Disconnected`]) the driver flushes,
//! closes the transport and may open another: [`Session::handle_opened`] again.
//!
//! # Promises
//!
//! * Nothing the server sends panics, makes the session allocate more than its [`Limits`] and
//!   [`Options::max_packet_size`] allow, or is taken when the specification forbids it. What
//!   breaks the protocol ends the connection as a typed [`ProtocolError`].
//! * How input is cut into calls makes no difference. A payload is a view into the input buffer.
//! * CONNECT is the only packet before the CONNACK.
//! * An incoming QoS 1 or 2 message is acknowledged when the consumer has dealt with it: by the
//!   [`Session::poll_event`] after the one that handed it out.
//! * Each accepted publish ends in one [`Event::Published`], or was cancelled. QoS 1 and 2 outlive
//!   connections; a lost session is reported, not papered over.
//! * Any sequence of calls is legal. [`Session::poll_timeout`] is later than every
//!   [`Session::handle_timeout`] before it, or `None`.
//!
//! # Not in it
//!
//! Sockets, TLS, WebSocket and reconnecting (see the transport crates), enhanced authentication
//! (AUTH is refused), topic aliases (the session announces that it takes none) and the
//! subscription options of MQTT 5 other than the quality of service.

#![cfg_attr(docsrs, feature(doc_cfg))]

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
pub use subscriptions::{Answer, Ask, Hold, Owner, Release, Restore, Subscriptions};
