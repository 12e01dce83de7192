//! Transactions: read, change, write, and again after a conflict.

use crate::harness::{NOW, config, receive, settle, token_in, watched};
use shadow_proto::{
    Change, Client, Document, ErrorCode, Event, Failure, Instant, Json, Operation, Output,
    RequestOptions, Stage, Step, Transaction, TransactionError,
};
use std::time::Duration;

fn counter(document: Option<&Document>) -> Option<Change> {
    let count = document.and_then(|document| document.reported.value()?.at("/count")?.parse().ok());
    let count: u32 = count.unwrap_or(0) + 1;
    (count < 100)
        .then(|| Change::reported(Json::from_text(&format!(r#"{{"count":{count}}}"#)).unwrap()))
}

/// Runs a transaction against answers; `@` stands for the token.
fn transact(tries: u32, answers: &[(&str, &str)]) -> (Vec<String>, Step) {
    let (mut client, shadow) = watched(config());
    let mut transaction = Transaction::start(&mut client, shadow, tries, None, NOW).unwrap();
    let mut requests = Vec::new();
    for (suffix, answer) in answers {
        let (_, published) = settle(&mut client);
        let token = token_in(&published[0]).to_owned();
        requests.push(published[0].replace(&token, "@"));
        receive(&mut client, suffix, &answer.replace('@', &token));
        while let Some(output) = client.poll_output() {
            let Output::Event(event) = output else {
                panic!("{output:?}")
            };
            let step = transaction.handle(&event, &mut client, NOW, &mut counter);
            if step != Step::Going {
                assert_eq!(transaction.request(), None);
                return (requests, step);
            }
            if matches!(event, Event::Response { .. }) {
                break;
            }
        }
    }
    panic!("it goes on: {requests:?}");
}

const CONFLICT: (&str, &str) = (
    "update/rejected",
    r#"{"code":409,"message":"Version conflict","clientToken":"@"}"#,
);
const GOT: (&str, &str) = (
    "get/accepted",
    r#"{"state":{"reported":{"count":7}},"version":3,"clientToken":"@"}"#,
);

#[test]
fn a_transaction_is_repeated_when_somebody_was_faster() {
    let newer = r#"{"state":{"reported":{"count":8}},"version":4,"clientToken":"@"}"#;
    let accepted = r#"{"state":{"reported":{"count":9}},"version":5,"clientToken":"@"}"#;
    let (requests, step) = transact(
        3,
        &[
            GOT,
            CONFLICT,
            ("get/accepted", newer),
            ("update/accepted", accepted),
        ],
    );
    assert_eq!(
        requests,
        [
            r#"{"clientToken":"@"}"#,
            r#"{"state":{"reported":{"count":8}},"version":3,"clientToken":"@"}"#,
            r#"{"clientToken":"@"}"#,
            r#"{"state":{"reported":{"count":9}},"version":4,"clientToken":"@"}"#,
        ]
    );
    assert!(matches!(step, Step::Done(Ok(Some(_)))), "{step:?}");
}

#[test]
fn a_transaction_gives_up_after_its_tries() {
    let (_, step) = transact(1, &[GOT, CONFLICT]);
    let Step::Done(Err(TransactionError::Failure(Failure::Rejected(rejection)))) = step else {
        panic!("{step:?}")
    };
    assert_eq!(rejection.code, ErrorCode::CONFLICT);
}

#[test]
fn a_transaction_creates_what_is_not_there_and_may_change_nothing() {
    let missing = (
        "get/rejected",
        r#"{"code":404,"message":"x","clientToken":"@"}"#,
    );
    let accepted = (
        "update/accepted",
        r#"{"state":{"reported":{"count":1}},"version":1,"clientToken":"@"}"#,
    );
    let (requests, step) = transact(1, &[missing, accepted]);
    assert_eq!(
        requests[1],
        r#"{"state":{"reported":{"count":1}},"clientToken":"@"}"#
    );
    assert!(matches!(step, Step::Done(Ok(Some(_)))));
    let full = (
        "get/accepted",
        r#"{"state":{"reported":{"count":99}},"version":3,"clientToken":"@"}"#,
    );
    assert_eq!(transact(1, &[full]).1, Step::Done(Ok(None)));
}

#[test]
fn each_conflict_uses_up_a_try() {
    let conflicts = [GOT, CONFLICT, GOT, CONFLICT, GOT, CONFLICT];
    let (requests, step) = transact(3, &conflicts);
    assert_eq!(requests.len(), 6);
    let Step::Done(Err(TransactionError::Failure(Failure::Rejected(rejection)))) = step else {
        panic!("{step:?}")
    };
    assert_eq!(rejection.code, ErrorCode::CONFLICT);
}

#[test]
fn what_the_service_refuses_otherwise_ends_it() {
    let forbidden = r#"{"code":403,"message":"no","clientToken":"@"}"#;
    for answers in [
        &[("get/rejected", forbidden)][..],
        &[GOT, ("update/rejected", forbidden)][..],
    ] {
        let (requests, step) = transact(3, answers);
        assert_eq!(requests.len(), answers.len());
        let Step::Done(Err(TransactionError::Failure(Failure::Rejected(rejection)))) = step else {
            panic!("{step:?}")
        };
        assert_eq!(rejection.code, ErrorCode::FORBIDDEN);
    }
}

#[test]
fn outcomes_of_other_requests_are_not_taken_for_its_own() {
    let (mut client, shadow) = watched(config());
    let mut transaction = Transaction::start(&mut client, shadow, 1, None, NOW).unwrap();
    let other = |client: &mut Client, transaction: &mut Transaction| {
        let request = client.get(shadow, RequestOptions::default(), NOW).unwrap();
        client.cancel(request, NOW).unwrap();
        let (events, published) = settle(client);
        for event in &events {
            let before = transaction.request();
            let step = transaction.handle(event, client, NOW, &mut counter);
            assert_eq!(step, Step::Going);
            assert_eq!(transaction.request(), before, "{event:?}");
        }
        published
    };
    let published = other(&mut client, &mut transaction);
    let get = transaction.request();
    assert!(get.is_some());
    let got = GOT.1.replace('@', token_in(&published[0]));
    receive(&mut client, GOT.0, &got);
    let Some(Output::Event(event)) = client.poll_output() else {
        panic!()
    };
    assert_eq!(
        transaction.handle(&event, &mut client, NOW, &mut counter),
        Step::Going
    );
    assert_ne!(transaction.request(), get, "now it waits for its update");
    other(&mut client, &mut transaction);
}

#[test]
fn its_timeout_is_that_of_each_of_its_requests() {
    let second = Duration::from_secs(1);
    for conflicts in 0..2 {
        let (mut client, shadow) = watched(config());
        let mut transaction =
            Transaction::start(&mut client, shadow, 9, Some(second), NOW).unwrap();
        let mut answers = [GOT, CONFLICT].repeat(conflicts);
        // What it waits for last is a get, then an update.
        for more in [None, Some(GOT)] {
            answers.extend(more);
            for answer in answers.drain(..) {
                let (_, published) = settle(&mut client);
                let token = token_in(&published[0]).to_owned();
                receive(&mut client, answer.0, &answer.1.replace('@', &token));
                while let Some(Output::Event(event)) = client.poll_output() {
                    let step = transaction.handle(&event, &mut client, NOW, &mut counter);
                    assert_eq!(step, Step::Going);
                    if matches!(event, Event::Response { .. }) {
                        break;
                    }
                }
            }
            assert_eq!(client.poll_timeout(), Some(NOW + second));
        }
        settle(&mut client);
        client.handle_timeout(Instant::ORIGIN + second);
        let (events, _) = settle(&mut client);
        let step = transaction.handle(&events[0], &mut client, NOW, &mut counter);
        let (stage, hint) = (Stage::Sent, None);
        let operation = Operation::Update;
        let timed_out = Failure::TimedOut {
            operation,
            stage,
            hint,
        };
        assert_eq!(step, Step::Done(Err(TransactionError::Failure(timed_out))));
        assert_eq!(transaction.request(), None);
    }
}

#[test]
fn a_change_of_desired_is_not_written_to_reported() {
    let (mut client, shadow) = watched(config());
    let mut transaction = Transaction::start(&mut client, shadow, 1, None, NOW).unwrap();
    let (_, published) = settle(&mut client);
    receive(
        &mut client,
        GOT.0,
        &GOT.1.replace('@', token_in(&published[0])),
    );
    let Some(Output::Event(event)) = client.poll_output() else {
        panic!()
    };
    let mut wish = |_: Option<&Document>| Some(Change::desired(Json::from_text("{}").unwrap()));
    assert_eq!(
        transaction.handle(&event, &mut client, NOW, &mut wish),
        Step::Going
    );
    let (_, published) = settle(&mut client);
    assert!(
        published[0].starts_with(r#"{"state":{"desired":{}},"version":3"#),
        "{published:?}"
    );
}
