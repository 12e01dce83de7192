//! Shadows on the rumqttc client that a program has already: [`attach`] is all it takes.
//!
//! `cargo run -p conformance --example attach_rumqttc -- 127.0.0.1:1883` shows the document of a shadow after a report,
//! and a message of the program's own beside it.

use core::{error::Error, time::Duration};

use rumqttc::{
    AsyncClient, ConnectionError, Event,
    Event::{Incoming, Outgoing},
    EventLoop, MqttOptions, Outgoing as Sent, Packet, QoS, SubscribeFilter, SubscribeReasonCode,
};
use tokio::{join, spawn, time::sleep};
use transport_core::{
    Action, Config, Hub, HubOptions, Json, Message, MqttQos, PacketHub, PubackCode, ShadowClient,
    ShadowId, shadow_config, system_clock,
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
                let filter = |it: Box<str>| SubscribeFilter::new(it.into(), of(qos));
                mqtt.try_subscribe_many(filters.into_iter().map(filter))
            }
            Action::Unsubscribe { filters, .. } => mqtt.try_unsubscribe(filters.concat()),
            Action::Publish { message: it, .. } => {
                mqtt.try_publish(it.topic, of(it.qos), it.retain, it.payload)
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
                let message = Message::new(it.topic, it.payload).with_retain(it.retain);
                packets.hub().handle_message(&message);
            }
            Ok(Incoming(Packet::PubAck(it))) => packets.handle_puback(it.pkid, PubackCode::SUCCESS),
            Ok(Incoming(Packet::SubAck(it))) => {
                packets.handle_suback(it.pkid, it.return_codes.into_iter().map(code));
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

fn code(code: SubscribeReasonCode) -> u8 {
    match code {
        SubscribeReasonCode::Success(qos) => qos as u8,
        SubscribeReasonCode::Failure => 0x80,
    }
}

fn of(qos: MqttQos) -> QoS {
    rumqttc::qos(qos as u8).unwrap_or(QoS::AtLeastOnce)
}

/// Between attempts to connect.
const PAUSE: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = std::env::args().nth(1);
    let broker = broker.as_deref().unwrap_or("127.0.0.1:1883");
    let (host, port) = broker
        .rsplit_once(':')
        .ok_or("usage: attach_rumqttc HOST:PORT")?;
    let options = MqttOptions::new("attach-rumqttc", host, port.parse()?);
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
