//! Who subscribes to what, and sees what.

use core::time::Duration;
use std::collections::BTreeSet;

use transport_core::{Event, Failure, Interest, NotReady, RequestFailure, Subscriptions};

use crate::{
    Ground, Packet, Proxy,
    ground::{color, json, nothing, soon},
};

pub(super) async fn a_watcher_sees_all_answers_and_nothing_twice(ground: Ground) {
    let watched = ground.shadow().await;
    let client = ground.client().await;
    let watcher = client.shadow(watched.id().clone()).unwrap();
    let mut events = watcher.events(Interest::ALL).unwrap();
    soon(watcher.ready()).await.unwrap();
    let _ = soon(watched.get()).await;
    soon(watched.desire(&color("red"))).await.unwrap();
    soon(watched.get()).await.unwrap();
    let bad = json(r#"{"list":[null]}"#);
    assert!(soon(watched.desire(&bad)).await.is_err());
    soon(watched.delete()).await.unwrap();
    assert!(soon(watched.delete()).await.is_err());
    let mut seen = Vec::new();
    while let Ok(event) = tokio::time::timeout(
        Duration::from_millis(if seen.len() < 9 { 10_000 } else { 300 }),
        events.next(),
    )
    .await
    {
        seen.push(match event.unwrap().unwrap() {
            Event::ForeignAnswer {
                operation, answer, ..
            } => match answer {
                Ok(_) => format!("{operation} accepted"),
                Err(_) => format!("{operation} rejected"),
            },
            Event::Delta { .. } => "delta".to_owned(),
            Event::Documents { .. } => "documents".to_owned(),
            Event::Deleted { .. } => "deleted".to_owned(),
            Event::Ready { .. } => continue,
            other => panic!("{other:?}"),
        });
    }
    seen.sort();
    let expected = [
        "delete accepted",
        "delete rejected",
        "deleted",
        "delta",
        "documents",
        "get accepted",
        "get rejected",
        "update accepted",
        "update rejected",
    ];
    assert_eq!(seen, expected);
}

pub(super) async fn several_clients_write_one_shadow(ground: Ground) {
    let id = ground.shadow_id();
    let mut shadows = Vec::new();
    for _ in 0..4 {
        let mut options = ground.options();
        options.unlimited();
        let client = ground.connect(options).await;
        shadows.push(client.shadow(id.clone()).unwrap());
    }
    let mut requests = Vec::new();
    for round in 0..5 {
        for (number, shadow) in shadows.iter().enumerate() {
            let state = json(&format!(r#"{{"key{number}":{round}}}"#));
            requests.push(shadow.report(&state));
        }
    }
    let mut versions = BTreeSet::new();
    for request in requests {
        versions.insert(soon(request).await.unwrap().version().unwrap());
    }
    // Each update has a version of its own.
    assert_eq!(versions.len(), 20);
    let document = soon(shadows[0].get()).await.unwrap();
    let expected = json(r#"{"key0":4,"key1":4,"key2":4,"key3":4}"#);
    let reported = document.reported.value().unwrap();
    for key in ["/key0", "/key1", "/key2", "/key3"] {
        assert_eq!(reported.at(key), expected.at(key));
    }
}

pub(super) async fn publish_only_subscribes_nothing(ground: Ground) {
    let (client, proxy) = ground.client_through_proxy().await;
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    let shadow = shadow.subscriptions(Subscriptions::PublishOnly);
    soon(shadow.report(&color("red"))).await.unwrap();
    let failure = soon(shadow.get()).await.unwrap_err();
    assert!(matches!(failure, RequestFailure::NoAnswer), "{failure}");
    assert_eq!(proxy.count(Packet::Subscribe), 0);
    assert_eq!(proxy.count(Packet::Publish), 2);
    let reader = ground.client().await.shadow(shadow.id().clone()).unwrap();
    let document = soon(reader.get()).await.unwrap();
    assert_eq!(document.reported.value(), Some(&color("red")));
}

/// Waits until the client has given every filter back.
async fn given_back(proxy: &Proxy) {
    let ticks = async {
        while !proxy.filters().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(ticks).await;
}

pub(super) async fn subscriptions_per_request_leave_nothing_behind(ground: Ground) {
    let (client, proxy) = ground.client_through_proxy().await;
    let linger = Duration::from_millis(20);
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    let shadow = shadow.subscriptions(Subscriptions::PerRequest { linger });
    soon(shadow.report(&color("red"))).await.unwrap();
    given_back(&proxy).await;
    // Again, and two at once.
    let requests = (shadow.get(), shadow.get());
    soon(requests.0).await.unwrap();
    soon(requests.1).await.unwrap();
    soon(shadow.delete()).await.unwrap();
    given_back(&proxy).await;
}

pub(super) async fn an_unused_shadow_gives_its_subscriptions_back(ground: Ground) {
    let (client, proxy) = ground.client_through_proxy().await;
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    let deltas = shadow.deltas().unwrap();
    soon(shadow.report(&color("red"))).await.unwrap();
    assert!(!proxy.filters().is_empty());
    drop((shadow, deltas));
    given_back(&proxy).await;
}

pub(super) async fn a_refused_subscription_is_told(ground: Ground) {
    let (client, proxy) = ground.client_through_proxy().await;
    proxy.refuse_filters(true);
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    let failure = soon(shadow.get()).await.unwrap_err();
    let RequestFailure::Failure(Failure::SubscribeRefused { filter, code, .. }) = failure else {
        panic!("{failure:?}");
    };
    assert!(filter.contains("/get/"), "{filter}");
    assert!(!code.is_granted());
    let mut deltas = shadow.deltas().unwrap();
    let error = soon(shadow.ready()).await.unwrap_err();
    assert!(matches!(error, NotReady::Refused { .. }), "{error}");
    assert!(nothing(deltas.next()).await);
    // What needs no answer still works.
    proxy.refuse_filters(false);
    let other = client.shadow(ground.shadow_id()).unwrap();
    assert!(soon(other.get()).await.unwrap_err().is_not_found());
}
