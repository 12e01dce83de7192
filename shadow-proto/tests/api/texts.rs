//! What errors, outcomes and codes say to people.

use crate::harness::{NOW, budgeted};
use shadow_proto::{
    AddError, BudgetExceeded, Client, ClientToken, Config, ErrorCode, Failure, Interest, NameError,
    NotSent, NotShadowTopic, Operation, PubackCode, RegisterError, Rejection, RequestError,
    RestoreError, ShadowId, Stage, SubackCode, TokenPrefix, TooLateToRecord, TopicKind,
    TransactionError, UnknownRequest, UnknownShadow, check_shadow_name, check_thing_name, replay,
    wire::{self, DecodeError},
};
use std::fmt::Display;

/// Every text of an error names what a person needs to find the cause.
fn says(value: &dyn Display, words: &[&str]) {
    let text = value.to_string();
    for word in words {
        assert!(text.contains(word), "{text:?} does not say {word:?}");
    }
}

fn over_budget(shadows: u32) -> Box<BudgetExceeded> {
    let mut client = budgeted(shadows);
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
        operation: Operation::Update,
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
        assert_eq!(budget.used_by.len(), shadows as usize, "{budget}");
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
    says(&Stage::Sent, &["not acknowledged"]);
    says(&Stage::Acknowledged, &["acknowledged by the broker"]);
    let (operation, stage) = (Operation::Get, Stage::Sent);
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
            Failure::TimedOut {
                operation,
                stage,
                hint: None,
            },
            &["timed out", "sent"],
            Some(stage),
        ),
        (
            Failure::TimedOut {
                operation,
                stage,
                hint,
            },
            &["timed out", "409", "without token"],
            Some(stage),
        ),
        (
            Failure::Disconnected { operation, stage },
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
        (
            Failure::Cancelled { operation, stage },
            &["cancelled"],
            Some(stage),
        ),
        (
            Failure::Removed { operation, stage },
            &["removed"],
            Some(stage),
        ),
    ] {
        says(&failure, words);
        assert_eq!(failure.stage(), stage, "{failure}");
    }
    assert!(!Stage::Queued.may_have_been_applied() && !Stage::Subscribing.may_have_been_applied());
    assert!(Stage::Sent.may_have_been_applied() && Stage::Acknowledged.may_have_been_applied());
}

#[test]
fn what_may_have_changed_depends_on_what_was_asked() {
    let all = |operation, stage| {
        let hint = None;
        [
            Failure::TimedOut {
                operation,
                stage,
                hint,
            },
            Failure::Disconnected { operation, stage },
            Failure::Cancelled { operation, stage },
            Failure::Removed { operation, stage },
        ]
    };
    for stage in [Stage::Sent, Stage::Acknowledged] {
        for (operation, words) in [
            (Operation::Get, ""),
            (Operation::Update, "; the update may have been applied"),
            (Operation::Delete, "; the shadow may have been deleted"),
        ] {
            for failure in all(operation, stage) {
                let end = format!("({stage}{words})");
                assert!(failure.to_string().ends_with(&end), "{failure}");
            }
        }
    }
    for operation in Operation::ALL {
        for failure in all(operation, Stage::Queued) {
            let end = "(not sent: it was still queued)";
            assert!(failure.to_string().ends_with(end), "{failure}");
        }
    }
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
