//! Callbacks, which run on a thread of their own. Waits have an upper bound and end early.

#![expect(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests are tests; tests look for one variant"
)]

mod support;

use core::time::Duration;
use std::sync::{
    Arc, Barrier,
    mpsc::{Receiver, Sender, channel},
};

use support::world::World;
use transport_core::{
    CallbackError, ConnectionEvent, Failure, Json, RequestFailure, Response, Shadow, ShadowClient,
    ShadowId, Stage, Status, TopicKind, Update, no_callback,
};

const TIMEOUT: Duration = Duration::from_secs(3);

fn lamp(client: &ShadowClient) -> Shadow {
    client.shadow(ShadowId::classic("lamp").unwrap()).unwrap()
}

fn json(text: &str) -> Json {
    Json::from_text(text).unwrap()
}

fn take<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(Duration::from_secs(20)).unwrap()
}

fn to(sender: &Sender<Response>) -> impl FnMut(Response) + Send + use<> {
    let sender = sender.clone();
    move |response| sender.send(response).unwrap()
}

#[test]
fn answers_carry_payload_status_and_the_token_that_the_call_returned() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    let (sender, receiver) = channel();
    let token = shadow.get_with(TIMEOUT, to(&sender)).unwrap();
    world.settle();
    let response = take(&receiver);
    assert_eq!(
        (response.status, response.token),
        (Status::Rejected, Some(token))
    );
    assert!(
        response.payload.contains("No shadow exists"),
        "{}",
        response.payload
    );
    assert_eq!(response.topic, "$aws/things/lamp/shadow/get/rejected");
    assert!(matches!(response.failure, Some(Failure::Rejected(_))));

    let state = json(r#"{"on":true}"#);
    let token = shadow
        .update_with(TIMEOUT, Update::reported(&state), to(&sender))
        .unwrap();
    world.settle();
    let response = take(&receiver);
    assert_eq!(
        (response.status, response.token),
        (Status::Accepted, Some(token))
    );
    assert!(
        response.payload.contains(r#""version":1"#),
        "{}",
        response.payload
    );
    assert_eq!(response.topic, "$aws/things/lamp/shadow/update/accepted");

    let token = shadow.delete_with(TIMEOUT, to(&sender)).unwrap();
    world.settle();
    let response = take(&receiver);
    assert_eq!(
        (response.status, response.token),
        (Status::Accepted, Some(token))
    );
    assert_eq!(response.status.to_string(), "accepted");
}

#[test]
fn without_a_callback_the_request_is_made_and_the_token_returned() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    let (sender, receiver) = channel();
    shadow.on(TopicKind::UpdateAccepted, to(&sender)).unwrap();
    shadow.on(TopicKind::GetAccepted, to(&sender)).unwrap();
    shadow.on(TopicKind::DeleteAccepted, to(&sender)).unwrap();
    world.settle();
    let state = json(r#"{"on":true}"#);
    let update = Update::reported(&state);
    let token = shadow.update_with(TIMEOUT, update, no_callback).unwrap();
    world.settle();
    let response = take(&receiver);
    assert_eq!(response.token, Some(token));
    assert_eq!(response.topic, "$aws/things/lamp/shadow/update/accepted");
    let token = shadow.get_with(TIMEOUT, no_callback).unwrap();
    world.settle();
    let response = take(&receiver);
    assert_eq!(response.token, Some(token));
    assert!(response.payload.contains(r#""on":true"#));
    let token = shadow.delete_with(TIMEOUT, no_callback).unwrap();
    world.settle();
    assert_eq!(take(&receiver).token, Some(token));
    drop(client.shutdown(TIMEOUT));
    assert!(matches!(
        shadow.get_with(TIMEOUT, no_callback),
        Err(CallbackError::Request(RequestFailure::Stopped))
    ));
}

#[test]
fn a_timeout_has_no_payload_and_the_stage() {
    let (client, mut world) = World::new();
    world.broker.service = None;
    let (sender, receiver) = channel();
    let token = lamp(&client).get_with(TIMEOUT, to(&sender)).unwrap();
    world.sleep(TIMEOUT);
    let response = take(&receiver);
    assert_eq!(
        (response.status, response.token),
        (Status::Timeout, Some(token))
    );
    assert_eq!(
        (&*response.payload, response.stage),
        ("", Some(Stage::Acknowledged))
    );
    assert_eq!(response.topic, "$aws/things/lamp/shadow/get");
}

#[test]
fn deltas_until_unregistered_and_the_filter_goes_with_the_callback() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    let (first, second) = (channel(), channel());
    shadow.on_delta(to(&first.0)).unwrap();
    shadow.on_delta(to(&second.0)).unwrap();
    world.settle();
    let topic = "$aws/things/lamp/shadow/update";
    let update = r#"{"state":{"desired":{"on":true}},"clientToken":"app"}"#;
    world.broker.publish(topic, update);
    world.settle();
    let response = take(&second.1);
    assert_eq!(response.status.as_str(), "delta");
    assert_eq!(response.token.unwrap().as_str(), "app");
    assert!(
        response.payload.contains(r#""state":{"on":true}"#),
        "{}",
        response.payload
    );
    assert!(shadow.stop_on_delta());
    assert!(!shadow.stop_on_delta());
    world.settle();
    let filters = world.broker.filters();
    assert!(
        !filters.iter().any(|filter| filter.contains("delta")),
        "{filters:?}"
    );
    // The one that was replaced heard nothing.
    drop(first.0);
    assert!(first.1.recv().is_err());
}

#[test]
fn the_filter_of_a_callback_stays_while_a_stream_wants_it() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    shadow.on_delta(|_| {}).unwrap();
    let deltas = shadow.deltas().unwrap();
    world.settle();
    let wanted = |world: &World| {
        let filters = world.broker.filters();
        filters.iter().any(|filter| filter.contains("delta"))
    };
    assert!(shadow.stop_on_delta());
    world.settle();
    assert!(wanted(&world));
    drop(deltas);
    world.settle();
    assert!(!wanted(&world));
}

#[test]
fn every_response_topic_can_be_listened_to() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    let (sender, receiver) = channel();
    for kind in TopicKind::ALL {
        shadow.on(kind, to(&sender)).unwrap();
    }
    world.settle();
    let topic = "$aws/things/lamp/shadow";
    world.broker.publish(&format!("{topic}/get"), "");
    world.broker.publish(
        &format!("{topic}/update"),
        r#"{"state":{"desired":{"on":true}}}"#,
    );
    world.broker.publish(&format!("{topic}/update"), "nonsense");
    world.broker.publish(&format!("{topic}/get"), "");
    world.broker.publish(&format!("{topic}/delete"), "");
    world.broker.publish(&format!("{topic}/delete"), "");
    world.settle();
    let mut heard: Vec<String> = (0..8).map(|_| take(&receiver).topic).collect();
    heard.sort_unstable();
    heard.dedup();
    assert_eq!(heard.len(), 8, "{heard:?}");
}

#[test]
fn calling_back_from_a_callback_is_legal_and_order_is_kept() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    let (sender, receiver) = channel();
    let again = shadow.clone();
    let inner = to(&sender);
    let called = Arc::new(Barrier::new(2));
    let its = Arc::clone(&called);
    shadow
        .get_with(TIMEOUT, move |_| {
            let state = json(r#"{"on":true}"#);
            again
                .update_with(TIMEOUT, Update::reported(&state), inner)
                .unwrap();
            again.on_delta(|_| {}).unwrap();
            drop(again.client().shutdown(Duration::from_secs(9)));
            its.wait();
        })
        .unwrap();
    world.settle();
    called.wait();
    world.settle();
    assert_eq!(take(&receiver).status, Status::Accepted);
    world.settle();
    assert!(world.ended);
}

#[test]
fn a_panicking_callback_is_reported_and_the_next_one_runs() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    let mut events = client.connection_events();
    let (sender, receiver) = channel();
    shadow
        .get_with(TIMEOUT, |_| panic!("the light is broken"))
        .unwrap();
    shadow.get_with(TIMEOUT, to(&sender)).unwrap();
    world.settle();
    take(&receiver);
    loop {
        match world.block_on(events.next()).unwrap() {
            ConnectionEvent::CallbackPanicked { message } => {
                assert_eq!(&*message, "the light is broken");
                return;
            }
            other => assert!(!matches!(other, ConnectionEvent::Stopped)),
        }
    }
}

#[test]
fn a_callback_that_owns_a_handle_goes_with_the_shutdown() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    let (sender, receiver) = channel::<()>();
    let owned = shadow.clone();
    shadow
        .on_delta(move |_| {
            let _ = (&owned, &sender);
        })
        .unwrap();
    world.block_on(client.shutdown(Duration::ZERO)).unwrap();
    drop((client, shadow, world));
    // The callback is dropped, and with it the sender.
    assert!(receiver.recv_timeout(Duration::from_secs(20)).is_err());
}

#[test]
fn a_request_with_a_callback_outlives_its_handle() {
    let (client, mut world) = World::new();
    let (sender, receiver) = channel();
    lamp(&client).get_with(TIMEOUT, to(&sender)).unwrap();
    world.settle();
    assert_eq!(take(&receiver).status, Status::Rejected);
    world.settle();
    assert_eq!(world.broker.filters(), [""; 0]);
}
