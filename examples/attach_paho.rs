//! Shadows on the Eclipse Paho client that a program has already: [`attach`] is all it takes.
//!
//! `cargo run -p conformance --features paho --example attach_paho -- tcp://127.0.0.1:1883` shows the document of a
//! shadow after a report, and sends a message of the program's own beside it.

use core::{error::Error, time::Duration};

use futures_util::{
    FutureExt as _, StreamExt as _, TryFutureExt as _, future::pending, stream::FuturesUnordered,
};
use paho_mqtt::{
    AsyncClient, AsyncReceiver, ConnectOptions, CreateOptions, CreateOptionsBuilder, Event,
    MessageBuilder, ServerResponse,
};
use tokio::{select, time::sleep};
use transport_core::{
    Action, Config, Hub, HubOptions, Json, Message, MqttQos, ShadowClient, ShadowId, SubackCode,
    shadow_config, system_clock,
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
    let answer = mqtt.connect(connect.clone()).await?;
    let (client, hub) = Hub::new(shadows, hub, system_clock());
    hub.attached(session_present(&answer));
    tokio::spawn(serve(hub, mqtt, events, connect));
    Ok(client)
}

async fn serve(hub: Hub, mqtt: AsyncClient, events: AsyncReceiver<Event>, connect: ConnectOptions) {
    let mut answers = FuturesUnordered::new();
    let mut connecting = pending().boxed();
    while !hub.is_over() {
        while let Some(action) = hub.poll_action() {
            let id = action.id();
            let token = match action {
                Action::Subscribe { filters, qos, .. } => {
                    mqtt.subscribe_many_same_qos(&filters, qos as i32).boxed()
                }
                Action::Unsubscribe { filters, .. } => mqtt.unsubscribe_many(&filters).boxed(),
                Action::Publish {
                    topic,
                    payload,
                    qos,
                    retain,
                    ..
                } => {
                    let message = MessageBuilder::new()
                        .topic(&*topic)
                        .payload(&*payload)
                        .qos(qos as i32)
                        .retained(retain);
                    mqtt.publish(message.finalize())
                        .map_ok(|()| ServerResponse::new())
                        .boxed()
                }
                Action::Withdraw { .. } => continue,
            };
            answers.push(token.map(move |answer| (id, answer)));
        }
        select! {
            Ok(event) = events.recv() => match event {
                Event::Message(it) => {
                    let message = Message::new(it.topic(), it.payload().to_vec());
                    hub.handle_message(&message.with_retain(it.retained()));
                }
                Event::ConnectionLost | Event::Disconnected { .. } if hub.is_connected() => {
                    hub.detached("the connection was lost", Some(PAUSE));
                    connecting = reconnect(mqtt.clone(), hub.clone(), connect.clone()).boxed();
                }
                Event::Connected | Event::ConnectionLost | Event::Disconnected { .. } | Event::Shutdown => {}
            },
            () = &mut connecting => connecting = pending().boxed(),
            Some((id, answer)) = answers.next() => match answer {
                Ok(answer) => hub.handle_done(id, &codes(&answer)),
                // To Paho, a broker that grants none of the filters is an error, too.
                Err(_) if mqtt.is_connected() => hub.handle_refused(id),
                Err(_) => hub.handle_lost(id),
            },
            () = hub.changed() => {}
            () = sleep(hub.time_left()) => hub.handle_timeout(),
        }
    }
    let _ = mqtt.disconnect(None).await;
    hub.finish();
}

async fn reconnect(mqtt: AsyncClient, hub: Hub, options: ConnectOptions) {
    loop {
        sleep(PAUSE).await;
        match mqtt.connect(options.clone()).await {
            Ok(answer) => return hub.attached(session_present(&answer)),
            Err(error) => hub.detached(error, Some(PAUSE)),
        }
    }
}

fn codes(answer: &ServerResponse) -> Vec<SubackCode> {
    let codes = answer.subscribe_many_response().unwrap_or_default();
    codes
        .into_iter()
        .map(|code| SubackCode::new(code as u8))
        .collect()
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
