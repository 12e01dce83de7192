//! What a scenario has at hand.

use core::{fmt, future::Future, time::Duration};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tokio::time::timeout;
use transport_core::{
    ConnectOptions, ConnectionEvent, ConnectionEvents, ConnectionInfo, Json, MqttQos, Operation,
    RequestOptions, Shadow, ShadowClient, ShadowId, Topic, TopicPrefix,
};

use crate::{Adapter, Proxy, Setting};

/// Where one scenario is played: on which adapter, in which setting, under which names.
#[derive(Clone)]
pub struct Ground {
    adapter: Arc<dyn Adapter>,
    setting: Setting,
    options: ConnectOptions,
    /// Of this scenario alone.
    name: String,
    counter: Arc<AtomicU32>,
}

impl Ground {
    /// For the scenario of this number, with the options to connect with.
    pub(crate) fn new(
        adapter: Arc<dyn Adapter>,
        setting: Setting,
        options: ConnectOptions,
        scenario: usize,
    ) -> Self {
        let name = format!("{}-{}-{scenario}", adapter.name(), setting.letters());
        Self {
            adapter,
            setting,
            options,
            name: name.replace([' ', '.', ','], "-"),
            counter: Arc::default(),
        }
    }

    /// Where it is played.
    pub fn setting(&self) -> Setting {
        self.setting
    }

    /// A name that nobody else uses.
    pub fn name(&self, what: &str) -> String {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        format!("{}-{what}{number}", self.name)
    }

    /// A shadow that nobody else uses.
    pub fn shadow_id(&self) -> ShadowId {
        ShadowId::classic(&self.name("thing")).unwrap()
    }

    /// The options of a client: quick to reconnect, patient with a busy machine.
    pub fn options(&self) -> ConnectOptions {
        self.set(self.options.clone())
    }

    /// The same for a broker at another port of this machine, over TCP.
    pub fn options_at(&self, port: u16) -> ConnectOptions {
        let url = format!("mqtt://127.0.0.1:{port}");
        self.set(ConnectOptions::from_url(&url).unwrap())
    }

    fn set(&self, mut options: ConnectOptions) -> ConnectOptions {
        options.client_id = self.name("client");
        options.version = self.setting.version;
        options.operation_timeout = PATIENCE;
        options.reconnect.base = Duration::from_millis(50);
        options.reconnect.max = Duration::from_millis(200);
        options.shadows.resync.min_interval = Duration::ZERO;
        options
    }

    /// A connected client.
    pub async fn client(&self) -> ShadowClient {
        self.connect(self.options()).await
    }

    /// A connected client beside another one.
    pub async fn other_client(&self) -> ShadowClient {
        if !self.adapter.is_alone(self.setting) {
            return self.client().await;
        }
        let client = soon(transport_tokio::connect(self.options())).await;
        client.expect("the other client is connected")
    }

    /// A connected client with these options.
    pub async fn connect(&self, options: ConnectOptions) -> ShadowClient {
        let client = soon(self.adapter.connect(options)).await;
        client.expect("the client is connected")
    }

    /// A client, and the proxy that it connects through.
    pub async fn client_through_proxy(&self) -> (ShadowClient, Proxy) {
        let proxy = self.proxy().await;
        let client = self.connect(self.options_at(proxy.port())).await;
        (client, proxy)
    }

    /// A proxy in front of the broker.
    pub async fn proxy(&self) -> Proxy {
        Proxy::start(self.options.endpoint.port(), self.setting.version).await
    }

    /// The adapter itself.
    pub fn adapter(&self) -> &dyn Adapter {
        &*self.adapter
    }

    /// One shadow of a client of its own.
    pub async fn shadow(&self) -> Shadow {
        self.client().await.shadow(self.shadow_id()).unwrap()
    }

    /// A topic prefix under which no service answers.
    pub fn prefix(&self) -> TopicPrefix {
        TopicPrefix::new(&self.name("prefix")).unwrap()
    }

    /// Answers every request under a prefix with what `answer` says: topics' ends and payloads.
    pub async fn serve<A>(&self, prefix: &TopicPrefix, mut answer: A)
    where
        A: FnMut(Operation, &str) -> Vec<(&'static str, String)> + Send + 'static,
    {
        let mut options = self.options();
        options.unlimited();
        let client = soon(transport_tokio::connect(options)).await.unwrap();
        let filter = format!("{}/#", prefix.as_str());
        let mut requests = client
            .subscribe(&filter, MqttQos::AtLeastOnce)
            .await
            .unwrap();
        let prefix = prefix.clone();
        tokio::spawn(async move {
            while let Some(message) = requests.next().await {
                let message = message.unwrap();
                let topic = Topic::parse_with(&prefix, &message.topic).unwrap();
                if !topic.kind().is_request() {
                    continue;
                }
                let request = str::from_utf8(&message.payload).unwrap();
                for (end, payload) in answer(topic.kind().operation(), &token_in(request)) {
                    let base = message.topic.rsplit_once('/').unwrap().0;
                    let topic = format!("{base}/{end}");
                    let sent = client.publish(topic, payload, MqttQos::AtLeastOnce);
                    let _ = sent.detach();
                }
            }
        });
    }
}

impl fmt::Debug for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ground({})", self.name)
    }
}

/// Waits, though not for ever.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    match timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("nothing happened for {PATIENCE:?}"),
    }
}

/// Whether nothing comes for a short while.
pub(crate) async fn nothing<F: Future>(future: F) -> bool {
    timeout(BRIEFLY, future).await.is_err()
}

/// Waits until the client is connected again.
pub(crate) async fn connected_again(events: &mut ConnectionEvents) -> ConnectionInfo {
    loop {
        match soon(events.next()).await {
            Some(ConnectionEvent::Connected(info)) => return *info,
            Some(_) => {}
            None => panic!("the client has stopped"),
        }
    }
}

/// Waits until the client knows that its connection is gone.
pub(crate) async fn disconnected(events: &mut ConnectionEvents) {
    loop {
        match soon(events.next()).await {
            Some(ConnectionEvent::Disconnected { .. }) => return,
            Some(_) => {}
            None => panic!("the client has stopped"),
        }
    }
}

pub(crate) fn json(text: &str) -> Json {
    Json::from_text(text).unwrap()
}

pub(crate) fn color(name: &str) -> Json {
    json(&format!(r#"{{"color":"{name}"}}"#))
}

/// Options of a request that gives up after [`BRIEFLY`].
pub(crate) fn briefly<'a>() -> RequestOptions<'a> {
    let mut options = RequestOptions::default();
    options.timeout = Some(BRIEFLY);
    options
}

/// The client token in a request, empty if there is none.
fn token_in(request: &str) -> String {
    let found = Json::from_text(request).ok();
    let found = found.and_then(|json| json.at("/clientToken").map(str::to_owned));
    found.unwrap_or_default().trim_matches('"').to_owned()
}

/// How long to wait for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait for what must not come.
pub(crate) const BRIEFLY: Duration = Duration::from_millis(300);
