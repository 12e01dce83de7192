//! The service takes an update of a document of 1 KB and gives its answers: of all of it, and of one property.

use std::hint::black_box;

use serde::Deserialize;
use serde_json::value::RawValue;
use shadow_service::{Service, Settings, UnixTime};

use crate::message::state_of_size;
use crate::{Case, Step, Who, device, each};

/// The whole document anew.
pub const WHOLE: &str = "update 1 KB";
/// What devices do: one property, and the rest stays.
pub const ONE: &str = "one property of 1 KB";

/// Reports, a kilobyte of the same members being stored.
#[must_use]
pub fn cases() -> Vec<Case> {
    each(
        "service",
        &[WHOLE, ONE],
        &[
            (Who::Ours, ours),
            (Who::Floor("bare RawValue parse of the request"), floor),
        ],
    )
}

fn request(input: &str, flag: bool) -> String {
    let state = state_of_size(1024 - 150);
    let state = match input {
        ONE => "}",
        _ => &state.replacen('{', ",", 1),
    };
    format!(
        r#"{{"state":{{"reported":{{"on":{flag}{state}}},"clientToken":"device-0123456789abcdef-17"}}"#
    )
}

fn ours(input: &str) -> Step {
    let mut settings = Settings::default();
    settings.rate = None;
    let mut service = Service::new(settings);
    let topic = format!("$aws/things/{}/shadow/update", device::thing(0));
    let mut seconds = 1_767_225_600;
    let stored = request(WHOLE, true);
    let stored = service.handle_publish(&topic, stored.as_bytes(), UnixTime::from_seconds(seconds));
    assert!(stored.is_ok_and(|handled| handled.outcome.is_ok()));
    let requests = [true, false].map(|flag| request(input, flag));
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

fn floor(input: &str) -> Step {
    let request = request(input, true);
    Box::new(move || {
        let bytes = black_box(request.as_bytes());
        let envelope: Envelope<'_> = serde_json::from_slice(bytes).expect("valid");
        black_box((envelope.state, envelope.client_token));
    })
}
