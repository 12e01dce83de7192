//! Sans-IO core of a Device Shadow client.
#![no_std]

extern crate alloc;

mod config;
mod name;
mod time;
mod topic;

pub use config::Qos;
pub use name::{
    ClientToken, MAX_CLIENT_TOKEN, MAX_SHADOW_NAME, MAX_THING_NAME, MAX_TOKEN_PREFIX, NameError,
    NameKind, ShadowId, TokenPrefix, TopicPrefix, check_shadow_name, check_thing_name,
};
pub use time::{Instant, Timestamp};
pub use topic::{Operation, Topic, TopicKind};
