//! Requests that are not answered, at each stage.

use transport_core::{
    ConnectOptions, Failure, NotSent, RequestFailure, RequestOptions, Shadow, Stage, WhenOffline,
};

use crate::{
    Ground, Packet, Proxy,
    ground::{PATIENCE, briefly, disconnected, soon},
};

/// How far a get comes that nobody answers: with more time on a machine that is too busy for the little it has at first.
async fn stage(shadow: &Shadow, expected: Stage) -> Stage {
    let mut options = briefly();
    loop {
        let failure = soon(shadow.get_with_options(options)).await.unwrap_err();
        let RequestFailure::Failure(Failure::TimedOut { stage, .. }) = failure else {
            panic!("{failure:?}");
        };
        options.timeout = options.timeout.map(|timeout| timeout * 3);
        if stage == expected || options.timeout > Some(PATIENCE) {
            return stage;
        }
    }
}

/// A client's shadow without a service.
async fn unserved(ground: &Ground, proxy: &Proxy) -> Shadow {
    let mut options: ConnectOptions = ground.options_at(proxy.port());
    options.shadows.topic_prefix = ground.prefix();
    let client = ground.connect(options).await;
    client.shadow(ground.shadow_id()).unwrap()
}

pub(super) async fn timed_out_before_the_subscription(ground: Ground) {
    let proxy = ground.proxy().await;
    let shadow = unserved(&ground, &proxy).await;
    proxy.lose_from_broker(Packet::Suback);
    assert_eq!(stage(&shadow, Stage::Subscribing).await, Stage::Subscribing);
    assert_eq!(proxy.count(Packet::Publish), 0);
}

pub(super) async fn timed_out_before_the_brokers_acknowledgement(ground: Ground) {
    let proxy = ground.proxy().await;
    let shadow = unserved(&ground, &proxy).await;
    proxy.lose_from_broker(Packet::Puback);
    assert_eq!(stage(&shadow, Stage::Sent).await, Stage::Sent);
}

pub(super) async fn timed_out_before_the_services_answer(ground: Ground) {
    let proxy = ground.proxy().await;
    let shadow = unserved(&ground, &proxy).await;
    assert_eq!(
        stage(&shadow, Stage::Acknowledged).await,
        Stage::Acknowledged
    );
}

pub(super) async fn timed_out_without_a_connection(ground: Ground) {
    let (client, proxy) = ground.client_through_proxy().await;
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    let mut events = client.connection_events();
    proxy.set_down(true);
    proxy.cut();
    disconnected(&mut events).await;
    assert_eq!(stage(&shadow, Stage::Queued).await, Stage::Queued);
}

pub(super) async fn offline_is_an_error_at_once_if_so_wished(ground: Ground) {
    let (client, proxy) = ground.client_through_proxy().await;
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    let mut events = client.connection_events();
    proxy.set_down(true);
    proxy.cut();
    disconnected(&mut events).await;
    let mut options = RequestOptions::default();
    options.when_offline = WhenOffline::Fail;
    let failure = soon(shadow.get_with_options(options)).await.unwrap_err();
    let RequestFailure::Failure(Failure::NotSent { reason, .. }) = failure else {
        panic!("{failure:?}");
    };
    assert_eq!(reason, NotSent::Offline);
}
