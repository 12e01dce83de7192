//! The JavaScript SDK, version 1 (`thingShadow`).

use super::script;

// js#134, ios#565: one operation at a time, the next call returned null.
#[test]
fn a_second_operation_is_not_refused_while_one_is_under_way() {
    script(
        r#"
config window 2 2
add lamp none
connect
get a lamp
> subscribe lamp get/accepted, lamp get/rejected
suback granted
> publish lamp get {"clientToken":$a} expiry 5
get b lamp
> publish lamp get {"clientToken":$b} expiry 5
get c lamp
recv lamp get/rejected {"code":404,"message":"none","clientToken":"$b"}
> b: rejected 404
> publish lamp get {"clientToken":$c} expiry 5
"#,
    );
}

// js#80, ios#1159: updates right after `register` timed out; people waited five seconds.
#[test]
fn an_update_right_after_adding_a_shadow_does_not_time_out() {
    script(
        r#"
connect
add lamp delta
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
update a lamp reported {}
> subscribe lamp update/accepted, lamp update/rejected
suback granted
> publish lamp get {"clientToken":$resync} expiry 5
suback granted
> publish lamp update {"state":{"reported":{}},"clientToken":$a} expiry 5
recv lamp update/accepted {"state":{},"version":1,"timestamp":9,"clientToken":"$a"}
> a: updated v1
"#,
    );
}

// js#100, embedded-C#87, js#35, js#92, js#51: what changed during an outage was never told.
#[test]
fn a_delta_missed_during_an_outage_is_delivered_after_it() {
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
tick 1h
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
suback granted
> publish lamp get {"clientToken":$resync} expiry 5
recv lamp get/accepted {"state":{"desired":{"a":1,"b":1},"reported":{"a":1},"delta":{"b":1}},"version":7,"timestamp":9,"clientToken":"$resync"}
> ready lamp v7
> delta lamp v7 {"b":1} unknown
"#,
    );
}

// js#68: after a delete the stored version stayed high; everything was discarded.
#[test]
fn after_our_own_delete_the_new_shadow_is_not_discarded() {
    script(
        r#"
add lamp delta
connect
> subscribe lamp get/accepted, lamp get/rejected, lamp update/delta
suback granted
> publish lamp get {"clientToken":$resync} expiry 5
recv lamp get/accepted {"state":{},"version":40,"timestamp":9,"clientToken":"$resync"}
> ready lamp v40
delete a lamp
> subscribe lamp delete/accepted, lamp delete/rejected
suback granted
> publish lamp delete {"clientToken":$a} expiry 5
recv lamp delete/accepted {"version":40,"timestamp":10,"clientToken":"$a"}
> deleted lamp by a
> a: deleted v40
update b lamp desired {"c":1}
> subscribe lamp update/accepted, lamp update/rejected
suback granted
> publish lamp update {"state":{"desired":{"c":1}},"clientToken":$b} expiry 5
recv lamp update/accepted {"state":{"desired":{"c":1}},"version":1,"timestamp":11,"clientToken":"$b"}
> b: updated v1
recv lamp update/delta {"state":{"c":1},"version":1,"timestamp":11,"clientToken":"$b"}
> delta lamp v1 {"c":1} by b
"#,
    );
}

// js#160: desired values one had set oneself came back as if somebody else wished them.
#[test]
fn own_desired_values_do_not_come_back_as_a_strangers() {
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
recv lamp update/delta {"state":{"c":1},"version":5,"timestamp":9,"clientToken":"$a"}
> delta lamp v5 {"c":1} by a
recv lamp update/delta {"state":{"c":2},"version":6,"timestamp":9,"clientToken":"app"}
> delta lamp v6 {"c":2} foreign
"#,
    );
}

// js#122: the library forbade subscribing to shadow topics beside it.
#[test]
fn messages_of_shadows_that_were_not_added_are_not_swallowed() {
    script(
        r#"
add lamp delta
mode lamp no-resync
connect
> subscribe lamp update/delta
suback granted
> ready lamp none not fetched
recv fan update/delta {"state":{"c":1},"version":5,"timestamp":9}
> not ours
recv lamp~night update/delta {"state":{"c":1},"version":5,"timestamp":9}
> not ours
recv lamp update {"state":{"desired":{"c":1}}}
> not ours
"#,
    );
}

// Read in thing/index.js: refused in per-request mode, it was logged and the operation timed out.
#[test]
fn a_subscription_refused_for_one_request_does_not_end_as_a_timeout() {
    script(
        r#"
add lamp none
mode lamp per-request=0s
connect
get a lamp
> subscribe lamp get/accepted, lamp get/rejected
suback 1,135
> refused lamp get/rejected 0x87 not authorized
> a: subscribe refused Subscribing
> unsubscribe lamp get/accepted
"#,
    );
}
