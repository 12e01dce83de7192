//! What tests of the transports share.

pub(crate) mod broker;
pub(crate) mod world;
