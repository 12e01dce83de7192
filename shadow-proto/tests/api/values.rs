//! How values compare, what they are made of, and what they give back.

use crate::harness::{NOW, budgeted};
use shadow_proto::{
    Accepted, Budget, ClientToken, Config, ErrorCode, Event, Field, Instant, Interest, Json,
    Metadata, Operation, Output, Qos, Rates, RequestOptions, ShadowId, Timestamp, TokenPrefix,
    Topic, TopicKind, Update, Version, Window,
    wire::{self, Message},
};
use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

#[test]
fn tokens_compare_by_their_text() {
    let token = |text: &str| ClientToken::new(text).unwrap();
    let hash = |token: ClientToken| {
        let mut hasher = DefaultHasher::new();
        token.hash(&mut hasher);
        hasher.finish()
    };
    assert_eq!(token("a"), token("a"));
    assert_ne!(token("a"), token("b"));
    assert_eq!(hash(token("a")), hash(token("a")));
    assert_ne!(hash(token("a")), hash(token("b")));
    assert!(token("a") < token("b") && token("b") > token("a"));
    assert_eq!(
        token("a").partial_cmp(&token("a")),
        Some(std::cmp::Ordering::Equal)
    );
    assert_eq!(
        format!("{} {:?}", token("a"), token("b")),
        "a ClientToken(b)"
    );
}

#[test]
fn fields_tell_absent_null_and_value_apart() {
    let fields = [Field::Absent, Field::Null, Field::Value(7)];
    assert_eq!(fields.map(|field| field.is_absent()), [true, false, false]);
    assert_eq!(fields.map(|field| field.is_null()), [false, true, false]);
    assert_eq!(
        fields.map(|field| field.value().copied()),
        [None, None, Some(7)]
    );
    assert_eq!(fields.map(Field::into_value), [None, None, Some(7)]);
    let doubled = [Field::Absent, Field::Null, Field::Value(14)];
    assert_eq!(fields.map(|field| field.map(|value| value * 2)), doubled);
    assert_eq!(Field::from(7), Field::Value(7));
    let read = |text: &str| serde_json::from_str::<Field<u8>>(text);
    assert_eq!(
        (read("null").unwrap(), read("7").unwrap()),
        (Field::Null, Field::Value(7))
    );
    assert!(read("{}").is_err());
    assert_eq!(serde_json::to_string(&fields[1]).unwrap(), "null");
    assert_eq!(serde_json::to_string(&fields[2]).unwrap(), "7");
}

#[test]
fn json_is_equal_when_spelled_alike() {
    let json = |text: &str| Json::from_text(text).unwrap();
    assert_eq!(json(" 1 "), json("1"));
    assert_ne!(json("1"), json("1.0"));
    assert_eq!(
        (json("[1]").to_string(), format!("{:?}", json("[1]"))),
        ("[1]".into(), "[1]".into())
    );
    assert_eq!(json(r#"{"a":3}"#).at("/a"), Some("3"));
    assert_eq!(Json::from_value(&[1, 2]).unwrap(), json("[1,2]"));
}

#[test]
fn topics_and_operations_belong_together() {
    for operation in Operation::ALL {
        let name = operation.to_string();
        assert_eq!(operation.as_str(), name);
        assert_eq!(operation.request().suffix(), name);
        assert_eq!(operation.accepted().suffix(), format!("{name}/accepted"));
        assert_eq!(operation.rejected().suffix(), format!("{name}/rejected"));
    }
    for kind in TopicKind::ALL {
        assert!(kind.suffix().starts_with(kind.operation().as_str()));
        assert_eq!(kind.is_request(), !kind.suffix().contains('/'));
        assert_eq!(TopicKind::from_suffix(kind.suffix()), Some(kind));
        let id = ShadowId::classic("lamp").unwrap();
        let topic = Topic::new(&id, kind);
        assert_eq!(
            (topic.thing(), topic.shadow(), topic.kind()),
            ("lamp", None, kind)
        );
    }
    assert_eq!(TopicKind::from_suffix("update/deltas"), None);
}

#[test]
fn interests_are_sets_of_topics() {
    let one = Interest::DELTA;
    let two = one | Interest::DOCUMENTS;
    assert!(two.contains(one) && !one.contains(two) && two.contains(Interest::NONE));
    assert_eq!(
        (two.intersection(one), two.difference(one)),
        (one, Interest::DOCUMENTS)
    );
    assert_eq!(one | one, one);
    assert_eq!(
        (Interest::NONE.len(), two.len(), Interest::ALL.len()),
        (0, 2, 8)
    );
    assert!(Interest::NONE.is_empty() && !one.is_empty());
    let singles: BTreeSet<_> = [
        Interest::GET_ACCEPTED,
        Interest::GET_REJECTED,
        Interest::UPDATE_ACCEPTED,
        Interest::UPDATE_REJECTED,
        Interest::DELETE_ACCEPTED,
        Interest::DELETE_REJECTED,
        Interest::DELTA,
        Interest::DOCUMENTS,
    ]
    .into();
    assert_eq!(singles.len(), 8);
    assert!(singles.iter().all(|single| single.len() == 1));
}

#[test]
fn times_print_as_what_they_are() {
    assert_eq!(
        format!("{:?}", Instant::from_origin(Duration::from_millis(1500))),
        "1.5s"
    );
    let (early, late) = (Timestamp::from_seconds(17), Timestamp::from_seconds(20));
    assert_eq!((early.to_string(), early.seconds()), ("17".into(), 17));
    assert_eq!(late.saturating_since(early), Duration::from_secs(3));
    assert_eq!(early.saturating_since(late), Duration::ZERO);
    assert_eq!(
        (
            Version::new(3).to_string(),
            ErrorCode::NOT_FOUND.to_string()
        ),
        ("3".into(), "404".into())
    );
    assert_eq!(ErrorCode::new(499).number(), 499);
}

#[test]
fn unlimited_lifts_window_rates_and_budget() {
    let mut config = Config::new(TokenPrefix::new("T").unwrap());
    assert_eq!(
        (config.window, config.budget),
        (Window::new(10, 10), Budget::aws())
    );
    assert_eq!(
        (config.budget.per_subscribe, config.budget.per_connection),
        (8, 50)
    );
    assert_eq!(config.qos, Qos::AtLeastOnce);
    config.unlimited();
    assert_eq!(
        (config.window, config.rates),
        (Window::unlimited(), Rates::unlimited())
    );
    assert_eq!(
        (config.rates.publishes, config.rates.requests_per_thing),
        (None, None)
    );
    assert_eq!(config.budget, Budget::unlimited());
    assert!(config.budget.per_connection > 1_000_000 && config.window.per_thing > 1_000_000);
}

#[test]
fn documents_keep_sections_metadata_and_the_spelling_of_numbers() {
    let payload = br#"{"state":{"desired":{"n":1.50},"reported":null},
        "metadata":{"desired":{"n":{"timestamp":7}}},"version":4,"timestamp":9}"#;
    let Ok(Message::GetAccepted(answer)) = wire::decode(TopicKind::GetAccepted, payload) else {
        panic!()
    };
    let document = shadow_proto::Document::from(answer);
    assert_eq!(document.desired.value().unwrap().as_str(), r#"{"n":1.50}"#);
    assert!(document.reported.is_null() && document.delta.is_absent());
    assert_eq!(
        document.metadata.timestamp("/desired/n"),
        Some(Timestamp::from_seconds(7))
    );
    assert!(
        document
            .metadata
            .json()
            .unwrap()
            .as_str()
            .contains("timestamp")
    );
    assert_eq!(Metadata::default().json(), None);
    let (version, timestamp) = (document.version, document.timestamp);
    assert_eq!(
        (version, timestamp),
        (Version::new(4), Some(Timestamp::from_seconds(9)))
    );
    let got = Accepted::Get(Box::new(document));
    assert_eq!(got.version(), Some(version));
    assert_eq!(got.document().unwrap().version, version);

    let payload = br#"{"state":{"desired":{"n":1}},"metadata":{"x":1},"version":5}"#;
    let Ok(Message::UpdateAccepted(answer)) = wire::decode(TopicKind::UpdateAccepted, payload)
    else {
        panic!()
    };
    let updated = shadow_proto::Updated::from(answer);
    assert!(!updated.cleared && updated.reported.is_absent());
    assert_eq!(updated.metadata.json().unwrap().as_str(), r#"{"x":1}"#);
    let updated = Accepted::Update(Box::new(updated));
    assert_eq!(
        (updated.version(), updated.document()),
        (Some(Version::new(5)), None)
    );
    let deleted = Accepted::Delete {
        version: Some(Version::new(6)),
        timestamp: None,
    };
    assert_eq!(
        (deleted.version(), deleted.document()),
        (Some(Version::new(6)), None)
    );
    assert_eq!(
        (
            Accepted::Published.version(),
            Accepted::Published.document()
        ),
        (None, None)
    );
}

#[test]
fn an_update_is_spelled_as_it_was_built() {
    let json = |text: &str| Json::from_text(text).unwrap();
    let (one, two) = (json(r#"{"a":1.0}"#), json(r#"{"b":null}"#));
    let text = |update: Update<'_>| String::from_utf8(update.to_payload()).unwrap();
    assert_eq!(
        text(Update::desired(&one)),
        r#"{"state":{"desired":{"a":1.0}}}"#
    );
    assert_eq!(
        text(Update::reported(&two)),
        r#"{"state":{"reported":{"b":null}}}"#
    );
    assert_eq!(
        text(Update::both(&one, &two).if_version(Version::new(3))),
        r#"{"state":{"desired":{"a":1.0},"reported":{"b":null}},"version":3}"#
    );
    assert_eq!(text(Update::clear()), r#"{"state":null}"#);
    assert_eq!(
        text(Update::clear().if_version(Version::new(0))),
        r#"{"state":null,"version":0}"#
    );
    let mut options = RequestOptions::default();
    options.token = Some("a\"b");
    let update = Update::desired(&one)
        .if_version(Version::new(9))
        .with_options(options);
    assert_eq!(
        text(update),
        r#"{"state":{"desired":{"a":1.0}},"version":9,"clientToken":"a\"b"}"#
    );
}

#[test]
fn events_name_their_shadow() {
    let mut client = budgeted(50);
    let lamp = client
        .add_shadow(ShadowId::classic("lamp").unwrap(), Interest::NONE, NOW)
        .unwrap();
    let fan = client
        .add_shadow(ShadowId::classic("fan").unwrap(), Interest::NONE, NOW)
        .unwrap();
    assert_ne!(lamp, fan);
    for shadow in [lamp, fan] {
        let request = client.get(shadow, RequestOptions::default(), NOW).unwrap();
        client.cancel(request, NOW).unwrap();
        let Some(Output::Event(event)) = client.poll_output() else {
            panic!()
        };
        assert!(matches!(event, Event::Response { .. }));
        assert_eq!(event.shadow(), shadow);
    }
}

#[test]
fn documents_before_and_after_are_told_apart() {
    let read = |payload: &str| match wire::decode(TopicKind::UpdateDocuments, payload.as_bytes()) {
        Ok(Message::Documents(documents)) => {
            let previous = documents.previous.map(|previous| previous.version.number());
            let desired = documents
                .current
                .state
                .desired
                .value()
                .map(|json| json.get());
            (previous, desired.map(str::to_owned))
        }
        other => panic!("{other:?}"),
    };
    let current = r#""current":{"state":{"desired":{"a":1}},"version":2}"#;
    let desired = Some(r#"{"a":1}"#.to_owned());
    assert_eq!(read(&format!("{{{current}}}")), (None, desired.clone()));
    let created = format!(r#"{{"previous":null,{current}}}"#);
    assert_eq!(read(&created), (None, desired.clone()));
    let changed = format!(r#"{{"previous":{{"state":{{}},"version":1}},{current}}}"#);
    assert_eq!(read(&changed), (Some(1), desired));
    assert_eq!(
        read(r#"{"current":{"state":null,"version":2}}"#),
        (None, None)
    );
}

#[derive(serde::Serialize, serde::Deserialize, Default, PartialEq, Debug)]
struct LampPatch {
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    color: Field<String>,
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    timer: Field<u64>,
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    serial: Field<Json>,
}

#[test]
fn a_typed_patch_sets_removes_and_leaves_alone_and_reads_a_delta_the_same_way() {
    let patch = LampPatch {
        color: Field::Value("teal".to_owned()),
        timer: Field::Null,
        serial: Field::Absent,
    };
    let json = Json::from_value(&patch).unwrap();
    let update = String::from_utf8(Update::desired(&json).to_payload()).unwrap();
    let sent = r#"{"state":{"desired":{"color":"teal","timer":null}}}"#;
    assert_eq!(update, sent);
    assert_eq!(json.parse::<LampPatch>().unwrap(), patch);
    // Keys that a delta lacks stay absent; what is too large for any number type survives as text.
    let payload =
        br#"{"state":{"timer":18446744073709551615,"serial":1234567890123456789012},"version":1}"#;
    let Ok(Message::Delta(delta)) = wire::decode(TopicKind::UpdateDelta, payload) else {
        panic!()
    };
    let wanted: LampPatch = serde_json::from_str(delta.state.get()).unwrap();
    assert_eq!(
        (wanted.color, wanted.timer),
        (Field::Absent, Field::Value(u64::MAX))
    );
    let serial = wanted.serial.into_value().unwrap();
    assert_eq!(serial.as_str(), "1234567890123456789012");
}
