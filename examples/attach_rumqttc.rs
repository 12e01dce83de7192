//! Shadows on the rumqttc client that a program has already: [`attach`] is all it takes.
//!
//! `cargo run -p conformance --example attach_rumqttc -- 127.0.0.1:1883` shows the document of a shadow after a report,
//! and a message of the program's own beside it.

use core::{error::Error, time::Duration};

use rumqttc::{
    AsyncClient, ConnectionError, Event, MqttOptions, Outgoing, Packet, QoS, SubscribeFilter,
    SubscribeReasonCode,
};
use tokio::{
    select,
    sync::mpsc::{self, Receiver},
    time::sleep,
};
use transport_core::{
    Action, Config, Hub, HubOptions, Json, Message, MqttQos, PacketHub, PubackCode, ShadowClient,
    ShadowId, SubackCode, shadow_config, system_clock,
};

type Events = Receiver<Result<Event, ConnectionError>>;

/// Connects rumqttc, and serves shadows on it from then on.
pub async fn attach(
    options: MqttOptions,
    shadows: Config,
    hub: HubOptions,
) -> Result<ShadowClient, ConnectionError> {
    let (mqtt, mut event_loop) = AsyncClient::new(options, 2_000);
    // A request is one small packet that waits for an answer: the worst case of Nagle's algorithm.
    event_loop.network_options.set_tcp_nodelay(true);
    let first = event_loop.poll().await?;
    let (sender, events) = mpsc::channel(100);
    let _ = sender.try_send(Ok(first));
    // A task of its own: a poll that is given up forgets what it was about to send.
    tokio::spawn(async move {
        loop {
            let event = event_loop.poll().await;
            let failed = event.is_err();
            if sender.send(event).await.is_err() {
                return;
            }
            if failed {
                sleep(PAUSE).await;
            }
        }
    });
    let (client, hub) = Hub::new(shadows, hub, system_clock());
    tokio::spawn(serve(hub, mqtt, events));
    Ok(client)
}

async fn serve(hub: Hub, mqtt: AsyncClient, mut events: Events) {
    let mut packets = PacketHub::new(hub.clone());
    while !hub.is_over() {
        while let Some(action) = packets.poll_action() {
            let taken = match action {
                Action::Subscribe { filters, qos, .. } => mqtt.try_subscribe_many(
                    (filters.iter())
                        .map(|filter| SubscribeFilter::new(filter.to_string(), of(qos))),
                ),
                Action::Unsubscribe { filters, .. } => mqtt.try_unsubscribe(filters.concat()),
                #[rustfmt::skip]
                Action::Publish { topic, payload, qos, retain, .. } => mqtt.try_publish(topic, of(qos), retain, payload),
                Action::Withdraw { .. } => Ok(()),
            };
            if taken.is_err() {
                packets.handle_not_taken();
            }
        }
        select! {
            Some(event) = events.recv() => match event {
                Ok(Event::Incoming(packet)) => match packet {
                    Packet::ConnAck(ack) => packets.handle_connected(ack.session_present),
                    Packet::Publish(it) => drop(hub.handle_message(&Message::new(it.topic, it.payload).with_retain(it.retain))),
                    Packet::PubAck(ack) => packets.handle_puback(ack.pkid, PubackCode::SUCCESS),
                    Packet::SubAck(ack) => packets.handle_suback(ack.pkid, &codes(&ack.return_codes)),
                    Packet::UnsubAck(ack) => packets.handle_unsuback(ack.pkid),
                    _ => {}
                },
                Ok(Event::Outgoing(Outgoing::Publish(id))) => packets.handle_publish_sent(id),
                Ok(Event::Outgoing(Outgoing::Subscribe(id))) => packets.handle_subscribe_sent(id),
                Ok(Event::Outgoing(Outgoing::Unsubscribe(id))) => packets.handle_unsubscribe_sent(id),
                Ok(Event::Outgoing(_)) => {}
                Err(error) => hub.detached(error, Some(PAUSE)),
            },
            () = hub.changed() => {}
            () = sleep(hub.time_left()) => hub.handle_timeout(),
        }
    }
    // What is under way is sent first; then the broker closes the connection, which is an error to rumqttc.
    let _ = mqtt.try_disconnect();
    while let Some(Ok(_)) = events.recv().await {}
    hub.finish();
}

fn of(qos: MqttQos) -> QoS {
    rumqttc::qos(qos as u8).unwrap_or(QoS::AtLeastOnce)
}

fn codes(codes: &[SubscribeReasonCode]) -> Vec<SubackCode> {
    let code = |code: &_| match code {
        SubscribeReasonCode::Success(qos) => *qos as u8,
        SubscribeReasonCode::Failure => 0x80,
    };
    codes.iter().map(|it| SubackCode::new(code(it))).collect()
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
    light
        .report(&Json::from_text(r#"{"color":"red"}"#)?)
        .await?;
    println!(
        "{}",
        light
            .get()
            .await?
            .reported
            .value()
            .ok_or("nothing is reported")?
    );
    // And messages of your own, on the same connection.
    client
        .publish("lights/hello", "attached", MqttQos::AtLeastOnce)
        .await?;
    client.shutdown(Duration::from_secs(5)).await?;
    println!("done");
    Ok(())
}
