//! The first service clients of the SDKs version 2 (`IotShadowClient`).

use super::script;
use shadow_proto::{Json, Section, Update};

// python-v2#110, js#134, python#56, java#57: the future ended with the PUBACK.
#[test]
fn the_outcome_is_not_the_puback_but_the_answer() {
    script(
        r#"
add lamp none
connect
update a lamp reported {}
> subscribe lamp update/accepted, lamp update/rejected
suback granted
> publish lamp update {"state":{"reported":{}},"clientToken":$a} expiry 5
puback 0
stage a Acknowledged
recv lamp update/rejected {"code":403,"message":"no","clientToken":"$a"}
> a: rejected 403
"#,
    );
}

// python-v2#67, python-v2#114, cpp-v2#30: "not set" and "null" shared a value.
#[test]
fn a_section_that_is_not_set_is_not_cleared_and_one_that_is_cleared_is_null() {
    let state = Json::from_text(r#"{"c":null}"#).unwrap();
    let mut update = Update::reported(&state);
    assert_eq!(update.to_payload(), br#"{"state":{"reported":{"c":null}}}"#);
    update.desired = Section::Clear;
    let both = br#"{"state":{"desired":null,"reported":{"c":null}}}"#;
    assert_eq!(update.to_payload(), both);
    assert_eq!(Update::clear().to_payload(), br#"{"state":null}"#);
}

// js-v2#263, cpp-v2#400, cpp-v2#115: after an interrupt the callbacks stayed silent.
#[test]
fn after_a_lost_session_the_subscriptions_do_not_stay_lost() {
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
tick 10s
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
suback granted
> publish lamp get {"clientToken":$resync} expiry 5
recv lamp get/accepted {"state":{"delta":{"c":1}},"version":5,"timestamp":9,"clientToken":"$resync"}
> ready lamp v5
> delta lamp v5 {"c":1} unknown
"#,
    );
}

// python-v2#571: the events of a wildcard subscription did not say of which shadow they are.
#[test]
fn events_do_not_leave_out_which_shadow_they_are_about() {
    script(
        r#"
add lamp update-accepted
add fan update-accepted
connect
> subscribe lamp update/accepted, fan update/accepted
suback granted
> ready lamp none not fetched
> ready fan none not fetched
recv fan update/accepted {"state":{},"version":1,"timestamp":9,"clientToken":"x"}
> foreign fan update updated v1 token x
recv lamp update/accepted {"state":{},"version":1,"timestamp":9,"clientToken":"x"}
> foreign lamp update updated v1 token x
"#,
    );
}

// python-v2#328, PR java-v2#292, js#306: the token was missing from deltas and documents.
#[test]
fn deltas_and_documents_do_not_hide_whose_update_they_follow() {
    script(
        r#"
add lamp delta documents
mode lamp no-resync
connect
> subscribe lamp update/delta, lamp update/documents
suback granted
> ready lamp none not fetched
update a lamp desired {"c":1}
> subscribe lamp update/accepted, lamp update/rejected
suback granted
> publish lamp update {"state":{"desired":{"c":1}},"clientToken":$a} expiry 5
recv lamp update/documents {"current":{"state":{},"version":5},"timestamp":9,"clientToken":"$a"}
> documents lamp v5 by a
recv lamp update/delta {"state":{"c":1},"version":5,"timestamp":9,"clientToken":"$a"}
> delta lamp v5 {"c":1} by a
recv lamp update/documents {"current":{"state":{},"version":6},"timestamp":9,"clientToken":"app"}
> documents lamp v6 foreign
recv lamp update/delta {"state":{"c":2},"version":6,"timestamp":9}
> delta lamp v6 {"c":2} unknown
"#,
    );
}

// cpp-v2#806: the application crashed on the second copy of a QoS 1 message.
#[test]
fn the_second_copy_of_a_qos_1_message_is_not_a_second_event() {
    script(
        r#"
add lamp all
mode lamp no-resync
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/accepted, lamp update/rejected, lamp delete/accepted, lamp delete/rejected, lamp update/delta, lamp update/documents
suback granted
> ready lamp none not fetched
get a lamp
> publish lamp get {"clientToken":$a} expiry 5
recv lamp get/accepted {"state":{},"version":4,"timestamp":9,"clientToken":"$a"}
> a: got v4
recv lamp get/accepted {"state":{},"version":4,"timestamp":9,"clientToken":"$a"}
recv lamp update/accepted {"state":{},"version":5,"timestamp":9,"clientToken":"x"}
> foreign lamp update updated v5 token x
recv lamp update/accepted {"state":{},"version":5,"timestamp":9,"clientToken":"x"}
recv lamp update/delta {"state":{"c":1},"version":5,"timestamp":9}
> delta lamp v5 {"c":1} unknown
recv lamp update/delta {"state":{"c":1},"version":5,"timestamp":9}
recv lamp update/documents {"current":{"state":{},"version":5},"timestamp":9}
> documents lamp v5 unknown
recv lamp update/documents {"current":{"state":{},"version":5},"timestamp":9}
recv lamp delete/accepted {"version":5,"timestamp":9,"clientToken":"x"}
> deleted lamp foreign
> foreign lamp delete deleted v5 token x
recv lamp delete/accepted {"version":5,"timestamp":9,"clientToken":"x"}
"#,
    );
}

// python-v2#481: answers minutes late; what was not confirmed for long is looked at again.
#[test]
fn a_document_that_nobody_confirmed_for_long_does_not_count_as_known() {
    script(
        r#"
config max-age 60s
add lamp delta
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
suback granted
> publish lamp get {"clientToken":$resync} expiry 5
recv lamp get/accepted {"state":{},"version":4,"timestamp":9,"clientToken":"$resync"}
> ready lamp v4
tick 60s
> publish lamp get {"clientToken":$resync} expiry 5
tick 5s
> resync failed lamp timed out Sent, will retry
"#,
    );
}

// cpp-v2#296, PR python-v2#204: deltas and answers came before anybody was subscribed.
#[test]
fn nothing_is_published_before_its_answers_are_subscribed() {
    script(
        r#"
add lamp delta
get a lamp
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
tick 1s
suback 1,135,1
> refused lamp get/rejected 0x87 not authorized
> a: subscribe refused Subscribing
> resync failed lamp subscribe refused Subscribing, will not retry
get b lamp
> subscribe lamp get/rejected
suback granted
> publish lamp get {"clientToken":$b} expiry 5
"#,
    );
}
