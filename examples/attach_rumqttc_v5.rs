//! Shadows on the rumqttc client for MQTT 5 that a program has already: [`attach`] is all it takes. The same as
//! `attach_rumqttc.rs`, with rumqttc's other types, reason codes, and an expiry for each request.
//!
//! `cargo run -p conformance --example attach_rumqttc_v5 -- 127.0.0.1:1883` shows the document of a shadow after a report,
//! and a message of the program's own beside it.

#[path = "shared/attached.rs"]
mod attached;

use core::error::Error;

use rumqttc::{
    NetworkOptions, Outgoing as Sent,
    v5::{
        AsyncClient, ConnectionError, Event,
        Event::{Incoming, Outgoing},
        MqttOptions,
        mqttbytes::{
            QoS, qos,
            v5::{Filter, Packet, PubAckReason, PublishProperties, SubscribeReasonCode as Granted},
        },
    },
};
use tokio::{spawn, time::sleep};
use transport_core::{
    Config, Fact, Hub, HubOptions, MqttQos, PacketHub, PubackCode, ShadowClient, ToSend,
    shadow_config, system_clock,
};

/// Connects rumqttc, and serves shadows on it from then on.
#[allow(clippy::result_large_err, reason = "rumqttc's errors hold the packet")]
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
    let packets = PacketHub::new(hub);
    packets.handle_fact(told(connected));
    let send = move |what| match what {
        ToSend::Subscribe { filters, qos } => {
            let filter = |it: Box<str>| Filter::new(it, of(qos));
            mqtt.try_subscribe_many(filters.into_iter().map(filter))
        }
        ToSend::Unsubscribe { filters } => mqtt.try_unsubscribe(filters.concat()),
        ToSend::Publish(it) => {
            let expiry = it.properties.and_then(|all| all.message_expiry);
            let properties = PublishProperties {
                message_expiry_interval: expiry.map(|it| it.as_secs() as u32),
                ..PublishProperties::default()
            };
            let (topic, qos) = (it.topic, of(it.qos));
            mqtt.try_publish_with_properties(topic, qos, it.retain, it.payload, properties)
        }
        ToSend::Disconnect => mqtt.try_disconnect(),
    };
    let receive = async move |_| event_loop.poll().await.map(told);
    spawn(packets.serve(send, receive, sleep));
    Ok(client)
}

fn told(event: Event) -> Fact {
    match event {
        Incoming(Packet::ConnAck(it)) => Fact::connected(it.session_present),
        Incoming(Packet::Publish(it)) => {
            Fact::message(String::from_utf8_lossy(&it.topic), it.payload, it.retain)
        }
        Incoming(Packet::PubAck(it)) => Fact::Puback(it.pkid, taken(it.reason)),
        Incoming(Packet::SubAck(it)) => {
            Fact::suback(it.pkid, it.return_codes.into_iter().map(granted))
        }
        Incoming(Packet::UnsubAck(it)) => Fact::Unsuback(it.pkid),
        Outgoing(Sent::Publish(id)) => Fact::PublishSent(id),
        Outgoing(Sent::Subscribe(id)) => Fact::SubscribeSent(id),
        Outgoing(Sent::Unsubscribe(id)) => Fact::UnsubscribeSent(id),
        Incoming(_) | Outgoing(_) => Fact::Other,
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

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (host, port) = attached::broker()?;
    let options = MqttOptions::new("attach-rumqttc-v5", host, port);
    let client = attach(options, shadow_config(), HubOptions::default()).await?;
    attached::show(client).await
}
