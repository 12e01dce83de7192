//! Plain messages beside the shadows: the queue for the time without a connection, callbacks,
//! shared and shadow filters; in virtual time.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use core::time::Duration;
use std::sync::mpsc;

use support::world::World;
use transport_core::{
    DropPolicy, Message, OfflineQueue, PublishFailure, Qos, ShadowClient, ShadowId,
    SubscribeFailure,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A client whose broker is away, with a queue of three, two a second.
fn offline(drop: DropPolicy) -> (ShadowClient, World) {
    let (client, mut world) = World::with(|options| {
        let mut queue = OfflineQueue::default();
        assert_eq!((queue.size, queue.drain_rate), (20, 2));
        assert_eq!(queue.drop, DropPolicy::Newest);
        queue.size = 3;
        queue.drop = drop;
        options.offline_queue = Some(queue);
        options.reconnect.max = seconds(1);
    });
    world.reachable = false;
    world.settle();
    (client, world)
}

fn publish(client: &ShadowClient, payload: &str) -> transport_core::Publishing {
    client.publish("t", payload.to_owned(), Qos::AtLeastOnce)
}

/// What was published to the topic `t`, and when, since the last time.
fn published(world: &mut World) -> Vec<String> {
    let log = world.broker.take_log().into_iter();
    let payloads = log.filter_map(|line| line.strip_prefix("publish t ").map(str::to_owned));
    payloads.collect()
}

#[test]
fn messages_wait_for_a_connection_and_leave_in_order_at_the_drain_rate() {
    let (client, mut world) = offline(DropPolicy::Newest);
    let waiting: Vec<_> = ["1", "2", "3"].map(|it| publish(&client, it)).into();
    // Far beyond the operation timeout.
    world.sleep(seconds(600));
    world.reachable = true;
    world.broker.take_log();
    world.sleep(seconds(1) - Duration::from_millis(1));
    assert!(published(&mut world).len() <= 2);
    let started = world.now();
    for waiting in waiting {
        world.block_on(waiting).unwrap();
    }
    assert!(world.now() - started <= seconds(2));
}

#[test]
fn the_drain_rate_is_kept_and_what_comes_meanwhile_goes_behind() {
    let (client, mut world) = offline(DropPolicy::Newest);
    publish(&client, "1").detach().unwrap();
    // At QoS 0 too.
    let zero = client.publish("t", "2", Qos::AtMostOnce);
    zero.detach().unwrap();
    world.reachable = true;
    world.block_on(client.connected()).unwrap();
    world.settle();
    assert_eq!(published(&mut world), ["1"]);
    publish(&client, "3").detach().unwrap();
    for expected in ["2", "3"] {
        world.sleep(Duration::from_millis(499));
        assert!(published(&mut world).is_empty());
        world.sleep(Duration::from_millis(1));
        assert_eq!(published(&mut world), [expected]);
    }
    // The queue is empty: no rate any more.
    for payload in ["4", "5", "6", "7"] {
        publish(&client, payload).detach().unwrap();
    }
    world.settle();
    assert_eq!(published(&mut world), ["4", "5", "6", "7"]);
}

#[test]
fn a_full_queue_refuses_the_newest_or_drops_the_oldest() {
    let full = PublishFailure::QueueFull { max: 3 };
    let (client, mut world) = offline(DropPolicy::Newest);
    let [first, second, third, fourth] = ["1", "2", "3", "4"].map(|it| publish(&client, it));
    assert_eq!(world.block_on(fourth), Err(full.clone()));
    // One that is taken back makes room.
    drop(second);
    let fifth = publish(&client, "5");
    world.reachable = true;
    for kept in [first, third, fifth] {
        world.block_on(kept).unwrap();
    }
    assert_eq!(published(&mut world), ["1", "3", "5"]);

    let (client, mut world) = offline(DropPolicy::Oldest);
    let [first, second, third, fourth] = ["1", "2", "3", "4"].map(|it| publish(&client, it));
    assert_eq!(world.block_on(first), Err(PublishFailure::Dropped));
    world.reachable = true;
    for kept in [second, third, fourth] {
        world.block_on(kept).unwrap();
    }
    assert_eq!(published(&mut world), ["2", "3", "4"]);
}

#[test]
fn a_size_of_zero_is_no_queue_and_a_rate_of_zero_no_limit() {
    for drop in [DropPolicy::Oldest, DropPolicy::Newest] {
        let (client, mut world) = World::with(|options| {
            let mut queue = OfflineQueue::default();
            (queue.size, queue.drop) = (0, drop);
            options.offline_queue = Some(queue);
        });
        world.reachable = false;
        let refused = world.block_on(publish(&client, "1"));
        assert_eq!(refused, Err(PublishFailure::QueueFull { max: 0 }));
    }
    let (client, mut world) = World::with(|options| {
        let mut queue = OfflineQueue::default();
        (queue.size, queue.drain_rate) = (usize::MAX, 0);
        options.offline_queue = Some(queue);
    });
    world.reachable = false;
    world.settle();
    for _ in 0..500 {
        publish(&client, "x").detach().unwrap();
    }
    world.reachable = true;
    world.block_on(client.connected()).unwrap();
    world.settle();
    assert_eq!(published(&mut world).len(), 500);
}

#[test]
fn subscriptions_are_asked_for_before_the_queue_leaves() {
    let (client, mut world) = offline(DropPolicy::Newest);
    publish(&client, "1").detach().unwrap();
    let subscribing = client.subscribe("t", Qos::AtLeastOnce);
    world.reachable = true;
    let mut messages = world.block_on(subscribing).unwrap();
    let message = world.block_on(messages.next()).unwrap().unwrap();
    assert_eq!(&message.payload[..], b"1");
}

#[test]
fn what_still_waits_at_the_end_is_told_so() {
    let (client, mut world) = offline(DropPolicy::Newest);
    let waiting = publish(&client, "1");
    let unfinished = world.block_on(client.shutdown(seconds(3))).unwrap_err();
    assert_eq!(unfinished.0, 1);
    assert!(world.now() <= seconds(3));
    assert_eq!(world.block_on(waiting), Err(PublishFailure::Stopped));
}

#[test]
fn a_callback_is_called_until_its_filter_is_given_back() {
    let (client, mut world) = World::new();
    let (tell, told) = mpsc::channel::<Message>();
    let its = client.clone();
    let subscribing = client.subscribe_with("a/+", Qos::AtLeastOnce, move |message| {
        // Calling back into the library is legal.
        let _ = its.publish("from/callback", "", Qos::AtLeastOnce).detach();
        let _ = tell.send(message);
    });
    world.block_on(subscribing).unwrap();
    world.broker.publish("a/b", "1");
    world.broker.publish("c", "2");
    world.broker.publish("a/c", "3");
    world.settle();
    let told_next = || told.recv_timeout(PATIENCE).unwrap();
    let first = told_next();
    assert_eq!((&*first.topic, &first.payload[..]), ("a/b", &b"1"[..]));
    assert_eq!(&told_next().payload[..], b"3");
    // Also after a lost session.
    world.broker.forget();
    world.cut();
    world.block_on(client.connected()).unwrap();
    world.settle();
    world.broker.publish("a/d", "4");
    world.settle();
    assert_eq!(&told_next().payload[..], b"4");
    world.block_on(client.unsubscribe("a/+")).unwrap();
    assert!(world.broker.filters().is_empty());
    // The callback is dropped, and its handle with it.
    let gone = mpsc::RecvTimeoutError::Disconnected;
    assert_eq!(told.recv_timeout(PATIENCE).unwrap_err(), gone);
    let log = world.broker.take_log();
    assert!(
        log.iter().any(|line| line.contains("from/callback")),
        "{log:?}"
    );
}

#[test]
fn a_callback_on_a_filter_that_is_refused_or_none_is_told() {
    let (client, mut world) = World::new();
    world.broker.script.refused = vec!["secret"];
    let refused = client.subscribe_with("secret", Qos::AtLeastOnce, drop);
    let refused = world.block_on(refused);
    assert!(matches!(refused, Err(SubscribeFailure::Refused { .. })));
    let none = client.subscribe_with("a/#/b", Qos::AtLeastOnce, drop);
    let none = world.block_on(none);
    assert!(matches!(none, Err(SubscribeFailure::Filter(_))));
}

#[test]
fn a_callback_that_panics_is_told_and_called_again() {
    let (client, mut world) = World::new();
    let mut events = client.connection_events();
    let (tell, told) = mpsc::channel();
    let callback = move |message: Message| {
        let _ = tell.send(());
        assert_ne!(&message.payload[..], b"bad", "as asked");
    };
    world
        .block_on(client.subscribe_with("a", Qos::AtLeastOnce, callback))
        .unwrap();
    for payload in ["bad", "good"] {
        world.broker.publish("a", payload);
        world.settle();
        told.recv_timeout(PATIENCE).unwrap();
    }
    loop {
        let event = world.block_on(events.next()).unwrap().to_string();
        if event.contains("panicked") {
            break;
        }
    }
}

#[test]
fn a_filter_over_all_shadows_sees_what_shadows_see() {
    watch("$aws/things/+/shadow/#");
    watch("$share/back-end/$aws/things/+/shadow/#");
}

fn watch(filter: &str) {
    let (client, mut world) = World::new();
    let all = client.subscribe(filter, Qos::AtLeastOnce);
    let mut all = world.block_on(all).unwrap();
    let shadow = client.shadow(ShadowId::classic("lamp").unwrap()).unwrap();
    let color = transport_core::Json::from_text(r#"{"color":"red"}"#).unwrap();
    world.block_on(shadow.desire(&color)).unwrap();
    let mut topics = Vec::new();
    while !topics.iter().any(|topic: &String| topic.ends_with("delta")) {
        topics.push(
            world
                .block_on(all.next())
                .unwrap()
                .unwrap()
                .topic
                .to_string(),
        );
    }
    let topics: Vec<_> = topics.iter().map(String::as_str).collect();
    assert!(
        topics.contains(&"$aws/things/lamp/shadow/update/delta"),
        "{topics:?}"
    );
    // Also of a session that was lost.
    world.broker.forget();
    world.cut();
    world.block_on(client.connected()).unwrap();
    world.settle();
    assert!(world.broker.filters().contains(&filter));
    // The application's filter ends; those of the shadow stay.
    drop(all);
    world.settle();
    world.block_on(shadow.get()).unwrap();
    let filters = world.broker.filters();
    assert!(!filters.contains(&filter), "{filters:?}");
}
