//! The embedded C clients: Device-Shadow-for-AWS-IoT-embedded-sdk, its predecessors, FreeRTOS.

use super::script;
use shadow_proto::{
    Accepted, Client, Config, Event, Instant, Interest, Output, RequestOptions, ShadowId,
    SubackCode, TokenPrefix,
};
use std::time::Duration;

// embedded-C#32, #70, #71, #90: "Old Delta Message received", and a third of them was lost.
#[test]
fn a_delta_whose_version_was_seen_on_other_topics_is_not_old() {
    script(
        r#"
add lamp delta documents update-accepted
mode lamp no-resync
connect
> subscribe lamp update/accepted, lamp update/delta, lamp update/documents
suback granted
> ready lamp none not fetched
recv lamp update/documents {"current":{"state":{},"version":5},"timestamp":9}
> documents lamp v5 unknown
recv lamp update/accepted {"state":{},"version":5,"timestamp":9}
> foreign lamp update updated v5
recv lamp update/delta {"state":{"c":1},"version":5,"timestamp":9}
> delta lamp v5 {"c":1} unknown
"#,
    );
}

// embedded-C#15: no way to get at the whole object in the handler of a delta.
#[test]
fn the_message_of_a_delta_is_not_withheld() {
    let now = Instant::ORIGIN;
    let mut config = Config::new(TokenPrefix::new("T").unwrap());
    config.keep_payloads = true;
    config.resync = shadow_proto::Resync::never();
    let mut client = Client::new(config);
    let lamp = ShadowId::classic("lamp").unwrap();
    client.add_shadow(lamp, Interest::DELTA, now).unwrap();
    let whole = r#"{"state":{"c":1},"version":2,"timestamp":9,"unknown":[1]}"#;
    let topic = "$aws/things/lamp/shadow/update/delta";
    client.handle_publish(topic, whole.as_bytes(), now).unwrap();
    let Some(Output::Event(Event::Delta { payload, .. })) = client.poll_output() else {
        panic!()
    };
    assert_eq!(payload.unwrap().as_str(), whole);
}

// embedded-C#17: a crash on nested deltas.
#[test]
fn a_deeply_nested_delta_does_not_crash() {
    let now = Instant::ORIGIN;
    let mut config = Config::new(TokenPrefix::new("T").unwrap());
    config.resync = shadow_proto::Resync::never();
    let mut client = Client::new(config);
    let lamp = ShadowId::classic("lamp").unwrap();
    client.add_shadow(lamp, Interest::DELTA, now).unwrap();
    let deep = r#"{"a":"#.repeat(20_000) + "1" + &"}".repeat(20_000);
    let delta = format!(r#"{{"state":{deep},"version":2}}"#);
    let topic = "$aws/things/lamp/shadow/update/delta";
    client.handle_publish(topic, delta.as_bytes(), now).unwrap();
    let Some(Output::Event(Event::Delta { delta, .. })) = client.poll_output() else {
        panic!()
    };
    assert_eq!(
        delta.state.at(&"/a".repeat(3)).unwrap().len(),
        deep.len() - 18
    );
}

// embedded-C#121, esp-aws-iot#44, esp-aws-iot#9: a busy application turned answers into timeouts.
#[test]
fn an_answer_that_arrived_in_time_is_not_timed_out_because_it_is_handled_late() {
    let at = |seconds| Instant::from_origin(Duration::from_secs(seconds));
    let mut client = Client::new(Config::new(TokenPrefix::new("T").unwrap()));
    let lamp = ShadowId::classic("lamp").unwrap();
    let lamp = client.add_shadow(lamp, Interest::NONE, at(0)).unwrap();
    client.handle_connected(false, at(0));
    let request = client.get(lamp, RequestOptions::default(), at(0)).unwrap();
    let Some(Output::Subscribe { id, filters, .. }) = client.poll_output() else {
        panic!()
    };
    client.handle_suback(id, &vec![SubackCode::new(1); filters.len()], at(0));
    assert!(matches!(client.poll_output(), Some(Output::Publish { .. })));
    assert_eq!(client.poll_timeout(), Some(at(5)));
    // The application was busy from second 1 to second 60; the driver passes the time of arrival.
    let token = client.token(request).unwrap();
    let answer = format!(r#"{{"state":{{}},"version":4,"clientToken":"{token}"}}"#);
    let topic = "$aws/things/lamp/shadow/get/accepted";
    client
        .handle_publish(topic, answer.as_bytes(), at(2))
        .unwrap();
    client.handle_timeout(at(60));
    let Some(Output::Event(Event::Response { outcome, .. })) = client.poll_output() else {
        panic!()
    };
    assert!(matches!(outcome, Ok(Accepted::Get(_))), "{outcome:?}");
    assert_eq!(client.poll_output(), None);
}

// amazon-freertos#322: no word at a disconnect, and subscribing again was left as a TODO.
#[test]
fn a_disconnect_leaves_neither_requests_nor_subscriptions_in_the_dark() {
    script(
        r#"
add lamp update-accepted
connect
> subscribe lamp update/accepted
suback granted
> ready lamp none not fetched
get a lamp
> subscribe lamp get/accepted, lamp get/rejected
suback granted
> publish lamp get {"clientToken":$a} expiry 5
disconnect
connect
> a: disconnected Sent
> subscribe lamp get/accepted, lamp get/rejected, lamp update/accepted
suback granted
> ready lamp none not fetched
"#,
    );
}

// amazon-freertos#995: subscribing and unsubscribing for each request was too slow.
#[test]
fn a_second_request_does_not_subscribe_again() {
    script(
        r#"
add lamp none
connect
get a lamp
> subscribe lamp get/accepted, lamp get/rejected
suback granted
> publish lamp get {"clientToken":$a} expiry 5
recv lamp get/rejected {"code":404,"message":"none","clientToken":"$a"}
> a: rejected 404
tick 1h
get b lamp
> publish lamp get {"clientToken":$b} expiry 5
"#,
    );
}
