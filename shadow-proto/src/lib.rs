//! The sans-IO core of a Device Shadow client: a pure state machine, and the protocol's types.
//!
//! [`Client`] takes in MQTT publishes, acknowledgements and the time, and gives out what to
//! subscribe and publish and what to tell the application. It reads no clock, opens no socket,
//! starts no thread and needs no `std`, so that every behaviour can be replayed in a test.
//!
//! # A whole loop
//!
//! A driver owns a connection and a clock. Here both are faked: the "broker" grants every
//! subscription, and the answer is written out.
//!
//! ```
//! use core::time::Duration;
//! use shadow_proto::*;
//!
//! let mut client = Client::new(Config::new(TokenPrefix::new("lamp-7f3a")?));
//! let mut now = Instant::ORIGIN;
//! let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::DELTA, now)?;
//! client.handle_connected(false, now); // CONNACK, no session of before
//!
//! let mut color = String::from("off");
//! let mut answered = false;
//! loop {
//!     while let Some(output) = client.poll_output() {
//!         match output {
//!             Output::Subscribe { id, filters, .. } => {
//!                 client.handle_suback(id, &vec![SubackCode::new(1); filters.len()], now);
//!             }
//!             Output::Unsubscribe { id, .. } => client.handle_unsuback(id, now),
//!             Output::Publish { id, topic, .. } if topic.ends_with("/get") => {
//!                 client.handle_puback(id, PubackCode::SUCCESS, now);
//!             }
//!             Output::Publish { id, payload, .. } => {
//!                 client.handle_puback(id, PubackCode::SUCCESS, now);
//!                 assert!(payload.starts_with(br#"{"state":{"reported":{"color":"teal"}}"#));
//!                 answered = true;
//!             }
//!             Output::Event(Event::Delta { shadow, delta, .. }) => {
//!                 if let Some(wanted) = delta.state.at("/color") {
//!                     color = serde_json::from_str(wanted)?;
//!                     let report = Json::from_text(&format!(r#"{{"color":"{color}"}}"#))?;
//!                     client.update(shadow, Update::reported(&report), now)?;
//!                 }
//!             }
//!             Output::Event(event) => println!("{event:?}"),
//!         }
//!     }
//!     if answered {
//!         break;
//!     }
//!     // A real driver waits here for a message or for `client.poll_timeout()`.
//!     now = now + Duration::from_millis(100);
//!     let delta = br#"{"state":{"color":"teal"},"version":7,"timestamp":1767225600}"#;
//!     client.handle_publish("$aws/things/lamp/shadow/update/delta", delta, now)?;
//!     client.handle_timeout(now);
//! }
//! assert_eq!(color, "teal");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Time
//!
//! Three types: [`Instant`] is a point on the driver's monotonic clock, `Duration` a length,
//! [`Timestamp`] what the service wrote into a document. Pass the time of arrival, not of
//! processing; a late `handle_timeout` delays things but breaks nothing.
//!
//! # Tokens
//!
//! The service echoes a request's client token, and that is how an answer is told from those of
//! other clients, which arrive on the same topics. Tokens begin with the [`TokenPrefix`], which
//! must be unique among all clients of a thing and at every start.
//!
//! # The rest
//!
//! [`Topic`] and [`wire`] read any message of any shadow, for those who hold a wildcard
//! subscription. [`Field`] tells absent, null and value apart. [`Transaction`] repeats a change
//! after a conflict. [`Client::snapshot`] carries a client over a restart, and [`replay`] turns
//! a recording of the field into a test.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]

extern crate alloc;

mod client;
mod config;
mod document;
mod error;
mod event;
mod failure;
mod field;
mod json;
mod name;
mod record;
mod request;
mod stats;
mod time;
mod token;
mod topic;
mod transact;
pub mod wire;

pub use client::{Client, RestoreError, ShadowOptions};
pub use config::{
    Backoff, Budget, Config, Limits, Qos, Rate, Rates, Resync, ResyncPolicy, Subscriptions, Window,
};
pub use document::{Accepted, Delta, Document, Documents, Metadata, Rejection, Snapshot, Updated};
pub use error::{
    AddError, BudgetExceeded, NotShadowTopic, RegisterError, RequestError, ResyncError,
    UnknownRequest, UnknownShadow,
};
pub use event::{Event, Origin, Output, PublishId, RequestId, ShadowHandle, SubscribeId};
pub use failure::{Failure, NotSent, PubackCode, Stage, SubackCode};
pub use field::Field;
pub use json::Json;
pub use name::{
    MAX_CLIENT_TOKEN, MAX_SHADOW_NAME, MAX_THING_NAME, MAX_TOKEN_PREFIX, NameError, NameKind,
    ShadowId, TopicPrefix, check_shadow_name, check_thing_name,
};
pub use record::{ReplayError, TooLateToRecord, replay};
pub use request::{Interest, RequestOptions, Retry, Section, Update, WhenOffline};
pub use stats::Stats;
pub use time::{Instant, Timestamp};
pub use token::{ClientToken, TokenPrefix};
pub use topic::{Operation, Topic, TopicKind};
pub use transact::{Change, Step, Transaction, TransactionError};
pub use wire::{ErrorCode, Version};
