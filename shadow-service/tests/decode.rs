//! The client reads every message of the vectors, and every field of it: compared with the
//! vectors' own value, which another parser read.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a test may panic, and runs with std"
)]

use shadow_proto::{
    Accepted, Client, Config, Event, Field, Instant, Interest, Json, Metadata, Origin, Output,
    Rejection, Resync, ShadowOptions, Snapshot, SubackCode, Timestamp, TokenPrefix, TopicKind,
    Version,
};
use shadow_service::{Value, vectors};

#[test]
fn the_client_reads_every_field_of_every_message() {
    let mut counts = std::collections::BTreeMap::new();
    for message in vectors::messages().unwrap() {
        let event = receive(&message);
        let at = format!(
            "{} step {}: {}",
            message.scenario, message.step, message.payload
        );
        let member = |name: &str| member(&message.value, name);
        // One alternative echoes the token that is too long: nobody's, as far as we know.
        let token = member("clientToken")
            .map(text)
            .filter(|token| token.len() <= 64);
        match (message.kind, event) {
            (TopicKind::UpdateDelta, Event::Delta { delta, origin, .. }) => {
                assert_json(Some(&delta.state), member("state"), &at);
                assert_metadata(&delta.metadata, member("metadata"), &at);
                assert_version(Some(delta.version), member("version"), &at);
                assert_time(delta.timestamp, member("timestamp"), &at);
                assert_eq!(delta.token.map(|t| t.to_string()), token, "{at}");
                assert_eq!(origin == Origin::Foreign, token.is_some(), "{at}");
            }
            (TopicKind::UpdateDocuments, Event::Documents { documents, .. }) => {
                let previous = member("previous").filter(|previous| !previous.is_null());
                assert_eq!(documents.previous.is_some(), previous.is_some(), "{at}");
                if let (Some(seen), Some(expected)) = (&documents.previous, previous) {
                    assert_snapshot(seen, expected, &at);
                }
                assert_snapshot(&documents.current, member("current").unwrap(), &at);
                assert_time(documents.timestamp, member("timestamp"), &at);
                assert_eq!(documents.token.map(|t| t.to_string()), token, "{at}");
            }
            (
                kind,
                Event::ForeignAnswer {
                    token: seen,
                    operation,
                    answer,
                    ..
                },
            ) => {
                assert_eq!(operation, kind.operation(), "{at}");
                assert_eq!(seen.map(|t| t.to_string()), token, "{at}");
                assert_answer(kind, &answer, &message.value, &at);
            }
            // A rejection without token is nobody's.
            (
                kind,
                Event::UnattributedRejection {
                    operation,
                    rejection,
                    candidate,
                    ..
                },
            ) => {
                assert_eq!((operation, candidate), (kind.operation(), None), "{at}");
                assert_eq!(token, None, "{at}");
                assert_answer(kind, &Err(rejection), &message.value, &at);
            }
            (_, other) => panic!("{at}: {other:?}"),
        }
        *counts.entry(message.kind.suffix()).or_insert(0) += 1;
    }
    println!("{counts:?}");
    assert_eq!(counts.len(), 8, "every response topic occurs: {counts:?}");
    assert!(counts.values().sum::<u32>() >= 200, "{counts:?}");
}

/// What a watcher of the shadow is told of the message.
fn receive(message: &vectors::Message) -> Event {
    let mut client = Client::new(Config::new(TokenPrefix::new("watcher").unwrap()));
    let now = Instant::ORIGIN;
    let shadow = client
        .add_shadow(message.shadow.clone(), Interest::ALL, now)
        .unwrap();
    let mut options = ShadowOptions::default();
    options.resync = Some(Resync::never());
    client.configure(shadow, options, now).unwrap();
    client.handle_connected(false, now);
    while let Some(output) = client.poll_output() {
        if let Output::Subscribe { id, filters, .. } = output {
            client.handle_suback(id, &vec![SubackCode::new(1); filters.len()], now);
        }
    }
    client
        .handle_publish(&message.topic, message.payload.as_bytes(), now)
        .unwrap();
    let mut events =
        std::iter::from_fn(|| client.poll_output()).filter_map(|output| match output {
            // That the shadow is gone is told besides the answer itself.
            Output::Event(Event::Deleted { .. }) => None,
            Output::Event(event) => Some(event),
            _ => None,
        });
    let event = events.next().unwrap();
    assert_eq!(event.shadow(), shadow);
    assert!(events.next().is_none(), "one message, one event");
    event
}

fn assert_answer(kind: TopicKind, answer: &Result<Accepted, Rejection>, value: &Value, at: &str) {
    let section = |name: &str| member(value, "state").and_then(|state| member(state, name));
    let member = |name: &str| member(value, name);
    match (kind, answer) {
        (TopicKind::GetAccepted, Ok(Accepted::Get(document))) => {
            assert_field(&document.desired, section("desired"), at);
            assert_field(&document.reported, section("reported"), at);
            assert_field(&document.delta, section("delta"), at);
            assert_metadata(&document.metadata, member("metadata"), at);
            assert_version(Some(document.version), member("version"), at);
            assert_time(document.timestamp, member("timestamp"), at);
        }
        (TopicKind::UpdateAccepted, Ok(Accepted::Update(update))) => {
            assert_eq!(update.cleared, member("state").unwrap().is_null(), "{at}");
            assert_field(&update.desired, section("desired"), at);
            assert_field(&update.reported, section("reported"), at);
            assert_metadata(&update.metadata, member("metadata"), at);
            assert_version(Some(update.version), member("version"), at);
            assert_time(update.timestamp, member("timestamp"), at);
        }
        (TopicKind::DeleteAccepted, Ok(Accepted::Delete { version, timestamp })) => {
            assert_version(*version, member("version"), at);
            assert_time(*timestamp, member("timestamp"), at);
        }
        (
            TopicKind::GetRejected | TopicKind::UpdateRejected | TopicKind::DeleteRejected,
            Err(rejection),
        ) => {
            assert_eq!(
                rejection.code.to_string(),
                member("code").unwrap().to_string(),
                "{at}"
            );
            assert_eq!(
                *rejection.message,
                *text(member("message").unwrap()),
                "{at}"
            );
            assert_time(rejection.timestamp, member("timestamp"), at);
        }
        other => panic!("{at}: {other:?}"),
    }
}

fn assert_snapshot(seen: &Snapshot, expected: &Value, at: &str) {
    let member = |name: &str| member(expected, name);
    let section = |name: &str| member("state").and_then(|state| self::member(state, name));
    assert_field(&seen.desired, section("desired"), at);
    assert_field(&seen.reported, section("reported"), at);
    assert_metadata(&seen.metadata, member("metadata"), at);
    assert_version(Some(seen.version), member("version"), at);
}

/// Absent, null and value are three things.
fn assert_field(seen: &Field<Json>, expected: Option<&Value>, at: &str) {
    match expected {
        None => assert!(seen.is_absent(), "{at}"),
        Some(expected) if expected.is_null() => assert!(seen.is_null(), "{at}"),
        Some(_) => assert_json(seen.value(), expected, at),
    }
}

fn assert_json(seen: Option<&Json>, expected: Option<&Value>, at: &str) {
    let seen = seen.map(|json| Value::parse(json.as_str()).unwrap());
    assert_eq!(seen.as_ref(), expected, "{at}");
}

fn assert_metadata(seen: &Metadata, expected: Option<&Value>, at: &str) {
    assert_json(seen.json(), expected, at);
    if let Some(expected) = expected {
        assert_times(seen, expected, "", at);
    }
}

/// The time of every leaf is found by its path.
fn assert_times(seen: &Metadata, expected: &Value, path: &str, at: &str) {
    let members: Vec<(String, &Value)> = match expected {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .map(|(index, value)| (index.to_string(), value))
            .collect(),
        Value::Leaf(..) => Vec::new(),
    };
    if let Some(seconds) = member(expected, "timestamp").and_then(Value::as_u64) {
        assert_eq!(members.len(), 1, "{at}");
        assert_eq!(
            seen.timestamp(path),
            Some(Timestamp::from_seconds(seconds)),
            "{at}: {path}"
        );
        return;
    }
    for (key, value) in members {
        let key = key.replace('~', "~0").replace('/', "~1");
        assert_times(seen, value, &format!("{path}/{key}"), at);
    }
}

fn assert_version(seen: Option<Version>, expected: Option<&Value>, at: &str) {
    assert_eq!(
        seen.map(|v| v.to_string()),
        expected.map(Value::to_string),
        "{at}"
    );
}

fn assert_time(seen: Option<Timestamp>, expected: Option<&Value>, at: &str) {
    assert_eq!(
        seen.map(|t| t.to_string()),
        expected.map(Value::to_string),
        "{at}"
    );
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_object()?.get(name)
}
