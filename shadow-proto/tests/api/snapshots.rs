//! Restarts inside a surviving session: what a snapshot carries over.

use crate::harness::{NOW, config, lamp, receive, settle, token_in, watched};
use shadow_proto::{
    Client, Event, Interest, Json, Output, RequestOptions, RestoreError, ResyncPolicy, TokenPrefix,
    Update,
};
use std::time::Duration;

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

/// A device's client that fetches only what a lost session lost, once it knows version 9.
fn follower() -> Client {
    let mut config = config();
    config.resync.policy = ResyncPolicy::SessionLost;
    let mut client = Client::new(config);
    client.add_shadow(lamp(), Interest::DELTA, NOW).unwrap();
    client.handle_connected(false, NOW);
    let (_, published) = settle(&mut client);
    let token = token_in(&published[0]);
    let document = format!(r#"{{"state":{{}},"version":9,"timestamp":5,"clientToken":"{token}"}}"#);
    receive(&mut client, "get/accepted", &document);
    settle(&mut client);
    client
}

/// The process ends, another begins in the session of before: what it publishes on connect.
fn restarted(client: &Client) -> (Client, Vec<String>) {
    let mut after = client.config().clone();
    after.token_prefix = TokenPrefix::new("U").unwrap();
    let mut client = Client::restore(after, &client.snapshot()).unwrap();
    client.handle_connected(true, NOW);
    let (events, published) = settle(&mut client);
    assert_eq!(events.len(), 0, "{events:?}");
    (client, published)
}

#[test]
fn a_delta_that_nobody_took_before_a_restart_is_not_lost() {
    let mut client = follower();
    let delta = r#"{"state":{"a":1},"version":10,"timestamp":6}"#;
    receive(&mut client, "update/delta", delta);
    let (mut client, published) = restarted(&client);
    assert_eq!(published.len(), 1, "its document is fetched");
    let token = token_in(&published[0]);
    let document = format!(
        r#"{{"state":{{"desired":{{"a":1}},"delta":{{"a":1}}}},"version":10,"timestamp":7,"clientToken":"{token}"}}"#
    );
    receive(&mut client, "get/accepted", &document);
    let (events, _) = settle(&mut client);
    assert!(
        matches!(&events[..], [Event::Ready { .. }, Event::Delta { delta, .. }] if delta.version.number() == 10),
        "{events:?}"
    );
    // Taken, it is known.
    let (_, published) = restarted(&client);
    assert_eq!(published, Vec::<String>::new());
}

#[test]
fn a_delta_that_was_taken_before_a_restart_does_not_come_twice() {
    let mut client = follower();
    let delta = |version| format!(r#"{{"state":{{"a":1}},"version":{version},"timestamp":6}}"#);
    receive(&mut client, "update/delta", &delta(10));
    let (events, _) = settle(&mut client);
    assert_eq!(events.len(), 1);
    // Of these two nothing was taken: the older may come again, the one before may not.
    receive(&mut client, "update/delta", &delta(11));
    receive(&mut client, "update/delta", &delta(12));
    let mut after = client.config().clone();
    after.token_prefix = TokenPrefix::new("U").unwrap();
    after.resync.policy = ResyncPolicy::Never;
    let mut client = Client::restore(after, &client.snapshot()).unwrap();
    client.handle_connected(true, NOW);
    settle(&mut client);
    for (version, told) in [(10, 0), (11, 1), (10, 0), (12, 1), (12, 0)] {
        receive(&mut client, "update/delta", &delta(version));
        let (events, _) = settle(&mut client);
        assert_eq!(events.len(), told, "{version}: {events:?}");
    }
}

#[test]
fn a_restart_while_the_document_is_fetched_does_not_forget_to_fetch_it() {
    // The session was lost, and with it who knows what; the get is under way.
    let mut client = follower();
    client.handle_disconnected(NOW);
    client.handle_connected(false, NOW);
    let later = NOW + Duration::from_secs(60);
    client.handle_timeout(later);
    let (_, published) = settle(&mut client);
    assert_eq!(published.len(), 1, "{published:?}");
    let (_, published) = restarted(&client);
    assert_eq!(published.len(), 1, "it is made again: {published:?}");
}

#[test]
fn filters_that_nobody_knows_of_at_a_restart_are_asked_for_or_given_up() {
    let mut client = Client::new(config());
    let shadow = client.add_shadow(lamp(), Interest::GET, NOW).unwrap();
    client.handle_connected(false, NOW);
    settle(&mut client);
    client
        .register(shadow, Interest::UPDATE_ACCEPTED, NOW)
        .unwrap();
    let mut asked = 0;
    while let Some(output) = client.poll_output() {
        asked += usize::from(!matches!(output, Output::Event(_)));
    }
    assert_eq!(asked, 2, "one SUBSCRIBE and one UNSUBSCRIBE, not answered");
    let mut after = config();
    after.token_prefix = TokenPrefix::new("U").unwrap();
    let mut client = Client::restore(after, &client.snapshot()).unwrap();
    client.handle_connected(true, NOW);
    let (mut given_up, mut asked) = (Vec::new(), Vec::new());
    while let Some(output) = client.poll_output() {
        match output {
            Output::Subscribe { filters, .. } => asked.extend(filters),
            Output::Unsubscribe { filters, .. } => given_up.extend(filters),
            other => panic!("{other:?}"),
        }
    }
    let topic = |suffix| Box::from(format!("$aws/things/lamp/shadow/{suffix}"));
    assert_eq!(asked, [topic("update/accepted")]);
    assert_eq!(given_up, [topic("get/accepted"), topic("get/rejected")]);
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
fn a_snapshot_holds_the_tokens_whose_answers_may_still_come_and_no_others() {
    let (mut client, shadow) = watched(config());
    let ask = |client: &mut Client| {
        let request = client.get(shadow, RequestOptions::default(), NOW).unwrap();
        let (_, published) = settle(client);
        (request, token_in(&published[0]).to_owned())
    };
    let (_, answered) = ask(&mut client);
    let rejected =
        |token: &str| format!(r#"{{"code":403,"message":"no","clientToken":"{token}"}}"#);
    receive(&mut client, "get/rejected", &rejected(&answered));
    let (request, cancelled) = ask(&mut client);
    client.cancel(request, NOW).unwrap();
    let (_, waiting) = ask(&mut client);
    let snapshot = client.snapshot();
    let mut after = config();
    after.token_prefix = TokenPrefix::new("U").unwrap();
    let mut client = Client::restore(after, &snapshot).unwrap();
    settle(&mut client);
    for (token, known) in [(&answered, false), (&cancelled, true), (&waiting, true)] {
        receive(&mut client, "get/rejected", &rejected(token));
        let (events, _) = settle(&mut client);
        let late = matches!(events.as_slice(), [Event::LateAnswer { request: None, .. }]);
        assert_eq!(late, known, "{token} {events:?}");
    }
}
