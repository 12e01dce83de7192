//! The Java SDK, version 1 (annotated devices).

use super::script;

// java#12: a warning for every answer to somebody else.
#[test]
fn answers_to_others_are_no_trouble() {
    script(
        r#"
add lamp none
connect
get a lamp
> subscribe lamp get/accepted, lamp get/rejected
suback granted
> publish lamp get {"clientToken":$a} expiry 5
recv lamp get/accepted {"state":{},"version":4,"timestamp":9,"clientToken":"x"}
recv lamp get/rejected {"code":403,"message":"no","clientToken":"y"}
stats foreign=2 undecodable=0
stage a Sent
"#,
    );
}

// java#125: a get failed because a subscribe had timed out, which only a log said.
#[test]
fn a_missing_suback_is_not_hidden_behind_a_plain_timeout() {
    script(
        r#"
add lamp none
connect
get a lamp timeout=2s
> subscribe lamp get/accepted, lamp get/rejected
tick 2s
> a: timed out Subscribing
"#,
    );
}

// A question on re:Post: 429, and no clue of which quota. AWS allows ten in flight.
#[test]
fn more_than_ten_requests_at_once_do_not_earn_a_429() {
    script(
        r#"
add lamp none
connect
get a lamp
> subscribe lamp get/accepted, lamp get/rejected
get b lamp
get c lamp
get d lamp
get e lamp
get f lamp
get g lamp
get h lamp
get i lamp
get j lamp
get k lamp
suback granted
> publish lamp get {"clientToken":$a} expiry 5
> publish lamp get {"clientToken":$b} expiry 5
> publish lamp get {"clientToken":$c} expiry 5
> publish lamp get {"clientToken":$d} expiry 5
> publish lamp get {"clientToken":$e} expiry 5
> publish lamp get {"clientToken":$f} expiry 5
> publish lamp get {"clientToken":$g} expiry 5
> publish lamp get {"clientToken":$h} expiry 5
> publish lamp get {"clientToken":$i} expiry 5
> publish lamp get {"clientToken":$j} expiry 5
stage k Queued
recv lamp get/rejected {"code":404,"message":"none","clientToken":"$e"}
> e: rejected 404
> publish lamp get {"clientToken":$k} expiry 5
"#,
    );
}

// The same: a 429 is no reason to ask again at once, nor to give up.
#[test]
fn a_429_neither_ends_the_request_nor_is_met_with_more_requests() {
    script(
        r#"
config backoff 1s 1s
add lamp none
connect
get a lamp
> subscribe lamp get/accepted, lamp get/rejected
suback granted
> publish lamp get {"clientToken":$a} expiry 5
recv lamp get/rejected {"code":429,"message":"slow down","clientToken":"$a"}
get b lamp
tick 400ms
tick 600ms
> publish lamp get {"clientToken":$b} expiry 5
> publish lamp get {"clientToken":$a'} expiry 5
recv lamp get/accepted {"state":{},"version":4,"timestamp":9,"clientToken":"$a'"}
> a: got v4
"#,
    );
}
