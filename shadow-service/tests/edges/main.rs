//! Hostile and odd requests, limits at their edges, and the switches.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod payloads;
mod settings;
mod versions;

use shadow_service::{Service, Settings, UnixTime, shadow_proto::ShadowId};

const NOW: UnixTime = UnixTime::from_seconds(1_767_225_600);

fn lamp() -> ShadowId {
    ShadowId::classic("lamp").unwrap()
}

fn service() -> Service {
    Service::new(Settings::default())
}

fn with(change: impl FnOnce(&mut Settings)) -> Service {
    let mut settings = Settings::default();
    change(&mut settings);
    Service::new(settings)
}

/// The payload on `update/rejected`, or the accepted one.
fn update(service: &mut Service, payload: impl AsRef<[u8]>) -> String {
    match service.update(&lamp(), payload.as_ref(), NOW) {
        Ok(answer) => answer.body,
        Err(rejection) => rejection.payload(),
    }
}

fn rejected(code: u16, message: &str) -> String {
    format!(r#"{{"code":{code},"message":"{message}"}}"#)
}

/// The state part of a get.
fn state(service: &mut Service) -> String {
    let body = service.get(&lamp(), b"", NOW).unwrap().body;
    let (state, _) = body.split_once(r#","metadata""#).unwrap();
    state.strip_prefix(r#"{"state":"#).unwrap().to_owned()
}
