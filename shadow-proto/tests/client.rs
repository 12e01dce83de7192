//! What scripts cannot say: bounds of events, restarts, transactions, sizes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::std_instead_of_core,
    reason = "a test may panic, and runs with std"
)]

use shadow_proto::{
    Change, Client, Config, Document, ErrorCode, Event, Failure, Instant, Interest, Json, Output,
    Rates, RequestOptions, RestoreError, Resync, ResyncPolicy, ShadowHandle, ShadowId,
    ShadowOptions, Stage, Step, SubackCode, TokenPrefix, TooLateToRecord, Transaction,
    TransactionError, Update, replay,
};
use std::time::Duration;

const NOW: Instant = Instant::ORIGIN;

fn config() -> Config {
    let mut config = Config::new(TokenPrefix::new("T").unwrap());
    config.rates = Rates::unlimited();
    config
}

fn lamp() -> ShadowId {
    ShadowId::classic("lamp").unwrap()
}

/// Takes everything out; grants every SUBSCRIBE; returns the events and the last payload.
fn settle(client: &mut Client) -> (Vec<Event>, Vec<String>) {
    let (mut events, mut published) = (Vec::new(), Vec::new());
    while let Some(output) = client.poll_output() {
        match output {
            Output::Subscribe { id, filters, .. } => {
                client.handle_suback(id, &vec![SubackCode::new(1); filters.len()], NOW);
            }
            Output::Unsubscribe { id, .. } => client.handle_unsuback(id, NOW),
            Output::Publish { payload, .. } => {
                published.push(String::from_utf8(payload.into()).unwrap())
            }
            Output::Event(event) => events.push(event),
        }
    }
    (events, published)
}

fn watched(config: Config) -> (Client, ShadowHandle) {
    let mut client = Client::new(config);
    let shadow = client.add_shadow(lamp(), Interest::ALL, NOW).unwrap();
    let mut options = ShadowOptions::default();
    options.resync = Some(Resync::never());
    client.configure(shadow, options, NOW).unwrap();
    client.handle_connected(false, NOW);
    settle(&mut client);
    (client, shadow)
}

fn receive(client: &mut Client, suffix: &str, payload: &str) {
    let topic = format!("$aws/things/lamp/shadow/{suffix}");
    client
        .handle_publish(&topic, payload.as_bytes(), NOW)
        .unwrap();
}

fn token_in(payload: &str) -> &str {
    payload
        .split_once("\"clientToken\":\"")
        .unwrap()
        .1
        .split_once('"')
        .unwrap()
        .0
}

#[test]
fn when_events_pile_up_the_newest_delta_stays_and_a_gap_is_marked() {
    let mut config = config();
    config.limits.events = 4;
    let (mut client, shadow) = watched(config);
    for version in 1..=20 {
        receive(
            &mut client,
            "update/delta",
            &format!(r#"{{"state":{{"n":{version}}},"version":{version}}}"#),
        );
        let documents = format!(r#"{{"current":{{"state":{{}},"version":{version}}}}}"#);
        receive(&mut client, "update/documents", &documents);
    }
    let id = client.get(shadow, RequestOptions::default(), NOW).unwrap();
    client.cancel(id, NOW).unwrap();
    let (events, _) = settle(&mut client);
    assert!(events.len() <= 5, "{events:?}");
    let deltas: Vec<u64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Delta { delta, .. } => Some(delta.version.number()),
            _ => None,
        })
        .collect();
    assert_eq!(deltas, [20], "the newest delta is there, and only it");
    let dropped: u32 = events
        .iter()
        .map(|event| match event {
            Event::Lagged { dropped, .. } => *dropped,
            _ => 0,
        })
        .sum();
    let documents = events
        .iter()
        .filter(|event| matches!(event, Event::Documents { .. }))
        .count();
    assert_eq!(
        dropped as usize + documents,
        20,
        "every one is delivered or counted"
    );
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Response { .. })),
        "responses stay"
    );
}

#[test]
fn the_bytes_of_events_are_bounded_too() {
    let mut config = config();
    config.limits.event_bytes = 10_000;
    let (mut client, _) = watched(config);
    let text = "x".repeat(4_000);
    for version in 1..=50 {
        let documents = format!(
            r#"{{"current":{{"state":{{"desired":{{"a":"{text}"}}}},"version":{version}}}}}"#
        );
        receive(&mut client, "update/documents", &documents);
    }
    let (events, _) = settle(&mut client);
    assert_eq!(
        events
            .iter()
            .filter(|event| matches!(event, Event::Documents { .. }))
            .count(),
        2
    );
}

#[test]
fn a_restart_inside_a_surviving_session_needs_no_get() {
    let mut before = config();
    before.resync.policy = ResyncPolicy::SessionLost;
    let after = {
        let mut after = before.clone();
        after.token_prefix = TokenPrefix::new("U").unwrap();
        after
    };
    let mut client = Client::new(before);
    let shadow = client.add_shadow(lamp(), Interest::DELTA, NOW).unwrap();
    client.handle_connected(false, NOW);
    let (_, published) = settle(&mut client);
    let token = token_in(&published[0]);
    receive(
        &mut client,
        "get/accepted",
        &format!(r#"{{"state":{{}},"version":9,"timestamp":5,"clientToken":"{token}"}}"#),
    );
    client
        .update(
            shadow,
            Update::reported(&Json::from_text("{}").unwrap()),
            NOW,
        )
        .unwrap();
    let (_, published) = settle(&mut client);
    let sent = token_in(&published[0]).to_owned();

    let snapshot = client.snapshot();
    let mut client = Client::restore(after, &snapshot).unwrap();
    let shadow = client.find_shadow(&lamp()).unwrap();
    client.handle_connected(true, NOW);
    let (events, published) = settle(&mut client);
    assert_eq!(
        (events.len(), published.len()),
        (0, 0),
        "{events:?} {published:?}"
    );
    // Watermarks are kept, and the answer to what the process of before asked is recognized.
    receive(
        &mut client,
        "update/delta",
        r#"{"state":{"a":1},"version":8,"timestamp":5}"#,
    );
    let answer = format!(r#"{{"state":{{}},"version":10,"timestamp":5,"clientToken":"{sent}"}}"#);
    receive(&mut client, "update/accepted", &answer);
    receive(
        &mut client,
        "update/delta",
        r#"{"state":{"a":1},"version":10,"timestamp":5}"#,
    );
    let (events, _) = settle(&mut client);
    assert!(
        matches!(&events[0], Event::LateAnswer { request: None, .. }),
        "{events:?}"
    );
    assert!(matches!(&events[1], Event::Delta { .. }), "{events:?}");
    assert_eq!(events.len(), 2);
    assert_eq!(
        client.subscriptions(shadow).unwrap().0,
        client.subscriptions(shadow).unwrap().1
    );
}

#[test]
fn what_is_no_snapshot_is_refused() {
    let fails = |text: &str| Client::restore(config(), text).unwrap_err();
    assert!(matches!(fails("{"), RestoreError::Unreadable(_)));
    assert!(matches!(
        fails(r#"{"format":9,"shadows":[],"tokens":[]}"#),
        RestoreError::Format(9)
    ));
    let token = r#"{"format":1,"shadows":[],"tokens":[{"token":"a","shadow":3,"operation":0}]}"#;
    assert!(matches!(fails(token), RestoreError::Unreadable(_)));
}

#[test]
fn a_recording_begins_with_a_new_client_and_ends_when_it_is_full() {
    let (mut client, _) = watched(config());
    assert_eq!(client.start_recording(), Err(TooLateToRecord));
    let mut small = config();
    small.limits.recording = 2_000;
    let mut client = Client::new(small);
    client.start_recording().unwrap();
    for second in 0..1_000 {
        client.handle_timeout(Instant::from_origin(Duration::from_secs(second)));
    }
    let recording = client.take_recording();
    assert!(recording.len() <= 2_000);
    replay(&recording, |_| {}).unwrap();
    assert_eq!(replay("", |_| {}).unwrap_err().line, 1);
    let error = replay(&(recording + "{}\n"), |_| {}).unwrap_err();
    assert!(error.reason.contains("nanos"), "{error}");
}

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
fn a_message_still_in_the_output_queue_counts_as_not_sent() {
    let mut client = Client::new(config());
    let shadow = client.add_shadow(lamp(), Interest::GET, NOW).unwrap();
    client.handle_connected(false, NOW);
    settle(&mut client);
    let request = client.get(shadow, RequestOptions::default(), NOW).unwrap();
    assert_eq!(client.stage(request), Some(Stage::Queued));
    assert_eq!(client.token(request), None, "no token went out");
    client.cancel(request, NOW).unwrap();
    let (events, published) = settle(&mut client);
    assert!(published.is_empty());
    let [Event::Response { token, outcome, .. }] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(*token, None, "of what was never sent there is no token");
    let stage = Stage::Queued;
    assert_eq!(*outcome, Err(Failure::Cancelled { stage }));
    assert_eq!(client.poll_timeout(), None);

    // The second try waits in the queue: the token is that of the first.
    let request = client.get(shadow, RequestOptions::default(), NOW).unwrap();
    let (_, published) = settle(&mut client);
    let first = token_in(&published[0]).to_owned();
    let rejected = format!(r#"{{"code":429,"message":"slow down","clientToken":"{first}"}}"#);
    receive(&mut client, "get/rejected", &rejected);
    let retry = client.poll_timeout().unwrap();
    client.handle_timeout(retry);
    assert_eq!(client.token(request).unwrap().as_str(), first);
    let (_, published) = settle(&mut client);
    let second = token_in(&published[0]);
    assert_eq!(client.token(request).unwrap().as_str(), second);
    assert_ne!(second, first);
}
