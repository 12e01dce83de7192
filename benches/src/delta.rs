//! A delta arrives and becomes an event with its state as text.

use std::hint::black_box;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use shadow_proto::{Event, Output};

use crate::message::{Message, Shape, delta};
use crate::{Case, Step, Who, device, each};

const INPUTS: [(&str, usize, Shape); 8] = [
    ("0.25 KB", 256, Shape::Shallow),
    ("1 KB", 1024, Shape::Shallow),
    ("2 KB", 2048, Shape::Shallow),
    ("8 KB", 8192, Shape::Shallow),
    ("0.25 KB deep", 256, Shape::Deep),
    ("1 KB deep", 1024, Shape::Deep),
    ("2 KB deep", 2048, Shape::Deep),
    ("8 KB deep", 8192, Shape::Deep),
];

/// Four sizes, two shapes.
#[must_use]
pub fn cases() -> Vec<Case> {
    let inputs = INPUTS.map(|(name, ..)| name);
    each(
        "delta",
        &inputs,
        &[
            (Who::Ours, ours),
            (Who::ByHand("serde_json Value"), value),
            (Who::Floor("bare RawValue parse"), bare_parse),
            (Who::Floor("UTF-8 check and copy"), copy),
        ],
    )
}

fn message(input: &str) -> Message {
    let (_, size, shape) = INPUTS
        .into_iter()
        .find(|(name, ..)| *name == input)
        .expect("an input of the table");
    delta(size, shape)
}

/// What a driver does with a PUBLISH: the topic is classified, the shadow found, the version judged, the event taken.
fn ours(input: &str) -> Step {
    let (mut client, _) = device::connected(1);
    let topic = format!("$aws/things/{}/shadow/update/delta", device::thing(0));
    let mut message = message(input);
    Box::new(move || {
        message.next_version();
        let taken = client.handle_publish(black_box(&topic), &message.bytes, device::NOW);
        assert!(taken.is_ok());
        let output = client.poll_output();
        assert!(matches!(output, Some(Output::Event(Event::Delta { .. }))));
        black_box(output);
        assert!(client.poll_output().is_none());
        black_box(client.poll_timeout());
    })
}

fn value(input: &str) -> Step {
    let message = message(input);
    Box::new(move || {
        let mut value: Value = serde_json::from_slice(black_box(&message.bytes)).expect("valid");
        let version = value["version"].as_u64().expect("a version");
        let state = value["state"].take();
        let token = value["clientToken"].as_str();
        black_box((version, state, token));
    })
}

/// Finds state, version, time and token, and copies nothing.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    state: &'a RawValue,
    version: u64,
    timestamp: u64,
    #[serde(rename = "clientToken")]
    client_token: Option<&'a str>,
}

pub(crate) fn parse(bytes: &[u8]) {
    let envelope: Envelope<'_> = serde_json::from_slice(black_box(bytes)).expect("valid");
    black_box((
        envelope.state,
        envelope.version,
        envelope.timestamp,
        envelope.client_token,
    ));
}

fn bare_parse(input: &str) -> Step {
    let message = message(input);
    Box::new(move || parse(&message.bytes))
}

fn copy(input: &str) -> Step {
    let message = message(input);
    Box::new(move || {
        let text = core::str::from_utf8(black_box(&message.bytes)).expect("text");
        black_box(text.to_owned());
    })
}
