//! What scripts cannot say: bounds of events, recordings, sizes.

use crate::harness::{NOW, config, lamp, receive, settle, token_in, watched};
use shadow_proto::{
    Client, Event, Failure, Instant, Interest, Json, Operation, Output, RequestOptions, Resync,
    ResyncPolicy, ShadowId, Stage, TooLateToRecord, Update, replay,
};
use std::time::Duration;

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
fn a_recording_begins_with_a_new_client_and_ends_when_it_is_full() {
    let mut added = Client::new(config());
    added.add_shadow(lamp(), Interest::NONE, NOW).unwrap();
    let mut connected = Client::new(config());
    connected.handle_connected(false, NOW);
    let mut disconnected = Client::new(config());
    disconnected.handle_connected(false, NOW);
    disconnected.handle_disconnected(NOW);
    let mut late = Client::new(config());
    late.handle_timeout(NOW + Duration::from_nanos(1));
    for mut client in [added, connected, disconnected, late] {
        assert_eq!(client.start_recording(), Err(TooLateToRecord));
        assert_eq!(client.take_recording(), "");
    }
    let mut small = config();
    small.limits.recording = 2_000;
    let mut client = Client::new(small);
    client.start_recording().unwrap();
    for second in 0..1_000 {
        client.handle_timeout(Instant::from_origin(Duration::from_secs(second)));
    }
    let recording = client.take_recording();
    assert!(
        (1_900..=2_000).contains(&recording.len()),
        "{}",
        recording.len()
    );
    assert!(!recording.contains("Poll"), "nothing was polled");
    replay(&recording, |_| {}).unwrap();
    assert_eq!(replay("", |_| {}).unwrap_err().line, 1);
    let error = replay(&(recording + "{}\n"), |_| {}).unwrap_err();
    assert!(error.reason.contains("nanos"), "{error}");
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
    let (operation, stage) = (Operation::Get, Stage::Queued);
    assert_eq!(*outcome, Err(Failure::Cancelled { operation, stage }));
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

#[test]
fn payloads_that_are_no_text_are_replayed_as_they_came() {
    let mut client = Client::new(config());
    client.start_recording().unwrap();
    client.add_shadow(lamp(), Interest::DELTA, NOW).unwrap();
    let payload: Vec<u8> = (0..=255).collect();
    let topic = "$aws/things/lamp/shadow/update/delta";
    client.handle_publish(topic, &payload, NOW).unwrap();
    let (events, _) = settle(&mut client);
    let mut again = Vec::new();
    replay(&client.take_recording(), |output| {
        again.push(output.clone())
    })
    .unwrap();
    assert_eq!(again, [Output::Event(events[0].clone())]);
    let Event::Undecodable { payload: kept, .. } = &events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(**kept, *payload);
}

#[test]
fn payloads_are_kept_from_when_they_are_wanted_also_in_a_replay() {
    let mut client = Client::new(config());
    client.start_recording().unwrap();
    client.add_shadow(lamp(), Interest::DELTA, NOW).unwrap();
    let mut seen = Vec::new();
    for (version, keep) in [(2, false), (3, true), (4, false)] {
        client.keep_payloads(keep, NOW);
        let delta = format!(r#"{{"state":{{"n":1}},"version":{version},"more":0}}"#);
        receive(&mut client, "update/delta", &delta);
        let (events, _) = settle(&mut client);
        let kept = events.iter().find_map(|event| match event {
            Event::Delta { payload, .. } => Some(payload.as_ref().map(Json::as_str)),
            _ => None,
        });
        assert_eq!(kept, Some(keep.then_some(&*delta)));
        seen.extend(events.into_iter().map(Output::Event));
    }
    let mut again = Vec::new();
    replay(&client.take_recording(), |output| {
        again.push(output.clone())
    })
    .unwrap();
    assert_eq!(again, seen);
}

#[test]
fn a_client_tells_what_it_was_told() {
    let mut client = Client::new(config());
    assert!(!client.is_connected());
    client.handle_connected(false, NOW);
    assert!(client.is_connected());
    client.handle_disconnected(NOW);
    assert!(!client.is_connected());
    assert_eq!(client.config().token_prefix.as_str(), "T");
    let named = ShadowId::named("lamp", "config").unwrap();
    let shadow = client
        .add_shadow(named.clone(), Interest::GET, NOW)
        .unwrap();
    assert_eq!(client.shadow_id(shadow), Some(&named));
    assert_eq!(client.interest(shadow), Some(Interest::GET));
    let json = Json::from_text("{}").unwrap();
    let request = client.update(shadow, Update::desired(&json), NOW).unwrap();
    assert_eq!((client.outstanding(), client.stats().requests), (1, 1));
    assert_eq!(client.stage(request), Some(Stage::Queued));
    client.remove_shadow(shadow, NOW).unwrap();
    assert_eq!(
        (client.shadow_id(shadow), client.interest(shadow)),
        (None, None)
    );
    assert_eq!(client.outstanding(), 0);
    let (events, _) = settle(&mut client);
    let [Event::Response { outcome, .. }] = events.as_slice() else {
        panic!("{events:?}")
    };
    let (operation, stage) = (Operation::Update, Stage::Queued);
    assert_eq!(*outcome, Err(Failure::Removed { operation, stage }));
}

#[test]
fn however_many_unsubscribes_go_unanswered_none_is_forgotten_nor_kept_for_ever() {
    let mut config = config();
    config.unlimited();
    config.resync = Resync::never();
    let mut client = Client::new(config);
    client.handle_connected(false, NOW);
    let shadows: Vec<_> = (0..100)
        .map(|n| {
            let id = ShadowId::classic(&format!("lamp-{n}")).unwrap();
            client.add_shadow(id, Interest::DELTA, NOW).unwrap()
        })
        .collect();
    settle(&mut client);
    let unsubscribed = |client: &mut Client, answer: bool| {
        let mut filters = Vec::new();
        while let Some(output) = client.poll_output() {
            if let Output::Unsubscribe { id, filters: more } = output {
                filters.extend(more);
                if answer {
                    client.handle_unsuback(id, NOW);
                }
            }
        }
        filters.sort();
        filters.dedup();
        filters.len()
    };
    for shadow in shadows {
        client.remove_shadow(shadow, NOW).unwrap();
        assert_eq!(unsubscribed(&mut client, false), 1);
        client.check_invariants();
    }
    // A connection that resumes the session tells what was left.
    for answer in [false, true] {
        client.handle_disconnected(NOW);
        client.handle_connected(true, NOW);
        assert_eq!(unsubscribed(&mut client, answer), 100);
    }
    client.handle_disconnected(NOW);
    client.handle_connected(true, NOW);
    assert_eq!(unsubscribed(&mut client, true), 0);
    assert_eq!(client.poll_timeout(), None);
}

#[test]
fn a_reserved_token_is_known_at_the_call_and_is_that_of_the_first_try() {
    let (mut client, shadow) = watched(config());
    let mut options = RequestOptions::default();
    options.reserve_token = true;
    let other = client.get(shadow, RequestOptions::default(), NOW).unwrap();
    let request = client.get(shadow, options, NOW).unwrap();
    assert_eq!(client.token(other), None);
    let token = client.token(request).unwrap();
    assert_ne!(client.token(request), client.token(other));
    // Withdrawn before it was sent, it is sent with the same token.
    client.handle_disconnected(NOW);
    assert_eq!(client.token(request), Some(token));
    client.handle_connected(true, NOW);
    let (_, published) = settle(&mut client);
    let tokens: Vec<&str> = published.iter().map(|payload| token_in(payload)).collect();
    assert_eq!(tokens.len(), 2);
    assert!(tokens.contains(&token.as_str()), "{tokens:?}");
    assert_ne!(tokens[0], tokens[1]);
    // Another try has another one; the answer to either ends the request.
    let slow = format!(r#"{{"code":429,"message":"slow","clientToken":"{token}"}}"#);
    receive(&mut client, "get/rejected", &slow);
    let again = client.poll_timeout().unwrap();
    client.handle_timeout(again);
    let (_, published) = settle(&mut client);
    assert_eq!(published.len(), 1);
    assert_ne!(token_in(&published[0]), token.as_str());
    assert_eq!(
        client.token(request).unwrap().as_str(),
        token_in(&published[0])
    );
    let answer = format!(
        r#"{{"state":{{}},"version":1,"timestamp":1,"clientToken":"{}"}}"#,
        token_in(&published[0])
    );
    receive(&mut client, "get/accepted", &answer);
    let (events, _) = settle(&mut client);
    let done = |event: &Event| matches!(event, Event::Response { request: id, outcome: Ok(_), .. } if *id == request);
    assert!(events.iter().any(done), "{events:?}");
}

#[test]
fn a_command_of_long_ago_can_be_told_from_a_new_one_without_a_clock() {
    let mut client = Client::new(config());
    client.add_shadow(lamp(), Interest::DELTA, NOW).unwrap();
    client.handle_connected(false, NOW);
    let (_, published) = settle(&mut client);
    let token = token_in(&published[0]);
    let document = format!(
        r#"{{"state":{{"desired":{{"open":true,"rgb":[1,2]}},"delta":{{"open":true,"rgb":[1,2]}}}},
        "metadata":{{"desired":{{"open":{{"timestamp":100}},"rgb":[{{"timestamp":100}},{{"timestamp":3000}}]}}}},
        "version":3,"timestamp":3700,"clientToken":"{token}"}}"#
    );
    receive(&mut client, "get/accepted", &document);
    let message = r#"{"state":{"open":true},"metadata":{"open":{"timestamp":100}},"version":4,"timestamp":3701}"#;
    receive(&mut client, "update/delta", message);
    receive(
        &mut client,
        "update/delta",
        r#"{"state":{"open":true},"version":5}"#,
    );
    let (events, _) = settle(&mut client);
    let age = |seconds| Some(Duration::from_secs(seconds));
    let [
        Event::Ready {
            document: Some(document),
            ..
        },
        Event::Delta { delta: brought, .. },
        Event::Delta {
            delta: published, ..
        },
        Event::Delta { delta: bare, .. },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(document.age("/desired/open"), age(3600));
    assert_eq!(document.age("/reported/open"), None);
    assert_eq!(
        (brought.age("/open"), brought.age("/rgb/1")),
        (age(3600), age(700))
    );
    assert_eq!((brought.age("/rgb"), brought.age("/shut")), (None, None));
    assert_eq!(published.age("/open"), age(3601));
    assert_eq!(bare.age("/open"), None);
}

#[test]
fn a_session_that_may_be_another_one_has_the_document_fetched() {
    for (policy, fetches) in [
        (ResyncPolicy::SessionLost, true),
        (ResyncPolicy::Never, false),
    ] {
        let mut config = config();
        config.resync.policy = policy;
        let interval = config.resync.min_interval;
        let mut client = Client::new(config);
        client.add_shadow(lamp(), Interest::DELTA, NOW).unwrap();
        client.handle_connected(false, NOW);
        let (_, published) = settle(&mut client);
        if let [get] = &published[..] {
            let token = token_in(get);
            let answer = format!(r#"{{"state":{{}},"version":1,"clientToken":"{token}"}}"#);
            receive(&mut client, "get/accepted", &answer);
        }
        settle(&mut client);
        // A session that is resumed needs no get, unless it may be a newer one; and the time of
        // that counts.
        let gets = usize::from(fetches);
        for (after, gets) in [(interval - Duration::from_nanos(1), 0), (interval, gets)] {
            client.handle_disconnected(NOW);
            client.handle_connected(true, NOW);
            assert!(settle(&mut client).1.is_empty());
            client.handle_session_doubted(NOW + after);
            assert_eq!(settle(&mut client).1.len(), gets, "{policy:?} {after:?}");
            client.check_invariants();
        }
    }
}
