//! Lost connections, lost and kept sessions.

use core::time::Duration;

use transport_core::{ConnectError, Failure, RequestFailure, Resync, Stage};

use crate::{
    Ground, Packet,
    ground::{color, connected_again, disconnected, nothing, soon},
};

pub(super) async fn a_lost_session_is_made_anew(ground: Ground) {
    let (client, proxy) = ground.client_through_proxy().await;
    let mut events = client.connection_events();
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    let mut deltas = shadow.deltas().unwrap();
    soon(shadow.ready()).await.unwrap();
    let app = ground.client().await.shadow(shadow.id().clone()).unwrap();
    for name in ["red", "green"] {
        proxy.set_down(true);
        proxy.cut();
        disconnected(&mut events).await;
        // Nobody keeps this delta: the document tells of it.
        soon(app.desire(&color(name))).await.unwrap();
        proxy.set_down(false);
        assert!(!connected_again(&mut events).await.session_present);
        assert_eq!(soon(deltas.next()).await.unwrap().state, color(name));
    }
    soon(app.desire(&color("blue"))).await.unwrap();
    assert_eq!(soon(deltas.next()).await.unwrap().state, color("blue"));
    soon(shadow.report(&color("blue"))).await.unwrap();
}

pub(super) async fn a_kept_session_is_resumed(ground: Ground) {
    let proxy = ground.proxy().await;
    let mut options = ground.options_at(proxy.port());
    options.clean_start = false;
    options.session_expiry = Some(Duration::from_secs(60));
    // No attempt before the broker is back: one that is cut off may have begun another session,
    // after which a client subscribes again to be sure.
    options.reconnect.base = Duration::from_millis(400);
    options.reconnect.max = Duration::from_millis(400);
    options.reconnect.jitter_percent = 0;
    options.shadows.resync = Resync::never();
    let client = ground.connect(options).await;
    let mut events = client.connection_events();
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    let mut deltas = shadow.deltas().unwrap();
    soon(shadow.ready()).await.unwrap();
    let subscribed = proxy.count(Packet::Subscribe);
    let app = ground.client().await.shadow(shadow.id().clone()).unwrap();
    proxy.set_down(true);
    proxy.cut();
    disconnected(&mut events).await;
    soon(app.desire(&color("red"))).await.unwrap();
    proxy.set_down(false);
    assert!(connected_again(&mut events).await.session_present);
    // The broker kept the delta, and the subscription.
    assert_eq!(soon(deltas.next()).await.unwrap().state, color("red"));
    assert_eq!(proxy.count(Packet::Subscribe), subscribed);
    assert!(nothing(deltas.next()).await);
}

pub(super) async fn a_request_in_flight_fails_with_its_session(ground: Ground) {
    let (client, proxy) = ground.client_through_proxy().await;
    let mut events = client.connection_events();
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    soon(shadow.report(&color("red"))).await.unwrap();
    proxy.lose_from_broker(Packet::Publish);
    let request = shadow.report(&color("green"));
    let acknowledged = async {
        // Two reports.
        while proxy.count(Packet::Publish) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(acknowledged).await;
    proxy.cut();
    disconnected(&mut events).await;
    proxy.heal();
    let failure = soon(request).await.unwrap_err();
    let RequestFailure::Failure(Failure::Disconnected { stage, .. }) = failure else {
        panic!("{failure:?}");
    };
    assert!(stage >= Stage::Sent, "{stage}");
    // It may have been applied, as the stage says; the shadow is there.
    soon(shadow.get()).await.unwrap();
}

pub(super) async fn a_request_made_offline_is_sent_later(ground: Ground) {
    let (client, proxy) = ground.client_through_proxy().await;
    let mut events = client.connection_events();
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    proxy.set_down(true);
    proxy.cut();
    disconnected(&mut events).await;
    let report = shadow.report(&color("red"));
    let plain = client.publish(ground.name("topic"), "x", transport_core::Qos::AtLeastOnce);
    proxy.set_down(false);
    soon(report).await.unwrap();
    soon(plain).await.unwrap();
}

pub(super) async fn a_broker_that_is_away_comes_back(ground: Ground) {
    let (client, proxy) = ground.client_through_proxy().await;
    let mut events = client.connection_events();
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    for _ in 0..3 {
        proxy.cut();
        disconnected(&mut events).await;
        connected_again(&mut events).await;
        let _ = soon(shadow.get()).await.unwrap_err().is_not_found();
        assert!(client.is_connected());
    }
}

pub(super) async fn nobody_there_is_an_error(ground: Ground) {
    let options = ground.options_at(testkit::free_port());
    let error = soon(ground.adapter().connect(options)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Open(_)), "{error}");
    assert!(!error.is_permanent());
}
