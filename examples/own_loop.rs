//! A loop of your own around the sans-IO `Client`: one thread, one `TcpStream`, no runtime.
//!
//! ```text
//! cargo run -p shadow-service --features server --bin shadow-local
//! cargo run --example own_loop -- 127.0.0.1:1883
//! ```
//!
//! The bytes are those of the sans-IO session of the crate `mqtt-session`; any MQTT client that
//! tells acknowledgements apart would do. Stops after the first desired color was reported.

#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::wildcard_enum_match_arm,
    reason = "a program is std's, and need not know every event"
)]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant as Clock};

use device_shadow::proto::{
    Client, Config, Event, Instant, Interest, Output, PubackCode, ShadowId, SubackCode,
    TokenPrefix, Update,
};
use mqtt_session::{
    BytesMut, Disconnect, Event as Mqtt, Options, Owner, Publish, PublishOutcome, Restore, Session,
    TopicFilter,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Whose subscriptions they are, should there be others on the connection.
const SHADOWS: Owner = Owner::new(1);

fn main() -> Result<()> {
    let address = std::env::args().nth(1);
    let mut stream = TcpStream::connect(address.as_deref().unwrap_or("127.0.0.1:1883"))?;
    stream.set_nodelay(true)?;
    let start = Clock::now();
    let clock = || Instant::from_origin(start.elapsed());

    // Unique for each start: answers are told from those of other clients by it.
    let id = format!("own-loop-{}", std::process::id());
    let mut session = Session::new(Options::new(id.as_str()))?;
    let mut client = Client::new(Config::new(TokenPrefix::new(&id)?));
    let lamp = ShadowId::classic("own-loop-lamp")?;
    let lamp = client.add_shadow(lamp, Interest::DELTA, clock())?;
    session.handle_opened(clock());

    // What the session calls its packets, and what the client does.
    let mut publishes = BTreeMap::new();
    let mut subscribes = BTreeMap::new();
    let mut unsubscribes = BTreeMap::new();
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let mut buffer = [0; 4096];
    let mut report = None;
    loop {
        // 1. Time, and bytes that arrived.
        session.handle_timeout(clock());
        client.handle_timeout(clock());
        let blocked = session.handle_bytes(&mut input, clock()) == mqtt_session::Input::Blocked;

        // 2. What the session says goes to the client.
        while let Some(event) = session.poll_event() {
            let now = clock();
            match event {
                Mqtt::Connected(connected) => {
                    client.handle_connected(connected.session_present, now)
                }
                Mqtt::ConnectRefused(refusal) => return Err(refusal.to_string().into()),
                // A program that goes on would connect again, and call `handle_opened`.
                Mqtt::Disconnected { reason } => return Err(reason.to_string().into()),
                Mqtt::Message(message) => {
                    // An error would mean that the message is not a shadow's.
                    let _ = client.handle_publish(&message.topic, &message.payload, now);
                }
                Mqtt::Subscribed { token, codes, .. } => {
                    let codes: Vec<_> =
                        codes.iter().map(|it| SubackCode::new(it.value())).collect();
                    if let Some(id) = subscribes.remove(&token) {
                        client.handle_suback(id, &codes, now);
                    }
                }
                Mqtt::SubscribeLost { token, .. } => {
                    if let Some(id) = subscribes.remove(&token) {
                        client.handle_subscribe_failed(id, now);
                    }
                }
                Mqtt::Unsubscribed { token, .. } => {
                    if let Some(id) = unsubscribes.remove(&token) {
                        client.handle_unsuback(id, now);
                    }
                }
                Mqtt::Published { token, outcome } => {
                    let Some(id) = publishes.remove(&token) else {
                        continue;
                    };
                    match outcome {
                        PublishOutcome::Acknowledged { code, .. } => {
                            client.handle_puback(id, PubackCode::new(code.value()), now);
                        }
                        PublishOutcome::NotSent(_) => client.handle_send_failed(id, now),
                        _ => {}
                    }
                }
                _ => {}
            }
        }

        // 3. What the client wants done.
        while let Some(wanted) = client.poll_output() {
            let now = clock();
            match wanted {
                Output::Subscribe { id, filters, qos } => {
                    let filters = filters.iter().map(|filter| TopicFilter::new(&**filter));
                    let filters: Vec<_> = filters.collect::<std::result::Result<_, _>>()?;
                    let filters: Vec<_> = filters.into_iter().map(|it| (it, qos.into())).collect();
                    let token = session.subscribe(SHADOWS, &filters, Restore::ByOwner, now)?;
                    subscribes.insert(token, id);
                }
                Output::Unsubscribe { id, filters } => {
                    let filters = filters.iter().map(|filter| TopicFilter::new(&**filter));
                    let filters: Vec<_> = filters.collect::<std::result::Result<_, _>>()?;
                    unsubscribes.insert(session.unsubscribe(SHADOWS, &filters, now)?, id);
                }
                Output::Publish {
                    id,
                    topic,
                    payload,
                    qos,
                    ..
                } => {
                    let message = Publish::new(topic, payload.into_vec()).with_qos(qos);
                    publishes.insert(session.publish(message, now)?, id);
                }
                Output::Event(Event::Ready { .. }) => println!("in step with the shadow"),
                Output::Event(Event::Delta { delta, .. }) => {
                    println!("delta {}", delta.state);
                    report = Some(client.update(lamp, Update::reported(&delta.state), now)?);
                }
                Output::Event(Event::Response {
                    request, outcome, ..
                }) if report == Some(request) => {
                    outcome.map_err(|failure| failure.to_string())?;
                    println!("reported");
                    session.disconnect(Disconnect::default(), now);
                    session.write_output(&mut output, now);
                    stream.write_all(&output)?;
                    return Ok(());
                }
                Output::Event(event) => println!("{event:?}"),
            }
        }

        // 4. What the session has to say goes out, then wait: for bytes, or until the next deadline.
        session.write_output(&mut output, clock());
        stream.write_all(&output)?;
        output.clear();
        if blocked {
            continue;
        }
        let next = client
            .poll_timeout()
            .into_iter()
            .chain(session.poll_timeout())
            .min();
        let wait = next.map(|next| next.saturating_since(clock()));
        // Zero would mean for ever.
        let wait = wait.map(|wait| wait.max(Duration::from_millis(1)));
        stream.set_read_timeout(wait)?;
        match stream.read(&mut buffer) {
            Ok(0) => session.handle_closed(clock()),
            Ok(length) => input.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
