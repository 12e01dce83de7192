//! Shadows on the rumqttc client that a program has already: [`attach`] is all it takes.
//!
//! `cargo run -p conformance --example attach_rumqttc -- 127.0.0.1:1883` shows the document of a shadow after a report,
//! and a message of the program's own beside it.

#[path = "shared/attached.rs"]
mod attached;

use core::error::Error;

use rumqttc::{
    AsyncClient, ConnectionError, Event,
    Event::{Incoming, Outgoing},
    MqttOptions, Outgoing as Sent, Packet, QoS, SubscribeFilter, SubscribeReasonCode,
};
use tokio::{spawn, time::sleep};
use transport_core::{
    Config, Fact, Hub, HubOptions, MqttQos, PacketHub, PubackCode, ShadowClient, ToSend,
    shadow_config, system_clock,
};

/// Connects rumqttc, and serves shadows on it from then on.
pub async fn attach(
    options: MqttOptions,
    shadows: Config,
    hub: HubOptions,
) -> Result<ShadowClient, ConnectionError> {
    let (mqtt, mut event_loop) = AsyncClient::new(options, 2_000);
    // A request is one small packet that waits for an answer: the worst case of Nagle's algorithm.
    event_loop.network_options.set_tcp_nodelay(true);
    let connected = event_loop.poll().await?;
    let (client, hub) = Hub::new(shadows, hub, system_clock());
    let packets = PacketHub::new(hub);
    packets.handle_fact(told(connected));
    let send = move |what| match what {
        ToSend::Subscribe { filters, qos } => {
            let filter = |it: Box<str>| SubscribeFilter::new(it.into(), of(qos));
            mqtt.try_subscribe_many(filters.into_iter().map(filter))
        }
        ToSend::Unsubscribe { filters } => mqtt.try_unsubscribe(filters.concat()),
        ToSend::Publish(it) => mqtt.try_publish(it.topic, of(it.qos), it.retain, it.payload),
        ToSend::Disconnect => mqtt.try_disconnect(),
    };
    // rumqttc connects again by itself when it is asked for more.
    let receive = async move |_| event_loop.poll().await.map(told);
    spawn(packets.serve(send, receive, sleep));
    Ok(client)
}

fn told(event: Event) -> Fact {
    match event {
        Incoming(Packet::ConnAck(it)) => Fact::connected(it.session_present),
        Incoming(Packet::Publish(it)) => Fact::message(it.topic, it.payload, it.retain),
        Incoming(Packet::PubAck(it)) => Fact::Puback(it.pkid, PubackCode::SUCCESS),
        Incoming(Packet::SubAck(it)) => {
            Fact::suback(it.pkid, it.return_codes.into_iter().map(code))
        }
        Incoming(Packet::UnsubAck(it)) => Fact::Unsuback(it.pkid),
        Outgoing(Sent::Publish(id)) => Fact::PublishSent(id),
        Outgoing(Sent::Subscribe(id)) => Fact::SubscribeSent(id),
        Outgoing(Sent::Unsubscribe(id)) => Fact::UnsubscribeSent(id),
        Incoming(_) | Outgoing(_) => Fact::Other,
    }
}

fn code(code: SubscribeReasonCode) -> u8 {
    match code {
        SubscribeReasonCode::Success(qos) => qos as u8,
        SubscribeReasonCode::Failure => 0x80,
    }
}

fn of(qos: MqttQos) -> QoS {
    rumqttc::qos(qos as u8).unwrap_or(QoS::AtLeastOnce)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (host, port) = attached::broker()?;
    let options = MqttOptions::new("attach-rumqttc", host, port);
    let client = attach(options, shadow_config(), HubOptions::default()).await?;
    attached::show(client).await
}
