//! Messages of the application's own, on the same connection.

use transport_core::{MqttQos, Publish, SubscribeFailure};

use crate::{
    Ground,
    ground::{connected_again, disconnected, nothing, soon},
};

const QOS: MqttQos = MqttQos::AtLeastOnce;

pub(super) async fn messages_of_the_applications_own(ground: Ground) {
    let client = ground.client().await;
    let topic = ground.name("topic");
    let exact = format!("{topic}/a");
    let mut messages = soon(client.subscribe(&exact, QOS)).await.unwrap();
    for qos in [MqttQos::AtMostOnce, QOS] {
        soon(client.publish(&*exact, "text", qos)).await.unwrap();
        let message = soon(messages.next()).await.unwrap().unwrap();
        assert_eq!(
            (&*message.topic, &*message.payload),
            (&*exact, &b"text"[..])
        );
    }
    soon(client.unsubscribe(&exact)).await.unwrap();
    assert!(soon(messages.next()).await.is_none());
    let mut kept = Publish::new(format!("{topic}/kept"), "kept").with_qos(QOS);
    kept.retain = true;
    soon(client.publish_message(kept)).await.unwrap();
    let other = ground.client().await;
    let filter = format!("{topic}/+");
    let mut late = soon(other.subscribe(&filter, QOS)).await.unwrap();
    let message = soon(late.next()).await.unwrap().unwrap();
    assert!(message.retain);
    assert_eq!(message.payload, "kept");
}

pub(super) async fn a_plain_subscription_survives_a_lost_session(ground: Ground) {
    let (client, proxy) = ground.client_through_proxy().await;
    let mut events = client.connection_events();
    let topic = ground.name("topic");
    let mut messages = soon(client.subscribe(&topic, QOS)).await.unwrap();
    proxy.cut();
    disconnected(&mut events).await;
    connected_again(&mut events).await;
    let other = ground.client().await;
    // Until the subscription is there again.
    loop {
        soon(other.publish(&*topic, "x", QOS)).await.unwrap();
        if !nothing(messages.next()).await {
            break;
        }
    }
}

pub(super) async fn a_refused_plain_subscription_is_told(ground: Ground) {
    let (client, proxy) = ground.client_through_proxy().await;
    proxy.refuse_filters(true);
    let refused = soon(client.subscribe(&ground.name("topic"), QOS)).await;
    let failure = refused.unwrap_err();
    assert!(
        matches!(failure, SubscribeFailure::Refused { .. }),
        "{failure}"
    );
    let failure = soon(client.subscribe("a/#/b", QOS)).await.unwrap_err();
    assert!(matches!(failure, SubscribeFailure::Filter(_)), "{failure}");
}

pub(super) async fn a_big_message_arrives_whole(ground: Ground) {
    let client = ground.client().await;
    let topic = ground.name("topic");
    let mut messages = soon(client.subscribe(&topic, QOS)).await.unwrap();
    let payload: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
    soon(client.publish(&*topic, payload.clone(), QOS))
        .await
        .unwrap();
    let message = soon(messages.next()).await.unwrap().unwrap();
    assert_eq!(message.payload, payload);
    soon(client.publish(&*topic, "", QOS)).await.unwrap();
    assert!(
        soon(messages.next())
            .await
            .unwrap()
            .unwrap()
            .payload
            .is_empty()
    );
}
