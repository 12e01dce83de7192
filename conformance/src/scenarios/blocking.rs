//! The client for programs without an asynchronous runtime.

use std::{panic, thread};

use transport_core::{
    Change, Event, Interest, MqttQos, RequestOptions, ShadowId, blocking::Client, no_callback,
};

use crate::{
    Ground,
    ground::{BRIEFLY, PATIENCE, color, json},
};

pub(super) async fn the_blocking_client_does_the_same(ground: Ground) {
    let client = Client::from(ground.client().await);
    let (id, topic) = (ground.shadow_id(), ground.name("topic"));
    let played = tokio::task::spawn_blocking(move || {
        shadow(&client, id.clone());
        messages(&client, &topic);
        end(&client, id);
    });
    if let Err(error) = played.await {
        panic::resume_unwind(error.into_panic());
    }
}

fn shadow(client: &Client, id: ShadowId) {
    let shadow = client.shadow(id).unwrap();
    let mut deltas = shadow.deltas().unwrap();
    let mut documents = shadow.documents().unwrap();
    let mut events = shadow
        .events(Interest::DELTA | Interest::DELETE_ACCEPTED)
        .unwrap();
    assert!(shadow.ready().unwrap().is_none());
    assert!(shadow.get().unwrap_err().is_not_found());
    shadow.desire(&color("red")).unwrap();
    let delta = deltas.next().unwrap();
    assert_eq!(delta.state, color("red"));
    shadow.report(&delta.state).unwrap();
    assert!(deltas.next_within(BRIEFLY).is_none());
    assert!(documents.next().unwrap().unwrap().previous.is_none());
    while !matches!(events.next().unwrap().unwrap(), Event::Delta { .. }) {}
    let written = shadow.transact(2, |document| {
        assert_eq!(document.unwrap().version.number(), 2);
        let mut change = Change::default();
        change.reported = Some(json(r#"{"on":true}"#));
        Some(change)
    });
    assert_eq!(written.unwrap().unwrap().version().unwrap().number(), 3);
    let mut options = RequestOptions::default();
    options.timeout = Some(PATIENCE);
    let document = shadow.get_with_options(options).unwrap();
    assert_eq!(document.reported.value().unwrap().at("/on"), Some("true"));
    let token = shadow.inner().delete_with(PATIENCE, no_callback).unwrap();
    let deleted =
        |event: Event| matches!(event, Event::Response { token: it, .. } if it == Some(token));
    while !deleted(events.next().unwrap().unwrap()) {}
}

fn messages(client: &Client, topic: &str) {
    let mut messages = client.subscribe(topic, MqttQos::AtLeastOnce).unwrap();
    client.publish(topic, "text", MqttQos::AtLeastOnce).unwrap();
    let message = messages.next_within(PATIENCE).unwrap().unwrap();
    assert_eq!(message.payload, "text");
}

/// One thread waits for deltas, another one ends the client.
fn end(client: &Client, id: ShadowId) {
    let deltas = client.shadow(id).unwrap().deltas().unwrap();
    let waiting = thread::spawn(move || deltas.count());
    client.shutdown(PATIENCE).unwrap();
    assert_eq!(waiting.join().unwrap(), 0);
}
