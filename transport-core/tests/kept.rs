//! What a session that an earlier process began brings to the next one.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use core::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use support::{broker::Broker, world::World};
use transport_core::{
    ConnectOptions, Json, Messages, Qos, Response, Resync, Shadow, ShadowClient, ShadowId,
};

fn lamp(client: &ShadowClient) -> Shadow {
    client.shadow(ShadowId::classic("lamp").unwrap()).unwrap()
}

fn color(color: &str) -> Json {
    Json::from_text(&format!(r#"{{"color":"{color}"}}"#)).unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What a process that is gone followed: its session holds messages for the next one.
fn kept_session(messages: usize) -> Broker {
    let (client, mut world) = World::with(kept);
    let shadow = lamp(&client);
    let deltas = shadow.deltas().unwrap();
    world.block_on(shadow.ready()).unwrap();
    let commands = client.subscribe("commands/#", Qos::AtLeastOnce);
    let commands = world.block_on(commands).unwrap();
    world.cut();
    let mut broker = core::mem::replace(&mut world.broker, Broker::new());
    drop((deltas, commands));
    for number in 1..=messages {
        broker.publish("commands/go", &number.to_string());
    }
    let update = r#"{"state":{"desired":{"color":"teal"}}}"#;
    broker.publish("$aws/things/lamp/shadow/update", update);
    broker
}

fn kept(options: &mut ConnectOptions) {
    options.clean_start = false;
    options.shadows.resync = Resync::never();
    options.message_buffer = 100;
}

fn numbers(world: &mut World, messages: &mut Messages) -> Vec<u32> {
    let mut numbers = Vec::new();
    world.settle();
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(message)) = pin!(messages.next()).poll(&mut cx) {
        let text = String::from_utf8(message.unwrap().payload.to_vec()).unwrap();
        numbers.push(text.parse().unwrap());
    }
    numbers
}

#[test]
fn what_a_kept_session_brings_waits_for_its_handles() {
    let (client, mut world) = World::with(kept);
    world.broker = kept_session(3);
    world.block_on(client.connected()).unwrap();
    // By now it has come, to nobody. A handle of the shadow alone asks for nothing yet.
    world.settle();
    let shadow = lamp(&client);
    world.sleep(seconds(2));
    let mut deltas = shadow.deltas().unwrap();
    assert_eq!(world.block_on(deltas.next()).unwrap().state, color("teal"));
    let mut other = world
        .block_on(client.subscribe("other", Qos::AtLeastOnce))
        .unwrap();
    let mut commands = world
        .block_on(client.subscribe("commands/+", Qos::AtLeastOnce))
        .unwrap();
    assert_eq!(numbers(&mut world, &mut commands), [1, 2, 3]);
    // Each is given once.
    let mut second = world
        .block_on(client.subscribe("commands/#", Qos::AtLeastOnce))
        .unwrap();
    assert_eq!(numbers(&mut world, &mut second).len(), 0);
    assert_eq!(numbers(&mut world, &mut other).len(), 0);
}

#[test]
fn a_callback_that_comes_later_is_called_with_it_too() {
    let (client, mut world) = World::with(kept);
    world.broker = kept_session(0);
    world.block_on(client.connected()).unwrap();
    world.settle();
    let (sender, receiver) = std::sync::mpsc::channel();
    let on_delta = move |response: Response| sender.send(response.payload).unwrap();
    lamp(&client).on_delta(on_delta).unwrap();
    world.settle();
    let delta = receiver.recv_timeout(seconds(60)).unwrap();
    assert!(delta.contains("teal"));
}

#[test]
fn what_a_kept_session_brings_is_bounded_in_number_and_time() {
    let (client, mut world) = World::with(kept);
    world.broker = kept_session(150);
    world.block_on(client.connected()).unwrap();
    world.settle();
    let commands = client.subscribe("commands/#", Qos::AtLeastOnce);
    let mut commands = world.block_on(commands).unwrap();
    // The delta was the hundredth.
    assert_eq!(
        numbers(&mut world, &mut commands),
        (52..=150).collect::<Vec<_>>()
    );

    let (client, mut world) = World::with(kept);
    world.broker = kept_session(3);
    world.block_on(client.connected()).unwrap();
    world.sleep(seconds(6));
    let commands = client.subscribe("commands/#", Qos::AtLeastOnce);
    let mut commands = world.block_on(commands).unwrap();
    assert_eq!(numbers(&mut world, &mut commands).len(), 0);
}

#[test]
fn handles_made_before_the_connection_lose_nothing() {
    let (client, mut world) = World::with(|options| {
        kept(options);
        options.message_buffer = 1_000;
    });
    world.broker = kept_session(500);
    let commands = client.subscribe("commands/#", Qos::AtLeastOnce);
    let shadow = lamp(&client);
    let mut deltas = shadow.deltas().unwrap();
    let mut commands = world.block_on(commands).unwrap();
    world.sleep(seconds(60));
    assert_eq!(numbers(&mut world, &mut commands).len(), 500);
    assert_eq!(world.block_on(deltas.next()).unwrap().state, color("teal"));
}
