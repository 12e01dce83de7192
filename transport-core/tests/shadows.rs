//! Shadows over a link, byte by byte, in virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests are tests; tests look for one variant"
)]

mod support;

use core::time::Duration;

use support::world::World;
use transport_core::{
    Accepted, Change, ErrorCode, Event, Failure, Interest, Json, Operation, PublishFailure, Qos,
    RequestFailure, RequestOptions, Resync, ResyncError, Shadow, ShadowClient, ShadowId,
    ShadowOptions, Stage, Subscriptions, Update, WhenOffline,
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

#[test]
fn get_of_no_shadow_is_a_typed_rejection() {
    let (client, mut world) = World::new();
    let failure = world.block_on(lamp(&client).get()).unwrap_err();
    assert!(failure.is_not_found(), "{failure}");
    assert_eq!(failure.code(), Some(ErrorCode::NOT_FOUND));
}

#[test]
fn however_the_bytes_are_cut() {
    for chunk in [1, 2, 3, 7, 64] {
        let (client, mut world) = World::new();
        world.chunk = chunk;
        let shadow = lamp(&client);
        let mut deltas = shadow.deltas().unwrap();
        world.block_on(shadow.desire(&color("red"))).unwrap();
        let delta = world.block_on(deltas.next()).unwrap();
        assert_eq!(delta.state, color("red"));
        world.block_on(shadow.report(&color("red"))).unwrap();
        let document = world.block_on(shadow.get()).unwrap();
        assert_eq!(document.reported.value(), Some(&color("red")));
        assert!(document.delta.is_absent());
    }
}

#[test]
fn two_handles_have_their_own_answers_and_every_delta() {
    let (client, mut world) = World::new();
    let (one, two) = (lamp(&client), lamp(&client));
    let (mut first, mut second) = (one.deltas().unwrap(), two.deltas().unwrap());
    let (a, b) = (one.desire(&color("red")), two.desire(&color("blue")));
    let a = world.block_on(a).unwrap().version().unwrap();
    let b = world.block_on(b).unwrap().version().unwrap();
    assert_eq!((a.number(), b.number()), (1, 2));
    assert_eq!(world.block_on(first.next()).unwrap().state, color("blue"));
    assert_eq!(world.block_on(second.next()).unwrap().state, color("blue"));
    drop((one, first));
    world.settle();
    world.broker.take_log();
    world.block_on(two.desire(&color("green"))).unwrap();
    assert_eq!(world.block_on(second.next()).unwrap().state, color("green"));
}

#[test]
fn a_future_dropped_before_it_was_sent_cancels_the_request() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    drop(shadow.report(&color("red")));
    let kept = shadow.report(&color("blue"));
    shadow.report(&color("green")).detach().unwrap();
    world.block_on(kept).unwrap();
    world.settle();
    let sent = world.broker.log.join("\n");
    assert!(!sent.contains("red"), "{sent}");
    assert!(sent.contains("blue") && sent.contains("green"), "{sent}");
}

#[test]
fn a_future_dropped_after_it_was_sent_lets_the_request_go_its_way() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    let request = shadow.report(&color("red"));
    world.settle();
    drop(request);
    let document = world.block_on(shadow.get()).unwrap();
    assert_eq!(document.reported.value(), Some(&color("red")));
}

#[test]
fn a_timeout_says_how_far_it_got() {
    let (client, mut world) = World::new();
    world.broker.service = None;
    let failure = world.block_on(lamp(&client).get()).unwrap_err();
    let expected = Failure::TimedOut {
        operation: Operation::Get,
        stage: Stage::Acknowledged,
        hint: None,
    };
    let RequestFailure::Failure(failure) = failure else {
        panic!("{failure}");
    };
    assert_eq!(failure, expected);
    assert_eq!(world.now(), seconds(5));
}

#[test]
fn offline_a_request_waits_until_its_deadline() {
    let (client, mut world) = World::new();
    world.reachable = false;
    let failure = world.block_on(lamp(&client).get()).unwrap_err();
    assert_eq!(failure.stage(), Some(Stage::Queued));
    world.reachable = true;
    let mut options = RequestOptions::default();
    options.timeout = Some(seconds(60));
    let failure = world.block_on(lamp(&client).get_with_options(options));
    assert!(failure.unwrap_err().is_not_found());
}

#[test]
fn what_the_connection_did_not_send_at_qos_0_waits_for_the_next_one() {
    let (client, mut world) = World::with(|options| {
        options.clean_start = false;
        options.operation_timeout = seconds(60);
        // One publish at QoS 1 that is not acknowledged holds back the next, and that all others.
        options.mqtt.limits.in_flight = 1;
    });
    let shadow = lamp(&client);
    world.block_on(shadow.report(&color("red"))).unwrap();
    world.broker.script.deaf = true;
    let first = shadow.report(&color("black"));
    let second = shadow.report(&color("white"));
    let mut options = RequestOptions::default();
    options.qos = Some(Qos::AtMostOnce);
    world.settle();
    let waits = shadow.report_with_options(&color("blue"), options);
    options.when_offline = WhenOffline::Fail;
    let fails = shadow.report_with_options(&color("teal"), options);
    let at_qos_0 = client.publish("away", "2", Qos::AtMostOnce);
    world.settle();
    world.cut();
    world.broker.script.deaf = false;
    let failure = world.block_on(fails).unwrap_err();
    assert_eq!(failure.stage(), Some(Stage::Queued), "{failure}");
    let failure = world.block_on(at_qos_0).unwrap_err();
    assert_eq!(failure, PublishFailure::NotSent);
    world.block_on(first).unwrap();
    world.block_on(second).unwrap();
    world.block_on(waits).unwrap();
    let document = world.block_on(shadow.get()).unwrap();
    assert_eq!(document.reported.value(), Some(&color("blue")));
}

#[test]
fn a_document_is_fetched_when_asked_for_though_never_by_itself() {
    let (client, mut world) = World::with(|options| {
        options.shadows.resync = Resync::never();
    });
    let shadow = lamp(&client);
    assert_eq!(shadow.resync(), Err(ResyncError::NotFollowed));
    world.block_on(shadow.desire(&color("red"))).unwrap();
    let mut events = shadow.events(Interest::DELTA).unwrap();
    let mut next = |world: &mut World| world.block_on(events.next()).unwrap().unwrap();
    assert!(matches!(
        next(&mut world),
        Event::Ready { document: None, .. }
    ));
    shadow.resync().unwrap();
    assert!(matches!(
        next(&mut world),
        Event::Ready {
            document: Some(_),
            ..
        }
    ));
    assert!(matches!(next(&mut world), Event::Delta { .. }));
}

#[test]
fn a_request_that_failed_is_not_sent_afterwards() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    world.block_on(client.connected()).unwrap();
    world.block_on(shadow.report(&color("red"))).unwrap();
    world.broker.script.deaf = true;
    world.broker.take_log();
    // It is sent, and its PUBACK is lost with the session.
    let request = shadow.report(&color("blue"));
    world.settle();
    world.cut();
    world.broker.script.deaf = false;
    let failure = world.block_on(request).unwrap_err();
    assert_eq!(failure.stage(), Some(Stage::Sent), "{failure}");
    world.sleep(seconds(60));
    let sent = world.broker.take_log();
    let times = sent.iter().filter(|line| line.contains("blue")).count();
    assert_eq!(times, 1, "{sent:#?}");
}

#[test]
fn a_resumed_session_keeps_the_request_and_brings_the_delta() {
    let (client, mut world) = World::with(|options| {
        options.clean_start = false;
        options.operation_timeout = seconds(30);
    });
    let shadow = lamp(&client);
    let mut deltas = shadow.deltas().unwrap();
    world.block_on(shadow.report(&color("red"))).unwrap();
    world.broker.script.deaf = true;
    let request = shadow.report(&color("blue"));
    world.settle();
    world.cut();
    world.broker.script.deaf = false;
    let topic = "$aws/things/lamp/shadow/update";
    world
        .broker
        .publish(topic, r#"{"state":{"desired":{"color":"teal"}}}"#);
    world.broker.take_log();
    world.block_on(request).unwrap();
    assert_eq!(world.block_on(deltas.next()).unwrap().state, color("teal"));
    let log = world.broker.take_log().join("\n");
    assert!(!log.contains("subscribe"), "{log}");
}

#[test]
fn a_lost_session_is_subscribed_again_and_the_document_fetched() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    let mut deltas = shadow.deltas().unwrap();
    assert!(world.block_on(shadow.ready()).unwrap().is_none());
    let filters: Vec<String> = world
        .broker
        .filters()
        .iter()
        .map(|f| (*f).to_owned())
        .collect();
    world.cut();
    world.broker.forget();
    let topic = "$aws/things/lamp/shadow/update";
    world
        .broker
        .publish(topic, r#"{"state":{"desired":{"color":"teal"}}}"#);
    assert_eq!(world.block_on(deltas.next()).unwrap().state, color("teal"));
    assert_eq!(world.broker.filters(), filters);
    let document = world.block_on(shadow.ready()).unwrap().unwrap();
    assert_eq!(document.desired.value(), Some(&color("teal")));
}

#[test]
fn a_refused_subscription_is_said_by_name() {
    let (client, mut world) = World::new();
    world.broker.script.refused.push("update/delta");
    let shadow = lamp(&client);
    let _deltas = shadow.deltas().unwrap();
    let error = world.block_on(shadow.ready()).unwrap_err().to_string();
    assert!(
        error.contains("$aws/things/lamp/shadow/update/delta"),
        "{error}"
    );
    world.broker.script.refused.push("get/accepted");
    let config = client
        .shadow(ShadowId::named("lamp", "config").unwrap())
        .unwrap();
    let error = world.block_on(config.get()).unwrap_err().to_string();
    assert!(error.contains("name/config/get/accepted"), "{error}");
}

#[test]
fn subscriptions_end_with_the_last_stream_and_handle() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    let (deltas, documents) = (shadow.deltas().unwrap(), shadow.documents().unwrap());
    world.settle();
    assert_eq!(
        world.broker.filters().len(),
        4,
        "{:?}",
        world.broker.filters()
    );
    drop(documents);
    world.settle();
    assert_eq!(
        world.broker.filters().len(),
        3,
        "{:?}",
        world.broker.filters()
    );
    drop((deltas, shadow));
    world.settle();
    assert_eq!(world.broker.filters(), [""; 0]);
}

#[test]
fn a_watcher_sees_what_others_cause() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    let mut events = shadow.events(Interest::ALL).unwrap();
    let mut documents = shadow.documents().unwrap();
    world.block_on(shadow.ready()).unwrap();
    let topic = "$aws/things/lamp/shadow/update";
    world.broker.publish(
        topic,
        r#"{"state":{"desired":{"color":"teal"}},"clientToken":"theirs"}"#,
    );
    world
        .broker
        .publish(topic, r#"{"state":7,"clientToken":"theirs"}"#);
    let (mut answers, mut others) = (0, 0);
    while answers < 2 || others < 2 {
        match world.block_on(events.next()).unwrap().unwrap() {
            Event::ForeignAnswer { token, .. } => {
                assert_eq!(token.unwrap().as_str(), "theirs");
                answers += 1;
            }
            Event::Delta { .. } | Event::Documents { .. } => others += 1,
            Event::Ready { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let current = world.block_on(documents.next()).unwrap().unwrap().current;
    assert_eq!(current.desired.value(), Some(&color("teal")));
}

#[test]
fn a_slow_reader_of_documents_learns_of_the_gap() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    let mut documents = shadow.documents().unwrap();
    world.block_on(shadow.ready()).unwrap();
    for number in 0..20 {
        let state = Json::from_text(&format!(r#"{{"n":{number}}}"#)).unwrap();
        world.block_on(shadow.report(&state)).unwrap();
    }
    let lagged = world.block_on(documents.next()).unwrap().unwrap_err();
    assert_eq!(lagged.0, 4);
    let first = world.block_on(documents.next()).unwrap().unwrap();
    assert_eq!(first.current.version.number(), 5);
}

#[test]
fn transact_tries_again_when_somebody_else_was_faster() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    world.block_on(shadow.report(&serde_count(1))).unwrap();
    let other = lamp(&client);
    let mut rounds = 0;
    let count_up = shadow.transact(3, |document| {
        rounds += 1;
        if rounds == 1 {
            other.report(&serde_count(5)).detach().unwrap();
        }
        let count = document?
            .reported
            .value()?
            .at("/count")?
            .parse::<u64>()
            .ok()?;
        Some(Change::reported(serde_count(count + 1)))
    });
    let written = world.block_on(count_up).unwrap().unwrap();
    assert!(matches!(written, Accepted::Update(_)));
    assert_eq!(rounds, 2);
    let document = world.block_on(shadow.get()).unwrap();
    assert_eq!(document.reported.value(), Some(&serde_count(6)));
}

fn serde_count(count: u64) -> Json {
    Json::from_text(&format!(r#"{{"count":{count}}}"#)).unwrap()
}

#[test]
fn conflicts_and_errors_at_the_call_are_typed() {
    let (client, mut world) = World::new();
    let shadow = lamp(&client);
    world.block_on(shadow.report(&color("red"))).unwrap();
    let red = color("red");
    let update = Update::reported(&red).if_version(transport_core::Version::new(9));
    assert!(
        world
            .block_on(shadow.update(update))
            .unwrap_err()
            .is_conflict()
    );
    let failure = world.block_on(shadow.report("no object")).unwrap_err();
    assert!(matches!(failure, RequestFailure::Request(_)), "{failure}");
    let map = std::collections::BTreeMap::from([((1, 2), 3)]);
    let failure = world.block_on(shadow.report(&map)).unwrap_err();
    assert!(matches!(failure, RequestFailure::Json(_)), "{failure}");
}

#[test]
fn how_subscriptions_are_kept_is_set_and_other_options_stay() {
    let (client, mut world) = World::new();
    let mut options = ShadowOptions::default();
    options.qos = Some(Qos::AtMostOnce);
    let id = ShadowId::classic("lamp").unwrap();
    let lamp = client.shadow_with(id, options).unwrap();
    let lamp = lamp.subscriptions(Subscriptions::PublishOnly);
    world.settle();
    // At QoS 0, written is all.
    world.broker.script.deaf = true;
    world.block_on(lamp.report(&color("red"))).unwrap();
    assert_eq!(world.broker.filters(), [""; 0]);
}
