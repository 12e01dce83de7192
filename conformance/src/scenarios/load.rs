//! Many requests.

use std::collections::VecDeque;

use transport_core::{Accepted, Request};

use crate::{
    Ground,
    ground::{json, soon},
};

pub(super) async fn ten_thousand_requests_pass_the_window(ground: Ground) {
    let mut options = ground.options();
    options.unlimited();
    // The rates of AWS are off, so that it does not take ten minutes; the window is not.
    options.shadows.window = transport_core::Window::new(10, 10);
    options.operation_timeout = core::time::Duration::from_secs(60);
    let client = ground.connect(options).await;
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    let state = json(r#"{"on":true}"#);
    let mut waiting: VecDeque<Request<Accepted>> = VecDeque::new();
    for _ in 0..10_000 {
        if waiting.len() >= 50 {
            soon(waiting.pop_front().unwrap()).await.unwrap();
        }
        waiting.push_back(shadow.report(&state));
    }
    for request in waiting {
        soon(request).await.unwrap();
    }
    assert_eq!(soon(shadow.get()).await.unwrap().version.number(), 10_000);
    let stats = client.stats();
    assert_eq!(stats.undecodable, 0);
}
