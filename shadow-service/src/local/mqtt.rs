//! The service as a client of an MQTT broker that is already running (feature `client`).
//!
//! Its two subscriptions have filters that match requests and nothing else, and the requests
//! for one shadow arrive on one of them, so that their order is kept. At most one service
//! answers on a broker: a second one is refused.
//!
//! What a client of a broker cannot know is whether a message is a last will: the broker
//! publishes a will as it does anything else. So a will on a shadow topic is served here, while
//! AWS's service, and this one on the embedded broker, ignore it. Nor can it know who sent a
//! request, so those in flight are always counted by thing; a request with RETAIN is served when
//! it is sent and not again when it is kept.

mod alone;

use crate::{
    local::{Batch, Engine},
    reply::{Ignored, Outgoing},
};
use alloc::vec::Vec;
use alloc::{boxed::Box, collections::VecDeque, format, string::String, sync::Arc};
use alone::{Alone, Verdict};
use core::{
    fmt,
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use transport_tokio::{
    ConnectError, ConnectOptions, ConnectionEvent, DisconnectReason, Messages, MqttQos,
    PermanentRefusal, Publishing, ShadowClient, SubscribeFailure,
};

/// Called with each event of the connection, on a task of the runtime: keep it short.
pub type ConnectionObserver = Arc<dyn Fn(&ConnectionEvent) + Send + Sync>;

/// Called when the service answers again after the connection to the broker broke: keep it short.
pub type ServingObserver = Arc<dyn Fn() + Send + Sync>;

/// A service on a broker. Dropping it disconnects.
///
/// A [`Server`](crate::local::Server) attaches itself with
/// [`Options::mqtt`](crate::local::Options::mqtt). By hand, here to a broker that is there already:
///
/// ```
/// # #[cfg(feature = "broker")]
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use shadow_service::{
///     MemoryStore, Service, Settings,
///     local::{DynStore, Engine, EngineOptions, mqtt::{AttachError, Attached}},
/// };
/// use transport_tokio::{ConnectOptions, ShadowId, connect};
///
/// # let mut options = shadow_service::local::broker::BrokerOptions::default();
/// # options.listen.set_port(0);
/// # let broker = shadow_service::local::broker::Broker::bare(&options).await?;
/// # let url = format!("mqtt://{}", broker.addresses().plain.unwrap());
/// let options = || ConnectOptions::from_url(&url);
/// let engine = || {
///     let store: DynStore = Box::new(MemoryStore::new());
///     Engine::new(Service::with_store(Settings::default(), store), EngineOptions::default())
/// };
/// let (first, messages) = engine();
/// let attached = Attached::start(options()?, first, messages, None, None).await?;
///
/// let client = connect(options()?).await?;
/// let lamp = client.shadow(ShadowId::classic("lamp")?)?;
/// assert!(lamp.get().await.unwrap_err().is_not_found());
///
/// // Two services would both answer.
/// let (second, messages) = engine();
/// let refused = Attached::start(options()?, second, messages, None, None).await;
/// assert_eq!(refused.unwrap_err(), AttachError::NotAlone);
/// attached.stop().await;
/// # broker.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Attached {
    client: ShadowClient,
    ended: watch::Receiver<Option<Ended>>,
    tasks: Vec<JoinHandle<()>>,
}

/// Why the service no longer answers.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Ended {
    /// Another service answers on the broker too; one of them had to end.
    NotAlone,
    /// The broker refuses for good, in these words.
    Refused(Box<str>),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAlone => f.write_str("another shadow service answers on this broker"),
            Self::Refused(text) => write!(f, "the broker refuses the service: {text}"),
        }
    }
}

impl core::error::Error for Ended {}

/// Why the service could not begin.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AttachError {
    /// There is no connection.
    Connect(ConnectError),
    /// The broker does not let it hear requests.
    Subscribe(SubscribeFailure),
    /// Another service answers on this broker already.
    NotAlone,
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::Subscribe(error) => error.fmt(f),
            Self::NotAlone => Ended::NotAlone.fmt(f),
        }
    }
}

impl core::error::Error for AttachError {}

impl Attached {
    /// Connects, and returns when requests are heard. `messages` is the queue that came with
    /// the engine. After this, a connection that breaks is made again, for ever. Must be
    /// called on a tokio runtime.
    ///
    /// The session is a clean one: a request that waited for a service long gone would be
    /// executed after its client gave up.
    ///
    /// `options.client_id` must differ from that of any other client; by default it is random.
    ///
    /// # Errors
    /// [`AttachError`] if the first attempt fails, or another service is there.
    pub async fn start(
        mut options: ConnectOptions,
        engine: Engine,
        messages: mpsc::Receiver<Batch>,
        observer: Option<ConnectionObserver>,
        serving: Option<ServingObserver>,
    ) -> Result<Self, AttachError> {
        let prefix = engine.service().settings().prefix.clone();
        let id = options.client_id.clone();
        options.clean_start = true;
        options.message_buffer = options.message_buffer.max(WAITING);
        options.reconnect.permanent = PermanentRefusal::Stop;
        // Mosquitto 2.0 sends more than it was told to bear once its queue drains, which MQTT 5
        // calls a protocol error; the requests of that moment would be lost with the connection.
        // What is read is bounded by what is taken, so no limit is needed here.
        options.mqtt.receive_maximum = u16::MAX;
        // The quotas are those of AWS's clients, and this is the other side.
        options.unlimited();
        let client = transport_tokio::connect(options);
        let client = client.await.map_err(AttachError::Connect)?;
        let (end, ended) = watch::channel(None);
        let end = Arc::new(end);
        let mut attached = Self {
            client: client.clone(),
            ended,
            tasks: Vec::new(),
        };
        let watching = watch_connection(client.clone(), observer, Arc::clone(&end));
        attached.spawn(watching);
        let subscribe = async |filter: &str| {
            let filter = format!("{}/{filter}", prefix.as_str());
            let granted = client.subscribe(&filter, MqttQos::AtLeastOnce).await;
            granted.map_err(AttachError::Subscribe)
        };
        let topic = format!("{}/shadow-service", prefix.as_str());
        let mut others = subscribe("shadow-service").await?;
        let mut alone = Alone::new(&id);
        say(&client, &topic, alone.question());
        if tokio::time::timeout(
            SILENCE,
            another(&client, &topic, &alone, &mut others, &|| {}),
        )
        .await
        .is_ok()
        {
            return Err(AttachError::NotAlone);
        }
        say(&client, &topic, alone.serve());
        let staying = stay_alone(client.clone(), topic, alone, others, end, serving);
        attached.spawn(staying);
        for filter in ["things/+/shadow/+", "things/+/shadow/name/+/+"] {
            let heard = subscribe(filter).await?;
            attached.spawn(serve(engine.clone(), heard));
        }
        attached.spawn(publish(client.clone(), messages));
        Ok(attached)
    }

    /// Waits until the service no longer answers and never will: mostly for ever.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        let found = ended.wait_for(Option::is_some).await;
        match found.map(|ended| ended.clone()) {
            Ok(Some(ended)) => ended,
            // The task that would tell ends only with `self`.
            Ok(None) | Err(_) => core::future::pending().await,
        }
    }

    /// The connection.
    pub(crate) const fn client(&self) -> &ShadowClient {
        &self.client
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(tokio::spawn(task));
    }

    /// Answers what was heard, then disconnects.
    pub async fn stop(self) {
        let _ = self.client.shutdown(Duration::from_secs(5)).await;
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached").finish_non_exhaustive()
    }
}

async fn serve(engine: Engine, mut requests: Messages) {
    while let Some(message) = requests.next().await {
        let message = match message {
            Ok(message) => message,
            Err(lagged) => {
                tracing::warn!(
                    name: "service.lagged", dropped = lagged.0,
                    "requests came faster than they are served"
                );
                continue;
            }
        };
        // What a broker kept is no request of a client that waits for the answer.
        if message.retain {
            continue;
        }
        match engine
            .handle_publish(&message.topic, &message.payload)
            .await
        {
            Ok(()) | Err(Ignored::NotARequest | Ignored::NotAShadowTopic) => {}
        }
    }
}

/// Publishes in order, and waits for the oldest acknowledgement when many are outstanding.
async fn publish(client: ShadowClient, mut messages: mpsc::Receiver<Batch>) {
    let mut outstanding: VecDeque<Publishing> = VecDeque::new();
    loop {
        let batch = tokio::select! {
            batch = messages.recv() => batch,
            () = oldest(&mut outstanding) => continue,
        };
        let Some(batch) = batch else { break };
        for Outgoing { topic, payload } in batch.messages {
            while outstanding.len() >= IN_FLIGHT {
                oldest(&mut outstanding).await;
            }
            outstanding.push_back(client.publish(topic, payload, MqttQos::AtLeastOnce));
        }
    }
    while !outstanding.is_empty() {
        oldest(&mut outstanding).await;
    }
}

/// Waits for the oldest message; for ever if there is none. Cancel-safe.
async fn oldest(outstanding: &mut VecDeque<Publishing>) {
    let Some(first) = outstanding.front_mut() else {
        return core::future::pending().await;
    };
    if let Err(failure) = first.await {
        tracing::warn!(name: "service.publish_failed", %failure, "an answer could not be published");
    }
    outstanding.pop_front();
}

async fn watch_connection(
    client: ShadowClient,
    observer: Option<ConnectionObserver>,
    end: Arc<watch::Sender<Option<Ended>>>,
) {
    let mut events = client.connection_events();
    // The connection that there is already.
    let first = client.connection_info();
    let mut first = first.map(|info| ConnectionEvent::Connected(Box::new(info)));
    while let Some(event) = match first.take() {
        Some(first) => Some(first),
        None => events.next().await,
    } {
        tracing::info!(name: "service.connection", "{event}");
        if let Some(observer) = &observer {
            observer(&event);
        }
        if let Some(why) = final_word(&event) {
            let _ = end.send(Some(why));
        }
    }
}

/// Returns when another service is there to which this one gives way; answers those who ask.
/// Calls `own` when it hears itself.
async fn another(
    client: &ShadowClient,
    topic: &str,
    alone: &Alone,
    others: &mut Messages,
    own: &(dyn Fn() + Send + Sync),
) {
    while let Some(message) = others.next().await {
        let Ok(message) = message else { continue };
        let text = core::str::from_utf8(&message.payload).unwrap_or_default();
        if text == alone.statement() {
            own();
        }
        match alone.heard(text) {
            Verdict::Stay => {}
            Verdict::Say(answer) => say(client, topic, answer),
            Verdict::GiveWay => return,
        }
    }
    // The client has stopped, which others notice.
    core::future::pending().await
}

async fn stay_alone(
    client: ShadowClient,
    topic: String,
    mut alone: Alone,
    mut others: Messages,
    end: Arc<watch::Sender<Option<Ended>>>,
    serving: Option<ServingObserver>,
) {
    let back = AtomicBool::new(false);
    // What this service says is sent after its subscriptions: when it hears itself, it hears
    // requests, too.
    let own = || {
        if back.swap(false, Ordering::Relaxed) {
            tracing::info!(name: "service.serving_again", "serving again");
            if let Some(serving) = &serving {
                serving();
            }
        }
    };
    let mut events = client.connection_events();
    loop {
        tokio::select! {
            () = another(&client, &topic, &alone, &mut others, &own) => break,
            event = events.next() => match event {
                Some(ConnectionEvent::Connected(_)) => {
                    back.store(true, Ordering::Relaxed);
                    // Whoever came meanwhile must learn that this one is back.
                    say(&client, &topic, alone.serve());
                }
                Some(_) => {}
                None => return,
            },
        }
    }
    tracing::error!(name: "service.not_alone", "{}", Ended::NotAlone);
    let _ = end.send(Some(Ended::NotAlone));
    drop(client.shutdown(Duration::ZERO));
}

/// Says it if there is a connection; if not, it is said again after the next.
fn say(client: &ShadowClient, topic: &str, text: String) {
    let _ = client.publish(topic, text, MqttQos::AtLeastOnce).detach();
}

/// What an event says that ends the service for good.
fn final_word(event: &ConnectionEvent) -> Option<Ended> {
    if let ConnectionEvent::Disconnected {
        reason, retry_in, ..
    } = event
    {
        let final_one = retry_in.is_none() && *reason != DisconnectReason::Requested;
        return final_one.then(|| Ended::Refused(format!("{reason}").into()));
    }
    if let ConnectionEvent::ConnectFailed {
        error,
        retry_in: None,
    } = event
    {
        return Some(Ended::Refused(format!("{error}").into()));
    }
    None
}

/// How long a service waits for another to say that it is there.
const SILENCE: Duration = Duration::from_millis(500);
/// Requests that may wait to be served, for each of the two subscriptions.
const WAITING: usize = 4096;
/// Messages sent and not acknowledged, at most.
const IN_FLIGHT: usize = 256;
