//! Sans-IO core of a Device Shadow client.
#![no_std]

extern crate alloc;

mod client;
mod config;
mod document;
mod error;
mod event;
mod field;
mod json;
mod name;
mod record;
mod request;
mod stats;
mod time;
mod topic;
mod transact;
pub mod wire;

pub use client::{Client, RestoreError, ShadowOptions};
pub use config::{
    Backoff, Budget, Config, Limits, Qos, Rate, Rates, Resync, ResyncPolicy, Subscriptions, Window,
};
pub use document::{Accepted, Delta, Document, Documents, Metadata, Rejection, Snapshot, Updated};
pub use error::{
    AddError, BudgetExceeded, NotShadowTopic, RegisterError, RequestError, UnknownRequest,
    UnknownShadow,
};
pub use event::{
    Event, Failure, NotSent, Origin, Output, PubackCode, PublishId, RequestId, ShadowHandle, Stage,
    SubackCode, SubscribeId,
};
pub use field::Field;
pub use json::Json;
pub use name::{
    ClientToken, MAX_CLIENT_TOKEN, MAX_SHADOW_NAME, MAX_THING_NAME, MAX_TOKEN_PREFIX, NameError,
    NameKind, ShadowId, TokenPrefix, TopicPrefix, check_shadow_name, check_thing_name,
};
pub use record::{ReplayError, TooLateToRecord, replay};
pub use request::{Interest, RequestOptions, Retry, Section, Update, WhenOffline};
pub use stats::Stats;
pub use time::{Instant, Timestamp};
pub use topic::{Operation, Topic, TopicKind};
pub use transact::{Change, Step, Transaction, TransactionError};
pub use wire::{ErrorCode, Version};
