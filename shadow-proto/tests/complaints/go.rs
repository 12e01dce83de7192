//! seqsense/aws-iot-device-sdk-go.

use super::script;
use shadow_proto::{Client, Config, Instant, Interest, RequestOptions, ShadowId, TokenPrefix};

// go#122: answers were not tied to requests.
#[test]
fn an_answer_to_another_client_does_not_end_our_request() {
    script(
        r#"
add lamp none
connect
get a lamp
> subscribe lamp get/accepted, lamp get/rejected
suback granted
> publish lamp get {"clientToken":$a} expiry 5
recv lamp get/accepted {"state":{},"version":4,"timestamp":9,"clientToken":"x"}
recv lamp get/accepted {"state":{},"version":4,"timestamp":9}
stage a Sent
recv lamp get/accepted {"state":{},"version":4,"timestamp":9,"clientToken":"$a"}
> a: got v4
"#,
    );
}

// go#211, PR go#213: without the times of keys an old command cannot be told from a new one.
#[test]
fn the_times_of_keys_are_not_lost() {
    let metadata: shadow_proto::Metadata =
        r#"{"desired":{"lock":{"timestamp":7},"a":{"b":[{"timestamp":8}]}}}"#
            .parse()
            .unwrap();
    let at = |path| metadata.timestamp(path).map(|time| time.seconds());
    assert_eq!(at("/desired/lock"), Some(7));
    assert_eq!(at("/desired/a/b/0"), Some(8));
    assert_eq!(at("/desired/a/b/1"), None);
}

// PR go#238: the whole state had to be rebuilt from deltas.
#[test]
fn the_whole_document_need_not_be_rebuilt_from_deltas() {
    script(
        r#"
add lamp none
connect
get a lamp
> subscribe lamp get/accepted, lamp get/rejected
suback granted
> publish lamp get {"clientToken":$a} expiry 5
recv lamp get/accepted {"state":{"desired":{"c":2,"d":1},"reported":{"c":1,"d":1},"delta":{"c":2}},"version":4,"timestamp":9,"clientToken":"$a"}
> a: got v4 desired {"c":2,"d":1} reported {"c":1,"d":1} delta {"c":2}
"#,
    );
}

// Read in shadow.go: after a delete the mirror was nil, and the next message dereferenced it.
#[test]
fn messages_and_reports_after_a_delete_do_not_crash() {
    script(
        r#"
add lamp delta update-accepted
mode lamp no-resync
connect
> subscribe lamp update/accepted, lamp update/delta
suback granted
> ready lamp none not fetched
delete a lamp
> subscribe lamp delete/accepted, lamp delete/rejected
suback granted
> publish lamp delete {"clientToken":$a} expiry 5
recv lamp delete/accepted {"version":4,"timestamp":9,"clientToken":"$a"}
> deleted lamp by a
> a: deleted v4
recv lamp update/accepted {"state":{"desired":{"c":1}},"version":1,"timestamp":30,"clientToken":"x"}
> foreign lamp update updated v1 token x
update b lamp reported {"c":1}
> subscribe lamp update/rejected
suback granted
> publish lamp update {"state":{"reported":{"c":1}},"clientToken":$b} expiry 5
recv lamp update/accepted {"state":{"reported":{"c":1}},"version":2,"timestamp":30,"clientToken":"$b"}
> b: updated v2
"#,
    );
}

// Read in state.go: merging returned at the first nested object and skipped its siblings.
#[test]
fn merged_updates_do_not_lose_the_siblings_of_a_nested_object() {
    script(
        r#"
add lamp none
update a lamp reported {"a":{"x":1,"y":1},"b":1,"c":{"z":1}} latest
update b lamp reported {"a":{"x":2},"b":2,"d":1} latest
connect
> subscribe lamp update/accepted, lamp update/rejected
suback granted
> publish lamp update {"state":{"reported":{"a":{"x":2,"y":1},"b":2,"c":{"z":1},"d":1}},"clientToken":$b} expiry 5
"#,
    );
}

// Read in shadow.go: tokens counted from 1 in each process, so a stranger's answer ended a request.
#[test]
fn tokens_of_two_processes_do_not_collide() {
    let now = Instant::ORIGIN;
    let tokens = ["run-7f3a", "run-91c0"].map(|prefix| {
        let mut client = Client::new(Config::new(TokenPrefix::new(prefix).unwrap()));
        let lamp = ShadowId::classic("lamp").unwrap();
        let lamp = client.add_shadow(lamp, Interest::NONE, now).unwrap();
        client.handle_connected(false, now);
        let request = client.get(lamp, RequestOptions::default(), now).unwrap();
        while let Some(output) = client.poll_output() {
            if let shadow_proto::Output::Subscribe { id, filters, .. } = output {
                let codes = vec![shadow_proto::SubackCode::new(1); filters.len()];
                client.handle_suback(id, &codes, now);
            }
        }
        let token = client.token(request).unwrap();
        assert_eq!(client.request_of(token.as_str()), Some(request));
        token
    });
    assert_ne!(tokens[0], tokens[1]);
}
