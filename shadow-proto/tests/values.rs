//! What values say to people, how they compare, and what they give back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a test may panic, and runs with std"
)]

use shadow_proto::{
    Accepted, AddError, Budget, BudgetExceeded, Client, ClientToken, Config, ErrorCode, Event,
    Failure, Field, Instant, Interest, Json, Metadata, NameError, NotSent, NotShadowTopic,
    Operation, Output, PubackCode, Qos, Rates, RegisterError, Rejection, RequestError,
    RequestOptions, RestoreError, ShadowId, Stage, SubackCode, Timestamp, TokenPrefix,
    TooLateToRecord, Topic, TopicKind, TransactionError, UnknownRequest, UnknownShadow, Update,
    Version, Window, check_shadow_name, check_thing_name, replay,
    wire::{self, DecodeError, Message},
};
use std::{
    collections::BTreeSet,
    fmt::Display,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

const NOW: Instant = Instant::ORIGIN;

/// Every text of an error names what a person needs to find the cause.
fn says(value: &dyn Display, words: &[&str]) {
    let text = value.to_string();
    for word in words {
        assert!(text.contains(word), "{text:?} does not say {word:?}");
    }
}

fn client(max_filters: u32) -> Client {
    let mut config = Config::new(TokenPrefix::new("T").unwrap());
    config.budget.per_connection = max_filters;
    config.budget.wildcards = false;
    config.limits.shadows = 12;
    Client::new(config)
}

fn over_budget(shadows: u32) -> Box<BudgetExceeded> {
    let mut client = client(shadows);
    for n in 0..shadows {
        let id = ShadowId::named("lamp", &format!("s{n}")).unwrap();
        client
            .add_shadow(id, Interest::UPDATE_ACCEPTED, NOW)
            .unwrap();
    }
    let id = ShadowId::classic("one-more").unwrap();
    match client.add_shadow(id, Interest::UPDATE, NOW) {
        Err(AddError::Budget(budget)) => budget,
        other => panic!("{other:?}"),
    }
}

#[test]
fn errors_of_calls_say_what_is_wrong() {
    says(&UnknownShadow, &["shadow", "removed"]);
    says(&UnknownRequest, &["request", "over"]);
    says(&NotShadowTopic, &["topic"]);
    says(&AddError::Duplicate, &["already"]);
    says(&AddError::TooMany { max: 77 }, &["77"]);
    says(&RegisterError::UnknownShadow, &["removed"]);
    says(&RequestError::UnknownShadow, &["removed"]);
    says(&RequestError::QueueFull { max: 78 }, &["full", "78"]);
    says(
        &RequestError::TooLarge {
            length: 99,
            max: 79,
        },
        &["99", "79"],
    );
    says(
        &RequestError::NotAnObject { section: "desired" },
        &["desired", "object"],
    );
    says(&RequestError::TokenInUse, &["in use"]);
    says(&RequestError::TokenPrefixed, &["prefix"]);
    says(
        &RequestError::Token(ClientToken::new("").unwrap_err()),
        &["token", "empty"],
    );
    says(
        &TransactionError::Request(RequestError::TokenInUse),
        &["in use"],
    );
    let timed_out = Failure::TimedOut {
        stage: Stage::Sent,
        hint: None,
    };
    says(&TransactionError::Failure(timed_out), &["timed out"]);
    says(&TooLateToRecord, &["new client"]);
    says(&replay("", |_| {}).unwrap_err(), &["line 1"]);
    let config = || Config::new(TokenPrefix::new("T").unwrap());
    let broken = |text: &str| Client::restore(config(), text).unwrap_err();
    says(&broken("{"), &["not a snapshot"]);
    says(
        &broken(r#"{"format":9,"shadows":[],"tokens":[]}"#),
        &["9", "1"],
    );
    says(&RestoreError::Add(AddError::Duplicate), &["already"]);
    says(
        &RestoreError::Name(ShadowId::classic("").unwrap_err()),
        &["thing name"],
    );
}

#[test]
fn a_budget_exceeded_names_the_first_eight_users() {
    for (shadows, more) in [(1, false), (7, false), (8, false), (9, true), (11, true)] {
        let budget = over_budget(shadows);
        assert_eq!((budget.needed, budget.max), (2, shadows));
        let text = budget.to_string();
        let used = format!("2 more subscriptions do not fit: {shadows} of {shadows} are used");
        says(&text, &[&used, ": lamp~s0 1"]);
        assert_eq!(text.contains(", ..."), more, "{text}");
        assert!(!text.contains("lamp~s8"), "{text}");
        assert_eq!(text.contains(", lamp~s7 1"), shadows >= 8, "{text}");
        assert_eq!(AddError::Budget(budget.clone()).to_string(), text);
        assert_eq!(RegisterError::Budget(budget.clone()).to_string(), text);
        assert_eq!(RequestError::Budget(budget).to_string(), text);
    }
}

#[test]
fn failures_say_how_far_the_request_got() {
    says(&Stage::Queued, &["not sent", "queued"]);
    says(&Stage::Subscribing, &["not sent", "subscriptions"]);
    says(&Stage::Sent, &["may have been applied", "not acknowledged"]);
    says(
        &Stage::Acknowledged,
        &["may have been applied", "acknowledged by the broker"],
    );
    let stage = Stage::Sent;
    let rejection = Rejection::new(ErrorCode::CONFLICT, "Version conflict");
    says(&rejection, &["409", "Version conflict"]);
    let filter = "$aws/things/lamp/shadow/get/accepted";
    let (suback, puback) = (SubackCode::new(0x87), PubackCode::new(0x97));
    let hint = Some(Box::new(rejection.clone()));
    for (failure, words, stage) in [
        (Failure::Rejected(rejection), &["409"][..], None),
        (
            Failure::PublishRefused {
                stage,
                code: puback,
            },
            &["0x97", "publish"],
            Some(stage),
        ),
        (
            Failure::TimedOut { stage, hint: None },
            &["timed out", "sent"],
            Some(stage),
        ),
        (
            Failure::TimedOut { stage, hint },
            &["timed out", "409", "without token"],
            Some(stage),
        ),
        (
            Failure::Disconnected { stage },
            &["session", "lost"],
            Some(stage),
        ),
        (
            Failure::SubscribeRefused {
                stage,
                filter: filter.into(),
                code: suback,
            },
            &[filter, "not authorized"],
            Some(stage),
        ),
        (
            Failure::NotSent {
                stage,
                reason: NotSent::Offline,
            },
            &["not sent", "no connection"],
            Some(stage),
        ),
        (
            Failure::NotSent {
                stage,
                reason: NotSent::Refused,
            },
            &["did not take"],
            Some(stage),
        ),
        (Failure::Cancelled { stage }, &["cancelled"], Some(stage)),
        (Failure::Removed { stage }, &["removed"], Some(stage)),
    ] {
        says(&failure, words);
        assert_eq!(failure.stage(), stage, "{failure}");
    }
    assert!(!Stage::Queued.may_have_been_applied() && !Stage::Subscribing.may_have_been_applied());
    assert!(Stage::Sent.may_have_been_applied() && Stage::Acknowledged.may_have_been_applied());
}

#[test]
fn codes_of_a_broker_are_named_as_mqtt_5_names_them() {
    for (number, name) in [
        (0x80, "unspecified error"),
        (0x83, "implementation specific"),
        (0x87, "not authorized"),
        (0x8f, "topic filter invalid"),
        (0x91, "packet identifier in use"),
        (0x97, "quota exceeded"),
        (0x9e, "shared subscriptions"),
        (0xa1, "subscription identifiers"),
        (0xa2, "wildcard subscriptions"),
        (0xff, "unknown"),
    ] {
        let code = SubackCode::new(number);
        says(&code, &[name, &format!("0x{number:02x}")]);
        assert!(!code.is_granted());
        assert_eq!(code.number(), number);
    }
    for (number, name) in [
        (0x00, "success"),
        (0x10, "no matching subscribers"),
        (0x80, "unspecified error"),
        (0x83, "implementation specific"),
        (0x87, "not authorized"),
        (0x90, "topic name invalid"),
        (0x91, "packet identifier in use"),
        (0x97, "quota exceeded"),
        (0x99, "payload format invalid"),
        (0xff, "unknown"),
    ] {
        let code = PubackCode::new(number);
        says(&code, &[name, &format!("0x{number:02x}")]);
        assert_eq!(code.is_success(), number < 0x80);
        assert_eq!(code.number(), number);
    }
    for qos in 0..=2 {
        says(&SubackCode::new(qos), &[&format!("granted QoS {qos}")]);
        assert!(SubackCode::new(qos).is_granted());
    }
    assert!(SubackCode::new(0x7f).is_granted() && PubackCode::new(0x7f).is_success());
}

#[test]
fn undecodable_messages_say_why() {
    let reason = |kind, payload: &[u8]| wire::decode(kind, payload).unwrap_err();
    says(
        &reason(TopicKind::UpdateDelta, br#"{"state":{}}"#),
        &["version", "missing"],
    );
    says(
        &reason(TopicKind::GetAccepted, br#"{"state":[],"version":1}"#),
        &["state", "object"],
    );
    says(&reason(TopicKind::Get, b"\xff"), &["UTF-8"]);
    says(
        &DecodeError::TooLarge {
            length: 70,
            max: 60,
        },
        &["70", "60"],
    );
    // What serde says of a wrong type names what was expected.
    says(
        &reason(TopicKind::GetAccepted, b"[]"),
        &["expected a JSON object"],
    );
    says(
        &reason(TopicKind::GetRejected, br#"{"code":1,"clientToken":5}"#),
        &["expected a string"],
    );
    says(
        &reason(TopicKind::GetRejected, br#"{"code":1,"message":{}}"#),
        &["expected a string"],
    );
}

#[test]
fn names_are_legal_or_the_error_points_at_the_character() {
    assert_eq!(check_shadow_name("a$b"), Ok(()));
    for bad in ["a.b", "a/b", "a+", "a b", "é"] {
        assert!(check_shadow_name(bad).is_err(), "{bad}");
        assert!(check_thing_name(bad).is_err(), "{bad}");
    }
    let error = check_shadow_name("ab.c").unwrap_err();
    says(&error, &["shadow name", "'.'", "byte 2", "$"]);
    says(
        &check_thing_name("a$").unwrap_err(),
        &["thing name", "'$'", "byte 1"],
    );
    says(&check_thing_name("").unwrap_err(), &["thing name", "empty"]);
    says(
        &check_thing_name(&"x".repeat(129)).unwrap_err(),
        &["129", "128"],
    );
    says(
        &TokenPrefix::new(&"x".repeat(41)).unwrap_err(),
        &["token prefix", "41", "40"],
    );
    assert!(matches!(
        ClientToken::new(&"x".repeat(65)),
        Err(NameError::TooLong { max: 64, .. })
    ));
    assert_eq!(
        "x".repeat(64)
            .parse::<ClientToken>()
            .unwrap()
            .as_str()
            .len(),
        64
    );
    let id = ShadowId::named("lamp", "config").unwrap();
    assert_eq!(
        (id.to_string(), format!("{id:?}")),
        ("lamp~config".into(), "ShadowId(lamp~config)".into())
    );
}

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
    let mut client = client(50);
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
