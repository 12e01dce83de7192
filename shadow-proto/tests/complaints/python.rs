//! The Python SDK, version 1 (aws-iot-device-sdk-python).

use super::script;
use shadow_proto::{
    Client, Config, Event, Instant, Interest, Json, Output, RequestError, RequestOptions, ShadowId,
    SubackCode, TokenPrefix, Update,
};

// python#92, python#94: its watermark was raised by the answer, and muted the delta.
#[test]
fn a_delta_of_the_version_of_an_accepted_update_is_not_muted() {
    script(
        r#"
add lamp delta
mode lamp no-resync
connect
> subscribe lamp update/delta
suback granted
> ready lamp none not fetched
update a lamp desired {"c":1}
> subscribe lamp update/accepted, lamp update/rejected
suback granted
> publish lamp update {"state":{"desired":{"c":1}},"clientToken":$a} expiry 5
recv lamp update/accepted {"state":{"desired":{"c":1}},"version":8,"timestamp":9,"clientToken":"$a"}
> a: updated v8
recv lamp update/delta {"state":{"c":1},"version":8,"timestamp":9,"clientToken":"$a"}
> delta lamp v8 {"c":1} by a
recv lamp update/delta {"state":{"c":1},"version":8,"timestamp":9,"clientToken":"$a"}
"#,
    );
}

// Read in deviceShadow.py: a get that confirmed the version set the watermark back.
#[test]
fn a_stale_delta_is_not_delivered_after_a_get_confirmed_the_version() {
    script(
        r#"
add lamp delta
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
suback granted
> publish lamp get {"clientToken":$resync} expiry 5
recv lamp get/accepted {"state":{},"version":9,"timestamp":9,"clientToken":"$resync"}
> ready lamp v9
get a lamp
> publish lamp get {"clientToken":$a} expiry 5
recv lamp get/accepted {"state":{},"version":9,"timestamp":10,"clientToken":"$a"}
> a: got v9
recv lamp update/delta {"state":{"c":1},"version":3,"timestamp":5}
"#,
    );
}

// python#52, PR python#62: a lock stayed held; the token stayed in the pool for good.
#[test]
fn a_subscribe_that_fails_leaks_no_token_and_blocks_no_later_request() {
    script(
        r#"
add lamp none
connect
get a lamp token=mine timeout=500ms
> subscribe lamp get/accepted, lamp get/rejected
suback-failed
tick 500ms
> a: timed out Subscribing
outstanding 0
get b lamp token=mine
tick 1500ms
> subscribe lamp get/accepted, lamp get/rejected
suback granted
> publish lamp get {"clientToken":$b} expiry 4
recv lamp get/rejected {"code":404,"message":"none","clientToken":"mine"}
> b: rejected 404
"#,
    );
}

// python#77, python#82, python#97: a call from a callback hung or timed out.
#[test]
fn calling_the_client_from_the_handling_of_an_event_neither_hangs_nor_loses_anything() {
    let now = Instant::ORIGIN;
    let mut client = Client::new(Config::new(TokenPrefix::new("T").unwrap()));
    let lamp = ShadowId::classic("lamp").unwrap();
    let lamp = client.add_shadow(lamp, Interest::DELTA, now).unwrap();
    client.handle_connected(false, now);
    let (mut reported, mut answered) = (0, 0);
    let mut deltas = (1..=5).map(|version| format!(r#"{{"state":{{"c":1}},"version":{version}}}"#));
    loop {
        let Some(output) = client.poll_output() else {
            let Some(delta) = deltas.next() else { break };
            let topic = "$aws/things/lamp/shadow/update/delta";
            client.handle_publish(topic, delta.as_bytes(), now).unwrap();
            continue;
        };
        match output {
            Output::Subscribe { id, filters, .. } => {
                client.handle_suback(id, &vec![SubackCode::new(1); filters.len()], now);
            }
            Output::Publish { topic, payload, .. } => {
                let text = std::str::from_utf8(&payload).unwrap();
                let token = text.split_once("clientToken\":\"").unwrap().1;
                let answer = format!(r#"{{"code":403,"message":"no","clientToken":"{token}"#);
                let topic = format!("{topic}/rejected");
                client
                    .handle_publish(&topic, answer.as_bytes(), now)
                    .unwrap();
            }
            // From within the loop that hands events out.
            Output::Event(Event::Delta { shadow, .. }) => {
                let state = Json::from_text(r#"{"c":1}"#).unwrap();
                client
                    .update(shadow, Update::reported(&state), now)
                    .unwrap();
                reported += 1;
            }
            Output::Event(Event::Response { shadow, .. }) => {
                answered += 1;
                assert_eq!(shadow, lamp);
                client.register(shadow, Interest::DELTA, now).unwrap();
            }
            Output::Event(_) | Output::Unsubscribe { .. } => {}
        }
    }
    assert!(
        reported > 0 && answered == reported,
        "{reported} {answered}"
    );
}

// python#194: two seconds of sleep after every subscribe, under a lock all shadows shared.
#[test]
fn a_request_goes_out_with_the_suback_and_not_two_seconds_later() {
    script(
        r#"
add lamp none
add fan none
connect
get a lamp
> subscribe lamp get/accepted, lamp get/rejected
get b fan
> subscribe fan get/accepted, fan get/rejected
tick 100ms
suback granted
> publish lamp get {"clientToken":$a} expiry 5
suback granted
> publish fan get {"clientToken":$b} expiry 5
"#,
    );
}

// python#257: the timer and the answer raced for the token.
#[test]
fn an_answer_around_the_deadline_makes_no_second_outcome() {
    script(
        r#"
add lamp none
connect
get a lamp timeout=2s
> subscribe lamp get/accepted, lamp get/rejected
suback granted
> publish lamp get {"clientToken":$a} expiry 2
get b lamp timeout=2s
> publish lamp get {"clientToken":$b} expiry 2
tick 1999ms
recv lamp get/accepted {"state":{},"version":1,"timestamp":9,"clientToken":"$a"}
> a: got v1
tick 1ms
> b: timed out Sent
recv lamp get/accepted {"state":{},"version":1,"timestamp":9,"clientToken":"$b"}
> late b: got v1
recv lamp get/accepted {"state":{},"version":1,"timestamp":9,"clientToken":"$a"}
"#,
    );
}

// python#113: QoS 0 was wired in, and messages were lost in silence.
#[test]
fn requests_and_subscriptions_are_not_sent_at_qos_0_unless_asked() {
    script(
        r#"
add lamp delta
mode lamp no-resync
connect
> subscribe lamp update/delta
add fan delta
> subscribe fan get/accepted, fan get/rejected, fan update/delta
mode fan qos0 no-resync
update a lamp reported {}
> subscribe lamp update/accepted, lamp update/rejected
suback granted
> ready lamp none not fetched
suback granted
> ready fan none not fetched
suback granted
> publish lamp update {"state":{"reported":{}},"clientToken":$a} expiry 5
update b fan reported {}
> subscribe qos 0 fan update/accepted, fan update/rejected
suback granted
> publish qos 0 fan update {"state":{"reported":{}},"clientToken":$b} expiry 5
"#,
    );
}

// python#260, python#291, PR python#261: classic shadows only.
#[test]
fn named_shadows_are_not_refused_and_not_mixed_up() {
    script(
        r#"
add lamp delta
mode lamp no-resync
add lamp~night delta
mode lamp~night no-resync
connect
> subscribe lamp update/delta, lamp~night update/delta
suback granted
> ready lamp none not fetched
> ready lamp~night none not fetched
recv lamp~night update/delta {"state":{"c":1},"version":1,"timestamp":9}
> delta lamp~night v1 {"c":1} unknown
recv lamp update/delta {"state":{"c":2},"version":1,"timestamp":9}
> delta lamp v1 {"c":2} unknown
"#,
    );
}

// python#156, python#187, python#100: "the callback never fires", and nothing said why.
#[test]
fn a_refused_subscription_is_not_met_with_silence() {
    script(
        r#"
add lamp delta
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
suback 1,1,135
> refused lamp update/delta 0x87 not authorized
> publish lamp get {"clientToken":$resync} expiry 5
subscriptions lamp 3 2
"#,
    );
}

// python#7: an exception out of nowhere when the network blinked.
#[test]
fn offline_a_request_waits_or_fails_as_the_caller_chose() {
    script(
        r#"
add lamp none
get a lamp
get b lamp fail
> b: not sent Queued there is no connection
connect
> subscribe lamp get/accepted, lamp get/rejected
suback granted
> publish lamp get {"clientToken":$a} expiry 5
"#,
    );
}

// python#124: no reconnect after a day; the core at least takes up everything again.
#[test]
fn after_a_day_without_connection_nothing_stays_unsubscribed() {
    script(
        r#"
add lamp delta
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
suback granted
> publish lamp get {"clientToken":$resync} expiry 5
recv lamp get/accepted {"state":{},"version":4,"timestamp":9,"clientToken":"$resync"}
> ready lamp v4
disconnect
tick 24h
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
suback granted
> publish lamp get {"clientToken":$resync} expiry 5
recv lamp get/accepted {"state":{"delta":{"c":1}},"version":9,"timestamp":9,"clientToken":"$resync"}
> ready lamp v9
> delta lamp v9 {"c":1} unknown
"#,
    );
}

// Read in deviceShadow.py: one callback slot for each operation, the newest got all answers.
#[test]
fn two_gets_at_once_do_not_share_one_callback_slot() {
    script(
        r#"
add lamp none
connect
get a lamp
> subscribe lamp get/accepted, lamp get/rejected
suback granted
> publish lamp get {"clientToken":$a} expiry 5
get b lamp
> publish lamp get {"clientToken":$b} expiry 5
recv lamp get/accepted {"state":{"reported":{"n":2}},"version":2,"timestamp":9,"clientToken":"$b"}
> b: got v2 reported {"n":2}
recv lamp get/accepted {"state":{"reported":{"n":1}},"version":1,"timestamp":9,"clientToken":"$a"}
> a: got v1 reported {"n":1}
"#,
    );
}

// Read in deviceShadow.py: JSON that is no object leaked a token before it raised.
#[test]
fn state_that_is_no_object_is_refused_before_anything_is_kept_of_it() {
    let now = Instant::ORIGIN;
    let mut client = Client::new(Config::new(TokenPrefix::new("T").unwrap()));
    let lamp = ShadowId::classic("lamp").unwrap();
    let lamp = client.add_shadow(lamp, Interest::NONE, now).unwrap();
    client.handle_connected(false, now);
    let list = Json::from_text("[1]").unwrap();
    let mut options = RequestOptions::default();
    options.token = Some("mine");
    let update = Update::desired(&list).with_options(options);
    let refused = client.update(lamp, update, now);
    let section = "desired";
    assert_eq!(refused, Err(RequestError::NotAnObject { section }));
    assert_eq!((client.outstanding(), client.poll_output()), (0, None));
    assert!(client.get(lamp, options, now).is_ok(), "the token is free");
}

// Run against it: after somebody else's delete and a new shadow, deltas stayed muted.
#[test]
fn a_foreign_delete_does_not_mute_the_deltas_of_the_new_shadow() {
    script(
        r#"
add lamp delta delete-accepted
mode lamp no-resync
connect
> subscribe lamp delete/accepted, lamp update/delta
suback granted
> ready lamp none not fetched
recv lamp update/delta {"state":{"c":1},"version":50,"timestamp":10}
> delta lamp v50 {"c":1} unknown
recv lamp delete/accepted {"version":50,"timestamp":11,"clientToken":"x"}
> deleted lamp foreign
> foreign lamp delete deleted v50 token x
recv lamp update/delta {"state":{"c":2},"version":1,"timestamp":30}
> delta lamp v1 {"c":2} unknown
recv lamp update/delta {"state":{"c":1},"version":49,"timestamp":9}
"#,
    );
}

// Run against it: such payloads raised in the dispatcher, and the client went deaf.
#[test]
fn payloads_of_wrong_types_do_not_make_the_client_deaf() {
    script(
        r#"
add lamp delta
mode lamp no-resync
connect
> subscribe lamp update/delta
suback granted
> ready lamp none not fetched
recv lamp update/delta []
> undecodable lamp update/delta 2 bytes: invalid type: sequence, expected a JSON object at line 1 column 0
recv lamp update/delta {"state":{},"version":"5"}
> undecodable lamp update/delta 26 bytes: invalid type: string "5", expected u64 at line 1 column 25
recv lamp update/delta {"state":{},"version":1.5}
> undecodable lamp update/delta 26 bytes: invalid type: floating point `1.5`, expected u64 at line 1 column 25
recv lamp update/delta {"state":{},"version":1,"clientToken":7}
> undecodable lamp update/delta 40 bytes: invalid type: integer `7`, expected a string at line 1 column 39
recv lamp update/delta {"state":{"c":1},"version":2,"timestamp":9}
> delta lamp v2 {"c":1} unknown
"#,
    );
}
