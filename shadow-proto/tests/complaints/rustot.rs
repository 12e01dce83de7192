//! rustot, the other Rust client.

use super::script;

// rustot#121, PR rustot#139, PR rustot#141: requests hung for ever after a resumed session.
#[test]
fn a_cut_with_a_resumed_session_does_not_make_a_request_wait_for_ever() {
    script(
        r#"
add lamp none
connect
get a lamp timeout=4s
> subscribe lamp get/accepted, lamp get/rejected
suback granted
> publish lamp get {"clientToken":$a} expiry 4
get b lamp timeout=4s
> publish lamp get {"clientToken":$b} expiry 4
tick 1s
disconnect
tick 1s
connect resumed
recv lamp get/accepted {"state":{},"version":4,"timestamp":9,"clientToken":"$a"}
> a: got v4
tick 2s
> b: timed out Sent
"#,
    );
}

// PR rustot#139: a timeout could not tell "never sent" from "sent, and the answer was lost".
#[test]
fn a_timeout_does_not_hide_whether_the_request_was_sent() {
    script(
        r#"
config window 1 1
add lamp none
get a lamp timeout=1s
tick 1s
> a: timed out Queued
connect
> subscribe lamp get/accepted, lamp get/rejected
get b lamp timeout=1s
tick 1s
> b: timed out Subscribing
suback granted
get c lamp timeout=1s
> publish lamp get {"clientToken":$c} expiry 1
get d lamp timeout=1s
puback 0
tick 1s
> c: timed out Acknowledged
> d: timed out Queued
"#,
    );
}

// PR rustot#119: a future dropped while it waited left silence for ever.
#[test]
fn a_wait_given_up_does_not_silence_what_comes_later() {
    script(
        r#"
add lamp delta
get a lamp
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
cancel a
> a: cancelled Subscribing
suback granted
> publish lamp get {"clientToken":$resync} expiry 5
recv lamp get/accepted {"state":{"delta":{"c":1}},"version":4,"timestamp":9,"clientToken":"$resync"}
> ready lamp v4
> delta lamp v4 {"c":1} unknown
recv lamp update/delta {"state":{"c":2},"version":5,"timestamp":9}
> delta lamp v5 {"c":2} unknown
"#,
    );
}

// rustot#136: one document that could not be read made every start fail, for ever.
#[test]
fn a_poison_document_at_the_start_does_not_stop_the_client() {
    script(
        r#"
config backoff 2s 2s
add lamp delta
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
suback granted
> publish lamp get {"clientToken":$resync} expiry 5
recv lamp get/accepted {"state":7,"version":4,"clientToken":"$resync"}
> undecodable lamp get/accepted 45 bytes: the member `state` is not an object
recv lamp update/delta {"state":{"c":1},"version":5,"timestamp":9}
tick 5s
> resync failed lamp timed out Sent, will retry
> delta lamp v5 {"c":1} unknown
recv lamp update/delta {"state":{"c":2},"version":6,"timestamp":9}
> delta lamp v6 {"c":2} unknown
get a lamp
> publish lamp get {"clientToken":$a} expiry 5
tick 2s
> publish lamp get {"clientToken":$resync} expiry 5
"#,
    );
}

// PR rustot#128: a partial report raced the first get and made a shadow of one key.
#[test]
fn a_partial_report_does_not_overtake_the_first_get() {
    script(
        r#"
config gate
add lamp delta
update a lamp reported {"n":1}
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/accepted, lamp update/rejected, lamp update/delta
suback granted
> publish lamp get {"clientToken":$resync} expiry 5
stage a Queued
recv lamp get/rejected {"code":404,"message":"none","clientToken":"$resync"}
> ready lamp none
> publish lamp update {"state":{"reported":{"n":1}},"clientToken":$a} expiry 5
"#,
    );
}

// PR rustot#130: the whole of desired was applied again at each start.
#[test]
fn a_start_does_not_apply_what_is_reported_already() {
    script(
        r#"
add lamp delta
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
suback granted
> publish lamp get {"clientToken":$resync} expiry 5
recv lamp get/accepted {"state":{"desired":{"a":1,"b":2},"reported":{"a":1},"delta":{"b":2}},"version":4,"timestamp":9,"clientToken":"$resync"}
> ready lamp v4
> delta lamp v4 {"b":2} unknown
disconnect
tick 10s
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
suback granted
> publish lamp get {"clientToken":$resync} expiry 5
recv lamp get/accepted {"state":{"desired":{"a":1,"b":2},"reported":{"a":1,"b":2}},"version":5,"timestamp":9,"clientToken":"$resync"}
> ready lamp v5
"#,
    );
}

// PR rustot#92, #116, #117, #129, #131: removals were lost, and old keys made an endless loop.
#[test]
fn the_removal_of_a_key_is_not_lost_when_updates_are_merged() {
    script(
        r#"
add lamp none
update a lamp desired {"mode":{"rgb":[1],"white":null}} latest
update b lamp reported {"mode":{"white":null}} latest
update c lamp desired {"mode":{"rgb":null,"white":7}} latest
connect
> subscribe lamp update/accepted, lamp update/rejected
suback granted
> publish lamp update {"state":{"desired":{"mode":{"rgb":null,"white":7}},"reported":{"mode":{"white":null}}},"clientToken":$c} expiry 5
"#,
    );
}

// PR rustot#113: the echo was known by a constant token, so two components were one.
#[test]
fn two_requests_of_one_client_are_not_one_origin() {
    script(
        r#"
add lamp documents
mode lamp no-resync
connect
> subscribe lamp update/documents
suback granted
> ready lamp none not fetched
update a lamp reported {"n":1}
> subscribe lamp update/accepted, lamp update/rejected
suback granted
> publish lamp update {"state":{"reported":{"n":1}},"clientToken":$a} expiry 5
update b lamp reported {"n":2}
> publish lamp update {"state":{"reported":{"n":2}},"clientToken":$b} expiry 5
recv lamp update/documents {"current":{"state":{},"version":1},"timestamp":9,"clientToken":"$a"}
> documents lamp v1 by a
recv lamp update/documents {"current":{"state":{},"version":2},"timestamp":9,"clientToken":"$b"}
> documents lamp v2 by b
"#,
    );
}

// PR rustot#105: an UNSUBSCRIBE that came late ended the next request's subscription.
#[test]
fn a_filter_wanted_again_while_it_is_given_up_does_not_stay_given_up() {
    script(
        r#"
add lamp none
mode lamp per-request=0s
connect
get a lamp
> subscribe lamp get/accepted, lamp get/rejected
suback granted
> publish lamp get {"clientToken":$a} expiry 5
recv lamp get/rejected {"code":404,"message":"none","clientToken":"$a"}
> a: rejected 404
> unsubscribe lamp get/accepted, lamp get/rejected
get b lamp
> subscribe lamp get/accepted, lamp get/rejected
unsuback
stage b Subscribing
suback granted
> publish lamp get {"clientToken":$b} expiry 5
"#,
    );
}

// Read in the version before: a get without delta overwrote the local state with `reported`.
#[test]
fn a_get_without_difference_does_not_look_like_a_delta() {
    script(
        r#"
add lamp delta
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
suback granted
> publish lamp get {"clientToken":$resync} expiry 5
recv lamp get/accepted {"state":{"reported":{"c":1}},"version":4,"timestamp":9,"clientToken":"$resync"}
> ready lamp v4
stats deltas=0
"#,
    );
}
