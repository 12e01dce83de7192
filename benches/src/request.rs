//! An update from the call to its outcome: taken, published, answered with 0.25 KB.

use std::collections::HashMap;
use std::hint::black_box;

use serde_json::{Value, json};
use shadow_proto::{Accepted, Event, Json, Output, PubackCode, Update};
use uuid::Uuid;

use crate::message::update_accepted;
use crate::{Case, Step, Who, delta, device, each};

/// The answer's size in bytes, at most.
const SIZE: usize = 256;

/// One input: the size issue and documentation speak of.
#[must_use]
pub fn cases() -> Vec<Case> {
    each(
        "request",
        &["update 0.25 KB"],
        &[
            (Who::Ours, ours),
            (Who::ByHand("Value, uuid, HashMap"), by_hand),
            (Who::Floor("bare RawValue parse of the answer"), floor),
        ],
    )
}

fn reported(answer: &str) -> Json {
    let whole = format!("{answer}}}");
    let whole = Json::from_text(&whole).expect("valid");
    Json::from_text(whole.at("/state/reported").expect("it reports")).expect("valid")
}

fn ours(_: &str) -> Step {
    let (mut client, shadows) = device::connected(1);
    let shadow = shadows[0];
    let topic = format!("$aws/things/{}/shadow/update/accepted", device::thing(0));
    let prefix = update_accepted(SIZE);
    let state = reported(&prefix);
    let mut answer = prefix.clone().into_bytes();
    // The first one subscribes.
    let first = client.update(shadow, Update::reported(&state), device::NOW);
    first.expect("room for it");
    device::drain(&mut client);
    Box::new(move || {
        let update = Update::reported(black_box(&state));
        let id = client.update(shadow, update, device::NOW);
        let id = id.expect("room for it");
        let Some(Output::Publish {
            id: publish,
            topic: to,
            payload,
            ..
        }) = client.poll_output()
        else {
            panic!("nothing is published")
        };
        black_box((to, payload));
        assert!(client.poll_output().is_none());
        client.handle_puback(publish, PubackCode::SUCCESS, device::NOW);
        assert!(client.poll_output().is_none());
        let token = client.token(id).expect("it was sent");
        answer.truncate(prefix.len());
        answer.extend_from_slice(br#","clientToken":""#);
        answer.extend_from_slice(token.as_str().as_bytes());
        answer.extend_from_slice(br#""}"#);
        let taken = client.handle_publish(&topic, black_box(&answer), device::NOW);
        assert!(taken.is_ok());
        let output = client.poll_output();
        assert!(matches!(
            &output,
            Some(Output::Event(Event::Response { request, outcome: Ok(Accepted::Update(_)), .. })) if *request == id
        ));
        black_box(output);
        assert!(client.poll_output().is_none());
        black_box(client.poll_timeout());
    })
}

/// As one writes it with an MQTT client alone: no deadlines, no window, no retries.
fn by_hand(_: &str) -> Step {
    let prefix = update_accepted(SIZE);
    let state: Value = reported(&prefix).parse().expect("valid");
    let mut outstanding: HashMap<String, u64> = HashMap::new();
    let mut answer = prefix.clone().into_bytes();
    let thing = device::thing(0);
    Box::new(move || {
        let token = Uuid::new_v4().to_string();
        let topic = format!("$aws/things/{thing}/shadow/update");
        let payload = json!({"state": {"reported": black_box(&state)}, "clientToken": token});
        black_box((topic, payload.to_string()));
        answer.truncate(prefix.len());
        answer.extend_from_slice(br#","clientToken":""#);
        answer.extend_from_slice(token.as_bytes());
        answer.extend_from_slice(br#""}"#);
        outstanding.insert(token, 1);
        let value: Value = serde_json::from_slice(black_box(&answer)).expect("valid");
        let token = value["clientToken"].as_str().expect("a token");
        let request = outstanding.remove(token);
        assert!(request.is_some());
        black_box((request, value));
    })
}

fn floor(_: &str) -> Step {
    let answer = update_accepted(SIZE) + r#","clientToken":"bench-0123456789abcdef-12345.0"}"#;
    Box::new(move || delta::parse(answer.as_bytes()))
}
