//! The second service clients of the SDKs version 2, over a request-response engine.

use super::script;
use shadow_proto::{TopicKind, Update, Version, wire};

// Read in request_response_client.h: one timeout for the whole client, and no way to cancel.
#[test]
fn requests_do_not_share_one_timeout_and_can_be_cancelled() {
    script(
        r#"
add lamp none
connect
get a lamp timeout=1s
> subscribe lamp get/accepted, lamp get/rejected
suback granted
> publish lamp get {"clientToken":$a} expiry 1
get b lamp timeout=3s
> publish lamp get {"clientToken":$b} expiry 3
get c lamp
> publish lamp get {"clientToken":$c} expiry 5
cancel c
> c: cancelled Sent
tick 1s
> a: timed out Sent
tick 2s
> b: timed out Sent
"#,
    );
}

// Read in request_response_client.c: logged, dropped, and the request timed out without a word.
#[test]
fn a_rejection_without_token_does_not_vanish() {
    script(
        r#"
add lamp none
connect
get a lamp timeout=1s
> subscribe lamp get/accepted, lamp get/rejected
suback granted
> publish lamp get {"clientToken":$a} expiry 1
recv lamp get/rejected {"code":400,"message":"bad token"}
> unattributed lamp get 400 maybe a
tick 1s
> a: timed out Sent hint 400
"#,
    );
}

// Read in iotshadow.py, java#167: the caller's token was overwritten.
#[test]
fn a_callers_token_is_not_overwritten() {
    script(
        r#"
add lamp none
connect
update a lamp reported {} token=order-66
> subscribe lamp update/accepted, lamp update/rejected
suback granted
> publish lamp update {"state":{"reported":{}},"clientToken":$a} expiry 5
token a order-66
recv lamp update/accepted {"state":{},"version":1,"timestamp":9,"clientToken":"order-66"}
> a: updated v1
"#,
    );
}

// Read in subscription_manager.c: mixed operations subscribed and unsubscribed in turn.
#[test]
fn mixed_operations_do_not_churn_subscriptions() {
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
delete b lamp
> subscribe lamp delete/accepted, lamp delete/rejected
suback granted
> publish lamp delete {"clientToken":$b} expiry 5
recv lamp delete/rejected {"code":404,"message":"none","clientToken":"$b"}
> b: rejected 404
get c lamp
> publish lamp get {"clientToken":$c} expiry 5
delete d lamp
> publish lamp delete {"clientToken":$d} expiry 5
"#,
    );
}

// Read in the stream classes: no versions, no duplicates, no fetching after a loss.
#[test]
fn a_delta_stream_does_not_repeat_go_back_or_miss_what_came_while_it_was_cut() {
    script(
        r#"
add lamp delta
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
suback granted
> publish lamp get {"clientToken":$resync} expiry 5
recv lamp get/accepted {"state":{},"version":4,"timestamp":9,"clientToken":"$resync"}
> ready lamp v4
recv lamp update/delta {"state":{"c":1},"version":6,"timestamp":9}
> delta lamp v6 {"c":1} unknown
recv lamp update/delta {"state":{"c":1},"version":6,"timestamp":9}
recv lamp update/delta {"state":{"c":0},"version":5,"timestamp":9}
disconnect
tick 10s
connect resumed
> publish lamp get {"clientToken":$resync} expiry 5
recv lamp get/accepted {"state":{"delta":{"c":2}},"version":8,"timestamp":9,"clientToken":"$resync"}
> ready lamp v8
> delta lamp v8 {"c":2} unknown
"#,
    );
}

// Read in iotshadow.py: times became local ones without a zone.
#[test]
fn times_are_not_turned_into_local_ones() {
    let payload = br#"{"state":{},"version":1,"timestamp":1767225600}"#;
    let Ok(wire::Message::Delta(delta)) = wire::decode(TopicKind::UpdateDelta, payload) else {
        panic!()
    };
    assert_eq!(delta.timestamp.unwrap().seconds(), 1_767_225_600);
}

// Read in iotshadow's v2utils.ts: a condition on version 0 was falsy, and was not sent.
#[test]
fn a_condition_on_version_zero_is_not_lost() {
    let update = Update::clear().if_version(Version::new(0));
    assert_eq!(update.to_payload(), br#"{"state":null,"version":0}"#);
}
