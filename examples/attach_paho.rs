//! Shadows on the Eclipse Paho client that a program has already: [`attach`] is all it takes.
//!
//! `cargo run -p conformance --features paho --example attach_paho -- tcp://127.0.0.1:1883` shows the document of a
//! shadow after a report, and sends a message of the program's own beside it.

use core::{error::Error, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use paho_mqtt::{
    AsyncClient, AsyncReceiver, ConnectOptions, CreateOptions, CreateOptionsBuilder, Event,
    MessageBuilder, ServerResponse, Token,
};
use tokio::{select, spawn, time::sleep};
use transport_core::{
    Action, Config, Hub, HubOptions, Json, Message, MqttQos, ShadowClient, ShadowId, shadow_config,
    system_clock,
};

/// Connects Paho, and serves shadows on it from then on. It connects again by itself: leave Paho's own reconnecting off,
/// which does not say whether the broker kept the session.
pub async fn attach(
    create: CreateOptions,
    connect: ConnectOptions,
    shadows: Config,
    hub: HubOptions,
) -> Result<ShadowClient, paho_mqtt::Error> {
    let mut mqtt = AsyncClient::new(create)?;
    // Before the first message can come. What it holds the hub takes at once, and bounds.
    let events = mqtt.get_event_stream(None);
    let answer = connected(&mqtt, &connect).await?;
    let (client, hub) = Hub::new(shadows, hub, system_clock());
    hub.attached(session_present(&answer));
    spawn(async move {
        select! {
            () = send(&hub, &mqtt) => {}
            () = receive(&hub, &mqtt, events, connect) => {}
        }
        hub.finish();
    });
    Ok(client)
}

/// Hands what the shadows want to Paho, and tells them what the broker says to it.
async fn send(hub: &Hub, mqtt: &AsyncClient) {
    let mut answers = FuturesUnordered::new();
    loop {
        select! {
            action = hub.next_action(sleep) => {
                let Some(action) = action else { break };
                let id = action.id();
                let token = match action {
                    Action::Subscribe { filters, qos, .. } => {
                        mqtt.subscribe_many_same_qos(&filters, qos as i32)
                    }
                    Action::Unsubscribe { filters, .. } => mqtt.unsubscribe_many(&filters),
                    Action::Publish { message: it, .. } => {
                        let message = MessageBuilder::new().topic(it.topic).payload(it.payload);
                        let message = message.qos(it.qos as i32).retained(it.retain);
                        mqtt.publish(message.finalize()).into()
                    }
                    Action::Withdraw { .. } => continue,
                };
                answers.push(settled(mqtt.clone(), token).map(move |answer| (id, answer)));
            }
            Some((id, answer)) = answers.next() => match answer {
                Ok(answer) => {
                    let codes = answer.subscribe_many_response().unwrap_or_default();
                    hub.handle_done(id, codes.into_iter().map(|code| code as u8));
                }
                // To Paho, a broker that grants none of the filters is an error, too.
                Err(_) if mqtt.is_connected() => hub.handle_refused(id),
                Err(_) => hub.handle_lost(id),
            },
        }
    }
    let _ = settled(mqtt.clone(), mqtt.disconnect(None)).await;
}

/// Tells the shadows what arrives, and connects again when the connection is gone.
async fn receive(
    hub: &Hub,
    mqtt: &AsyncClient,
    events: AsyncReceiver<Event>,
    connect: ConnectOptions,
) {
    while let Ok(event) = events.recv().await {
        match event {
            Event::Message(it) => {
                let message = Message::new(it.topic(), it.payload().to_vec());
                hub.handle_message(&message.with_retain(it.retained()));
            }
            // Paho tells one of the two.
            Event::ConnectionLost | Event::Disconnected { .. } => {
                hub.detached("the connection was lost", Some(PAUSE));
                while !hub.is_connected() {
                    sleep(PAUSE).await;
                    match connected(mqtt, &connect).await {
                        Ok(answer) => hub.attached(session_present(&answer)),
                        Err(error) => hub.detached(error, Some(PAUSE)),
                    }
                }
            }
            Event::Connected | Event::Shutdown => {}
        }
    }
}

/// Connects, to the end of the attempt also if nobody waits for it any more.
async fn connected(
    mqtt: &AsyncClient,
    options: &ConnectOptions,
) -> Result<ServerResponse, paho_mqtt::Error> {
    let attempt = settled(mqtt.clone(), mqtt.connect(options.clone()));
    let ended = spawn(attempt).await;
    ended.unwrap_or(Err(paho_mqtt::Error::OperationIncomplete))
}

/// How something ended that Paho was asked for. Paho tells so from within the client, where its last handle must not be
/// dropped: to ask for the connection waits until it is through.
async fn settled(mqtt: AsyncClient, token: Token) -> Result<ServerResponse, paho_mqtt::Error> {
    let answer = token.await;
    mqtt.is_connected();
    answer
}

fn session_present(answer: &ServerResponse) -> bool {
    answer
        .connect_response()
        .is_some_and(|it| it.session_present)
}

/// Between attempts to connect.
const PAUSE: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = std::env::args().nth(1);
    let broker = broker.as_deref().unwrap_or("tcp://127.0.0.1:1883");
    let create = CreateOptionsBuilder::new()
        .server_uri(broker)
        .client_id("attach-paho")
        .persistence(None);
    let client = attach(
        create.finalize(),
        ConnectOptions::new(),
        shadow_config(),
        HubOptions::default(),
    )
    .await?;
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
