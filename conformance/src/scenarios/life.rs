//! How clients, handles and futures end.

use core::time::Duration;

use transport_core::{ConnectionEvent, MqttQos, RequestFailure, ShadowId, Unfinished};

use crate::{
    Ground, Packet,
    ground::{PATIENCE, color, connected_again, disconnected, json, soon},
};

pub(super) async fn dropped_futures_harm_nothing(ground: Ground) {
    let (client, proxy) = ground.client_through_proxy().await;
    let mut events = client.connection_events();
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    proxy.set_down(true);
    proxy.cut();
    disconnected(&mut events).await;
    // Not sent yet: these never happen.
    drop(shadow.desire(&color("red")));
    drop(client.publish(ground.name("topic"), "x", MqttQos::AtLeastOnce));
    proxy.set_down(false);
    connected_again(&mut events).await;
    assert!(soon(shadow.get()).await.unwrap_err().is_not_found());
    // Perhaps sent: they go their way.
    for _ in 0..3 {
        drop(shadow.get());
        shadow.report(&color("red")).detach().unwrap();
    }
    let document = soon(shadow.get()).await.unwrap();
    assert!(document.desired.is_absent());
    assert_eq!(document.reported.value(), Some(&color("red")));
}

pub(super) async fn a_shutdown_flushes(ground: Ground) {
    let shadow = ground.shadow().await;
    let client = shadow.client().clone();
    let request = shadow.report(&color("red"));
    soon(client.shutdown(PATIENCE)).await.unwrap();
    soon(request).await.unwrap();
    let refused = soon(shadow.get()).await.unwrap_err();
    assert!(matches!(refused, RequestFailure::Stopped), "{refused}");
    let reader = ground.client().await.shadow(shadow.id().clone()).unwrap();
    soon(reader.get()).await.unwrap();
}

pub(super) async fn a_shutdown_ends_what_is_pending(ground: Ground) {
    let mut options = ground.options();
    options.shadows.topic_prefix = ground.prefix();
    let client = ground.connect(options).await;
    let mut events = client.connection_events();
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    let requests: Vec<_> = (0..3).map(|_| shadow.get()).collect();
    let mut deltas = shadow.deltas().unwrap();
    let ended = soon(client.shutdown(Duration::from_millis(200))).await;
    let Err(Unfinished(count)) = ended else {
        panic!("{ended:?}");
    };
    assert!(count >= 3, "{count}");
    for request in requests {
        assert!(soon(request).await.is_err());
    }
    assert!(soon(deltas.next()).await.is_none());
    let mut last = None;
    while let Some(event) = soon(events.next()).await {
        last = Some(event);
    }
    assert_eq!(last, Some(ConnectionEvent::Stopped));
}

pub(super) async fn the_last_handle_ends_the_connection(ground: Ground) {
    let (client, proxy) = ground.client_through_proxy().await;
    let shadow = client.shadow(ground.shadow_id()).unwrap();
    drop(client);
    assert!(soon(shadow.get()).await.unwrap_err().is_not_found());
    assert_eq!(proxy.connections(), 1);
    drop(shadow);
    let gone = async {
        while proxy.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(gone).await;
    assert_eq!(proxy.count(Packet::Disconnect), 1);
}

pub(super) async fn many_shadows_on_one_connection(ground: Ground) {
    let mut options = ground.options();
    options.unlimited();
    let client = ground.connect(options).await;
    let thing = ground.name("thing");
    let mut followed = Vec::new();
    for number in 0..40 {
        let id = ShadowId::named(&thing, &format!("s{number}")).unwrap();
        let shadow = client.shadow(id).unwrap();
        let deltas = shadow.deltas().unwrap();
        followed.push((shadow, deltas));
    }
    for (shadow, _) in &followed {
        soon(shadow.ready()).await.unwrap();
    }
    let desires: Vec<_> = followed
        .iter()
        .enumerate()
        .map(|(number, (shadow, _))| shadow.desire(&json(&format!(r#"{{"n":{number}}}"#))))
        .collect();
    for desire in desires {
        soon(desire).await.unwrap();
    }
    for (number, (_, deltas)) in followed.iter_mut().enumerate() {
        let delta = soon(deltas.next()).await.unwrap();
        assert_eq!(delta.state.at("/n"), Some(&*number.to_string()));
    }
}
