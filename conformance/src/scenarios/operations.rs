//! Get, update, delete, and their errors.

use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use tokio::sync::mpsc;
use transport_core::{
    Change, ErrorCode, Json, RequestFailure, RequestOptions, Retry, Section, Shadow, ShadowId,
    Status, Update,
};

use crate::{
    Ground,
    ground::{PATIENCE, color, json, soon},
};

pub(super) async fn a_classic_shadow_lives_and_dies(ground: Ground) {
    live_and_die(ground.shadow().await).await;
}

pub(super) async fn a_named_shadow_lives_and_dies(ground: Ground) {
    let client = ground.client().await;
    let id = ShadowId::named(&ground.name("thing"), "light").unwrap();
    live_and_die(client.shadow(id).unwrap()).await;
}

async fn live_and_die(shadow: Shadow) {
    assert!(soon(shadow.get()).await.unwrap_err().is_not_found());
    assert!(soon(shadow.delete()).await.unwrap_err().is_not_found());
    let created = soon(shadow.desire(&color("red"))).await.unwrap();
    assert_eq!(created.version().unwrap().number(), 1);
    let document = soon(shadow.get()).await.unwrap();
    assert_eq!(document.desired.value(), Some(&color("red")));
    assert_eq!(document.delta.value(), Some(&color("red")));
    assert!(document.reported.is_absent());
    soon(shadow.report(&color("red"))).await.unwrap();
    let document = soon(shadow.get()).await.unwrap();
    assert_eq!(document.reported.value(), Some(&color("red")));
    assert!(document.delta.is_absent());
    assert_eq!(document.version.number(), 2);
    let deleted = soon(shadow.delete()).await.unwrap();
    assert_eq!(deleted.version().unwrap().number(), 2);
    assert!(soon(shadow.get()).await.unwrap_err().is_not_found());
}

pub(super) async fn both_sections_are_written_and_cleared(ground: Ground) {
    let shadow = ground.shadow().await;
    let (desired, reported) = (color("red"), json(r#"{"on":true}"#));
    let update = Update::both(&desired, &reported);
    soon(shadow.update(update)).await.unwrap();
    let document = soon(shadow.get()).await.unwrap();
    assert_eq!(document.desired.value(), Some(&desired));
    assert_eq!(document.reported.value(), Some(&reported));
    let mut update = Update::default();
    update.desired = Section::Clear;
    soon(shadow.update(update)).await.unwrap();
    let document = soon(shadow.get()).await.unwrap();
    assert!(document.desired.is_absent());
    assert_eq!(document.reported.value(), Some(&reported));
    soon(shadow.update(Update::clear())).await.unwrap();
    let document = soon(shadow.get()).await.unwrap();
    assert!(document.desired.is_absent() && document.reported.is_absent());
}

pub(super) async fn null_removes_a_key(ground: Ground) {
    let shadow = ground.shadow().await;
    let state = json(r#"{"color":"red","on":true}"#);
    soon(shadow.report(&state)).await.unwrap();
    let state = json(r#"{"color":null}"#);
    soon(shadow.report(&state)).await.unwrap();
    let document = soon(shadow.get()).await.unwrap();
    assert_eq!(document.reported.value(), Some(&json(r#"{"on":true}"#)));
}

pub(super) async fn an_update_at_a_version_conflicts(ground: Ground) {
    let shadow = ground.shadow().await;
    let first = soon(shadow.report(&color("red"))).await.unwrap();
    let first = first.version().unwrap();
    let green = color("green");
    let update = || Update::reported(&green).if_version(first);
    soon(shadow.update(update())).await.unwrap();
    let failure = soon(shadow.update(update())).await.unwrap_err();
    assert!(failure.is_conflict(), "{failure}");
}

pub(super) async fn a_transaction_tries_again_after_a_conflict(ground: Ground) {
    let shadow = ground.shadow().await;
    soon(shadow.report(&json(r#"{"count":1}"#))).await.unwrap();
    let mut tries = 0;
    let rival = shadow.clone();
    let done = shadow.transact(3, |document| {
        tries += 1;
        let count = document.unwrap().reported.value().unwrap().at("/count");
        let count: u32 = count.unwrap().parse().unwrap();
        if tries == 1 {
            // Requests of one client go out in the order of the calls.
            let other = rival.report(&json(r#"{"count":10}"#));
            other.detach().unwrap();
        }
        let next = json(&format!(r#"{{"count":{}}}"#, count + 1));
        let mut change = Change::default();
        change.reported = Some(next);
        Some(change)
    });
    soon(done).await.unwrap();
    let document = soon(shadow.get()).await.unwrap();
    assert_eq!(document.reported.value().unwrap().at("/count"), Some("11"));
    assert_eq!(tries, 2);
}

pub(super) async fn what_the_service_cannot_use_is_refused(ground: Ground) {
    let shadow = ground.shadow().await;
    let deep = json(&format!("{}1{}", r#"{"a":"#.repeat(12), "}".repeat(12)));
    let large = json(&format!(r#"{{"text":"{}"}}"#, "x".repeat(9_000)));
    let null = json(r#"{"list":[1,null]}"#);
    for (state, code) in [
        (null, ErrorCode::BAD_REQUEST),
        (deep, ErrorCode::BAD_REQUEST),
        (large, ErrorCode::PAYLOAD_TOO_LARGE),
    ] {
        let failure = soon(shadow.update(Update::desired(&state))).await;
        assert_eq!(failure.unwrap_err().code(), Some(code));
    }
    assert!(soon(shadow.get()).await.unwrap_err().is_not_found());
}

pub(super) async fn every_error_code_is_told(ground: Ground) {
    let codes = [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 599];
    let prefix = ground.prefix();
    let mut left = codes.into_iter();
    let answer = move |_, token: &str| {
        let code = left.next().unwrap();
        let text = format!(r#"{{"code":{code},"message":"no","clientToken":"{token}"}}"#);
        vec![("update/rejected", text)]
    };
    ground.serve(&prefix, answer).await;
    let mut options = ground.options();
    options.shadows.topic_prefix = prefix;
    let shadow = ground.connect(options).await.shadow(ground.shadow_id());
    let shadow = shadow.unwrap();
    for code in codes {
        let mut options = RequestOptions::default();
        options.retry = Retry::Never;
        let request = shadow.report_with_options(&color("red"), options);
        let failure = soon(request).await.unwrap_err();
        let rejection = failure.rejection().unwrap();
        assert_eq!(
            rejection.code.to_string().split(' ').next(),
            Some(&*code.to_string())
        );
        assert_eq!(&*rejection.message, "no");
    }
}

pub(super) async fn a_throttled_request_is_tried_again(ground: Ground) {
    let prefix = ground.prefix();
    let tries = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&tries);
    let answer = move |_, token: &str| match counter.fetch_add(1, Ordering::Relaxed) {
        0 => vec![(
            "get/rejected",
            format!(r#"{{"code":429,"message":"slow","clientToken":"{token}"}}"#),
        )],
        _ => vec![(
            "get/accepted",
            format!(
                r#"{{"state":{{"desired":{{"n":1}}}},"version":3,"timestamp":1,"clientToken":"{token}"}}"#
            ),
        )],
    };
    ground.serve(&prefix, answer).await;
    let mut options = ground.options();
    options.shadows.topic_prefix = prefix;
    options.shadows.backoff.base = core::time::Duration::from_millis(50);
    let client = ground.connect(options).await;
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    let document = soon(shadow.get()).await.unwrap();
    assert_eq!(document.version.number(), 3);
    assert_eq!(tries.swap(0, Ordering::Relaxed), 2);
    // The token that the call returned is the one that the callback is told, whichever try was answered.
    let (sender, mut calls) = mpsc::unbounded_channel();
    let call = move |response| drop(sender.send(response));
    let token = shadow.get_with(PATIENCE, call).unwrap();
    let response = soon(calls.recv()).await.unwrap();
    assert_eq!(response.status, Status::Accepted);
    assert_eq!(response.token, Some(token));
    assert_eq!(tries.load(Ordering::Relaxed), 2);
}

pub(super) async fn a_token_of_the_callers_own_is_used(ground: Ground) {
    let shadow = ground.shadow().await;
    let mut documents = shadow.documents().unwrap();
    soon(shadow.ready()).await.unwrap();
    let mut options = RequestOptions::default();
    options.token = Some("my-own.token");
    let request = shadow.report_with_options(&color("red"), options);
    assert_eq!(request.token().unwrap().as_str(), "my-own.token");
    // Its like is not taken while it is outstanding or remembered.
    let again = soon(shadow.get_with_options(options)).await.unwrap_err();
    assert!(matches!(again, RequestFailure::Request(_)), "{again}");
    soon(request).await.unwrap();
    let documents = soon(documents.next()).await.unwrap().unwrap();
    assert_eq!(documents.token.unwrap().as_str(), "my-own.token");
}

pub(super) async fn big_and_odd_documents_arrive_whole(ground: Ground) {
    let shadow = ground.shadow().await;
    let states: [Json; 5] = [
        json(&format!(r#"{{"text":"{}"}}"#, "x".repeat(8_000))),
        json(r#"{"text":null}"#),
        json(r#"{"":"","a/b":"~","\"\\\n\u0001":"ü 灯 🔆","timestamp":{"timestamp":1}}"#),
        json(r#"{"n":[0,-1,1.5e300,123456789012345678901234567890],"empty":[{},[]]}"#),
        json(r#"{"a":{"b":{"c":{"d":{"e":{"f":true}}}}}}"#),
    ];
    for state in &states {
        soon(shadow.report(state)).await.unwrap();
    }
    let document = soon(shadow.get()).await.unwrap();
    let reported = document.reported.value().unwrap();
    assert_eq!(reported.at("/a~1b"), Some(r#""~""#));
    assert_eq!(reported.at("/a/b/c/d/e/f"), Some("true"));
    assert_eq!(reported.at("/n/2"), Some("1.5e300"));
    assert_eq!(reported.at("/n/3"), Some("123456789012345678901234567890"));
    assert_eq!(reported.at("/text"), None);
    let mut found = false;
    for text in reported.as_str().split('"') {
        found |= text == "ü 灯 🔆";
    }
    assert!(found, "{reported}");
}
