//! The service takes an update of 1 KB and gives its answers.

use std::hint::black_box;

use serde::Deserialize;
use serde_json::value::RawValue;
use shadow_service::{Service, Settings, UnixTime};

use crate::message::state_of_size;
use crate::{Case, Step, Who, device, each};

/// A report of a kilobyte, another one of as much stored.
#[must_use]
pub fn cases() -> Vec<Case> {
    each(
        "service",
        &["update 1 KB"],
        &[
            (Who::Ours, ours),
            (Who::Floor("bare RawValue parse of the request"), floor),
        ],
    )
}

fn request(flag: bool) -> String {
    let state = state_of_size(1024 - 150);
    let state = state.strip_prefix('{').expect("an object");
    format!(
        r#"{{"state":{{"reported":{{"on":{flag},{state}}},"clientToken":"device-0123456789abcdef-17"}}"#
    )
}

fn ours(_: &str) -> Step {
    let mut settings = Settings::default();
    settings.rate = None;
    let mut service = Service::new(settings);
    let topic = format!("$aws/things/{}/shadow/update", device::thing(0));
    let requests = [true, false].map(request);
    let mut seconds = 1_767_225_600;
    Box::new(move || {
        seconds += 1;
        let payload = requests[(seconds % 2) as usize].as_bytes();
        let now = UnixTime::from_seconds(seconds);
        let handled = service.handle_publish(&topic, black_box(payload), now);
        assert!(
            handled
                .as_ref()
                .is_ok_and(|handled| handled.messages.len() == 2)
        );
        drop(black_box(handled));
    })
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    state: &'a RawValue,
    #[serde(rename = "clientToken")]
    client_token: Option<&'a str>,
}

fn floor(_: &str) -> Step {
    let request = request(true);
    Box::new(move || {
        let bytes = black_box(request.as_bytes());
        let envelope: Envelope<'_> = serde_json::from_slice(bytes).expect("valid");
        black_box((envelope.state, envelope.client_token));
    })
}
