//! Callbacks, as users of the SDK v1 know them.

use tokio::{sync::mpsc, time::timeout};
use transport_core::{ConnectionEvent, Response, Stage, Status, TopicKind, Update, blocking::wait};

use crate::{
    Ground,
    ground::{BRIEFLY, PATIENCE, color, json, nothing, soon},
};

pub(super) async fn callbacks_are_called_once_and_in_order(ground: Ground) {
    let shadow = ground.shadow().await;
    let (sender, mut calls) = mpsc::unbounded_channel::<Response>();
    let send = || {
        let sender = sender.clone();
        move |response| drop(sender.send(response))
    };
    // Reports and desires go out, and are served, in the order of the calls.
    let (good, bad) = (color("red"), json(r#"{"list":[null]}"#));
    let mut expected = Vec::new();
    for (state, status) in [
        (&good, Status::Accepted),
        (&bad, Status::Rejected),
        (&good, Status::Accepted),
    ] {
        let update = Update::reported(state);
        let token = shadow.update_with(PATIENCE, update, send()).unwrap();
        expected.push((token, status, format!("/update/{status}")));
    }
    let mut responses = Vec::new();
    for _ in &expected {
        responses.push(soon(calls.recv()).await.unwrap());
    }
    // Accepted and rejected are two topics, between which a broker keeps no order.
    responses.sort_by_key(|response| expected.iter().position(|it| Some(it.0) == response.token));
    for (response, (token, status, end)) in responses.iter().zip(expected) {
        assert_eq!(response.status, status);
        assert_eq!(response.token, Some(token));
        assert!(response.topic.ends_with(&end), "{}", response.topic);
        assert!(response.payload.contains(token.as_str()));
        assert_eq!(&response.shadow, shadow.id());
    }
    shadow.get_with(PATIENCE, send()).unwrap();
    let response = soon(calls.recv()).await.unwrap();
    assert_eq!(response.status, Status::Accepted);
    assert!(response.payload.contains("red"), "{}", response.payload);
    assert!(nothing(calls.recv()).await);
}

pub(super) async fn a_callback_calls_back(ground: Ground) {
    let shadow = ground.shadow().await;
    let (sender, mut calls) = mpsc::unbounded_channel();
    let its = shadow.clone();
    let first = move |_| {
        let red = color("red");
        let updated = sender.clone();
        let update = Update::reported(&red);
        let then = move |response| drop(updated.send(response));
        its.update_with(PATIENCE, update, then).unwrap();
        // Waiting inside a callback is legal, too.
        wait(its.delete()).unwrap();
        let last = move |response| drop(sender.send(response));
        its.get_with(PATIENCE, last).unwrap();
    };
    shadow.get_with(PATIENCE, first).unwrap();
    assert_eq!(soon(calls.recv()).await.unwrap().status, Status::Accepted);
    assert_eq!(soon(calls.recv()).await.unwrap().status, Status::Rejected);
}

pub(super) async fn a_callback_ends_the_client(ground: Ground) {
    let shadow = ground.shadow().await;
    let client = shadow.client().clone();
    let mut events = client.connection_events();
    let its = client.clone();
    shadow
        .get_with(PATIENCE, move |_| drop(its.shutdown(PATIENCE)))
        .unwrap();
    loop {
        if soon(events.next()).await.unwrap() == ConnectionEvent::Stopped {
            break;
        }
    }
    assert!(soon(shadow.get()).await.is_err());
}

pub(super) async fn a_callback_is_replaced_and_removed(ground: Ground) {
    let shadow = ground.shadow().await;
    let (sender, mut calls) = mpsc::unbounded_channel();
    for name in ["first", "second"] {
        let sender = sender.clone();
        let call = move |response: Response| {
            assert_eq!(response.status, Status::Delta);
            drop(sender.send((name, response.payload)));
        };
        shadow.on_delta(call).unwrap();
    }
    soon(shadow.ready()).await.unwrap();
    soon(shadow.desire(&color("red"))).await.unwrap();
    let (name, payload) = soon(calls.recv()).await.unwrap();
    assert_eq!(name, "second");
    assert!(payload.contains("red"), "{payload}");
    assert!(shadow.stop_on_delta());
    assert!(!shadow.stop_on_delta());
    soon(shadow.desire(&color("blue"))).await.unwrap();
    assert!(nothing(calls.recv()).await);
}

pub(super) async fn every_response_topic_calls_back(ground: Ground) {
    let shadow = ground.shadow().await;
    let (sender, mut calls) = mpsc::unbounded_channel();
    let topics = TopicKind::ALL.into_iter().filter(|kind| !kind.is_request());
    for kind in topics {
        let sender = sender.clone();
        let call = move |response: Response| {
            assert!(response.topic.ends_with(kind.suffix()));
            let _ = sender.send((kind, response.status));
        };
        shadow.on(kind, call).unwrap();
    }
    soon(shadow.ready()).await.unwrap();
    let actor = ground.client().await.shadow(shadow.id().clone()).unwrap();
    let _ = soon(actor.get()).await;
    soon(actor.desire(&color("red"))).await.unwrap();
    soon(actor.get()).await.unwrap();
    let bad = json(r#"{"list":[null]}"#);
    assert!(soon(actor.desire(&bad)).await.is_err());
    soon(actor.delete()).await.unwrap();
    let _ = soon(actor.delete()).await;
    let mut seen = Vec::new();
    while seen.len() < 8 {
        let call = timeout(PATIENCE, calls.recv()).await;
        let call = call.unwrap_or_else(|_| panic!("only {seen:?} called back"));
        let call = call.unwrap();
        if !seen.contains(&call) {
            seen.push(call);
        }
    }
    for (kind, status) in seen {
        let word = kind.suffix().rsplit('/').next().unwrap();
        assert_eq!(status.as_str(), word);
    }
    // And none when nothing answers.
    let late = shadow.clone();
    let mut options = ground.options();
    options.shadows.topic_prefix = ground.prefix();
    let alone = ground.connect(options).await;
    let alone = alone.shadow(late.id().clone()).unwrap();
    let (sender, mut calls) = mpsc::unbounded_channel();
    let mut limit = BRIEFLY;
    let response: Response = loop {
        let sender = sender.clone();
        let call = move |response| drop(sender.send(response));
        let token = alone.get_with(limit, call).unwrap();
        let response: Response = soon(calls.recv()).await.unwrap();
        assert_eq!(response.token, Some(token));
        // With more time on a machine that is too busy for the little it has at first.
        limit *= 3;
        if response.stage == Some(Stage::Acknowledged) || limit > PATIENCE {
            break response;
        }
    };
    assert_eq!(response.status, Status::Timeout);
    assert_eq!(response.status.as_str(), "timeout");
    assert!(response.payload.is_empty());
    assert_eq!(response.stage, Some(Stage::Acknowledged));
}
