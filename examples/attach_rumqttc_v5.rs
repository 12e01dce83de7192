//! Shadows on the rumqttc client for MQTT 5 that a program has already: [`attach`] is all it takes. The same as
//! `attach_rumqttc.rs`, with rumqttc's other types, reason codes, and an expiry for each request.
//!
//! `cargo run -p conformance --example attach_rumqttc_v5 -- 127.0.0.1:1883` shows the document of a shadow after a report,
//! and a message of the program's own beside it.

use core::{error::Error, time::Duration};

use rumqttc::{
    NetworkOptions, Outgoing as Sent,
    v5::{
        AsyncClient, ConnectionError, Event,
        Event::{Incoming, Outgoing},
        EventLoop, MqttOptions,
        mqttbytes::{
            QoS, qos,
            v5::{Filter, Packet, PubAckReason, PublishProperties, SubscribeReasonCode as Granted},
        },
    },
};
use tokio::{join, spawn, time::sleep};
use transport_core::{
    Action, Config, Hub, HubOptions, Json, Message, MqttQos, PacketHub, PubackCode, ShadowClient,
    ShadowId, shadow_config, system_clock,
};

/// Connects rumqttc, and serves shadows on it from then on.
pub async fn attach(
    mut options: MqttOptions,
    shadows: Config,
    hub: HubOptions,
) -> Result<ShadowClient, ConnectionError> {
    let mut network = NetworkOptions::new();
    // A request is one small packet that waits for an answer: the worst case of Nagle's algorithm.
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    let (mqtt, mut event_loop) = AsyncClient::new(options, 2_000);
    let connected = event_loop.poll().await?;
    let (client, hub) = Hub::new(shadows, hub, system_clock());
    spawn(async move {
        let packets = PacketHub::new(hub);
        join!(
            send(&packets, mqtt),
            receive(&packets, event_loop, connected)
        );
        packets.hub().finish();
    });
    Ok(client)
}

/// Hands what the shadows want to rumqttc.
async fn send(packets: &PacketHub, mqtt: AsyncClient) {
    while let Some(action) = packets.next_action(sleep).await {
        let taken = match action {
            Action::Subscribe { filters, qos, .. } => {
                let filter = |it: Box<str>| Filter::new(it, of(qos));
                mqtt.try_subscribe_many(filters.into_iter().map(filter))
            }
            Action::Unsubscribe { filters, .. } => mqtt.try_unsubscribe(filters.concat()),
            Action::Publish { message: it, .. } => {
                let expiry = it.properties.and_then(|all| all.message_expiry);
                let properties = PublishProperties {
                    message_expiry_interval: expiry.map(|it| it.as_secs() as u32),
                    ..PublishProperties::default()
                };
                let (topic, qos) = (it.topic, of(it.qos));
                mqtt.try_publish_with_properties(topic, qos, it.retain, it.payload, properties)
            }
            Action::Withdraw { .. } => Ok(()),
        };
        if taken.is_err() {
            packets.handle_not_taken();
        }
    }
    // Behind what is under way. The broker closes the connection then, which is an error to rumqttc.
    let _ = mqtt.try_disconnect();
}

/// Runs rumqttc, as every program that uses it does, and tells the shadows what it tells.
async fn receive(packets: &PacketHub, mut event_loop: EventLoop, connected: Event) {
    let mut polled = Ok(connected);
    loop {
        match polled {
            Ok(Incoming(Packet::ConnAck(it))) => packets.handle_connected(it.session_present),
            Ok(Incoming(Packet::Publish(it))) => {
                let topic = String::from_utf8_lossy(&it.topic);
                let message = Message::new(topic, it.payload).with_retain(it.retain);
                packets.hub().handle_message(&message);
            }
            Ok(Incoming(Packet::PubAck(it))) => packets.handle_puback(it.pkid, taken(it.reason)),
            Ok(Incoming(Packet::SubAck(it))) => {
                packets.handle_suback(it.pkid, it.return_codes.into_iter().map(granted));
            }
            Ok(Incoming(Packet::UnsubAck(it))) => packets.handle_unsuback(it.pkid),
            Ok(Outgoing(Sent::Publish(id))) => packets.handle_publish_sent(id),
            Ok(Outgoing(Sent::Subscribe(id))) => packets.handle_subscribe_sent(id),
            Ok(Outgoing(Sent::Unsubscribe(id))) => packets.handle_unsubscribe_sent(id),
            Ok(Incoming(_) | Outgoing(_)) => {}
            Err(_) if packets.hub().is_over() => return,
            Err(error) => {
                packets.hub().detached(error, Some(PAUSE));
                sleep(PAUSE).await;
            }
        }
        polled = event_loop.poll().await;
    }
}

/// The number of a reason code, which rumqttc keeps to itself.
fn taken(reason: PubAckReason) -> PubackCode {
    PubackCode::new(match reason {
        PubAckReason::Success => 0x00,
        PubAckReason::NoMatchingSubscribers => 0x10,
        PubAckReason::UnspecifiedError => 0x80,
        PubAckReason::ImplementationSpecificError => 0x83,
        PubAckReason::NotAuthorized => 0x87,
        PubAckReason::TopicNameInvalid => 0x90,
        PubAckReason::PacketIdentifierInUse => 0x91,
        PubAckReason::QuotaExceeded => 0x97,
        PubAckReason::PayloadFormatInvalid => 0x99,
    })
}

fn granted(reason: Granted) -> u8 {
    match reason {
        Granted::Success(qos) => qos as u8,
        Granted::Failure | Granted::Unspecified => 0x80,
        Granted::ImplementationSpecific => 0x83,
        Granted::NotAuthorized => 0x87,
        Granted::TopicFilterInvalid => 0x8f,
        Granted::PkidInUse => 0x91,
        Granted::QuotaExceeded => 0x97,
        Granted::SharedSubscriptionsNotSupported => 0x9e,
        Granted::SubscriptionIdNotSupported => 0xa1,
        Granted::WildcardSubscriptionsNotSupported => 0xa2,
    }
}

fn of(level: MqttQos) -> QoS {
    qos(level as u8).unwrap_or(QoS::AtLeastOnce)
}

/// Between attempts to connect.
const PAUSE: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = std::env::args().nth(1);
    let broker = broker.as_deref().unwrap_or("127.0.0.1:1883");
    let (host, port) = broker
        .rsplit_once(':')
        .ok_or("usage: attach_rumqttc_v5 HOST:PORT")?;
    let options = MqttOptions::new("attach-rumqttc-v5", host, port.parse()?);
    let client = attach(options, shadow_config(), HubOptions::default()).await?;
    let light = client.shadow(ShadowId::classic("my-light")?)?;
    let red = Json::from_text(r#"{"color":"red"}"#)?;
    light.report(&red).await?;
    let reported = light.get().await?.reported.into_value();
    println!("{}", reported.ok_or("nothing is reported")?);
    // And messages of your own, on the same connection.
    client
        .publish("lights/hello", "attached", MqttQos::AtLeastOnce)
        .await?;
    client.shutdown(Duration::from_secs(5)).await?;
    println!("done");
    Ok(())
}
