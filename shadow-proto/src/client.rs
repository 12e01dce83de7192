//! API skeleton: signatures only, replaced by the real thing on main.
#![allow(missing_docs, unused_variables, clippy::missing_errors_doc)]
use crate::*;
use alloc::vec::Vec;

/// What can be set per shadow.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ShadowOptions {
    pub subscriptions: Option<Subscriptions>,
    pub resync: Option<Resync>,
    pub qos: Option<Qos>,
    pub gate_reports: Option<bool>,
}

#[derive(Debug)]
pub struct Client;

impl Client {
    pub fn new(config: Config) -> Self { Self }
    pub fn add_shadow(&mut self, id: ShadowId, interest: Interest, now: Instant) -> Result<ShadowHandle, AddError> { Err(AddError::Duplicate) }
    pub fn remove_shadow(&mut self, shadow: ShadowHandle, now: Instant) -> Result<(), UnknownShadow> { Err(UnknownShadow) }
    pub fn register(&mut self, shadow: ShadowHandle, interest: Interest, now: Instant) -> Result<(), RegisterError> { Ok(()) }
    pub fn configure(&mut self, shadow: ShadowHandle, options: ShadowOptions, now: Instant) -> Result<(), UnknownShadow> { Ok(()) }
    pub fn find_shadow(&self, id: &ShadowId) -> Option<ShadowHandle> { None }
    pub fn shadow_id(&self, shadow: ShadowHandle) -> Option<&ShadowId> { None }
    pub fn interest(&self, shadow: ShadowHandle) -> Option<Interest> { None }
    pub fn resync(&mut self, shadow: ShadowHandle, now: Instant) -> Result<(), UnknownShadow> { Ok(()) }
    pub fn get(&mut self, shadow: ShadowHandle, options: RequestOptions<'_>, now: Instant) -> Result<RequestId, RequestError> { Err(RequestError::UnknownShadow) }
    pub fn update(&mut self, shadow: ShadowHandle, update: Update<'_>, now: Instant) -> Result<RequestId, RequestError> { Err(RequestError::UnknownShadow) }
    pub fn delete(&mut self, shadow: ShadowHandle, options: RequestOptions<'_>, now: Instant) -> Result<RequestId, RequestError> { Err(RequestError::UnknownShadow) }
    pub fn cancel(&mut self, request: RequestId, now: Instant) -> Result<(), UnknownRequest> { Ok(()) }
    pub fn token(&self, request: RequestId) -> Option<ClientToken> { None }
    pub fn stage(&self, request: RequestId) -> Option<Stage> { None }
    pub fn is_connected(&self) -> bool { false }
    pub fn note_publish(&mut self, now: Instant) {}
    pub fn handle_connected(&mut self, session_present: bool, now: Instant) {}
    pub fn handle_disconnected(&mut self, now: Instant) {}
    pub fn handle_suback(&mut self, id: SubscribeId, codes: &[SubackCode], now: Instant) {}
    pub fn handle_subscribe_failed(&mut self, id: SubscribeId, now: Instant) {}
    pub fn handle_unsuback(&mut self, id: SubscribeId, now: Instant) {}
    pub fn handle_puback(&mut self, id: PublishId, code: PubackCode, now: Instant) {}
    pub fn handle_send_failed(&mut self, id: PublishId, now: Instant) {}
    pub fn handle_publish(&mut self, topic: &str, payload: &[u8], now: Instant) -> Result<(), NotShadowTopic> { Ok(()) }
    pub fn handle_timeout(&mut self, now: Instant) {}
    #[must_use] pub fn poll_output(&mut self) -> Option<Output> { None }
    #[must_use] pub fn poll_timeout(&self) -> Option<Instant> { None }
    pub fn start_recording(&mut self) {}
    pub fn take_recording(&mut self) -> Vec<u8> { Vec::new() }
}
