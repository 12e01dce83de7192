//! Shadows on the Eclipse Paho client that a program has already: [`attach`] is all it takes.
//!
//! `cargo run -p conformance --features paho --example attach_paho -- tcp://127.0.0.1:1883` shows the document of a
//! shadow after a report, and sends a message of the program's own beside it.

#[path = "shared/attached.rs"]
mod attached;

use core::error::Error;

use paho_mqtt::{
    AsyncClient, ConnectOptions, CreateOptions, CreateOptionsBuilder, Error as PahoError, Event,
    MessageBuilder, ServerResponse, Token,
};
use tokio::{spawn, time::sleep};
use transport_core::{
    Config, Ended, Fact, Hub, HubOptions, ShadowClient, ToSend, shadow_config, system_clock,
};

/// Connects Paho, and serves shadows on it from then on. It connects again by itself: leave Paho's own reconnecting off,
/// which does not say whether the broker kept the session.
pub async fn attach(
    create: CreateOptions,
    connect: ConnectOptions,
    shadows: Config,
    hub: HubOptions,
) -> Result<ShadowClient, PahoError> {
    let mut mqtt = AsyncClient::new(create)?;
    // Before the first message can come. What it holds the hub takes at once, and bounds.
    let events = mqtt.get_event_stream(None);
    let first = connected(&mqtt, &connect).await?;
    let (client, hub) = Hub::new(shadows, hub, system_clock());
    hub.handle_fact(first);
    let asked = mqtt.clone();
    let ask = move |what| ended(asked.clone(), what);
    let receive = async move |is_connected: bool| {
        if !is_connected {
            return connected(&mqtt, &connect).await;
        }
        match events.recv().await {
            Ok(Event::Message(it)) => Ok(Fact::message(
                it.topic(),
                it.payload().to_vec(),
                it.retained(),
            )),
            Ok(Event::Connected | Event::Shutdown) => Ok(Fact::Other),
            // The connection is gone: Paho tells `ConnectionLost` or `Disconnected`, one of the two.
            _ => Err(PahoError::Disconnected),
        }
    };
    spawn(hub.serve(ask, receive, sleep));
    Ok(client)
}

/// Asks Paho for something, and waits for what the broker says to it.
async fn ended(mqtt: AsyncClient, what: ToSend) -> Ended {
    let token = match what {
        ToSend::Subscribe { filters, qos } => mqtt.subscribe_many_same_qos(&filters, qos as i32),
        ToSend::Unsubscribe { filters } => mqtt.unsubscribe_many(&filters),
        ToSend::Publish(it) => {
            let message = MessageBuilder::new().topic(it.topic).payload(it.payload);
            let message = message.qos(it.qos as i32).retained(it.retain);
            mqtt.publish(message.finalize()).into()
        }
        ToSend::Disconnect => mqtt.disconnect(None),
    };
    match settled(&mqtt, token).await {
        Ok(answer) => {
            let codes = answer.subscribe_many_response().unwrap_or_default();
            Ended::Done(codes.into_iter().map(|code| code as u8).collect())
        }
        // To Paho, a broker that grants none of the filters is an error, too.
        Err(_) if mqtt.is_connected() => Ended::Refused,
        Err(_) => Ended::Lost,
    }
}

/// Connects, to the end of the attempt also if nobody waits for it any more.
async fn connected(mqtt: &AsyncClient, options: &ConnectOptions) -> Result<Fact, PahoError> {
    let (mqtt, options) = (mqtt.clone(), options.clone());
    let attempt = spawn(async move { settled(&mqtt, mqtt.connect(options)).await });
    let ended = attempt.await;
    let answer = ended.unwrap_or(Err(PahoError::OperationIncomplete))?;
    let connected = answer.connect_response();
    Ok(Fact::connected(
        connected.is_some_and(|it| it.session_present),
    ))
}

/// How something ended that Paho was asked for. Paho tells so from within the client, where its last handle must not be
/// dropped: to ask for the connection waits until it is through.
async fn settled(mqtt: &AsyncClient, token: Token) -> Result<ServerResponse, PahoError> {
    let answer = token.await;
    mqtt.is_connected();
    answer
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = std::env::args().nth(1);
    let create = CreateOptionsBuilder::new()
        .server_uri(broker.as_deref().unwrap_or("tcp://127.0.0.1:1883"))
        .client_id("attach-paho")
        .persistence(None)
        .finalize();
    let connect = ConnectOptions::new();
    let client = attach(create, connect, shadow_config(), HubOptions::default()).await?;
    attached::show(client).await
}
