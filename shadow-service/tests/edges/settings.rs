//! Policies, rates, topics and the order of messages.

use crate::{NOW, lamp, rejected, service, update, with};
use core::time::Duration;
use shadow_service::{
    DeltaPolicy, Ignored, MessageOrder, Rate, Service, UnixTime,
    shadow_proto::{ShadowId, TopicPrefix},
};

#[test]
fn the_delta_policy() {
    let events = |service: &mut Service, payload: &str| {
        let answer = service.update(&lamp(), payload.as_bytes(), NOW).unwrap();
        answer.events.len()
    };
    let mut every = service();
    let mut changed = with(|settings| settings.behaviour.delta = DeltaPolicy::WhenChanged);
    for (payload, in_every, in_changed) in [
        (r#"{"state":{"desired":{"a":1,"b":{"c":2}}}}"#, 2, 2),
        (r#"{"state":{"reported":{"x":1}}}"#, 2, 1),
        (r#"{"state":{"desired":{"a":1.0}}}"#, 2, 1),
        (r#"{"state":{"reported":{"a":1}}}"#, 2, 2),
        (r#"{"state":{"reported":{"b":{"c":2}}}}"#, 1, 1),
        (r#"{"state":{"reported":null}}"#, 2, 2),
    ] {
        assert_eq!(events(&mut every, payload), in_every, "{payload}");
        assert_eq!(events(&mut changed, payload), in_changed, "{payload}");
    }
}

#[test]
fn rates() {
    let mut service = with(|settings| settings.rate = Some(Rate::AWS));
    let at = |ms: u64| UnixTime::since_epoch(Duration::from_millis(1_767_225_600_000 + ms));
    let request = br#"{"state":{},"clientToken":"t"}"#;
    for number in 0..20 {
        assert!(service.update(&lamp(), request, at(number)).is_ok());
    }
    let rejection = service.update(&lamp(), request, at(20)).unwrap_err();
    assert_eq!(
        rejection.payload(),
        r#"{"code":429,"message":"TOO_MANY_REQUESTS","clientToken":"t"}"#
    );
    let named = ShadowId::named("lamp", "x").unwrap();
    assert!(
        service.get(&named, b"", at(20)).is_err(),
        "the thing's, not the shadow's"
    );
    let other = ShadowId::classic("other").unwrap();
    assert!(service.update(&other, request, at(20)).is_ok());
    assert!(service.update(&lamp(), request, at(50)).is_ok());

    let mut quiet = with(|settings| {
        settings.rate = Some(Rate::new(1, 1));
        settings.behaviour.echo_throttled_token = false;
    });
    update(&mut quiet, request);
    assert_eq!(
        update(&mut quiet, request),
        rejected(429, "TOO_MANY_REQUESTS")
    );
}

#[test]
fn messages_that_are_no_requests() {
    let mut service = service();
    for (topic, ignored) in [
        (
            "$aws/things/lamp/shadow/update/accepted",
            Ignored::NotARequest,
        ),
        ("$aws/things/lamp/shadow/update/delta", Ignored::NotARequest),
        (
            "$aws/things/lamp/shadow/name/x/get/rejected",
            Ignored::NotARequest,
        ),
        ("$aws/things/lamp/shadow", Ignored::NotAShadowTopic),
        ("$aws/things/lamp/jobs/get", Ignored::NotAShadowTopic),
        ("site/things/lamp/shadow/get", Ignored::NotAShadowTopic),
        ("", Ignored::NotAShadowTopic),
    ] {
        assert_eq!(
            service.handle_publish(topic, b"{}", NOW).unwrap_err(),
            ignored,
            "{topic}"
        );
    }
    assert!(service.store().is_empty());
}

#[test]
fn another_prefix() {
    let mut service = with(|settings| settings.prefix = TopicPrefix::new("site/1").unwrap());
    let request = br#"{"state":{"desired":{"a":1}}}"#;
    let topic = "site/1/things/lamp/shadow/name/x/update";
    let handled = service.handle_publish(topic, request, NOW).unwrap();
    for message in &handled.messages {
        assert!(
            message
                .topic
                .starts_with("site/1/things/lamp/shadow/name/x/update/")
        );
    }
    let aws = "$aws/things/lamp/shadow/get";
    assert_eq!(
        service.handle_publish(aws, b"", NOW),
        Err(Ignored::NotAShadowTopic)
    );
}

#[test]
fn shuffling_is_drawn_from_the_seed() {
    let orders = |seed| {
        let mut service = with(|settings| settings.order = MessageOrder::Shuffled { seed });
        let topic = "$aws/things/lamp/shadow/update";
        let request = br#"{"state":{"desired":{"a":1}}}"#;
        let orders = (0..50).map(|_| {
            let messages = service
                .handle_publish(topic, request, NOW)
                .unwrap()
                .messages;
            messages
                .into_iter()
                .map(|message| message.topic)
                .collect::<Vec<_>>()
        });
        orders.collect::<Vec<_>>()
    };
    assert_eq!(orders(1), orders(1));
    assert_ne!(orders(1), orders(2));
    let mut seen = orders(1);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 6, "every order occurs");
}
