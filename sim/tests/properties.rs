//! Properties that hold for anything: named after what they promise, a few hundred cases each.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use shadow_proto::{Config, Field, ShadowId, TokenPrefix, Topic, TopicKind, TopicPrefix};
use shadow_service::{Service, Settings, UnixTime};
use sim::fuzz::{self, plain};

fn few() -> ProptestConfig {
    let mut config = ProptestConfig::with_cases(300);
    // What fails is kept as a test of its own, not in a file of seeds.
    config.failure_persistence = None;
    config
}

/// Thing names as AWS allows them; shadow names the same, but shorter.
fn shadow_id() -> impl Strategy<Value = ShadowId> {
    let names = (
        "[a-zA-Z0-9:_-]{1,128}",
        proptest::option::of("[a-zA-Z0-9:_-]{1,64}"),
    );
    names.prop_map(|(thing, name)| ShadowId::new(&thing, name.as_deref()).expect("legal names"))
}

/// A JSON object; nulls as members if asked for, never in arrays.
fn object(nulls: bool) -> impl Strategy<Value = Map<String, Value>> {
    let scalar = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<i32>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        "[a-zé\"\\\\\u{1f600}]{0,6}".prop_map(Value::from),
    ];
    let array = vec(scalar.clone(), 0..4).prop_map(Value::from);
    let leaf = match nulls {
        true => prop_oneof![4 => scalar, 1 => array, 2 => Just(Value::Null)].boxed(),
        false => prop_oneof![4 => scalar, 1 => array].boxed(),
    };
    let value = leaf.prop_recursive(4, 24, 4, |inner| members(inner).prop_map(Value::Object));
    members(value)
}

fn members(of: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    btree_map("[abcé]{0,2}", of, 0..5).prop_map(|members| members.into_iter().collect())
}

/// What a get is answered with after these updates of one shadow.
fn document(states: &[Value]) -> Value {
    let mut settings = Settings::default();
    settings.limits.max_document_bytes = usize::MAX;
    let mut service = Service::new(settings);
    let id = ShadowId::new("t", None).expect("legal");
    let topic = Topic::new(&id, TopicKind::Update).to_string();
    let now = UnixTime::from_seconds(1_767_225_600);
    for state in states {
        let payload = json!({ "state": state }).to_string();
        let handled = service.handle_publish(&topic, payload.as_bytes(), now);
        let outcome = handled.expect("it is a request").outcome;
        assert!(outcome.is_ok(), "{payload}: {outcome:?}");
    }
    let topic = Topic::new(&id, TopicKind::Get).to_string();
    let handled = service
        .handle_publish(&topic, b"", now)
        .expect("it is a request");
    serde_json::from_str(&handled.messages[0].payload).expect("the service writes JSON")
}

fn section(document: &Value, name: &str) -> Map<String, Value> {
    document["state"][name]
        .as_object()
        .cloned()
        .unwrap_or_default()
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Lamp {
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    on: Field<bool>,
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    color: Field<String>,
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    level: Field<u64>,
}

fn field<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Field<T>> {
    (0..3_u8, of).prop_map(|(kind, value)| match kind {
        0 => Field::Absent,
        1 => Field::Null,
        _ => Field::Value(value),
    })
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn a_topic_is_read_as_what_was_spelled(id in shadow_id(), kind in 0..TopicKind::ALL.len()) {
        let topic = Topic::new(&id, TopicKind::ALL[kind]);
        let text = topic.to_string();
        prop_assert_eq!(Topic::parse(&text), Some(topic));
        prop_assert_eq!(topic.shadow_id().ok(), Some(id.clone()));
        let own = TopicPrefix::new("own/prefix").expect("legal");
        let spelled = topic.spell(&own).to_string();
        prop_assert_eq!(Topic::parse_with(&own, &spelled), Some(topic));
        prop_assert_eq!(Topic::parse(&spelled), None);
    }

    #[test]
    fn merging_is_rfc_7396(old in object(false), patch in object(true)) {
        let merged = document(&[json!({"reported": old}), json!({"reported": patch})]);
        let expected = plain::merge_patch(Some(Value::Object(old)), &Value::Object(patch));
        prop_assert_eq!(Value::Object(section(&merged, "reported")), expected);
    }

    #[test]
    fn merging_twice_is_merging_once(old in object(false), patch in object(true)) {
        let (old, patch) = (json!({"desired": old}), json!({"desired": patch}));
        let once = document(&[old.clone(), patch.clone()]);
        let twice = document(&[old, patch.clone(), patch]);
        prop_assert_eq!(&once["state"], &twice["state"]);
    }

    #[test]
    fn merging_a_diff_gives_the_target(from in object(false), to in object(false)) {
        let patch = plain::diff(&from, &to);
        let merged = document(&[json!({"reported": from}), json!({"reported": patch})]);
        prop_assert_eq!(section(&merged, "reported"), to);
    }

    #[test]
    fn the_delta_is_empty_exactly_when_reported_agrees(
        desired in object(false), reported in object(false)
    ) {
        let state = json!({"desired": desired, "reported": reported});
        let before = document(std::slice::from_ref(&state));
        let expected = plain::delta(&desired, &reported);
        prop_assert_eq!(before["state"]["delta"].is_object(), expected.is_some());
        if let Some(difference) = expected {
            prop_assert_eq!(section(&before, "delta"), difference.clone());
            let after = document(&[state, json!({"reported": difference})]);
            prop_assert!(after["state"]["delta"].is_null(), "{}", after);
        }
    }

    #[test]
    fn metadata_mirrors_the_state(old in object(false), patch in object(true)) {
        let merged = document(&[json!({"desired": old}), json!({"desired": patch})]);
        let (state, metadata) = (&merged["state"]["desired"], &merged["metadata"]["desired"]);
        prop_assert!(state.is_null() || plain::is_metadata(metadata, state), "{}", merged);
    }

    /// The bytes are cut in three ways inside.
    #[test]
    fn however_bytes_are_cut_a_session_says_the_same(bytes in vec(any::<u8>(), 0..200)) {
        fuzz::session_bytes(&bytes);
    }

    /// The same for bytes that are more like packets.
    #[test]
    fn however_packets_are_cut_a_session_says_the_same(
        how in any::<u8>(),
        packets in vec((0..16_u8, 0..16_u8, vec(any::<u8>(), 0..12)), 0..8),
    ) {
        let mut bytes = vec![how];
        for (kind, flags, body) in packets {
            bytes.extend([kind << 4 | flags, body.len() as u8]);
            bytes.extend(body);
        }
        fuzz::session_bytes(&bytes);
    }

    #[test]
    fn a_typed_patch_keeps_absent_null_and_value_apart(
        on in field(any::<bool>()), color in field("[a-zé]{0,5}"), level in field(any::<u64>())
    ) {
        let patch = Lamp { on, color, level };
        let text = serde_json::to_string(&patch).expect("it is JSON");
        let members: Map<String, Value> = serde_json::from_str(&text).expect("it is an object");
        prop_assert_eq!(members.contains_key("on"), !patch.on.is_absent());
        prop_assert_eq!(members.contains_key("color"), !patch.color.is_absent());
        let read: Lamp = serde_json::from_str(&text).expect("it was just written");
        prop_assert_eq!(read, patch);
    }

    #[test]
    fn no_limit_is_exceeded(
        requests in 1..20_usize, events in 1..20_usize, event_bytes in 1..2_000_usize,
        remembered in 0..10_usize, shadows in 1..5_usize, bytes in vec(any::<u8>(), 0..600),
    ) {
        let mut config = Config::new(TokenPrefix::new("p").expect("legal"));
        config.limits.requests = requests;
        config.limits.events = events;
        config.limits.event_bytes = event_bytes;
        config.limits.remembered = remembered;
        config.limits.shadows = shadows;
        fuzz::client_ops_with(config, &bytes);
    }
}
