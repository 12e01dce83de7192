//! The life of a connection: attempts, delays, ends, plain messages; in virtual time.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use core::time::Duration;

use mqttbytes::v4::ConnectReturnCode;
use support::world::World;
use transport_core::{
    ConnectError, ConnectionEvent, ConnectionEvents, PermanentRefusal, Publish, PublishFailure,
    Qos, RequestFailure, ShadowClient, ShadowId, SubscribeFailure, Unfinished,
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn shadow(client: &ShadowClient) -> transport_core::Shadow {
    client.shadow(ShadowId::classic("lamp").unwrap()).unwrap()
}

fn next(world: &mut World, events: &mut ConnectionEvents) -> String {
    world.block_on(events.next()).unwrap().to_string()
}

#[test]
fn tells_what_happens_in_order_and_stopped_last() {
    let (client, mut world) = World::new();
    let mut events = client.connection_events();
    world.reachable = false;
    assert_eq!(next(&mut world, &mut events), "connecting (attempt 1)");
    let refused = "not connected: cannot connect: connection refused; next attempt in 1.0s";
    assert_eq!(next(&mut world, &mut events), refused);
    world.reachable = true;
    assert_eq!(next(&mut world, &mut events), "connecting (attempt 2)");
    assert_eq!(next(&mut world, &mut events), "connected");
    world.cut();
    let lost = "the connection was closed; next attempt in 2.0s";
    assert_eq!(next(&mut world, &mut events), lost);
    assert_eq!(next(&mut world, &mut events), "connecting (attempt 3)");
    assert_eq!(next(&mut world, &mut events), "connected");
    world.block_on(client.shutdown(seconds(1))).unwrap();
    let end = "disconnected on request; no further attempt";
    assert_eq!(next(&mut world, &mut events), end);
    assert_eq!(next(&mut world, &mut events), "stopped");
    assert!(world.block_on(events.next()).is_none());
    assert_eq!(world.broker.log.last().unwrap(), "disconnect");
    assert!(world.ended);
    // Who comes late learns it too.
    let mut late = client.connection_events();
    assert_eq!(next(&mut world, &mut late), "stopped");
    assert!(world.block_on(late.next()).is_none());
}

#[test]
fn delays_double_up_to_the_maximum_and_begin_anew_after_a_stable_time() {
    let (_client, mut world) = World::new();
    world.reachable = false;
    world.sleep(seconds(150));
    let seconds_at: Vec<u64> = world.attempts.iter().map(Duration::as_secs).collect();
    assert_eq!(seconds_at, [0, 1, 3, 7, 15, 31, 63, 95, 127]);
    world.reachable = true;
    world.sleep(seconds(10));
    world.attempts.clear();
    // It was not up for long enough: the delay stays long.
    world.cut();
    world.sleep(seconds(60));
    assert_eq!(world.attempts.len(), 1);
    world.attempts.clear();
    let cut_at = world.now();
    world.cut();
    world.sleep(seconds(60));
    assert_eq!(world.attempts, [cut_at + seconds(1)]);
}

#[test]
fn a_permanent_refusal_is_tried_again_at_the_longest_delay() {
    let (client, mut world) = World::new();
    let mut events = client.connection_events();
    world.broker.script.connack = Some(ConnectReturnCode::BadUserNamePassword);
    world.sleep(seconds(65));
    let seconds_at: Vec<u64> = world.attempts.iter().map(Duration::as_secs).collect();
    assert_eq!(seconds_at, [0, 32, 64]);
    next(&mut world, &mut events);
    let event = world.block_on(events.next()).unwrap();
    let ConnectionEvent::ConnectFailed { error, .. } = event else {
        panic!("{event}");
    };
    assert!(error.is_permanent(), "{error}");
}

#[test]
fn or_not_at_all_if_so_configured() {
    let (client, mut world) = World::with(|options| {
        options.reconnect.permanent = PermanentRefusal::Stop;
    });
    let connected = client.connected();
    world.broker.script.connack = Some(ConnectReturnCode::NotAuthorized);
    let error = world.block_on(connected).unwrap_err();
    assert!(matches!(error, ConnectError::Refused(_)), "{error}");
    world.settle();
    assert!(world.ended);
    let failure = world.block_on(shadow(&client).get()).unwrap_err();
    assert!(matches!(failure, RequestFailure::Stopped), "{failure}");
}

#[test]
fn one_attempt_and_no_more() {
    let (client, world) = World::new();
    let mut world = world.once();
    world.reachable = false;
    let error = world.block_on(client.connected()).unwrap_err();
    assert!(matches!(error, ConnectError::Open(_)), "{error}");
    assert_eq!(world.attempts.len(), 1);
    // But once connected it comes back.
    let (client, world) = World::new();
    let mut world = world.once();
    world.block_on(client.connected()).unwrap();
    world.cut();
    world.sleep(seconds(2));
    assert!(client.is_connected());
}

#[test]
fn an_attempt_that_takes_too_long_is_given_up() {
    let (client, world) = World::new();
    let mut world = world.once();
    world.stalled = true;
    let error = world.block_on(client.connected()).unwrap_err();
    assert_eq!(error, ConnectError::TimedOut);
    assert_eq!(world.now(), seconds(30));
    let (client, world) = World::new();
    let mut world = world.once();
    world.broker.script.connack = None;
    let error = world.block_on(client.connected()).unwrap_err();
    assert_eq!(error, ConnectError::TimedOut);
    assert_eq!(world.now(), seconds(30));
}

#[test]
fn a_silent_broker_is_found_dead() {
    let (client, mut world) = World::new();
    let mut events = client.connection_events();
    world.block_on(client.connected()).unwrap();
    world.broker.script.no_pong = true;
    next(&mut world, &mut events);
    next(&mut world, &mut events);
    let event = next(&mut world, &mut events);
    assert!(
        event.starts_with("the server did not answer PINGREQ"),
        "{event}"
    );
    // Keep-alive and ping timeout; this one was stable.
    assert_eq!(world.now(), seconds(70));
}

#[test]
fn dropping_the_last_handle_ends_the_connection_with_a_goodbye() {
    let (client, mut world) = World::new();
    world.block_on(client.connected()).unwrap();
    let shadow = shadow(&client);
    let deltas = shadow.deltas().unwrap();
    drop((client, shadow));
    world.settle();
    assert!(!world.ended, "a stream is a handle");
    drop(deltas);
    world.settle();
    assert!(world.ended);
    assert_eq!(world.broker.log.last().unwrap(), "disconnect");
}

#[test]
fn shutdown_lets_what_is_under_way_end() {
    let (client, mut world) = World::new();
    let shadow = shadow(&client);
    let request = shadow.report(&"not an object");
    assert!(world.block_on(request).is_err());
    let state = transport_core::Json::from_text(r#"{"on":true}"#).unwrap();
    let request = shadow.report(&state);
    let shutdown = client.shutdown(seconds(10));
    let refused = world.block_on(shadow.report(&state)).unwrap_err();
    assert!(matches!(refused, RequestFailure::Stopped));
    world.block_on(request).unwrap();
    world.block_on(shutdown).unwrap();
    assert_eq!(world.now(), seconds(0));
}

#[test]
fn shutdown_keeps_its_deadline_while_the_network_is_down() {
    let (client, mut world) = World::new();
    world.reachable = false;
    let state = transport_core::Json::from_text(r#"{"on":true}"#).unwrap();
    let shadow = shadow(&client);
    let request = shadow.report(&state);
    let shutdown = client.shutdown(seconds(3));
    assert_eq!(world.block_on(shutdown), Err(Unfinished(1)));
    assert_eq!(world.now(), seconds(3));
    let failure = world.block_on(request).unwrap_err();
    assert!(failure.to_string().contains("cancelled"), "{failure}");
    // Nothing to wait for: at once.
    let (client, mut world) = World::new();
    world.reachable = false;
    world.block_on(client.shutdown(seconds(3))).unwrap();
    assert_eq!(world.now(), seconds(0));
}

#[test]
fn a_driver_that_is_dropped_leaves_nobody_waiting() {
    let (client, mut world) = World::new();
    world.block_on(client.connected()).unwrap();
    let shadow = shadow(&client);
    let mut deltas = shadow.deltas().unwrap();
    let request = shadow.get();
    drop(world);
    let (_, mut other) = World::new();
    assert!(other.block_on(request).is_err());
    assert!(other.block_on(deltas.next()).is_none());
    assert!(other.block_on(client.shutdown(seconds(1))).is_err());
}

#[test]
fn plain_messages_share_the_connection() {
    let (client, mut world) = World::new();
    let subscribing = client.subscribe("house/+/light", Qos::AtLeastOnce);
    let mut lights = world.block_on(subscribing).unwrap();
    let subscribing = client.subscribe("house/+/light", Qos::AtLeastOnce);
    let mut same = world.block_on(subscribing).unwrap();
    let mut fleet = world
        .block_on(client.subscribe("$aws/things/+/shadow/update/accepted", Qos::AtLeastOnce))
        .unwrap();
    world
        .block_on(client.publish("house/3/light", "on", Qos::AtLeastOnce))
        .unwrap();
    world
        .block_on(client.publish("house/4/light", "off", Qos::AtMostOnce))
        .unwrap();
    for stream in [&mut lights, &mut same] {
        let message = world.block_on(stream.next()).unwrap().unwrap();
        assert_eq!(
            (&*message.topic, &*message.payload),
            ("house/3/light", &b"on"[..])
        );
        let message = world.block_on(stream.next()).unwrap().unwrap();
        assert_eq!(
            (&*message.topic, &*message.payload),
            ("house/4/light", &b"off"[..])
        );
    }
    let state = transport_core::Json::from_text(r#"{"on":true}"#).unwrap();
    world.block_on(shadow(&client).report(&state)).unwrap();
    let message = world.block_on(fleet.next()).unwrap().unwrap();
    assert_eq!(&*message.topic, "$aws/things/lamp/shadow/update/accepted");

    drop(lights);
    world.settle();
    assert!(world.broker.filters().contains(&"house/+/light"));
    world.block_on(client.unsubscribe("house/+/light")).unwrap();
    assert!(world.block_on(same.next()).is_none());
    assert!(!world.broker.filters().contains(&"house/+/light"));
}

#[test]
fn a_filter_that_shadows_and_application_want_ends_with_the_last_of_them() {
    let (client, mut world) = World::new();
    let topic = "$aws/things/lamp/shadow/update/delta";
    let messages = world
        .block_on(client.subscribe(topic, Qos::AtLeastOnce))
        .unwrap();
    let shadow = shadow(&client);
    let deltas = shadow.deltas().unwrap();
    world.block_on(shadow.ready()).unwrap();
    drop(deltas);
    world.settle();
    assert!(world.broker.filters().contains(&topic));
    drop(messages);
    world.settle();
    assert!(!world.broker.filters().contains(&topic));
}

#[test]
fn plain_subscriptions_come_back_after_a_lost_session() {
    let (client, mut world) = World::new();
    let mut lights = world
        .block_on(client.subscribe("light", Qos::AtLeastOnce))
        .unwrap();
    world.cut();
    world.sleep(seconds(2));
    world.broker.publish("light", "on");
    let message = world.block_on(lights.next()).unwrap().unwrap();
    assert_eq!(&*message.payload, b"on");
}

#[test]
fn plain_failures_are_typed() {
    let (client, mut world) = World::new();
    world.reachable = false;
    let failure = world.block_on(client.publish("t", "x", Qos::AtMostOnce));
    assert_eq!(failure, Err(PublishFailure::NotSent));
    let failure = world.block_on(client.publish("t", "x", Qos::AtLeastOnce));
    assert_eq!(failure, Err(PublishFailure::TimedOut { sent: false }));
    let failure = world.block_on(client.subscribe("t", Qos::AtLeastOnce));
    assert_eq!(failure.unwrap_err(), SubscribeFailure::TimedOut);
    let failure = world.block_on(client.subscribe("t/#/x", Qos::AtLeastOnce));
    assert!(matches!(failure.unwrap_err(), SubscribeFailure::Filter(_)));
    world.reachable = true;
    world.block_on(client.connected()).unwrap();
    let failure = world.block_on(client.publish("t/+", "x", Qos::AtLeastOnce));
    assert!(
        matches!(failure, Err(PublishFailure::Refused(_))),
        "{failure:?}"
    );
    world.broker.script.refused.push("t");
    let failure = world.block_on(client.subscribe("t", Qos::AtLeastOnce));
    assert!(matches!(
        failure.unwrap_err(),
        SubscribeFailure::Refused { .. }
    ));
    world.broker.script.deaf = true;
    let failure = world.block_on(client.publish("t", "x", Qos::AtLeastOnce));
    assert_eq!(failure, Err(PublishFailure::TimedOut { sent: true }));
    // Nothing of what failed is sent later.
    world.broker.script.deaf = false;
    world.broker.take_log();
    world.sleep(seconds(60));
    assert_eq!(world.broker.take_log(), ["ping"]);
}

#[test]
fn a_message_waits_for_the_connection_unless_nobody_waits_for_it() {
    let (client, mut world) = World::new();
    drop(client.publish("dropped", "x", Qos::AtLeastOnce));
    let mut kept = Publish::new("kept", "x");
    kept.retain = true;
    client.publish_message(kept).detach().unwrap();
    world.settle();
    let log = world.broker.take_log();
    assert_eq!(log, ["connect clean=true", "publish kept x"]);
}
