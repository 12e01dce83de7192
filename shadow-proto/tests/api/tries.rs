//! Several tries of one request: what tells them apart, and what is known of each.

use crate::harness::{NOW, config, lamp, receive, token_in, watched};
use shadow_proto::{
    Client, Event, Interest, Json, Output, PubackCode, Qos, RequestOptions, Resync, ShadowOptions,
    Stage, Subscriptions, Update,
};

/// What is published next, acknowledged if the broker is to have it.
fn published(client: &mut Client, acknowledged: bool) -> String {
    while let Some(output) = client.poll_output() {
        if let Output::Publish { id, payload, .. } = output {
            if acknowledged {
                client.handle_puback(id, PubackCode::SUCCESS, NOW);
            }
            return String::from_utf8(payload.into()).unwrap();
        }
    }
    panic!("nothing is published")
}

/// The try with this payload is rejected with 429, and the next one is due.
fn slow_down(client: &mut Client, payload: &str) {
    let token = token_in(payload);
    let rejected = format!(r#"{{"code":429,"message":"slow down","clientToken":"{token}"}}"#);
    receive(client, "update/rejected", &rejected);
    let again = client.poll_timeout().unwrap();
    client.handle_timeout(again);
}

#[test]
fn however_often_it_is_told_to_slow_down_a_request_changed_nothing() {
    let (mut client, shadow) = watched(config());
    let red = Json::from_text(r#"{"color":"red"}"#).unwrap();
    let request = client.update(shadow, Update::reported(&red), NOW).unwrap();
    for _ in 0..3 {
        let payload = published(&mut client, true);
        assert_eq!(client.stage(request), Some(Stage::Acknowledged));
        slow_down(&mut client, &payload);
        assert_eq!(
            client.stage(request),
            Some(Stage::Queued),
            "it may be made anew by whoever asked"
        );
    }
}

#[test]
fn after_a_delete_the_answer_to_a_later_try_is_of_the_new_shadow() {
    let (mut client, shadow) = watched(config());
    let version = |client: &mut Client, suffix: &str, version: u32| {
        let message = format!(r#"{{"state":{{"a":1}},"version":{version},"timestamp":100}}"#);
        receive(client, suffix, &message);
    };
    version(&mut client, "update/delta", 10);
    let red = Json::from_text(r#"{"color":"red"}"#).unwrap();
    client.update(shadow, Update::reported(&red), NOW).unwrap();
    let first = published(&mut client, true);
    // Another client deletes the shadow; the service's clock does not move on meanwhile.
    receive(
        &mut client,
        "delete/accepted",
        r#"{"version":10,"timestamp":100}"#,
    );
    slow_down(&mut client, &first);
    let second = published(&mut client, true);
    let token = token_in(&second);
    let accepted = format!(
        r#"{{"state":{{"reported":{{"color":"red"}}}},"version":1,"timestamp":100,"clientToken":"{token}"}}"#
    );
    receive(&mut client, "update/accepted", &accepted);
    version(&mut client, "update/delta", 2);
    let mut told = Vec::new();
    while let Some(output) = client.poll_output() {
        if let Output::Event(Event::Delta { delta, .. }) = output {
            told.push(delta.version.number());
        }
    }
    assert_eq!(told, [2], "it counts from one again");
}

#[test]
fn what_is_published_only_has_a_token_if_somebody_asked_for_one() {
    let mut config = config();
    config.subscriptions = Subscriptions::PublishOnly;
    let mut client = Client::new(config);
    let shadow = client.add_shadow(lamp(), Interest::NONE, NOW).unwrap();
    client.handle_connected(false, NOW);
    client.get(shadow, RequestOptions::default(), NOW).unwrap();
    assert_eq!(published(&mut client, true), "");
    let mut own = RequestOptions::default();
    own.token = Some("app-17");
    client.get(shadow, own, NOW).unwrap();
    assert_eq!(published(&mut client, true), r#"{"clientToken":"app-17"}"#);
    let mut reserved = RequestOptions::default();
    reserved.reserve_token = true;
    let request = client.get(shadow, reserved, NOW).unwrap();
    let token = client.token(request).unwrap();
    assert_eq!(
        published(&mut client, true),
        format!(r#"{{"clientToken":"{token}"}}"#)
    );
}

#[test]
fn what_was_set_for_a_shadow_can_be_read() {
    let mut client = Client::new(config());
    let shadow = client.add_shadow(lamp(), Interest::NONE, NOW).unwrap();
    let read = |client: &Client| client.shadow_options(shadow).map(|options| options.qos);
    assert_eq!(read(&client), Some(None));
    let mut options = ShadowOptions::default();
    options.qos = Some(Qos::AtMostOnce);
    options.resync = Some(Resync::never());
    client.configure(shadow, options, NOW).unwrap();
    assert_eq!(read(&client), Some(Some(Qos::AtMostOnce)));
    client.remove_shadow(shadow, NOW).unwrap();
    assert_eq!(read(&client), None);
}
