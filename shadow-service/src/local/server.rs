//! The local server: engine, broker and REST data plane, started and stopped as one.

use crate::{
    local::{Batch, Clock, DynStore, Engine, EngineOptions, FaultRule, Observer, StartError},
    service::Service,
    settings::Settings,
    store::MemoryStore,
};
use alloc::{boxed::Box, vec::Vec};
use core::fmt;
#[cfg(any(feature = "broker", feature = "http"))]
use core::net::SocketAddr;
use tokio::{sync::mpsc, task::JoinHandle};

#[cfg(feature = "broker")]
use crate::local::broker::{Addresses, Broker, BrokerOptions};
#[cfg(feature = "http")]
use crate::local::http::HttpServer;
#[cfg(all(feature = "http", feature = "tls"))]
use crate::local::tls::TlsFiles;
#[cfg(feature = "client")]
use crate::local::{
    mqtt::{AttachError, Attached, ConnectionObserver, Ended, ServingObserver},
    republish::{self, Rule},
};
#[cfg(feature = "client")]
use transport_tokio::ConnectOptions;

/// What a [`Server`] serves, and where. The default is nothing but the service itself.
#[derive(Default)]
#[non_exhaustive]
pub struct Options {
    /// How the service behaves.
    pub settings: Settings,
    /// Where the time comes from; default the system's clock.
    pub clock: Clock,
    /// Where documents live; default memory.
    pub store: Option<DynStore>,
    /// Who is told of every request.
    pub observer: Option<Observer>,
    /// How many requests of a thing may be in flight, else 429; AWS has 10. Default: any number.
    pub in_flight: Option<u32>,
    /// What is to go wrong, to test clients with. Default nothing.
    pub faults: Vec<FaultRule>,
    /// Equal seeds let the same things go wrong.
    pub fault_seed: u64,
    /// The embedded broker, if there is to be one. Left out when there is one to attach to.
    #[cfg(feature = "broker")]
    pub broker: Option<BrokerOptions>,
    /// The broker to attach to, if there is one that is already running. A last will on a shadow
    /// topic is served there: see [`mqtt`](super::mqtt).
    #[cfg(feature = "client")]
    pub mqtt: Option<ConnectOptions>,
    /// Who is told of what happens to the connection to that broker.
    #[cfg(feature = "client")]
    pub connection: Option<ConnectionObserver>,
    /// Who is told when the service answers again after that connection broke.
    #[cfg(feature = "client")]
    pub serving: Option<ServingObserver>,
    /// What is republished as shadow requests, for last wills above all.
    #[cfg(feature = "client")]
    pub republish: Vec<Rule>,
    /// Where the REST data plane listens, if anywhere; port 0 takes a free one.
    #[cfg(feature = "http")]
    pub http: Option<SocketAddr>,
    /// Where the REST data plane listens for TLS, if anywhere, and with which certificates.
    #[cfg(all(feature = "http", feature = "tls"))]
    pub https: Option<(SocketAddr, TlsFiles)>,
}

impl Options {
    /// Everything this build has, on free ports of the loopback address: for tests.
    #[must_use]
    pub fn on_free_ports() -> Self {
        #[cfg(feature = "broker")]
        let broker = {
            let mut broker = BrokerOptions::default();
            broker.listen.set_port(0);
            broker
        };
        Self {
            #[cfg(feature = "broker")]
            broker: Some(broker),
            #[cfg(feature = "http")]
            http: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            ..Self::default()
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Options");
        f.field("settings", &self.settings)
            .field("clock", &self.clock)
            .field("in_flight", &self.in_flight)
            .field("faults", &self.faults);
        #[cfg(feature = "broker")]
        f.field("broker", &self.broker);
        #[cfg(feature = "client")]
        f.field("mqtt", &self.mqtt);
        #[cfg(feature = "http")]
        f.field("http", &self.http);
        #[cfg(all(feature = "http", feature = "tls"))]
        f.field("https", &self.https);
        f.finish_non_exhaustive()
    }
}

/// A running shadow service. Dropping it stops it at once; [`stop`](Self::stop) does so in
/// good order.
///
/// ```
/// # #[cfg(feature = "broker")]
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use shadow_service::local::{Options, Server};
///
/// let server = Server::start(Options::on_free_ports()).await?;
/// let address = server.mqtt_address().unwrap();
/// // … connect devices to mqtt://{address} …
/// server.stop().await;
/// # let _ = address;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Its clock is the system's or the test's, in which two days pass at once:
///
/// ```
/// # #[cfg(feature = "broker")]
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use shadow_service::{
///     UnixTime,
///     local::{Clock, Options, Server},
///     shadow_proto::{Operation, ShadowId},
/// };
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering::Relaxed}};
///
/// let time = Arc::new(AtomicU64::new(1_767_225_600));
/// let now = Arc::clone(&time);
/// let mut options = Options::on_free_ports();
/// options.clock = Clock::new(move || UnixTime::from_seconds(now.load(Relaxed)));
/// let server = Server::start(options).await?;
///
/// // Requests need no connection.
/// let (service, lamp) = (server.engine(), ShadowId::classic("lamp")?);
/// let update = br#"{"state":{"reported":{"on":true}}}"#;
/// let answer = service.call(&lamp, Operation::Update, update).await?;
/// assert!(answer.body.contains(r#""timestamp":1767225600"#));
/// service.call(&lamp, Operation::Delete, b"").await?;
///
/// // After 48 hours, the versions of a deleted shadow begin anew.
/// time.fetch_add(48 * 60 * 60, Relaxed);
/// assert_eq!(service.call(&lamp, Operation::Update, update).await?.version, 1);
/// server.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    engine: Engine,
    /// Dropped before the connection it uses.
    #[cfg(feature = "client")]
    republishing: Option<tokio::task::JoinSet<()>>,
    mqtt: Mqtt,
    #[cfg(feature = "http")]
    http: Option<HttpServer>,
    #[cfg(all(feature = "http", feature = "tls"))]
    https: Option<HttpServer>,
}

impl Server {
    /// Starts what `options` ask for. When this returns, everything listens and the service
    /// answers. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] if an address or a connection cannot be had; nothing keeps running then.
    pub async fn start(mut options: Options) -> Result<Self, StartError> {
        let store = options.store.take();
        let store = store.unwrap_or_else(|| Box::new(MemoryStore::new()));
        let settings = core::mem::take(&mut options.settings);
        let service = Service::with_store(settings, store);
        let engine = EngineOptions {
            clock: options.clock.clone(),
            observer: options.observer.take(),
            in_flight: options.in_flight,
            faults: core::mem::take(&mut options.faults),
            fault_seed: options.fault_seed,
        };
        let (engine, messages) = Engine::new(service, engine);
        #[cfg(feature = "http")]
        let listen = options.http;
        #[cfg(all(feature = "http", feature = "tls"))]
        let secure = options.https.take();
        #[cfg(feature = "client")]
        let rules = core::mem::take(&mut options.republish);
        let mqtt = Mqtt::start(options, engine.clone(), messages).await?;
        #[cfg(feature = "client")]
        let republishing = mqtt.republish(rules).await?;
        #[cfg(feature = "http")]
        let http = match listen {
            Some(listen) => Some(HttpServer::start(engine.clone(), listen).await?),
            None => None,
        };
        #[cfg(all(feature = "http", feature = "tls"))]
        let https = match secure {
            Some((listen, files)) => {
                Some(HttpServer::start_tls(engine.clone(), listen, &files).await?)
            }
            None => None,
        };
        tracing::info!(name: "service.started", "serving");
        Ok(Self {
            engine,
            #[cfg(feature = "client")]
            republishing,
            mqtt,
            #[cfg(feature = "http")]
            http,
            #[cfg(all(feature = "http", feature = "tls"))]
            https,
        })
    }

    /// Where MQTT clients connect over plain TCP, if there is an embedded broker that listens so.
    #[cfg(feature = "broker")]
    #[must_use]
    pub fn mqtt_address(&self) -> Option<SocketAddr> {
        self.mqtt_addresses().plain
    }

    /// Where MQTT clients connect, if there is an embedded broker.
    #[cfg(feature = "broker")]
    #[must_use]
    pub fn mqtt_addresses(&self) -> Addresses {
        match &self.mqtt {
            Mqtt::Embedded(broker) => broker.addresses(),
            #[cfg(feature = "client")]
            Mqtt::Attached(_) => Addresses::default(),
            Mqtt::None(_) => Addresses::default(),
        }
    }

    /// Where the REST data plane listens, if it does.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(HttpServer::address)
    }

    /// Where the REST data plane listens for TLS, if it does.
    #[cfg(all(feature = "http", feature = "tls"))]
    #[must_use]
    pub fn https_address(&self) -> Option<SocketAddr> {
        self.https.as_ref().map(HttpServer::address)
    }

    /// The service inside, for tests that look at documents or make requests themselves.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Waits until the service no longer answers over MQTT and never will: because the broker
    /// it is attached to says so, otherwise never.
    #[cfg(feature = "client")]
    pub async fn ended(&self) -> Ended {
        match &self.mqtt {
            Mqtt::Attached(attached) => attached.ended().await,
            #[cfg(feature = "broker")]
            Mqtt::Embedded(_) => core::future::pending().await,
            Mqtt::None(_) => core::future::pending().await,
        }
    }

    /// Answers what has begun, then closes every connection and address.
    pub async fn stop(self) {
        #[cfg(feature = "http")]
        if let Some(http) = self.http {
            http.stop().await;
        }
        #[cfg(all(feature = "http", feature = "tls"))]
        if let Some(https) = self.https {
            https.stop().await;
        }
        #[cfg(feature = "client")]
        drop(self.republishing);
        match self.mqtt {
            #[cfg(feature = "broker")]
            Mqtt::Embedded(broker) => broker.stop().await,
            #[cfg(feature = "client")]
            Mqtt::Attached(attached) => attached.stop().await,
            Mqtt::None(discard) => drop(discard),
        }
        tracing::info!(name: "service.stopped", "stopped");
    }
}

/// Where requests come from over MQTT, and where messages go.
#[derive(Debug)]
enum Mqtt {
    #[cfg(feature = "broker")]
    Embedded(Box<Broker>),
    #[cfg(feature = "client")]
    Attached(Attached),
    /// Nobody hears the messages.
    None(Discard),
}

impl Mqtt {
    async fn start(
        options: Options,
        engine: Engine,
        mut messages: mpsc::Receiver<Batch>,
    ) -> Result<Self, StartError> {
        #[cfg(feature = "client")]
        if let Some(mqtt) = options.mqtt {
            let (connection, serving) = (options.connection, options.serving);
            let attached = Attached::start(mqtt, engine, messages, connection, serving);
            return Ok(Self::Attached(attached.await?));
        }
        #[cfg(feature = "broker")]
        if let Some(broker) = options.broker {
            let broker = Broker::start(&broker, engine, messages);
            return Ok(Self::Embedded(Box::new(broker.await?)));
        }
        drop((options, engine));
        Ok(Self::None(Discard(tokio::spawn(async move {
            while messages.recv().await.is_some() {}
        }))))
    }

    /// Follows `rules`: on the service's own connection, or on one to the embedded broker,
    /// whose tap does not see last wills.
    #[cfg(feature = "client")]
    async fn republish(
        &self,
        rules: Vec<Rule>,
    ) -> Result<Option<tokio::task::JoinSet<()>>, StartError> {
        if rules.is_empty() {
            return Ok(None);
        }
        let client = match self {
            #[cfg(feature = "broker")]
            Self::Embedded(broker) => {
                let mut options = broker.connect_options()?;
                options.unlimited();
                let client = transport_tokio::connect(options).await;
                client.map_err(AttachError::Connect)?
            }
            Self::Attached(attached) => attached.client().clone(),
            Self::None(_) => return Ok(None),
        };
        let following = republish::follow(&client, rules).await;
        Ok(Some(following.map_err(AttachError::Subscribe)?))
    }
}

#[derive(Debug)]
struct Discard(JoinHandle<()>);

impl Drop for Discard {
    fn drop(&mut self) {
        self.0.abort();
    }
}
